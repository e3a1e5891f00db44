//! GPT-2's pattern, also of RoBERTa, GPT-NeoX, OPT, StarCoder and every `ByteLevel` with `use_regex`:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.

use super::classes::{LETTER, NUMBER, SPACE, class};
use super::scan::{Blank, Contractions, letters, numbers, run};

/// Where the piece ends that starts at `at`, before the end of the text.
#[inline(always)]
pub(super) fn piece(text: &[u8], at: usize) -> usize {
    let first = text[at];
    if first == b'\''
        && let Some(end) = Contractions::Lower.end(text, at)
    {
        return end;
    }
    let from = at + usize::from(first == b' ');
    match class(text, from) {
        Some((class, bytes)) if class & LETTER != 0 => letters(text, from + bytes, LETTER),
        Some((class, bytes)) if class & NUMBER != 0 => numbers(text, from + bytes, usize::MAX),
        Some((class, bytes)) if class & SPACE == 0 => {
            run(text, from + bytes, |class| class & (LETTER | NUMBER | SPACE) == 0)
        }
        _ => {
            let blank = Blank::new(text, at, |place| class(text, place));
            blank.but_the_last(at, blank.end == text.len())
        }
    }
}
