//! Through hash tables: one for each length.

use super::pipeline::Steps;
use crate::bytes::f32_at;
use crate::prefetch::prefetch;
use crate::search::probing::{ProbingSearch, longer_key};
use crate::search::{Found, Search};
use crate::vocab::WordIndex;

/// The tables that are asked.
pub(super) struct ProbingSteps<'m> {
    pub(super) search: &'m ProbingSearch,
}

/// At a bucket where the search for an n-gram begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    key: u64,
    home: u64,
}

impl Steps for ProbingSteps<'_> {
    type Search = ProbingSearch;
    /// The n-gram's key.
    type Node = u64;
    type Walk = Walk;

    fn search(&self) -> &ProbingSearch {
        self.search
    }

    #[inline(always)]
    fn ask(&self, bytes: &[u8], word: WordIndex) {
        prefetch(bytes, self.search.unigram_at(word));
    }

    #[inline(always)]
    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, u64) {
        self.search.unigram(bytes, word)
    }

    #[inline(always)]
    fn onward(&self, bytes: &[u8], level: usize, node: u64, left: WordIndex) -> Option<Walk> {
        let key = longer_key(node, left);
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
        Some(Walk { key, home })
    }

    #[inline(always)]
    fn settle(&self, _: &[u8], _: usize, _: &mut [(u8, Walk)]) {}

    #[inline(always)]
    fn middle(&self, bytes: &[u8], level: usize, walk: &Walk) -> Option<(Found, u64)> {
        let at = self.search.middle[level].find_from(bytes, walk.home, walk.key)?;
        Some((ProbingSearch::found(bytes, at + 8), walk.key))
    }

    #[inline(always)]
    fn longest(&self, bytes: &[u8], walk: &Walk) -> Option<f32> {
        let at = self.search.longest.find_from(bytes, walk.home, walk.key)?;
        Some(f32_at(bytes, at + 8))
    }
}
