//! Character n-grams of words.

use super::sink::RowSink;
use super::{Dictionary, Ngrams};
use crate::hash::{HASH_START, hash_byte};
use crate::tokens::END_OF_LINE;

impl Dictionary {
    /// Appends the rows of a word's character n-grams: those of `<word>` with `minn` to `maxn` code points, without the
    /// bare borders `<` and `>`. [`END_OF_LINE`] has none.
    ///
    /// Order as in fastText: by first character, then by length. Bytes that are no UTF-8 are cut before every byte that is
    /// not a continuation (`10xxxxxx`).
    ///
    /// Cost: bytes of the word × `maxn`.
    pub fn push_subwords(&self, word: &[u8], rows: &mut Vec<u32>) {
        self.push_subwords_to(word, rows);
    }

    #[inline(always)]
    pub(super) fn push_subwords_to(&self, word: &[u8], rows: &mut impl RowSink) {
        if self.ngrams.longest == 0 || word == END_OF_LINE {
            return;
        }
        if self.kept_buckets.as_ref().is_some_and(|kept| kept.pairs().is_empty()) {
            return;
        }
        // `<word>` and a byte that ends the last code point.
        let length = word.len() + 2;
        let mut short = [0; 128];
        let mut long = Vec::new();
        let letters = match short.get_mut(..=length) {
            Some(letters) => letters,
            None => {
                long.resize(length + 1, 0);
                long.as_mut_slice()
            }
        };
        letters[0] = b'<';
        letters[1..length - 1].copy_from_slice(word);
        letters[length - 1] = b'>';
        let Ngrams { shortest, longest, bucket, .. } = self.ngrams;
        for start in 0..length {
            if is_continuation(letters[start]) {
                continue;
            }
            let mut hash = HASH_START;
            let mut end = start;
            for points in 1..=longest {
                hash = hash_byte(hash, letters[end]);
                end += 1;
                while is_continuation(letters[end]) {
                    hash = hash_byte(hash, letters[end]);
                    end += 1;
                }
                // The border alone is no n-gram, neither in front nor at the end.
                if points >= shortest && !(points == 1 && (start == 0 || end == length)) {
                    self.push_bucket(bucket.of(hash), rows);
                }
                if end == length {
                    break;
                }
            }
        }
    }

    /// Appends the rows of a word that has the number `id` in the dictionary: itself and its character n-grams.
    pub fn push_word(&self, id: u32, rows: &mut Vec<u32>) {
        rows.push(id);
        self.push_subwords(self.word(id as usize), rows);
    }

    /// Appends the row of a bucket unless it was pruned.
    #[inline(always)]
    pub(super) fn push_bucket(&self, bucket: u32, rows: &mut impl RowSink) {
        let place = match &self.kept_buckets {
            None => bucket,
            Some(kept) => match kept.place(bucket) {
                Some(place) => place,
                None => return,
            },
        };
        rows.push(self.word_count as u32 + place);
    }
}

#[inline(always)]
fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
