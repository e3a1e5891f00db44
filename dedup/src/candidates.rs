//! The documents that are to be verified, and what of each must be noted for that.
//!
//! A file of records in the order of `doc_id`: `doc_id`, that of the first document that it is connected with, and a
//! [`CandidateText`]. Of documents with the same text one is noted for all of them; nothing of it, if all that it is connected
//! with has that text; no keys, if that has two texts, which then have a key in common.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::duplicates::Lookup;
use crate::union_find::Components;

const SHINGLES: u64 = 1 << 32;
const KEYS: u64 = 1 << 33;

/// So many texts, or more.
const MANY: u8 = 3;

/// The file, mapped into memory.
pub(crate) type Candidates = Lookup<3>;

/// What must be noted of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CandidateText {
    /// The number of the candidate that has the same text and is noted for this one; itself, if that is it.
    pub of: u32,
    /// Whether its shingles are wanted.
    pub shingles: bool,
    /// Whether its keys are wanted.
    pub keys: bool,
}

impl CandidateText {
    /// That of a candidate of which everything is noted.
    pub(crate) fn own(number: u32) -> Self {
        Self { of: number, shingles: true, keys: true }
    }

    pub(crate) fn word(self) -> u64 {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        u64::from(self.of) | flag(self.shingles, SHINGLES) | flag(self.keys, KEYS)
    }
}

impl Candidates {
    /// What must be noted of the candidate of this number.
    pub(crate) fn text(&self, number: usize) -> CandidateText {
        let word = self.word(number, 2);
        CandidateText { of: word as u32, shingles: word & SHINGLES != 0, keys: word & KEYS != 0 }
    }
}

/// For each candidate one that has the same text: the same one for all that have it. Four bytes a candidate.
pub(crate) struct Texts {
    of: Vec<AtomicU32>,
}

impl Texts {
    /// `count` candidates, each with a text of its own.
    pub(crate) fn new(count: u32) -> Self {
        Self { of: (0..count).map(AtomicU32::new).collect() }
    }

    pub(crate) fn set(&self, number: u32, of: u32) {
        self.of[number as usize].store(of, Ordering::Relaxed);
    }

    /// All of them are set. One more byte a candidate.
    pub(crate) fn counted(self, components: &Components) -> CountedTexts {
        let of: Vec<u32> = self.of.into_iter().map(AtomicU32::into_inner).collect();
        let mut counts = vec![0_u8; of.len()];
        for (_, number) in of.iter().zip(0_u32..).filter(|(of, number)| *of == number) {
            let count = &mut counts[components.root(number) as usize];
            *count = (*count + 1).min(MANY);
        }
        CountedTexts { of, counts }
    }
}

/// [`Texts`], and how many of them those have that are connected with each root.
pub(crate) struct CountedTexts {
    of: Vec<u32>,
    counts: Vec<u8>,
}

impl CountedTexts {
    /// What must be noted of a candidate that is connected with this root.
    pub(crate) fn needed(&self, number: u32, root: u32) -> CandidateText {
        let (of, count) = (self.of[number as usize], self.counts[root as usize]);
        let is_noted = of == number;
        CandidateText { of, shingles: is_noted && count > 1, keys: is_noted && count == MANY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_noted_once_and_only_as_far_as_there_are_others() {
        // Connected: 0 to 2 of one text; 3 to 5 of two; 6 to 9 of three.
        let components = Components::new(10);
        for (one, other) in [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9)] {
            components.unite(one, other);
        }
        let texts = Texts::new(10);
        [(1, 0), (2, 0), (5, 3), (9, 7)].iter().for_each(|(number, of)| texts.set(*number, *of));
        let texts = texts.counted(&components);
        let needed: Vec<_> = (0..10)
            .map(|number| {
                let CandidateText { of, shingles, keys } = texts.needed(number, components.root(number));
                (of, shingles, keys)
            })
            .collect();
        let (nothing, shingles, all) = ((false, false), (true, false), (true, true));
        let expected = [
            (0, nothing),
            (0, nothing),
            (0, nothing),
            (3, shingles),
            (4, shingles),
            (3, nothing),
            (6, all),
            (7, all),
            (8, all),
            (7, nothing),
        ];
        assert_eq!(needed, expected.map(|(of, (shingles, keys))| (of, shingles, keys)));
    }
}
