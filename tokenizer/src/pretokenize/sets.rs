//! Runs of a set of characters, the small patterns that files put in a row: `\p{N}{1,3}`, `[\r\n]`, `\s?\p{L}+`,
//! `[一-龥぀-ゟ゠-ヿ]+`, `\s+$` (DeepSeek LLM, Coder and V2, StarCoder, MiniCPM).

use super::classes::{LETTER, NUMBER, SPACE, class};
use super::scan::run;

/// A pattern that matches a run of characters and leaves the others out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetRun {
    set: Set,
    /// Most characters in a match.
    most: usize,
    /// `\s?` comes before.
    led: bool,
}

/// Characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Those of a class.
    Class(u8),
    /// Ranges, both ends within, by code point.
    Ranges { ascii: u128, others: Vec<(u32, u32)> },
}

impl Set {
    #[inline(always)]
    fn has(&self, text: &str, at: usize) -> Option<usize> {
        match self {
            Self::Class(wanted) => {
                class(text.as_bytes(), at).filter(|(class, _)| class & wanted != 0).map(|(_, bytes)| bytes)
            }
            Self::Ranges { ascii, others } => {
                let first = *text.as_bytes().get(at)?;
                if first < 0x80 {
                    return (ascii >> first & 1 != 0).then_some(1);
                }
                let char = text[at..].chars().next()?;
                let code = u32::from(char);
                let after = others.partition_point(|(from, _)| *from <= code);
                (after > 0 && code <= others[after - 1].1).then_some(char.len_utf8())
            }
        }
    }

    /// A class in brackets that holds characters and ranges and nothing else.
    fn bracketed(body: &str) -> Option<Self> {
        let mut chars = body.chars().peekable();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        if body.starts_with('^') || body.contains("&&") {
            return None;
        }
        let literal = |char: char, chars: &mut std::iter::Peekable<std::str::Chars>| match char {
            '[' | ']' => None,
            '\\' => match chars.next()? {
                'r' => Some('\r'),
                'n' => Some('\n'),
                't' => Some('\t'),
                sign if sign.is_ascii_punctuation() => Some(sign),
                _ => None,
            },
            char => Some(char),
        };
        while let Some(char) = chars.next() {
            // A bare `-` at the borders means itself in some engines.
            if char == '-' {
                return None;
            }
            let from = literal(char, &mut chars)?;
            let to = if chars.next_if_eq(&'-').is_some() {
                let char = chars.next()?;
                literal(char, &mut chars)?
            } else {
                from
            };
            if to < from {
                return None;
            }
            ranges.push((from.into(), to.into()));
        }
        ranges.sort_unstable();
        let mut ascii = 0;
        let mut others: Vec<(u32, u32)> = Vec::new();
        for (from, to) in ranges {
            (from..=to.min(0x7f)).for_each(|code| ascii |= 1 << code);
            match others.last_mut() {
                // Ranges may lie over one another.
                Some((_, last)) if from <= *last + 1 => *last = to.max(*last),
                _ if to >= 0x80 => others.push((from.max(0x80), to)),
                _ => {}
            }
        }
        (!body.is_empty()).then_some(Self::Ranges { ascii, others })
    }
}

impl SetRun {
    /// The pattern of this regular expression, if it is one of a set.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        let led = pattern.strip_prefix(r"\s?");
        let set = led.unwrap_or(pattern);
        let repeats: [(&str, usize); 4] = [("{1,3}", 3), ("{1,2}", 2), ("+", usize::MAX), ("", 1)];
        let (set, most) = repeats.into_iter().find_map(|(suffix, most)| Some((set.strip_suffix(suffix)?, most)))?;
        let set = match set {
            r"\p{L}" => Set::Class(LETTER),
            r"\p{N}" => Set::Class(NUMBER),
            r"\s" => Set::Class(SPACE),
            bracketed => Set::bracketed(bracketed.strip_prefix('[')?.strip_suffix(']')?)?,
        };
        Some(Self { set, most, led: led.is_some() })
    }

    /// Hands over matches and what they leave out, in order.
    pub(super) fn split<'t>(&self, text: &'t str, mut piece: impl FnMut(&'t str)) {
        let bytes = text.as_bytes();
        let mut left_out = 0;
        let mut at = 0;
        while let Some((own, own_bytes)) = class(bytes, at) {
            let mut end = at;
            if self.led && own & SPACE != 0 {
                end += own_bytes;
            }
            let mut count = 0;
            while count < self.most
                && let Some(bytes) = self.set.has(text, end)
            {
                end += bytes;
                count += 1;
            }
            if count == 0 && end > at {
                // White space with nothing behind it, which may be of the set itself.
                end = at + self.set.has(text, at).unwrap_or(0);
                count = usize::from(end > at);
            }
            if count == 0 {
                at += own_bytes;
                continue;
            }
            if left_out < at {
                piece(&text[left_out..at]);
            }
            piece(&text[at..end]);
            (at, left_out) = (end, end);
        }
        if left_out < text.len() {
            piece(&text[left_out..]);
        }
    }
}

/// `\s+$`, where `$` stands before every line feed as well: hands over matches and what they leave out, in order.
pub(super) fn blank_ends<'t>(text: &'t str, mut piece: impl FnMut(&'t str)) {
    let bytes = text.as_bytes();
    let mut left_out = 0;
    let mut at = 0;
    while let Some((own, own_bytes)) = class(bytes, at) {
        if own & SPACE == 0 {
            at += own_bytes;
            continue;
        }
        let run = run(bytes, at, |class| class & SPACE != 0);
        let match_end = if run == text.len() {
            Some(run)
        } else {
            bytes[at + 1..run].iter().rposition(|byte| *byte == b'\n').map(|place| at + 1 + place)
        };
        if let Some(end) = match_end {
            for (from, to) in [(left_out, at), (at, end)] {
                if from < to {
                    piece(&text[from..to]);
                }
            }
            left_out = end;
        }
        // From the last line feed of a run on, nothing of it is before another.
        at = run;
    }
    if left_out < text.len() {
        piece(&text[left_out..]);
    }
}
