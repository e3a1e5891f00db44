//! From an encoded example to the rows of the input matrix that it adds up.

use super::encoded::UNKNOWN;
use crate::Dictionary;

/// The rows of every word of a dictionary, made once: the word's own row and those of its character n-grams.
///
/// Memory: 4 bytes for each word and each of its n-grams; nothing without character n-grams.
pub(super) struct Features<'a> {
    dictionary: &'a Dictionary,
    /// Where each word's rows end; empty if a word is its only row.
    ends: Vec<usize>,
    rows: Vec<u32>,
    word_ngrams: bool,
}

impl<'a> Features<'a> {
    pub(super) fn new(dictionary: &'a Dictionary, character_ngrams: bool, word_ngrams: bool) -> Self {
        let (mut ends, mut rows) = (Vec::new(), Vec::new());
        if character_ngrams {
            ends.reserve_exact(dictionary.word_count());
            for id in 0..dictionary.word_count() {
                dictionary.push_word(id as u32, &mut rows);
                ends.push(rows.len());
            }
        }
        Features { dictionary, ends, rows, word_ngrams }
    }

    /// Fills `rows` with what the words of an example give, in fastText's order: words with their character n-grams, then word n-grams.
    /// `hashes` is working memory.
    pub(super) fn expand(&self, mut words: &[u32], rows: &mut Vec<u32>, hashes: &mut Vec<u32>) {
        rows.clear();
        hashes.clear();
        while let Some((&word, rest)) = words.split_first() {
            if word == UNKNOWN {
                let (unknown, rest) = rest.split_at(2);
                let (own, rest) = rest.split_at(unknown[1] as usize);
                rows.extend_from_slice(own);
                if self.word_ngrams {
                    hashes.push(unknown[0]);
                }
                words = rest;
                continue;
            }
            words = rest;
            let id = word as usize;
            if self.ends.is_empty() {
                rows.push(word);
            } else {
                let start = if id == 0 { 0 } else { self.ends[id - 1] };
                rows.extend_from_slice(&self.rows[start..self.ends[id]]);
            }
            if self.word_ngrams {
                hashes.push(self.dictionary.hash_of(id));
            }
        }
        if self.word_ngrams {
            self.dictionary.push_word_ngrams(hashes, rows);
        }
    }
}
