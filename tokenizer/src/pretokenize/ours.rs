//! Our own pattern, which `tokenizer.json` carries as a regular expression.

use super::Digits;
use super::classes::{HAN, LETTER, MARK, NUMBER, SPACE, class};
use super::scan::{Blank, Contractions, ascii_letters, common_han, newlines, run};

/// Letters and marks, but Han.
const WORD: &str = r"(?:[^\P{L}\p{Han}]|[^\P{M}\p{Han}])";
/// Digits and other numbers, but Han.
const NUMBERS: &str = r"[^\P{N}\p{Han}]";

/// The pattern of the pieces, for any engine with `\p{…}` and look-ahead.
pub fn pattern(digits: Digits) -> String {
    let run = match digits {
        Digits::Split => "",
        Digits::Groups => "{1,3}",
        Digits::Keep => "+",
    };
    [
        &format!(r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])(?!{WORD})"),
        r"\p{Han}+",
        &format!(r"[\t -/:-@\[-`{{-~]?{WORD}+"),
        &format!("{NUMBERS}{run}"),
        r" ?[^\s\p{L}\p{M}\p{N}\p{Han}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
    .join("|")
}

fn is_word(class: u8) -> bool {
    class & (LETTER | MARK) != 0 && class & HAN == 0
}

fn is_number(class: u8) -> bool {
    class & NUMBER != 0 && class & HAN == 0
}

/// Where the run of letters and marks that are not Han ends.
#[inline(always)]
fn word(text: &[u8], mut at: usize) -> usize {
    loop {
        at = ascii_letters(text, at);
        if text.get(at).is_none_or(u8::is_ascii) {
            return at;
        }
        match class(text, at) {
            Some((class, bytes)) if is_word(class) => at += bytes,
            _ => return at,
        }
    }
}

/// Where the run of Han characters ends.
#[inline(always)]
fn han(text: &[u8], mut at: usize) -> usize {
    loop {
        at = common_han(text, at);
        match class(text, at) {
            Some((class, bytes)) if class & HAN != 0 => at += bytes,
            _ => return at,
        }
    }
}

/// Where the piece ends that starts at `at`, before the end of the text.
#[inline(always)]
pub(super) fn piece(text: &[u8], at: usize, digits: Digits) -> usize {
    let first = text[at];
    if first == b'\''
        && let Some(end) = Contractions::Ascii.end(text, at)
        && !class(text, end).is_some_and(|(class, _)| is_word(class))
    {
        return end;
    }
    let Some((own, bytes)) = class(text, at) else {
        return text.len();
    };
    let after = at + bytes;
    if own & HAN != 0 {
        return han(text, after);
    }
    if is_word(own) {
        return word(text, after);
    }
    if is_number(own) {
        let most = match digits {
            Digits::Split => 0,
            Digits::Groups => 2,
            Digits::Keep => usize::MAX,
        };
        let mut end = after;
        for _ in 0..most {
            match class(text, end) {
                Some((class, bytes)) if is_number(class) => end += bytes,
                _ => break,
            }
        }
        return end;
    }
    let (next, next_bytes) = class(text, after).unwrap_or((SPACE, 0));
    // A tab, a space or an ASCII sign: all of them that are no letter, digit or control character.
    if is_word(next) && matches!(first, b'\t' | b' '..=b'~') {
        return word(text, after + next_bytes);
    }
    const KNOWN: u8 = LETTER | MARK | NUMBER | HAN | SPACE;
    let signs_from = if own & SPACE == 0 {
        after
    } else if first == b' ' && next & KNOWN == 0 {
        after + next_bytes
    } else {
        let blank = Blank::new(text, at, |place| class(text, place));
        return blank.by_lines(at, blank.end == text.len());
    };
    newlines(text, run(text, signs_from, |class| class & KNOWN == 0), false)
}
