//! DeepSeek-V3's three patterns, one after the other (also R1, Hunyuan): `\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`, and a long one
//! for what lies between. All in one walk: digits and the border of Chinese and Japanese are an end of the text to the
//! third pattern.

use super::classes::{LETTER, MARK, NUMBER, SIGN, SPACE, class};
use super::scan::{Blank, ascii_letters, newlines, numbers};

/// The pieces of a text, by places of their ends in order.
#[inline(always)]
pub(super) fn pieces(text: &[u8], mut end: impl FnMut(usize)) {
    let mut at = 0;
    while let Some((own, _)) = class(text, at) {
        if own & NUMBER != 0 {
            at = numbers(text, at, 3);
            end(at);
        } else if is_cjk(text, at) {
            at = span::<true>(text, at, &mut end);
        } else {
            at = span::<false>(text, at, &mut end);
        }
    }
}

/// U+4E00 to U+9FA5, U+3040 to U+30FF.
#[inline(always)]
fn is_cjk(text: &[u8], at: usize) -> bool {
    match text.get(at..).and_then(<[u8]>::first_chunk) {
        Some([0xe5..=0xe8, _, _] | [0xe4, 0xb8..=0xff, _] | [0xe3, 0x81..=0x83, _]) => true,
        Some([0xe9, second, third]) => (*second, *third) <= (0xbe, 0xa5),
        _ => false,
    }
}

/// Cuts a span of Chinese and Japanese, or one without them and without digits, by the third pattern; gives its end.
#[inline(always)]
fn span<const CJK: bool>(text: &[u8], mut at: usize, end: &mut impl FnMut(usize)) -> usize {
    let class =
        |place: usize| class(text, place).filter(|(class, _)| class & NUMBER == 0 && (CJK == is_cjk(text, place)));
    // What the pattern leaves out is a piece as well.
    let mut left_out = false;
    while let Some((own, bytes)) = class(at) {
        let matched = long::<CJK>(text, at, own, bytes, class);
        if left_out && matched.is_some() {
            end(at);
        }
        left_out = matched.is_none();
        at = matched.unwrap_or(at + bytes);
        if !left_out {
            end(at);
        }
    }
    if left_out {
        end(at);
    }
    at
}

/// Where the third pattern's match ends that starts at `at`:
/// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|``
/// `\s*[\r\n]+|\s+(?!\S)|\s+`.
#[inline(always)]
fn long<const CJK: bool>(
    text: &[u8],
    at: usize,
    own: u8,
    bytes: usize,
    class: impl Fn(usize) -> Option<(u8, usize)>,
) -> Option<usize> {
    const WORD: u8 = LETTER | MARK;
    // Line breaks are of the other kind of span.
    let signs = |end: usize| if CJK { end } else { newlines(text, end, false) };
    let first = text[at];
    let after = at + bytes;
    let run = |mut at: usize, classes: u8| {
        loop {
            if CJK && classes == WORD {
                // Of the span's characters only kana are asked for one by one.
                while matches!(text.get(at), Some(0xe4..=0xe9)) && is_cjk(text, at) {
                    at += 3;
                }
            } else if classes == WORD {
                at = ascii_letters(text, at);
            }
            match class(at) {
                Some((class, bytes)) if class & classes != 0 => at += bytes,
                _ => return at,
            }
        }
    };
    if own & WORD != 0 {
        return Some(run(after, WORD));
    }
    if first.is_ascii_punctuation() {
        let letters = ascii_letters(text, after);
        if letters > after {
            return Some(letters);
        }
    }
    if own & SIGN == 0 {
        let (next, bytes) = class(after).unwrap_or_default();
        if next & WORD != 0 && !matches!(first, b'\r' | b'\n') {
            return Some(run(after + bytes, WORD));
        }
        if next & SIGN != 0 && first == b' ' {
            return Some(signs(run(after + bytes, SIGN)));
        }
    } else {
        return Some(signs(run(after, SIGN)));
    }
    (own & SPACE != 0).then(|| {
        let blank = Blank::new(text, at, &class);
        blank.by_lines(at, class(blank.end).is_none())
    })
}
