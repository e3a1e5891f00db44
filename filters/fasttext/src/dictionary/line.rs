//! From a line of text to rows of the input matrix and labels.

use super::sink::RowSink;
use super::{Dictionary, EntryKind, same, word_of};
use crate::fetch::{fetch, fetch_at};
use crate::hash::{hash, hash_next_word};
use crate::tokens::{END_OF_LINE, MAX_LINE_SIZE, next_token, next_word};

/// The features and labels of a line. It is filled again and again, so that no line needs memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Rows of the input matrix in fastText's order: words with their character n-grams, then word n-grams.
    pub rows: Vec<u32>,
    /// Numbers of the labels that the line has and the dictionary knows, counted from 0.
    pub labels: Vec<u32>,
    pub(super) hashes: Vec<u32>,
}

/// A token with its hash, and the entry that it may be.
#[derive(Clone, Copy, Default)]
struct Token<'a> {
    word: &'a [u8],
    hash: u32,
    candidate: Option<u32>,
}

/// Tokens that are looked up together: what one needs is on its way from memory while the others are worked on.
const TOGETHER: usize = 16;

/// The words of a text, and the end of the line behind them.
#[inline(always)]
pub(super) fn words_of<'a>(text: &'a [u8]) -> impl FnMut() -> Option<&'a [u8]> {
    let mut rest = text;
    move || next_word(&mut rest).or(Some(END_OF_LINE))
}

impl Dictionary {
    /// Takes a line off the front of `input` and gives its tokens: features and labels go to `line`.
    ///
    /// A line ends behind the token [`END_OF_LINE`], which a line feed stands for and which is a feature like other words,
    /// or at the end of `input`. Tokens with the label prefix that are no label of the dictionary are counted but give
    /// nothing.
    pub fn read_line(&self, input: &mut &[u8], line: &mut Line) -> usize {
        let Line { rows, labels, hashes } = line;
        self.read_tokens(|| next_token(input), rows, labels, hashes)
    }

    /// Reads `text` as one line: line feeds only separate, and the end of the text ends the line.
    ///
    /// These are the features that fastText's Python binding makes for the text with each line feed replaced by a space.
    pub fn read_text(&self, text: &[u8], line: &mut Line) -> usize {
        let Line { rows, labels, hashes } = line;
        self.read_tokens(words_of(text), rows, labels, hashes)
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

    /// Gives the features of tokens up to the end of the line.
    #[inline(always)]
    pub(super) fn read_tokens<'a>(
        &self,
        mut next: impl FnMut() -> Option<&'a [u8]>,
        rows: &mut impl RowSink,
        labels: &mut Vec<u32>,
        hashes: &mut Vec<u32>,
    ) -> usize {
        rows.clear();
        labels.clear();
        hashes.clear();
        let mut count = 0;
        let mut ended = false;
        while !ended {
            let mut tokens = [Token::default(); TOGETHER];
            let mut filled = 0;
            for token in &mut tokens {
                let Some(word) = next() else {
                    ended = true;
                    break;
                };
                *token = Token { word, hash: hash(word), candidate: None };
                if let Some(slot) = self.table.first_slot(token.hash) {
                    fetch(slot);
                }
                filled += 1;
                if word == END_OF_LINE {
                    ended = true;
                    break;
                }
            }
            let tokens = &mut tokens[..filled];
            for token in tokens.iter_mut() {
                token.candidate = self.table.find(token.hash, |_| true);
                if let Some(id) = token.candidate {
                    fetch(&self.slots[id as usize]);
                }
            }
            for id in tokens.iter().filter_map(|token| token.candidate) {
                fetch_at(word_of(&self.slots, &self.letters, id).as_ptr());
            }
            for token in tokens.iter() {
                self.push_token(token, rows, labels, hashes);
            }
            rows.pause();
            count += filled;
        }
        self.push_word_ngrams(hashes, rows);
        count
    }

    #[inline(always)]
    fn push_token(&self, token: &Token<'_>, rows: &mut impl RowSink, labels: &mut Vec<u32>, hashes: &mut Vec<u32>) {
        let Token { word, hash, candidate } = *token;
        let id = match candidate {
            // Another word may have the same bits of its hash in the table.
            Some(id) if !same(self.word(id as usize), word) => self.id_hashed(word, hash),
            candidate => candidate,
        };
        match id {
            Some(id) if self.kind(id as usize) == EntryKind::Word => {
                rows.push(id);
                self.push_subwords_to(word, rows);
            }
            Some(id) => return labels.push(id - self.word_count as u32),
            None if word.starts_with(&self.label_prefix) => return,
            None => self.push_subwords_to(word, rows),
        }
        hashes.push(hash);
    }

    /// Appends the rows of the n-grams of 2 to `wordNgrams` words.
    pub(crate) fn push_word_ngrams(&self, hashes: &[u32], rows: &mut impl RowSink) {
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
