//! Walks through hash tables: a step for each order.

use super::walks::{Steps, Token};
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
    fn onward(&self, bytes: &[u8], token: &Token, level: usize, key: u64) -> Option<Walk> {
        let key = longer_key(key, token.context(level)?);
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
    fn begin(&self, bytes: &[u8], token: &mut Token) -> Option<Walk> {
        let (unigram, key) = self.search.unigram(bytes, token.word);
        token.found(unigram);
        if unigram.independent_left { None } else { self.onward(bytes, token, 0, key) }
    }

    #[inline(always)]
    fn step(&self, bytes: &[u8], token: &mut Token, walk: &mut Walk) -> bool {
        let Some(table) = self.search.middle.get(walk.level) else {
            if let Some(at) = self.search.longest.find_from(bytes, walk.home, walk.key) {
                token.found_longest(f32_at(bytes, at + 8));
            }
            return false;
        };
        let Some(at) = table.find_from(bytes, walk.home, walk.key) else { return false };
        let found = ProbingSearch::found(bytes, at + 8);
        token.found(found);
        if found.independent_left {
            return false;
        }
        match self.onward(bytes, token, walk.level + 1, walk.key) {
            Some(next) => {
                *walk = next;
                true
            }
            None => false,
        }
    }

    fn order(&self) -> usize {
        self.search.order()
    }
}
