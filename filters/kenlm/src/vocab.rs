//! Words and their numbers.
//!
//! KenLM knows a word by the 64-bit hash of its bytes. `<unk>` is number 0 and never stored; `<UNK>` is the same word.
//! A *probing* vocabulary numbers words in the order of the ARPA file and finds them in a hash table; a *sorted* one
//! (of the tries) numbers them in the order of their hashes.

use crate::bytes::{u32_at, u64_at};
use crate::probing::ProbingTable;

/// A word's number in a model. [`UNKNOWN`] for every word that the model does not know.
pub type WordIndex = u32;

/// The number of `<unk>`.
pub const UNKNOWN: WordIndex = 0;

/// The hash by which KenLM knows a word: MurmurHash64A (Austin Appleby, public domain) with seed 0.
///
/// ```
/// assert_eq!(yuan_kenlm::hash_word(b""), 0);
/// assert_ne!(yuan_kenlm::hash_word(b"<unk>"), yuan_kenlm::hash_word(b"<UNK>"));
/// ```
#[inline]
pub fn hash_word(word: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = (word.len() as u64).wrapping_mul(MULTIPLIER);
    let (eights, tail) = word.as_chunks::<8>();
    for eight in eights {
        let mut mixed = u64::from_le_bytes(*eight).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> 47;
        hash = (hash ^ mixed.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        hash = (hash ^ last_bytes(word, tail)).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 47)
}

/// The one to seven bytes of `tail`, at the end of `word`, as a number; without a loop over them.
#[inline(always)]
fn last_bytes(word: &[u8], tail: &[u8]) -> u64 {
    if let Some(eight) = word.last_chunk::<8>() {
        return u64::from_le_bytes(*eight) >> (64 - 8 * tail.len());
    }
    if let (Some(first), Some(last)) = (tail.first_chunk::<4>(), tail.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (tail.len() - 4));
    }
    let middle = tail.len() / 2;
    u64::from(tail[0])
        | u64::from(tail[middle]) << (8 * middle)
        | u64::from(tail[tail.len() - 1]) << (8 * (tail.len() - 1))
}

/// Whether a word is `<unk>`, which every model has as number 0, or its other spelling `<UNK>`.
pub fn is_unknown_word(word: &[u8]) -> bool {
    matches!(word, b"<unk>" | b"<UNK>")
}

/// Size of an entry in the table of a probing vocabulary: hash and number.
pub(crate) const PROBING_ENTRY: usize = 12;

/// Where a model's vocabulary lies.
#[derive(Debug)]
pub(crate) struct VocabularyLayout {
    lookup: Lookup,
    /// Number of words, with `<unk>`.
    pub(crate) bound: WordIndex,
    pub(crate) begin_sentence: WordIndex,
    pub(crate) end_sentence: WordIndex,
}

#[derive(Debug)]
enum Lookup {
    Probing(ProbingTable<PROBING_ENTRY>),
    Sorted(SortedHashes),
}

/// An ascending array of hashes with an index by their first bits.
#[derive(Debug)]
struct SortedHashes {
    /// Of the first hash.
    offset: usize,
    /// The hashes with the first bits `i` are `starts[i]..starts[i + 1]`, about eight of them.
    starts: Vec<u32>,
    /// By how much a hash is shifted to be left with its first bits.
    shift: u32,
}

impl VocabularyLayout {
    /// A hash table with words `0..bound`, all of whose buckets lie within `bytes`.
    pub(crate) fn probing(bytes: &[u8], table: ProbingTable<PROBING_ENTRY>, bound: WordIndex) -> VocabularyLayout {
        VocabularyLayout::with_markers(bytes, Lookup::Probing(table), bound)
    }

    /// `count` ascending hashes at `offset`, all within `bytes`. Time: one pass over them.
    pub(crate) fn sorted(bytes: &[u8], offset: usize, count: u32) -> VocabularyLayout {
        let hashes = SortedHashes::new(bytes, offset, count);
        VocabularyLayout::with_markers(bytes, Lookup::Sorted(hashes), count.saturating_add(1))
    }

    fn with_markers(bytes: &[u8], lookup: Lookup, bound: WordIndex) -> VocabularyLayout {
        let mut layout = VocabularyLayout { lookup, bound, begin_sentence: UNKNOWN, end_sentence: UNKNOWN };
        layout.begin_sentence = layout.index_of_hash(bytes, hash_word(b"<s>"));
        layout.end_sentence = layout.index_of_hash(bytes, hash_word(b"</s>"));
        layout
    }

    /// The number of the word with this hash.
    #[inline(always)]
    pub(crate) fn index_of_hash(&self, bytes: &[u8], hash: u64) -> WordIndex {
        let index = match &self.lookup {
            Lookup::Probing(table) => table.find(bytes, hash).map_or(UNKNOWN, |at| u32_at(bytes, at + 8)),
            Lookup::Sorted(hashes) => hashes.find(bytes, hash),
        };
        // Only a damaged file has numbers beyond its bound.
        if index < self.bound { index } else { UNKNOWN }
    }

    /// Where in the file the search for a hash begins.
    #[inline(always)]
    pub(crate) fn home(&self, hash: u64) -> usize {
        match &self.lookup {
            Lookup::Probing(table) => table.at(table.home(hash)),
            Lookup::Sorted(hashes) => hashes.home(hash),
        }
    }
}

