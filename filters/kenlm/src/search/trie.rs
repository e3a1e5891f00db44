//! N-grams in a trie of bit-packed records, the last word first: the children of an n-gram are the n-grams with one
//! word more to the left, sorted by that word.

use super::{Found, Search};
use crate::binary::trie::{ArrayLayout, LevelLayout, QuantiserLayout, TrieLayout, UNIGRAM_SIZE};
use crate::bytes::{bits_at, f32_at, mask, u64_at};
use crate::vocab::{UNKNOWN, WordIndex};

/// The records `begin..end` of the next order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Children {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

/// The levels of a trie. All of their records lie within the model's bytes.
#[derive(Debug)]
pub(crate) struct TrieSearch {
    pub(crate) unigrams: usize,
    pub(crate) unigram_count: u64,
    pub(crate) quantiser: Option<QuantiserLayout>,
    pub(crate) middle: Vec<LevelLayout>,
    pub(crate) longest: LevelLayout,
    /// Of middle orders with arrays of offsets.
    arrays: Vec<HighBits>,
}

impl TrieSearch {
    /// The levels of a layout that was checked against the size of `bytes`. Time: a pass over the arrays of offsets.
    pub(crate) fn new(bytes: &[u8], layout: TrieLayout, unigram_count: u64) -> TrieSearch {
        let TrieLayout { quantiser, unigrams, middle, longest, .. } = layout;
        let arrays =
            middle.iter().filter_map(|level| Some(HighBits::new(bytes, level.array?, level.entries))).collect();
        TrieSearch { unigrams, unigram_count, quantiser, middle, longest, arrays }
    }

    /// The level of order `level + 2`.
    #[inline(always)]
    pub(crate) fn level(&self, level: usize) -> &LevelLayout {
        self.middle.get(level).unwrap_or(&self.longest)
    }

    /// Where a word's record is.
    #[inline(always)]
    pub(crate) fn unigram_at(&self, word: WordIndex) -> usize {
        let word = if u64::from(word) < self.unigram_count { word } else { UNKNOWN };
        self.unigrams + word as usize * UNIGRAM_SIZE
    }

    /// The word at a record, which must be at most that behind the last.
    #[inline(always)]
    pub(crate) fn word_at(bytes: &[u8], level: &LevelLayout, record: u64) -> u64 {
        bits_at(&bytes[level.offset..], record * u64::from(level.total_bits)) & level.word_mask
    }

    /// What a record of a middle order holds, and its children.
    #[inline(always)]
    pub(crate) fn middle_at(&self, bytes: &[u8], level: usize, record: u64) -> (Found, Children) {
        let layout = &self.middle[level];
        let records = &bytes[layout.offset..];
        let bit = record * u64::from(layout.total_bits) + u64::from(layout.word_bits);
        let (prob, backoff) = match &self.quantiser {
            None => {
                let prob = bits_at(records, bit) as u32 | SIGN;
                (f32::from_bits(prob), f32::from_bits(bits_at(records, bit + 31) as u32))
            }
            Some(quantiser) => {
                let bits = bits_at(records, bit);
                let backoff = (bits & mask(quantiser.backoff_bits)) as usize;
                let prob = ((bits >> quantiser.backoff_bits) & mask(quantiser.prob_bits)) as usize;
                let (probs, backoffs) = (quantiser.probs(level), quantiser.backoffs(level));
                (f32_at(bytes, probs + 4 * prob), f32_at(bytes, backoffs + 4 * backoff))
            }
        };
        let next = bit + u64::from(layout.value_bits);
        let mut begin = bits_at(records, next) & layout.next_mask;
        let mut end = bits_at(records, next + u64::from(layout.total_bits)) & layout.next_mask;
        if let Some(array) = self.arrays.get(level) {
            let (first, last) = array.of(bytes, record);
            begin |= first << layout.next_bits;
            end |= last << layout.next_bits;
        }
        let children = self.children(level + 1, begin, end);
        (Found { prob, backoff, independent_left: children.begin == children.end }, children)
    }

    /// The probability in a record of the highest order.
    #[inline(always)]
    pub(crate) fn longest_at(&self, bytes: &[u8], record: u64) -> f32 {
        let layout = &self.longest;
        let bit = record * u64::from(layout.total_bits) + u64::from(layout.word_bits);
        let bits = bits_at(&bytes[layout.offset..], bit);
        match &self.quantiser {
            None => f32::from_bits(bits as u32 | SIGN),
            Some(quantiser) => {
                let bin = (bits & mask(quantiser.prob_bits)) as usize;
                f32_at(bytes, quantiser.probs(self.middle.len()) + 4 * bin)
            }
        }
    }

    /// A word's probability, back-off and children.
    #[inline(always)]
    pub(crate) fn unigram_record(&self, bytes: &[u8], word: WordIndex) -> (Found, Children) {
        let at = self.unigram_at(word);
        let children = self.children(0, u64_at(bytes, at + 8), u64_at(bytes, at + UNIGRAM_SIZE + 8));
        let (prob, backoff) = (f32_at(bytes, at), f32_at(bytes, at + 4));
        (Found { prob, backoff, independent_left: children.begin == children.end }, children)
    }

    /// Children within the records of their level, whatever the pointers say.
    #[inline(always)]
    fn children(&self, level: usize, begin: u64, end: u64) -> Children {
        let end = end.min(self.level(level).entries);
        Children { begin: begin.min(end), end }
    }

