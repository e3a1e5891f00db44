//! Walks through hash tables: a step for each order.

use super::pipeline::{Ring, Steps};
use crate::bytes::f32_at;
use crate::prefetch::prefetch;
use crate::search::Search;
use crate::search::probing::{ProbingSearch, longer_key};
use crate::vocab::WordIndex;

/// The tables that are asked.
pub(super) struct ProbingSteps<'m> {
    pub(super) search: &'m ProbingSearch,
}

/// At a bucket where the search for an n-gram begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    /// Of the n-gram: 0 for a bigram.
    level: usize,
    key: u64,
    home: u64,
}

impl ProbingSteps<'_> {
    /// To the n-gram of one word more than `key`, if there is such a word.
    #[inline(always)]
    fn onward(&self, bytes: &[u8], ring: &Ring, token: usize, level: usize, key: u64) -> Option<Walk> {
        let key = longer_key(key, ring.context(token, level)?);
        let (home, at) = match self.search.middle.get(level) {
            Some(table) => {
                let home = table.home(key);
                (home, table.at(home))
            }
            None => {
                let home = self.search.longest.home(key);
                (home, self.search.longest.at(home))
            }
        };
        prefetch(bytes, at);
        Some(Walk { level, key, home })
    }
}

impl Steps for ProbingSteps<'_> {
    type Walk = Walk;

    #[inline(always)]
    fn ask(&self, bytes: &[u8], word: WordIndex) {
        prefetch(bytes, self.search.unigram_at(word));
    }

    #[inline(always)]
    fn begin(&self, bytes: &[u8], ring: &mut Ring, token: usize) -> Option<Walk> {
        let (unigram, key) = self.search.unigram(bytes, ring.word(token));
        ring.found(token, unigram);
        if unigram.independent_left { None } else { self.onward(bytes, ring, token, 0, key) }
    }

    #[inline(always)]
    fn step(&self, bytes: &[u8], ring: &mut Ring, token: usize, walk: &mut Walk) -> bool {
        let Some(table) = self.search.middle.get(walk.level) else {
            if let Some(at) = self.search.longest.find_from(bytes, walk.home, walk.key) {
                ring.found_longest(token, f32_at(bytes, at + 8));
            }
            return false;
        };
        let Some(at) = table.find_from(bytes, walk.home, walk.key) else { return false };
        let found = ProbingSearch::found(bytes, at + 8);
        ring.found(token, found);
        if found.independent_left {
            return false;
        }
        match self.onward(bytes, ring, token, walk.level + 1, walk.key) {
            Some(next) => {
                *walk = next;
                true
            }
            None => false,
        }
    }
}
