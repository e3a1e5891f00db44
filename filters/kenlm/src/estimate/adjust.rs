//! From sorted n-grams of the highest order to the n-grams of all orders with their adjusted counts.
//!
//! Sorted from the last word to the first, the n-grams form a tree: below the last word stand the words before it,
//! and so on. A node at depth `n` is an n-gram; its parent is its suffix. The adjusted count of Kneser-Ney, the
//! number of different words before an n-gram, is the number of children of its node. The leaves, n-grams of the
//! highest order and those that start with `<s>`, keep the plain count.

use std::sync::Arc;

use super::discounts::OrderStatistics;
use super::options::{SENTENCE_END, SENTENCE_START};
use super::store::Store;
use super::tape::{Tape, TapeReader, TapeWriter};
use crate::error::Result;

/// The n-grams of one order, as nodes of the tree in sorted order: word by word, the first word of each n-gram.
pub(crate) struct Level {
    /// First word of each n-gram.
    pub words: Tape<u32>,
    /// Adjusted counts, as [`push_count`] writes them.
    pub counts: Tape<u32>,
}

impl Level {
    pub fn empty(store: &Arc<Store>) -> Level {
        Level { words: Tape::empty(store), counts: Tape::empty(store) }
    }

    pub fn append(&mut self, other: Level) {
        self.words.append(other.words);
        self.counts.append(other.counts);
    }
}

/// On a count: the n-gram is left out of the model.
pub(crate) const PRUNED: u32 = 1 << 31;
/// Instead of a count: the count follows, low half and high half.
pub(crate) const LARGE: u32 = PRUNED - 1;

/// Writes a count and whether the n-gram is pruned.
#[inline]
pub(crate) fn push_count(counts: &mut TapeWriter<u32>, count: u64, pruned: bool) -> Result<()> {
    let flag = if pruned { PRUNED } else { 0 };
    if count < u64::from(LARGE) {
        return counts.push(count as u32 | flag);
    }
    counts.push(LARGE | flag)?;
    counts.push(count as u32)?;
    counts.push((count >> 32) as u32)
}

/// Reads what [`push_count`] wrote.
#[inline]
pub(crate) fn read_count(counts: &mut TapeReader<'_, u32>) -> Result<(u64, bool)> {
    let cell = counts.expect()?;
    let pruned = cell & PRUNED != 0;
    let small = cell & LARGE;
    if small != LARGE {
        return Ok((u64::from(small), pruned));
    }
    let low = u64::from(counts.expect()?);
    Ok((low | u64::from(counts.expect()?) << 32, pruned))
}

/// What decides about an n-gram's place in the model.
pub(crate) struct Pruning {
    /// Highest count that is left out, per order.
    pub thresholds: Vec<u64>,
    /// Which words may not appear; empty when all may.
    pub refused_words: Vec<bool>,
}

#[derive(Clone, Copy, Default)]
struct Node {
    word: u32,
    refused: bool,
    adjusted: u64,
    actual: u64,
}

/// Builds the levels from n-grams that come in sorted order.
pub(crate) struct Adjuster<'a> {
    pruning: &'a Pruning,
    levels: Vec<(TapeWriter<u32>, TapeWriter<u32>)>,
    statistics: Vec<OrderStatistics>,
    path: Vec<Node>,
    depth: usize,
}

impl<'a> Adjuster<'a> {
    pub fn new(order: usize, pruning: &'a Pruning, store: &Arc<Store>, chunk_bytes: usize) -> Adjuster<'a> {
        let writer = || TapeWriter::new(store, chunk_bytes);
        Adjuster {
            pruning,
            levels: (0..order).map(|_| (writer(), writer())).collect(),
            statistics: vec![OrderStatistics::default(); order],
            path: vec![Node::default(); order],
            depth: 0,
        }
    }

    /// Adds a unigram that never ends an n-gram: `<unk>` and `<s>`, before all others.
    pub fn add_without_count(&mut self, word: u32) -> Result<()> {
        self.levels[0].0.push(word)?;
        push_count(&mut self.levels[0].1, 0, false)?;
        self.statistics[0].add(0, false);
        Ok(())
    }

    /// Adds an n-gram of the highest order that was seen `count` times. `word(i)` is its word at index `i` from the
    /// end; the last `common` words are those of the n-gram before.
    #[inline]
    pub fn add(&mut self, common: usize, count: u64, word: impl Fn(usize) -> u32) -> Result<()> {
        while self.depth > common {
            self.close(false)?;
        }
        for node in &mut self.path[..common] {
            node.actual += count;
        }
        if let Some(suffix) = common.checked_sub(1) {
            self.path[suffix].adjusted += 1;
        }
        let order = self.levels.len();
        loop {
            let index = self.depth;
            let word = word(index);
            let leaf = index + 1 == order || (index > 0 && word == SENTENCE_START);
            let refused = self.pruning.refused_words.get(word as usize).copied().unwrap_or(false)
                || (index > 0 && self.path[index - 1].refused);
            self.path[index] = Node { word, refused, adjusted: if leaf { count } else { 1 }, actual: count };
            self.depth += 1;
            if leaf {
                return Ok(());
            }
        }
    }

    fn close(&mut self, at_end: bool) -> Result<()> {
        self.depth -= 1;
        let index = self.depth;
        let node = self.path[index];
        let special = index == 0 && node.word <= SENTENCE_END;
        let pruned = !special && (node.refused || node.actual <= self.pruning.thresholds[index]);
        self.levels[index].0.push(node.word)?;
        push_count(&mut self.levels[index].1, node.adjusted, pruned)?;
        // `lmplz` takes the plain count of the n-grams that the text's last sorted n-gram ends with.
        self.statistics[index].add(if at_end { node.actual } else { node.adjusted }, pruned);
        Ok(())
    }

    /// The levels and what was counted. `at_end`: no n-gram of another segment follows.
    pub fn finish(mut self, at_end: bool) -> Result<(Vec<Level>, Vec<OrderStatistics>)> {
        while self.depth > 0 {
            self.close(at_end)?;
        }
        let levels = self.levels.into_iter();
        let levels: Result<Vec<Level>> =
            levels.map(|(words, counts)| Ok(Level { words: words.finish()?, counts: counts.finish()? })).collect();
        Ok((levels?, self.statistics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_any_size_are_read_as_written() {
        let store = Store::new(1 << 20, std::env::temp_dir());
        let mut writer = TapeWriter::new(&store, 64);
        let counts = [0, 1, u64::from(LARGE) - 1, u64::from(LARGE), u64::from(PRUNED), u64::MAX, 5];
        for count in counts {
            push_count(&mut writer, count, false).unwrap();
            push_count(&mut writer, count, true).unwrap();
        }
        let tape = writer.finish().unwrap();
        let mut reader = tape.reader();
        for count in counts {
            assert_eq!(read_count(&mut reader).unwrap(), (count, false));
            assert_eq!(read_count(&mut reader).unwrap(), (count, true));
        }
        assert!(read_count(&mut reader).is_err());
    }
}
