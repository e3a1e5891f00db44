//! Runs of characters, most of them a machine word or a Han character at a time.
//!
//! All take and give places in bytes; a text is a `str`, seen as bytes, and every place is between characters.

use super::classes::{LETTER, NUMBER, SPACE, class, is_common_han};

const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The upper bit of every byte from `'a'` to `'z'`.
#[inline(always)]
fn lower(word: u64) -> u64 {
    let low = word & all(0x7f);
    // Bytes of seven bits: no sum carries into the next.
    (low + all(0x80 - b'a')) & !(low + all(0x7f - b'z')) & !word & all(0x80)
}

#[inline(always)]
fn either_case(word: u64) -> u64 {
    lower(word | all(0x20))
}

/// Where the run ends of the ASCII bytes that `wanted` marks, a word of eight at a time.
#[inline(always)]
fn ascii(text: &[u8], mut at: usize, wanted: impl Fn(u64) -> u64) -> usize {
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let others = wanted(u64::from_le_bytes(*word)) ^ all(0x80);
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // The last bytes of the text, as a word with nothing behind them.
    let rest = text.get(at..).unwrap_or_default();
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    at + (wanted(u64::from_le_bytes(word)) ^ all(0x80)).trailing_zeros() as usize / 8
}

/// Where the run of ASCII letters ends.
#[inline(always)]
pub(super) fn ascii_letters(text: &[u8], at: usize) -> usize {
    ascii(text, at, either_case)
}

/// Where the run of ASCII letters ends that are small.
#[inline(always)]
pub(super) fn ascii_lower(text: &[u8], at: usize) -> usize {
    ascii(text, at, lower)
}

/// Where the run of Han characters of U+4E00 to U+9FFF ends.
#[inline(always)]
pub(super) fn common_han(text: &[u8], mut at: usize) -> usize {
    while let Some([first, second, _]) = text.get(at..).and_then(<[u8]>::first_chunk) {
        if !is_common_han(*first, *second) {
            break;
        }
        at += 3;
    }
    at
}

/// Where the run of characters of the wanted classes ends.
#[inline(always)]
pub(super) fn run(text: &[u8], mut at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    while let Some((class, bytes)) = class(text, at) {
        if !wanted(class) {
            break;
        }
        at += bytes;
    }
    at
}

/// Where the run of letters and other characters of `classes` ends; ASCII holds no other.
#[inline(always)]
pub(super) fn letters(text: &[u8], mut at: usize, classes: u8) -> usize {
    debug_assert!(classes & LETTER == LETTER, "all letters are letters");
    loop {
        at = ascii_letters(text, at);
        match text.get(at) {
            Some(0x80..) => at = common_han(text, at),
            _ => return at,
        }
        match class(text, at) {
            Some((class, bytes)) if class & classes != 0 => at += bytes,
            _ => return at,
        }
    }
}

/// Where the run of numbers ends, of `most` characters at most.
#[inline(always)]
pub(super) fn numbers(text: &[u8], mut at: usize, most: usize) -> usize {
    for _ in 0..most {
        match class(text, at) {
            Some((class, bytes)) if class & NUMBER != 0 => at += bytes,
            _ => break,
        }
    }
    at
}

/// Where the run of carriage returns, line feeds and, if wanted, slashes ends.
#[inline(always)]
pub(super) fn newlines(text: &[u8], mut at: usize, slash: bool) -> usize {
    while let Some(byte) = text.get(at) {
        if !(matches!(byte, b'\r' | b'\n') || slash && *byte == b'/') {
            break;
        }
        at += 1;
    }
    at
}

/// A run of white space, at least a character.
pub(super) struct Blank {
    /// Where it ends.
    pub end: usize,
    /// Where its last character starts.
    pub last: usize,
    /// After its last line break.
    pub after_newline: Option<usize>,
}

impl Blank {
    /// The run from `at`, where `class` says of each character what it is.
    #[inline(always)]
    pub(super) fn new(text: &[u8], at: usize, class: impl Fn(usize) -> Option<(u8, usize)>) -> Self {
        let mut blank = Self { end: at, last: at, after_newline: None };
        while let Some((class, bytes)) = class(blank.end)
            && class & SPACE != 0
        {
            blank.last = blank.end;
            blank.end += bytes;
            if matches!(text[blank.last], b'\r' | b'\n') {
                blank.after_newline = Some(blank.end);
            }
        }
        blank
    }

    /// `\s+(?!\S)|\s+`: the last character is left for the word after it; `at` is where the run starts.
    #[inline(always)]
    pub(super) fn but_the_last(&self, at: usize, at_end: bool) -> usize {
        if at_end || self.last == at { self.end } else { self.last }
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`.
    #[inline(always)]
    pub(super) fn by_lines(&self, at: usize, at_end: bool) -> usize {
        self.after_newline.unwrap_or_else(|| self.but_the_last(at, at_end))
    }
}

/// How a pattern knows an English contraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contractions {
    /// It knows none.
    None,
    /// `'s|'t|'re|'ve|'m|'ll|'d`.
    Lower,
    /// Both cases of ASCII.
    Ascii,
    /// `(?i:…)`: with `ſ`, of which `S` is the upper case.
    Folded,
}

impl Contractions {
    /// Where a contraction ends that starts at `at` with its apostrophe.
    #[inline(always)]
    pub(super) fn end(self, text: &[u8], at: usize) -> Option<usize> {
        if text.get(at) != Some(&b'\'') || self == Self::None {
            return None;
        }
        let byte = |place: usize| {
            text.get(at + place).map(|byte| if self == Self::Lower { *byte } else { byte.to_ascii_lowercase() })
        };
        let bytes = match (byte(1)?, byte(2)) {
            (b's' | b't' | b'm' | b'd', _) => 2,
            (b'l', Some(b'l')) | (b'v' | b'r', Some(b'e')) => 3,
            (0xc5, Some(0xbf)) if self == Self::Folded => 3,
            _ => return None,
        };
        Some(at + bytes)
    }
}
