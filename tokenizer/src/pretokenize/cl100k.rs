//! GPT-4's pattern (`cl100k_base`) and those made after it: Llama 3, Qwen 2 to 3.5, GLM-4, StableLM 2, Seed, Ling.
//!
//! `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

use super::classes::{NUMBER, SPACE, class};
use super::scan::{Blank, Contractions, letters, newlines, numbers, run};

/// What the patterns of this kind differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cl100k {
    pub contractions: Contractions,
    /// Most digits in a piece.
    pub digits: usize,
    /// Of what a word is made: letters, or letters and marks.
    pub word: u8,
    /// Signs take the line breaks after them along.
    pub sign_lines: bool,
    /// `\s++$` comes before line breaks: white space that ends the text is one piece.
    pub whole_end: bool,
}

impl Cl100k {
    /// Where the piece ends that starts at `at`, before the end of the text.
    #[inline(always)]
    pub(super) fn piece(self, text: &[u8], at: usize) -> usize {
        let first = text[at];
        if first == b'\''
            && let Some(end) = self.contractions.end(text, at)
        {
            return end;
        }
        let Some((own, bytes)) = class(text, at) else {
            return text.len();
        };
        let after = at + bytes;
        if own & self.word != 0 {
            return letters(text, after, self.word);
        }
        if own & NUMBER != 0 {
            return numbers(text, after, self.digits - 1);
        }
        let next = class(text, after);
        if let Some((class, bytes)) = next
            && class & self.word != 0
            && !matches!(first, b'\r' | b'\n')
        {
            return letters(text, after + bytes, self.word);
        }
        let known = self.word | NUMBER | SPACE;
        let signs_from = match next {
            _ if own & SPACE == 0 => after,
            Some((class, bytes)) if first == b' ' && class & known == 0 => after + bytes,
            _ => {
                let blank = Blank::new(text, at, |place| class(text, place));
                let at_end = blank.end == text.len();
                return if at_end && self.whole_end { blank.end } else { blank.by_lines(at, at_end) };
            }
        };
        let end = run(text, signs_from, |class| class & known == 0);
        if self.sign_lines { newlines(text, end, false) } else { end }
    }
}
