//! Words of scripts that put spaces between them, cut as spaCy's English tokenizer cuts them.
//!
//! Source: behaviour of `spacy.blank("en")`, spaCy 3.8 (what datatrove counts words with): a text is split
//! at white space; from each run of other characters, prefixes and suffixes are cut off while there are any;
//! what is left is an exception, an address, or is cut at infixes. The rules are matched by hand, in one
//! walk over the bytes; runs of ASCII letters, which no rule cuts, take a short way.

use std::ops::Range;
use std::sync::LazyLock;

use super::Span;
use super::classes::{ALPHA, BEFORE_STOP, Classes, ICON, LOWER, PREFIX, QUOTE, SPACE, SUFFIX, UNSPACED, UPPER, decode};
use super::exceptions::Exceptions;
use super::url::is_url;

/// The rules and their tables.
pub(super) struct English {
    classes: &'static Classes,
    exceptions: Exceptions,
    units: Vec<&'static str>,
}

/// What one run of characters was cut into; kept to reuse its memory.
#[derive(Default)]
struct Scratch {
    tokens: Vec<Span>,
    suffixes: Vec<Range<usize>>,
    matches: Vec<Range<usize>>,
}

const CURRENCY: &str = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿";

impl English {
    /// The tables, built on first use.
    pub(super) fn get() -> &'static Self {
        static ENGLISH: LazyLock<English> =
            LazyLock::new(|| English::read(include_str!("../../data/english_exceptions.txt")));
        &ENGLISH
    }

    fn read(data: &'static str) -> Self {
        let (exceptions, units) = data.split_once("\n\n").expect("exceptions, an empty line, units");
        let mut english = Self {
            classes: Classes::get(),
            exceptions: Exceptions::read(std::iter::empty()),
            units: units.lines().collect(),
        };
        // The rules alone first: with no exceptions known, cutting an exception shows its pattern.
        let mut known = Exceptions::read(exceptions.lines());
        for text in known.texts() {
            let whole = 0..text.len();
            let cut_by_rules = english.prefix(text, whole.clone()) > 0
                || english.suffix(text, whole.clone()) > 0
                || english.next_infix(text, whole.clone(), 0).is_some();
            if cut_by_rules {
                let mut scratch = Scratch::default();
                english.cut_run(text, whole, &mut scratch);
                known.set_pattern(text, scratch.tokens.iter().map(|token| (token.end - token.start) as u8).collect());
            }
        }
        english.exceptions = known;
        english
    }

    /// Appends the words of `text[range]`. Runs of scripts without spaces are handed to `unspaced`.
    pub(super) fn cut(
        &self,
        text: &str,
        range: Range<usize>,
        words: &mut Vec<Span>,
        mut unspaced: impl FnMut(Range<usize>, &mut Vec<Span>),
    ) {
        let (bytes, end) = (text.as_bytes(), range.end);
        let mut scratch = Scratch::default();
        let mut at = range.start;
        while at < end {
            let start = at;
            while at < end && bytes[at].is_ascii_alphabetic() {
                at += 1;
            }
            if at > start && (at == end || matches!(bytes[at], b' ' | b'\n')) {
                self.push_letters(bytes, start..at, words);
                at += 1;
                continue;
            }
            if at > start
                && matches!(bytes[at], b',' | b'.' | b';' | b':' | b'!' | b'?' | b')')
                && (at + 1 == end || matches!(bytes[at + 1], b' ' | b'\n'))
                && (bytes[at] != b'.' || bytes[at - 1].is_ascii_lowercase())
                && self.exceptions.get(&bytes[start..=at]).is_none()
                && self.exceptions.get(&bytes[start..at]).is_none()
            {
                // A word and one mark that is cut off it.
                words.push(Span::new(start..at));
                words.push(Span::new(at..at + 1));
                at += 2;
                continue;
            }
            let mut all = 0;
            while at < end {
                let (bits, length) = self.class_at(text, at);
                if bits & SPACE != 0 {
                    break;
                }
                all |= bits;
                at += length;
            }
            if at > start {
                if all & UNSPACED == 0 {
                    self.cut_run(text, start..at, &mut scratch);
                    words.append(&mut scratch.tokens);
                } else {
                    self.cut_mixed(text, start..at, &mut scratch, words, &mut unspaced);
                }
            }
            if at < end {
                at += self.class_at(text, at).1;
            }
        }
    }

    /// As [`Self::cut`], with nothing special about scripts without spaces: what spaCy does.
    pub(super) fn cut_strictly(&self, text: &str, words: &mut Vec<Span>) {
        let mut scratch = Scratch::default();
        let mut start = 0;
        for (at, character) in text.char_indices() {
            if self.classes.of(character) & SPACE != 0 {
                if start < at {
                    self.cut_run(text, start..at, &mut scratch);
                    words.append(&mut scratch.tokens);
                }
                start = at + character.len_utf8();
            }
        }
        if start < text.len() {
            self.cut_run(text, start..text.len(), &mut scratch);
            words.append(&mut scratch.tokens);
        }
    }

    #[inline]
    fn class_at(&self, text: &str, at: usize) -> (u16, usize) {
        let byte = text.as_bytes()[at];
        if byte < 0x80 {
            return (self.classes.of_ascii(byte), 1);
        }
        let (character, length) = decode(text, at);
        (self.classes.of(character), length)
    }

    #[inline]
    fn push_letters(&self, bytes: &[u8], range: Range<usize>, words: &mut Vec<Span>) {
        match self.exceptions.get(&bytes[range.clone()]) {
            None => words.push(Span::new(range)),
            Some(exception) => push_pieces(&exception.pieces, range.start, words),
        }
    }

    /// A run without white space in which some characters are of scripts without spaces.
    fn cut_mixed(
        &self,
        text: &str,
        range: Range<usize>,
        scratch: &mut Scratch,
        words: &mut Vec<Span>,
        unspaced: &mut impl FnMut(Range<usize>, &mut Vec<Span>),
    ) {
        let mut at = range.start;
        while at < range.end {
            let start = at;
            let kind = self.class_at(text, at).0 & UNSPACED;
            while at < range.end {
                let (bits, length) = self.class_at(text, at);
                if bits & UNSPACED != kind {
                    break;
                }
                at += length;
            }
            if kind == 0 {
                self.cut_run(text, start..at, scratch);
                words.append(&mut scratch.tokens);
            } else {
                unspaced(start..at, words);
            }
        }
    }

    /// Cuts one run without white space into `scratch.tokens`.
    fn cut_run(&self, text: &str, range: Range<usize>, scratch: &mut Scratch) {
        let bytes = text.as_bytes();
        let Scratch { tokens, suffixes, .. } = scratch;
        tokens.clear();
        suffixes.clear();
        let Range { mut start, mut end } = range;
        let mut last_length = 0;
        while start < end && end - start != last_length {
            if self.exceptions.get(&bytes[start..end]).is_some() {
                break;
            }
            last_length = end - start;
            let prefix = self.prefix(text, start..end);
            if prefix > 0 && self.exceptions.get(&bytes[start + prefix..end]).is_some() {
                tokens.push(Span::new(start..start + prefix));
                start += prefix;
                break;
            }
            let suffix = self.suffix(text, start + prefix..end);
            if suffix > 0 && self.exceptions.get(&bytes[start..end - suffix]).is_some() {
                suffixes.push(end - suffix..end);
                end -= suffix;
                break;
            }
            if prefix > 0 {
                tokens.push(Span::new(start..start + prefix));
                start += prefix;
            }
            if suffix > 0 {
                suffixes.push(end - suffix..end);
                end -= suffix;
            }
        }
        if start < end {
            self.cut_middle(text, start..end, tokens);
        }
        tokens.extend(suffixes.drain(..).rev().map(Span::new));
        if tokens.len() > 1 {
            self.join_exceptions(bytes, scratch);
        }
    }

    /// What is left when prefixes and suffixes are gone.
    fn cut_middle(&self, text: &str, range: Range<usize>, tokens: &mut Vec<Span>) {
        let middle = &text[range.clone()];
        if let Some(exception) = self.exceptions.get(middle.as_bytes()) {
            return push_pieces(&exception.pieces, range.start, tokens);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'\'';
        if middle.bytes().all(plain) || is_url(self.classes, middle) {
            return tokens.push(Span::new(range));
        }
        let (mut start, mut at) = (range.start, range.start);
        while let Some(infix) = self.next_infix(text, range.clone(), at) {
            at = infix.end;
            // An infix at the very front stays with what follows.
            if infix.start == range.start {
                continue;
            }
            if start < infix.start {
                tokens.push(Span::new(start..infix.start));
            }
            tokens.push(Span::new(infix.clone()));
            start = infix.end;
        }
        if start < range.end {
            tokens.push(Span::new(start..range.end));
        }
    }

    /// Length in bytes of the prefix to cut off, 0 if there is none.
    fn prefix(&self, text: &str, range: Range<usize>) -> usize {
        let bytes = &text.as_bytes()[range.clone()];
        match bytes {
            [] => 0,
            [b'.', ..] => stops(bytes.iter()),
            [b'+', next, ..] if next.is_ascii_digit() => 0,
            [b'U', b'S', b'$', ..] => 3,
            [b'C' | b'A', b'$', ..] => 2,
            _ => {
                let (bits, length) = self.class_at(text, range.start);
                if bits & PREFIX != 0 { length } else { 0 }
            }
        }
    }

    /// Length in bytes of the suffix to cut off, 0 if there is none: the longest that any rule finds.
    fn suffix(&self, text: &str, range: Range<usize>) -> usize {
        let (run, bytes) = (&text[range.clone()], &text.as_bytes()[range]);
        let Some(last) = run.chars().next_back() else { return 0 };
        if last.is_ascii_alphabetic() {
            let possessive = ["'s", "'S", "’s", "’S"].iter().find(|suffix| run.ends_with(**suffix));
            return possessive.map_or_else(|| self.unit(run), |suffix| suffix.len());
        }
        match last {
            '.' => match stops(bytes.iter().rev()) {
                0 if self.loses_its_stop(run) => 1,
                stops => stops,
            },
            '…' if run.ends_with("……") => 6,
            '+' => usize::from(bytes.len() > 1 && bytes[bytes.len() - 2].is_ascii_digit()),
            _ if self.classes.of(last) & SUFFIX != 0 => last.len_utf8().max(self.unit(run)),
            _ => self.unit(run).max(currency(run)),
        }
    }

    /// Whether a single full stop at the end is not part of the word before it.
    fn loses_its_stop(&self, run: &str) -> bool {
        let mut before = run[..run.len() - 1].chars().rev();
        let Some(previous) = before.next() else { return false };
        let bits = self.classes.of(previous);
        let earlier = before.next();
        bits & BEFORE_STOP != 0
            || (matches!(previous, 'F' | 'f' | 'C' | 'c' | 'K' | 'k') && earlier == Some('°'))
            || (bits & UPPER != 0 && earlier.is_some_and(|earlier| self.classes.of(earlier) & UPPER != 0))
    }

    /// Length of the longest unit that ends the run right after a digit.
    fn unit(&self, run: &str) -> usize {
        let has_digit = run.bytes().rev().take(16).any(|byte| byte.is_ascii_digit());
        if !has_digit {
            return 0;
        }
        let after_digit = |unit: &&&str| {
            run.strip_suffix(**unit).is_some_and(|number| number.ends_with(|last: char| last.is_ascii_digit()))
        };
        self.units.iter().filter(after_digit).map(|unit| unit.len()).max().unwrap_or(0)
    }

    /// The first infix of `text[range]` at or after byte `from`.
    fn next_infix(&self, text: &str, range: Range<usize>, from: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let mut at = from;
        let class = |at: usize| if at < range.end { self.class_at(text, at).0 } else { 0 };
        let digit = |at: usize| at < range.end && bytes[at].is_ascii_digit();
        while at < range.end {
            let byte = bytes[at];
            if byte.is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let (bits, length) = self.class_at(text, at);
            let next = at + length;
            if byte == b'.' {
                let run = stops(bytes[at..range.end].iter());
                if run > 0 {
                    return Some(at..at + run);
                }
            }
            if bits & ICON != 0 || text[at..next] == *"…" {
                return Some(at..next);
            }
            if at > range.start {
                let previous = text[range.start..at].chars().next_back().map_or(0, |before| self.classes.of(before));
                let after_digit = bytes[at - 1].is_ascii_digit();
                let after_word = after_digit || previous & ALPHA != 0;
                let found = match byte {
                    b'+' | b'-' | b'*' | b'^'
                        if after_digit && (digit(next) || (next < range.end && bytes[next] == b'-')) =>
                    {
                        true
                    }
                    b'.' => previous & (LOWER | QUOTE) != 0 && class(next) & (UPPER | QUOTE) != 0,
                    b',' => previous & ALPHA != 0 && class(next) & ALPHA != 0,
                    b':' | b'<' | b'>' | b'=' | b'/' | b'~' => after_word && class(next) & ALPHA != 0,
                    _ => false,
                };
                if found {
                    return Some(at..next);
                }
                if after_word && matches!(text[at..next].chars().next(), Some('-' | '–' | '—')) {
                    let dashes = ["---", "--", "——", "-", "–", "—"].into_iter();
                    let fits =
                        |dash: &&str| text[at..range.end].starts_with(*dash) && class(at + dash.len()) & ALPHA != 0;
                    if let Some(dash) = dashes.into_iter().find(fits) {
                        return Some(at..at + dash.len());
                    }
                }
            }
            at = next;
        }
        None
    }

    /// Finds the tokens that together are an exception and cuts them as the exception says.
    fn join_exceptions(&self, bytes: &[u8], scratch: &mut Scratch) {
        let Scratch { tokens, matches, .. } = scratch;
        matches.clear();
        for first in 0..tokens.len() {
            for last in first..tokens.len() {
                let span = tokens[first].start as usize..tokens[last].end as usize;
                if span.len() > self.exceptions.longest() {
                    break;
                }
                let pattern = self.exceptions.get(&bytes[span]).and_then(|exception| exception.pattern.as_deref());
                if pattern.is_some_and(|pattern| {
                    let lengths = tokens[first..=last].iter().map(|token| token.end - token.start);
                    lengths.eq(pattern.iter().map(|&length| u32::from(length)))
                }) {
                    matches.push(first..last + 1);
                }
            }
        }
        if matches.is_empty() {
            return;
        }
        // The longest first, of equals the first; what touches a token already looked at is passed over.
        matches.sort_by_key(|found| (std::cmp::Reverse(found.len()), found.start));
        let mut seen = vec![false; tokens.len()];
        matches.retain(|found| {
            let free = !seen[found.start] && !seen[found.end - 1];
            seen[found.clone()].fill(true);
            free
        });
        matches.sort_by_key(|found| found.start);
        let whole = std::mem::take(tokens);
        let mut next = 0;
        for found in matches.iter() {
            tokens.extend_from_slice(&whole[next..found.start]);
            let (start, end) = (whole[found.start].start as usize, whole[found.end - 1].end as usize);
            let exception = self.exceptions.get(&bytes[start..end]).expect("it was found above");
            push_pieces(&exception.pieces, start, tokens);
            next = found.end;
        }
        tokens.extend_from_slice(&whole[next..]);
    }
}

