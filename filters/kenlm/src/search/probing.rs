//! N-grams in hash tables. The key of an n-gram is folded from the numbers of its words, the last word first.

use super::{Found, Search};
use crate::binary::probing::{LONGEST_ENTRY, MIDDLE_ENTRY, ProbingLayout, UNIGRAM_SIZE};
use crate::bytes::f32_at;
use crate::probing::ProbingTable;
use crate::vocab::{UNKNOWN, WordIndex};

/// The key of an n-gram from that of the n-gram without its first word.
#[inline(always)]
pub(crate) fn longer_key(key: u64, left: WordIndex) -> u64 {
    key.wrapping_mul(8_978_948_897_894_561_157) ^ (u64::from(left) + 1).wrapping_mul(17_894_857_484_156_487_943)
}

/// The tables of a probing model. All of their buckets lie within the model's bytes.
#[derive(Debug)]
pub(crate) struct ProbingSearch {
    pub(crate) unigrams: usize,
    /// Number of words that have a unigram.
    pub(crate) unigram_count: u64,
    pub(crate) middle: Vec<ProbingTable<MIDDLE_ENTRY>>,
    pub(crate) longest: ProbingTable<LONGEST_ENTRY>,
}

impl ProbingSearch {
    /// The tables of a layout that was checked against the size of its bytes.
    pub(crate) fn new(layout: &ProbingLayout, unigram_count: u64) -> ProbingSearch {
        ProbingSearch {
            unigrams: layout.unigrams,
            unigram_count: unigram_count + 1,
            middle: layout.middle.clone(),
            longest: layout.longest,
        }
    }

    /// Where a word's probability and back-off are.
    #[inline(always)]
    pub(crate) fn unigram_at(&self, word: WordIndex) -> usize {
        let word = if u64::from(word) < self.unigram_count { word } else { UNKNOWN };
        self.unigrams + word as usize * UNIGRAM_SIZE
    }

    /// The probability and back-off at an offset: the sign of a probability says whether a longer n-gram ends so.
    #[inline(always)]
    pub(crate) fn found(bytes: &[u8], at: usize) -> Found {
        let prob = f32_at(bytes, at);
        Found { prob: -prob.abs(), backoff: f32_at(bytes, at + 4), independent_left: prob.is_sign_negative() }
    }
}

impl Search for ProbingSearch {
    type Node = u64;

    fn order(&self) -> usize {
        self.middle.len() + 2
    }

    #[inline(always)]
    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, u64) {
        (ProbingSearch::found(bytes, self.unigram_at(word)), u64::from(word))
    }

    #[inline(always)]
    fn middle(&self, bytes: &[u8], level: usize, word: WordIndex, node: &mut u64) -> Option<Found> {
        *node = longer_key(*node, word);
        let at = self.middle[level].find(bytes, *node)?;
        Some(ProbingSearch::found(bytes, at + 8))
    }

    #[inline(always)]
    fn longest(&self, bytes: &[u8], word: WordIndex, node: u64) -> Option<f32> {
        let at = self.longest.find(bytes, longer_key(node, word))?;
        Some(f32_at(bytes, at + 8))
    }
}