impl SortedHashes {
    fn new(bytes: &[u8], offset: usize, count: u32) -> SortedHashes {
        let bits = (count / 8).max(1).ilog2().max(1);
        let shift = 64 - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        for index in 0..count {
            let first_bits = (u64_at(bytes, offset + index as usize * 8) >> shift) as usize;
            while starts.len() <= first_bits {
                starts.push(index);
            }
        }
        starts.resize((1 << bits) + 1, count);
        SortedHashes { offset, starts, shift }
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        self.offset + self.starts[(hash >> self.shift) as usize] as usize * 8
    }

    #[inline(always)]
    fn find(&self, bytes: &[u8], hash: u64) -> WordIndex {
        let first_bits = (hash >> self.shift) as usize;
        let (start, end) = (self.starts[first_bits] as usize, self.starts[first_bits + 1] as usize);
        let (hashes, _) = bytes[self.offset + start * 8..self.offset + end * 8].as_chunks::<8>();
        let found = if hashes.len() <= 32 {
            hashes.iter().position(|&candidate| u64::from_le_bytes(candidate) == hash)
        } else {
            hashes.binary_search_by_key(&hash, |&candidate| u64::from_le_bytes(candidate)).ok()
        };
        // The first number is 1: `<unk>` is not among the hashes.
        found.map_or(UNKNOWN, |at| (start + at) as u32 + 1)
    }
}

/// A model's words.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'m> {
    pub(crate) bytes: &'m [u8],
    pub(crate) layout: &'m VocabularyLayout,
    /// The words themselves, each with a zero byte behind it, if the model has them.
    pub(crate) words: Option<&'m [u8]>,
}

impl<'m> Vocabulary<'m> {
    /// The word's number; [`UNKNOWN`] if the model does not have it.
    #[inline]
    pub fn index(&self, word: &[u8]) -> WordIndex {
        self.index_of_hash(hash_word(word))
    }

    /// As [`Self::index`], for a word whose [`hash_word`] is known.
    #[inline]
    pub fn index_of_hash(&self, hash: u64) -> WordIndex {
        self.layout.index_of_hash(self.bytes, hash)
    }

    /// Number of words, with `<unk>`: all numbers are below it.
    pub fn bound(&self) -> WordIndex {
        self.layout.bound
    }

    /// The number of `<s>`.
    pub fn begin_sentence(&self) -> WordIndex {
        self.layout.begin_sentence
    }

    /// The number of `</s>`.
    pub fn end_sentence(&self) -> WordIndex {
        self.layout.end_sentence
    }

    /// All words in the order of their numbers, beginning with `<unk>`; `None` if the model was built without them
    /// (`build_binary -v`). A damaged file may have fewer than [`Self::bound`].
    pub fn words(&self) -> Option<impl Iterator<Item = &'m [u8]> + 'm> {
        let mut rest = self.words?;
        let words = std::iter::from_fn(move || {
            let end = rest.iter().position(|&byte| byte == 0)?;
            let word = &rest[..end];
            rest = &rest[end + 1..];
            Some(word)
        });
        Some(words.take(self.layout.bound as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `MurmurHash64A(word, length, 0)`, of the sorted vocabulary of a model built by KenLM.
    #[test]
    fn hashes_of_every_length_are_those_of_the_reference() {
        // Straight from the definition, a byte at a time.
        fn reference(word: &[u8]) -> u64 {
            let m = 0xc6a4_a793_5bd1_e995u64;
            let mut h = (word.len() as u64).wrapping_mul(m);
            let mut chunks = word.chunks_exact(8);
            for chunk in &mut chunks {
                let mut k = 0u64;
                for (i, &byte) in chunk.iter().enumerate() {
                    k |= u64::from(byte) << (8 * i);
                }
                k = k.wrapping_mul(m);
                k ^= k >> 47;
                k = k.wrapping_mul(m);
                h = (h ^ k).wrapping_mul(m);
            }
            let rest = chunks.remainder();
            if !rest.is_empty() {
                for (i, &byte) in rest.iter().enumerate() {
                    h ^= u64::from(byte) << (8 * i);
                }
                h = h.wrapping_mul(m);
            }
            h ^= h >> 47;
            h = h.wrapping_mul(m);
            h ^ (h >> 47)
        }
        let text: Vec<u8> = (0..64u32).map(|i| (i * 37 + 11) as u8).collect();
        for start in 0..8 {
            for end in start..text.len() {
                assert_eq!(hash_word(&text[start..end]), reference(&text[start..end]), "{start}..{end}");
            }
        }
    }

    #[test]
    fn sorted_hashes_are_found_and_others_are_not() {
        for count in [0u32, 1, 2, 7, 8, 9, 100, 5000] {
            let mut hashes: Vec<u64> = (0..count).map(|i| hash_word(&i.to_le_bytes())).collect();
            hashes.sort_unstable();
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
            let layout = VocabularyLayout::sorted(&bytes, 0, count);
            for (at, &hash) in hashes.iter().enumerate() {
                assert_eq!(layout.index_of_hash(&bytes, hash), at as u32 + 1);
                assert_eq!(layout.index_of_hash(&bytes, hash ^ 1), UNKNOWN);
            }
        }
    }
}