fn push_pieces(pieces: &[u8], mut start: usize, words: &mut Vec<Span>) {
    for &piece in pieces {
        words.push(Span::new(start..start + usize::from(piece)));
        start += usize::from(piece);
    }
}

/// How many full stops come first, if there are at least two; else 0.
fn stops<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    match bytes.take_while(|&&byte| byte == b'.').count() {
        1 => 0,
        count => count,
    }
}

/// Length of a currency sign that ends the run right after a digit.
fn currency(run: &str) -> usize {
    let Some(sign) = run.chars().next_back().filter(|&last| CURRENCY.contains(last)) else { return 0 };
    let after_digit = |length: usize| run[..run.len() - length].ends_with(|last: char| last.is_ascii_digit());
    let long = ["US$", "C$", "A$"].into_iter().find(|long| run.ends_with(long) && after_digit(long.len()));
    match long {
        Some(long) => long.len(),
        None if after_digit(sign.len_utf8()) => sign.len_utf8(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut spans = Vec::new();
        English::get().cut_strictly(text, &mut spans);
        spans.iter().map(|span| &text[span.range()]).collect()
    }

    /// What `spacy.blank("en")` of spaCy 3.8 makes of these; all of them are cut at the spaces shown here.
    #[test]
    fn words_are_cut_as_spacy_cuts_them() {
        for cut in include_str!("../../../tests/fixtures/gopher/english_words.txt").lines() {
            let (text, expected) = cut.split_once('\t').expect("a text and its words");
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
    }
}
