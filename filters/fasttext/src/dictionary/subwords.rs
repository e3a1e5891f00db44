//! Character n-grams of words.

use super::Dictionary;
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
        if self.ngrams.longest == 0 || word == END_OF_LINE {
            return;
        }
        if self.kept_buckets.as_ref().is_some_and(|kept| kept.pairs().is_empty()) {
            return;
        }
        // The border `<` is a code point of its own, unless the word begins with continuation bytes, which then belong
        // to it. Letters are walked from the first code point's first byte; `>` closes.
        let length = word.len() + 2;
        let at = |index: usize| match index {
            0 => b'<',
            index if index == length - 1 => b'>',
            index => word[index - 1],
        };
        for start in 0..length {
            if is_continuation(at(start)) {
                continue;
            }
            let mut hash = HASH_START;
            let mut end = start;
            let mut points = 1;
            while end < length && points <= self.ngrams.longest {
                hash = hash_byte(hash, at(end));
                end += 1;
                while end < length && is_continuation(at(end)) {
                    hash = hash_byte(hash, at(end));
                    end += 1;
                }
                if points >= self.ngrams.shortest && !(points == 1 && (start == 0 || end == length)) {
                    self.push_bucket(self.ngrams.bucket.of(hash), rows);
                }
                points += 1;
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
    pub(super) fn push_bucket(&self, bucket: u32, rows: &mut Vec<u32>) {
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
