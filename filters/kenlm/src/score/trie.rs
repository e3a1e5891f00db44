//! Through a trie: among the children of an n-gram, a round for each record that is far from the last one.

use super::pipeline::Steps;
use crate::prefetch::prefetch;
use crate::search::Found;
use crate::search::trie::{Children, Hunt, TrieSearch};
use crate::vocab::WordIndex;

/// The trie that is asked.
pub(super) struct TrieSteps<'m> {
    pub(super) search: &'m TrieSearch,
}

/// At a record in a search among the children of an n-gram.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    hunt: Hunt,
    record: u64,
    progress: Progress,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Progress {
    #[default]
    Hunting,
    Found,
    Missing,
}

/// Records so many bits apart lie in one cache line or in two that come together.
const NEAR_BITS: u64 = 512;

impl TrieSteps<'_> {
    #[inline(always)]
    fn ask_for(&self, bytes: &[u8], level: usize, record: u64) {
        let level = self.search.level(level);
        prefetch(bytes, level.offset + (record * u64::from(level.total_bits) / 8) as usize);
    }

    /// Goes on among the records that are near.
    #[inline(always)]
    fn hunt(&self, bytes: &[u8], number: usize, walk: &mut Walk) {
        let level = self.search.level(number);
        loop {
            let word = TrieSearch::word_at(bytes, level, walk.record);
            if walk.hunt.narrow(walk.record, word) {
                walk.progress = Progress::Found;
                return;
            }
            let Some(record) = walk.hunt.record() else {
                walk.progress = Progress::Missing;
                return;
            };
            let distance = record.abs_diff(walk.record) * u64::from(level.total_bits);
            walk.record = record;
            if distance > NEAR_BITS {
                self.ask_for(bytes, number, record);
                return;
            }
        }
    }
}

impl Steps for TrieSteps<'_> {
    type Search = TrieSearch;
    type Node = Children;
    type Walk = Walk;

    fn search(&self) -> &TrieSearch {
        self.search
    }

    #[inline(always)]
    fn ask(&self, bytes: &[u8], word: WordIndex) {
        prefetch(bytes, self.search.unigram_at(word));
    }

    #[inline(always)]
    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, Children) {
        self.search.unigram_record(bytes, word)
    }

    #[inline(always)]
    fn onward(&self, bytes: &[u8], level: usize, node: Children, left: WordIndex) -> Option<Walk> {
        let hunt = Hunt::new(node, left, self.search.unigram_count);
        let record = hunt.record()?;
        self.ask_for(bytes, level, record);
        Some(Walk { hunt, record, progress: Progress::Hunting })
    }

    #[inline(always)]
    fn settle(&self, bytes: &[u8], level: usize, walks: &mut [(u8, Walk)]) {
        let mut hunting = true;
        while hunting {
            hunting = false;
            for (_, walk) in &mut *walks {
                if walk.progress == Progress::Hunting {
                    self.hunt(bytes, level, walk);
                    hunting |= walk.progress == Progress::Hunting;
                }
            }
        }
    }

    #[inline(always)]
    fn middle(&self, bytes: &[u8], level: usize, walk: &Walk) -> Option<(Found, Children)> {
        (walk.progress == Progress::Found).then(|| self.search.middle_at(bytes, level, walk.record))
    }

    #[inline(always)]
    fn longest(&self, bytes: &[u8], walk: &Walk) -> Option<f32> {
        (walk.progress == Progress::Found).then(|| self.search.longest_at(bytes, walk.record))
    }
}
