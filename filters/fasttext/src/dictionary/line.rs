//! From a line of text to rows of the input matrix and labels.

use super::{Dictionary, EntryKind};
use crate::fetch::fetch;
use crate::hash::{hash, hash_next_word};
use crate::tokens::{END_OF_LINE, MAX_LINE_SIZE, next_token, next_word};

/// The features and labels of a line. It is filled again and again, so that no line needs memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Rows of the input matrix in fastText's order: words with their character n-grams, then word n-grams.
    pub rows: Vec<u32>,
    /// Numbers of the labels that the line has and the dictionary knows, counted from 0.
    pub labels: Vec<u32>,
    hashes: Vec<u32>,
}

/// Tokens that are looked up together: what one needs is on its way from memory while the others are worked on.
const TOGETHER: usize = 16;

impl Dictionary {
    /// Takes a line off the front of `input` and gives its tokens: features and labels go to `line`.
    ///
    /// A line ends behind the token [`END_OF_LINE`], which a line feed stands for and which is a feature like other words,
    /// or at the end of `input`. Tokens with the label prefix that are no label of the dictionary are counted but give
    /// nothing.
    pub fn read_line(&self, input: &mut &[u8], line: &mut Line) -> usize {
        self.read_tokens(|| next_token(input), line)
    }

    /// Reads `text` as one line: line feeds only separate, and the end of the text ends the line.
    ///
    /// These are the features that fastText's Python binding makes for the text with each line feed replaced by a space.
    pub fn read_text(&self, text: &[u8], line: &mut Line) -> usize {
        let mut rest = text;
        self.read_tokens(|| next_word(&mut rest).or(Some(END_OF_LINE)), line)
    }

    /// Takes a line off the front of `input` as cbow and skipgram train on it: the numbers of the words that the dictionary
    /// knows and `keep` keeps. Gives the number of known tokens; a line is cut behind [`MAX_LINE_SIZE`] + 1 of them.
    pub fn read_words(&self, input: &mut &[u8], words: &mut Vec<u32>, mut keep: impl FnMut(u32) -> bool) -> usize {
        words.clear();
        let mut tokens = 0;
        while let Some(token) = next_token(input) {
            let Some(id) = self.id(token) else { continue };
            tokens += 1;
            if self.kind(id as usize) == EntryKind::Word && keep(id) {
                words.push(id);
            }
            if tokens > MAX_LINE_SIZE || token == END_OF_LINE {
                break;
            }
        }
        tokens
    }

    /// Fills `line` with the features of tokens up to the end of the line.
    #[inline(always)]
    fn read_tokens<'a>(&self, mut next: impl FnMut() -> Option<&'a [u8]>, line: &mut Line) -> usize {
        let Line { rows, labels, hashes } = line;
        rows.clear();
        labels.clear();
        hashes.clear();
        let mut count = 0;
        let mut ended = false;
        while !ended {
            let mut tokens: [(&[u8], u32); TOGETHER] = [(&[], 0); TOGETHER];
            let mut filled = 0;
            for slot in &mut tokens {
                let Some(token) = next() else {
                    ended = true;
                    break;
                };
                let hash = hash(token);
                if let Some(slot) = self.table.first_slot(hash) {
                    fetch(slot);
                }
                *slot = (token, hash);
                filled += 1;
                if token == END_OF_LINE {
                    ended = true;
                    break;
                }
            }
            let tokens = &tokens[..filled];
            for &(_, hash) in tokens {
                self.fetch_letters(hash);
            }
            for &(token, hash) in tokens {
                self.push_token(token, hash, rows, labels, hashes);
            }
            count += filled;
        }
        self.push_word_ngrams(hashes, rows);
        count
    }

    /// Asks for the entry that a hash may be that of.
    #[inline(always)]
    fn fetch_letters(&self, hash: u32) {
        if let Some(slot) = self.table.find(hash, |_| true).and_then(|id| self.slots.get(id as usize)) {
            fetch(slot);
        }
    }

    #[inline]
    fn push_token(&self, token: &[u8], hash: u32, rows: &mut Vec<u32>, labels: &mut Vec<u32>, hashes: &mut Vec<u32>) {
        match self.id_hashed(token, hash) {
            Some(id) if self.kind(id as usize) == EntryKind::Word => {
                rows.push(id);
                self.push_subwords(token, rows);
            }
            Some(id) => return labels.push(id - self.word_count as u32),
            None if token.starts_with(&self.label_prefix) => return,
            None => self.push_subwords(token, rows),
        }
        hashes.push(hash);
    }

    /// Appends the rows of the n-grams of 2 to `wordNgrams` words.
    pub(crate) fn push_word_ngrams(&self, hashes: &[u32], rows: &mut Vec<u32>) {
        let longest = self.ngrams.words;
        if longest < 2 || self.kept_buckets.as_ref().is_some_and(|kept| kept.pairs().is_empty()) {
            return;
        }
        for (first, &word) in hashes.iter().enumerate() {
            // Hashes are extended by sign here as well.
            let mut ngram = word as i32 as u64;
            for &word in hashes[first + 1..].iter().take(longest - 1) {
                ngram = hash_next_word(ngram, word);
                self.push_bucket(self.ngrams.bucket.of_u64(ngram), rows);
            }
        }
    }
}
