//! Encoding a document that comes in parts.

use yuan_pipeline::Result;

use super::Scratch;
use crate::Tokenizer;

/// Bytes that are held back at least, so that parts are not encoded a few words at a time.
const LEAST: usize = 1 << 14;

/// The ids of a document that is too long to be held, or not there yet: its text goes in in parts, cut anywhere
/// between characters, and ids come out as soon as nothing that follows can change them. Together they are those of
/// [`Tokenizer::encode`] for the whole.
///
/// A text is certain up to the last place where a letter is followed by white space or a Chinese mark, as long as no
/// added token is near. So much of it is held, some 16 KiB at the least; a document without such a place, or a
/// tokenizer of a pattern not known here, is held as a whole.
pub struct Stream<'t> {
    tokenizer: &'t Tokenizer,
    scratch: Scratch,
    held: String,
    /// No certain place is before this.
    searched: usize,
}

impl<'t> Stream<'t> {
    /// At the beginning of a document.
    pub(crate) fn new(tokenizer: &'t Tokenizer) -> Self {
        Self { tokenizer, scratch: Scratch::default(), held: String::new(), searched: 0 }
    }

    /// Takes the next part of the text; appends what has become certain to `ids`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn push(&mut self, part: &str, ids: &mut Vec<u32>) -> Result<()> {
        self.held.push_str(part);
        let Some(direct) = self.tokenizer.direct() else { return Ok(()) };
        let margin = direct.added.longest_bytes().max(direct.added_normalized.longest_bytes()) + 8;
        if !direct.cuts_after_words || self.held.len() < self.searched + LEAST + 2 * margin {
            return Ok(());
        }
        match certain(&self.held, self.searched, margin, direct) {
            Some(end) => {
                self.tokenizer.encode_into(&self.held[..end], &mut self.scratch, ids)?;
                self.held.drain(..end);
                self.searched = 0;
            }
            None => self.searched = self.held.floor_char_boundary(self.held.len() - margin),
        }
        Ok(())
    }

    /// The document has ended: appends the ids of what is left. The next [`push`](Self::push) begins another.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn finish(&mut self, ids: &mut Vec<u32>) -> Result<()> {
        self.searched = 0;
        let encoded = self.tokenizer.encode_into(&self.held, &mut self.scratch, ids);
        self.held.clear();
        encoded
    }
}

/// The last place of a text, from `from` on, before which nothing depends on what follows.
fn certain(text: &str, from: usize, margin: usize, direct: &super::Direct) -> Option<usize> {
    let end = text.floor_char_boundary(text.len() - margin);
    let touched = |at| [&direct.added, &direct.added_normalized].iter().any(|added| added.touch(text.as_bytes(), at));
    let mut at = end;
    while at > from {
        let behind = text[at..].chars().next()?;
        let before = text[..at].chars().next_back()?;
        if ends_word(before) && begins_other(behind, direct.prefix_space) && !touched(at) {
            return Some(at);
        }
        at -= before.len_utf8();
    }
    None
}

fn ends_word(char: char) -> bool {
    char.is_ascii_alphabetic() || matches!(char, '\u{4e00}'..='\u{9fa5}')
}

/// White space and marks that no pattern joins to a word before them, and that normalising leaves alone.
fn begins_other(char: char, only_space: bool) -> bool {
    char == ' ' || !only_space && matches!(char, '\n' | '\r' | '\t' | '，' | '。' | '、' | '！' | '？' | '；' | '：')
}
