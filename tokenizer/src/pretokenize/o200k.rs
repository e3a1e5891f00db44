//! GPT-4o's pattern (`o200k_base`), also of gpt-oss, Llama 4, MiniMax and, without contractions, Mistral's Tekken.
//!
//! A word is small letters after great ones: `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`, or great
//! ones alone, with any other character before it and a contraction after it.

use super::classes::{CASELESS, LETTER, LOWER, MARK, NUMBER, SPACE, UPPER, class};
use super::scan::{Blank, Contractions, ascii_lower, common_han, newlines, numbers, run};

/// What the patterns of this kind differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct O200k {
    pub contractions: Contractions,
    /// Most digits in a piece.
    pub digits: usize,
}

/// Letters without case and marks stand for great and for small letters.
const BOTH: u8 = CASELESS | MARK;

impl O200k {
    /// Where the piece ends that starts at `at`, before the end of the text.
    #[inline(always)]
    pub(super) fn piece(self, text: &[u8], at: usize) -> usize {
        let first = text[at];
        let Some((own, bytes)) = class(text, at) else {
            return text.len();
        };
        let after = at + bytes;
        if own & NUMBER != 0 {
            return numbers(text, after, self.digits - 1);
        }
        if own & LETTER != 0 {
            // Great letters alone are what is left.
            let end = word(text, at).unwrap_or_else(|great| great);
            return self.contractions.end(text, end).unwrap_or(end);
        }
        if !matches!(first, b'\r' | b'\n') {
            // The first alternative with the character before the word, then without it, then the second.
            let led = word(text, after);
            let end = match led {
                Ok(end) => Some(end),
                Err(_) if own & MARK != 0 => word(text, at).ok(),
                Err(great) => (great > after).then_some(great),
            };
            if let Some(end) = end {
                return self.contractions.end(text, end).unwrap_or(end);
            }
        }
        let known = LETTER | NUMBER | SPACE;
        let signs_from = if own & SPACE == 0 {
            after
        } else {
            match class(text, after) {
                Some((class, bytes)) if first == b' ' && class & known == 0 => after + bytes,
                _ => {
                    let blank = Blank::new(text, at, |place| class(text, place));
                    return blank.by_lines(at, blank.end == text.len());
                }
            }
        };
        newlines(text, run(text, signs_from, |class| class & known == 0), true)
    }
}

/// Where the word ends that starts at `at` and has a small letter, or one that stands for it; else where its great
/// letters end.
#[inline(always)]
fn word(text: &[u8], mut at: usize) -> Result<usize, usize> {
    let mut after_both = None;
    loop {
        match class(text, at) {
            Some((class, _)) if class & LOWER != 0 => return Ok(small(text, at)),
            Some((class, bytes)) if class & BOTH != 0 => {
                at = common_han(text, at + bytes);
                after_both = Some(at);
            }
            Some((class, bytes)) if class & UPPER != 0 => at += bytes,
            _ => return after_both.ok_or(at),
        }
    }
}

/// Where the small letters end.
#[inline(always)]
fn small(text: &[u8], mut at: usize) -> usize {
    loop {
        at = ascii_lower(text, at);
        match text.get(at) {
            Some(0x80..) => at = common_han(text, at),
            _ => return at,
        }
        match class(text, at) {
            Some((class, bytes)) if class & (LOWER | BOTH) != 0 => at += bytes,
            _ => return at,
        }
    }
}