    /// The child with `word`.
    #[inline(always)]
    fn find(&self, bytes: &[u8], level: &LevelLayout, children: Children, word: WordIndex) -> Option<u64> {
        let mut hunt = Hunt::new(children, word, self.unigram_count);
        loop {
            let record = hunt.record()?;
            if hunt.narrow(record, TrieSearch::word_at(bytes, level, record)) {
                return Some(record);
            }
        }
    }
}

const SIGN: u32 = 1 << 31;

/// High bits of child pointers: how many of an array's numbers, but the first, are not above a record's.
#[derive(Debug)]
struct HighBits {
    array: ArrayLayout,
    /// For each `1 << shift` records, the first of the array's numbers that is among them or above; about as many as
    /// there are numbers.
    starts: Vec<u32>,
    shift: u32,
}

impl HighBits {
    fn new(bytes: &[u8], array: ArrayLayout, entries: u64) -> HighBits {
        let shift = (entries / array.count as u64).max(1).ilog2();
        let blocks = (entries >> shift) as usize + 2;
        let mut starts = Vec::with_capacity(blocks);
        for (at, &number) in (0..u32::MAX).zip(HighBits::numbers(bytes, &array)) {
            let block = u64::from_le_bytes(number) >> shift;
            while starts.len() < blocks && starts.len() as u64 <= block {
                starts.push(at);
            }
        }
        starts.resize(blocks, array.count.min(u32::MAX as usize) as u32);
        HighBits { array, starts, shift }
    }

    #[inline(always)]
    fn numbers<'b>(bytes: &'b [u8], array: &ArrayLayout) -> &'b [[u8; 8]] {
        bytes[array.offset..array.offset + array.count * 8].as_chunks::<8>().0
    }

    /// Of a record, and of the one behind it.
    #[inline(always)]
    fn of(&self, bytes: &[u8], record: u64) -> (u64, u64) {
        let numbers = HighBits::numbers(bytes, &self.array);
        let block = (record >> self.shift) as usize;
        let (start, end) = (self.starts[block] as usize, self.starts[block + 1] as usize);
        let within = numbers.get(start..end).unwrap_or(&[]);
        let first = start + within.partition_point(|&number| u64::from_le_bytes(number) <= record);
        let behind = &numbers[first.min(numbers.len())..];
        let near = behind.iter().take(4).take_while(|&&number| u64::from_le_bytes(number) <= record + 1).count();
        let more = match near {
            4 => behind.partition_point(|&number| u64::from_le_bytes(number) <= record + 1),
            _ => near,
        };
        // The first number is that of no record.
        (first.saturating_sub(1) as u64, (first + more).saturating_sub(1) as u64)
    }
}

/// A search for a word among sorted children, a record at a time: interpolated while that helps, then halving, so that
/// it ends after some tens of steps on any bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hunt {
    word: u64,
    begin: u64,
    end: u64,
    /// No word of the range is below this one, nor above the other.
    lowest: u64,
    highest: u64,
    steps: u8,
}

impl Hunt {
    #[inline(always)]
    pub(crate) fn new(children: Children, word: WordIndex, words: u64) -> Hunt {
        let word = u64::from(word);
        Hunt { word, begin: children.begin, end: children.end, lowest: 0, highest: words.max(word), steps: 0 }
    }

    /// The record to look at next; `None` when the word is not there.
    #[inline(always)]
    pub(crate) fn record(&self) -> Option<u64> {
        let width = self.end - self.begin;
        if width == 0 {
            return None;
        }
        if width <= NEAR || self.steps >= INTERPOLATIONS || width > u64::from(u32::MAX) {
            return Some(self.begin + width / 2);
        }
        // Below `width`, for `word` lies within `lowest..=highest`; both factors have 32 bits.
        Some(self.begin + (self.word - self.lowest) * width / (self.highest - self.lowest + 1))
    }

    /// Takes in which word a record holds; whether it is the one.
    #[inline(always)]
    pub(crate) fn narrow(&mut self, record: u64, found: u64) -> bool {
        self.steps = self.steps.saturating_add(1);
        if found < self.word {
            self.begin = record + 1;
            self.lowest = found;
        } else {
            self.end = record;
            self.highest = found;
        }
        found == self.word
    }
}

/// Widths from which on interpolating pays.
const NEAR: u64 = 8;
/// After so many steps the words are not spread as interpolation expects.
const INTERPOLATIONS: u8 = 12;

impl Search for TrieSearch {
    type Node = Children;

    fn order(&self) -> usize {
        self.middle.len() + 2
    }

    #[inline(always)]
    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, Children) {
        self.unigram_record(bytes, word)
    }

    #[inline(always)]
    fn middle(&self, bytes: &[u8], level: usize, word: WordIndex, node: &mut Children) -> Option<Found> {
        let record = self.find(bytes, &self.middle[level], *node, word)?;
        let (found, children) = self.middle_at(bytes, level, record);
        *node = children;
        Some(found)
    }

    #[inline(always)]
    fn longest(&self, bytes: &[u8], word: WordIndex, node: Children) -> Option<f32> {
        let record = self.find(bytes, &self.longest, node, word)?;
        Some(self.longest_at(bytes, record))
    }
}
