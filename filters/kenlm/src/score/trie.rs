//! Walks through a trie: a step for each record that is far from the last one.

use super::pipeline::{Ring, Steps};
use crate::prefetch::prefetch;
use crate::search::trie::{Children, Hunt, TrieSearch};
use crate::vocab::WordIndex;

/// The trie that is asked.
pub(super) struct TrieSteps<'m> {
    pub(super) search: &'m TrieSearch,
}

/// At a record in a search among the children of an n-gram.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    /// Of the children: 0 for bigrams.
    level: usize,
    hunt: Hunt,
    record: u64,
}

/// Records so many bits apart lie in one cache line or in two that come together.
const NEAR_BITS: u64 = 512;

impl TrieSteps<'_> {
    /// To the child with the next word of the context, if there is such a word and there are children.
    #[inline(always)]
    fn onward(&self, bytes: &[u8], ring: &Ring, token: usize, level: usize, children: Children) -> Option<Walk> {
        let hunt = Hunt::new(children, ring.context(token, level)?, self.search.unigram_count);
        let record = hunt.record()?;
        self.ask_for(bytes, level, record);
        Some(Walk { level, hunt, record })
    }

    #[inline(always)]
    fn ask_for(&self, bytes: &[u8], level: usize, record: u64) {
        let level = self.search.level(level);
        prefetch(bytes, level.offset + (record * u64::from(level.total_bits) / 8) as usize);
    }

    /// Takes in the n-gram at the walk's record, and goes on to its children.
    #[inline(always)]
    fn arrive(&self, bytes: &[u8], ring: &mut Ring, token: usize, walk: &mut Walk) -> bool {
        if walk.level == self.search.middle.len() {
            ring.found_longest(token, self.search.longest_at(bytes, walk.record));
            return false;
        }
        let (found, children) = self.search.middle_at(bytes, walk.level, walk.record);
        ring.found(token, found);
        if found.independent_left {
            return false;
        }
        match self.onward(bytes, ring, token, walk.level + 1, children) {
            Some(next) => {
                *walk = next;
                true
            }
            None => false,
        }
    }
}

impl Steps for TrieSteps<'_> {
    type Walk = Walk;

    #[inline(always)]
    fn ask(&self, bytes: &[u8], word: WordIndex) {
        prefetch(bytes, self.search.unigram_at(word));
    }

    #[inline(always)]
    fn begin(&self, bytes: &[u8], ring: &mut Ring, token: usize) -> Option<Walk> {
        let (unigram, children) = self.search.unigram_record(bytes, ring.word(token));
        ring.found(token, unigram);
        if unigram.independent_left { None } else { self.onward(bytes, ring, token, 0, children) }
    }

    #[inline(always)]
    fn step(&self, bytes: &[u8], ring: &mut Ring, token: usize, walk: &mut Walk) -> bool {
        let level = self.search.level(walk.level);
        loop {
            let word = TrieSearch::word_at(bytes, level, walk.record);
            if walk.hunt.narrow(walk.record, word) {
                return self.arrive(bytes, ring, token, walk);
            }
            let Some(record) = walk.hunt.record() else { return false };
            let distance = record.abs_diff(walk.record) * u64::from(level.total_bits);
            walk.record = record;
            if distance > NEAR_BITS {
                self.ask_for(bytes, walk.level, record);
                return true;
            }
        }
    }
}
