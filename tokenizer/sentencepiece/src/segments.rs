//! Where a text can be cut before joining, and what was found for segments seen before.

use std::hash::{BuildHasher, RandomState};

use crate::vocabulary::hash;

/// Which characters are neighbours in some piece: exact for ASCII, else a filter that says yes once too often in
/// sixteen times or more, which makes a segment longer and changes no result.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// For each character of ASCII, a bit for each that may follow.
    ascii: Vec<u128>,
    filter: Vec<u64>,
    /// How far a hash is shifted to give a bit of `filter`.
    shift: u32,
}

impl Links {
    /// Of all pieces that joining can give.
    pub(crate) fn new<'a>(pieces: impl Iterator<Item = &'a str>) -> Self {
        let mut ascii = vec![0; 128];
        let mut others = Vec::new();
        for (first, second) in pieces.flat_map(|text| text.chars().zip(text.chars().skip(1))) {
            if first.is_ascii() && second.is_ascii() {
                ascii[first as usize] |= 1 << second as u32;
            } else {
                others.push((first, second));
            }
        }
        others.sort_unstable();
        others.dedup();
        let bits = (others.len() * 16).next_power_of_two().max(64);
        let mut links = Self { ascii, filter: vec![0; bits / 64], shift: 64 - bits.trailing_zeros() };
        for (first, second) in others {
            let bit = links.bit(first, second);
            links.filter[bit / 64] |= 1 << (bit % 64);
        }
        links
    }

    /// Whether a piece may have these characters next to each other.
    #[inline(always)]
    pub(crate) fn has(&self, first: char, second: char) -> bool {
        if first.is_ascii() && second.is_ascii() {
            return self.ascii[first as usize] >> second as u32 & 1 == 1;
        }
        let bit = self.bit(first, second);
        self.filter[bit / 64] >> (bit % 64) & 1 == 1
    }

    #[inline(always)]
    fn bit(&self, first: char, second: char) -> usize {
        let pair = u64::from(first as u32) << 21 | u64::from(second as u32);
        (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}

/// The longest segment that is remembered, in bytes.
const MAX_BYTES: usize = 30;
/// The longest result that is remembered.
const MAX_IDS: usize = 8;
/// How many segments are remembered: 2 MiB.
const ENTRIES: usize = 1 << 15;

/// A segment and the ids of its pieces: one line of cache memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Entry {
    ids: [u32; MAX_IDS],
    bytes: [u8; MAX_BYTES],
    /// 0 for an empty entry.
    length: u8,
    ids_length: u8,
}

const EMPTY: Entry = Entry { ids: [0; MAX_IDS], bytes: [0; MAX_BYTES], length: 0, ids_length: 0 };

/// Remembers the segment seen last for each value of a hash. Forgetting is harmless: the ids are found again.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    entries: Vec<Entry>,
    seeds: [u64; 2],
}

impl Default for Cache {
    fn default() -> Self {
        let random = RandomState::new();
        Self { entries: Vec::new(), seeds: [random.hash_one(0), random.hash_one(1)] }
    }
}

impl Cache {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Appends the ids of `segment`, which is not empty: those remembered, or those that `find` appends.
    #[inline]
    pub(crate) fn get_or(&mut self, segment: &str, ids: &mut Vec<u32>, find: impl FnOnce(&mut Vec<u32>)) {
        let bytes = segment.as_bytes();
        if bytes.len() > MAX_BYTES {
            return find(ids);
        }
        if self.entries.is_empty() {
            self.entries.resize(ENTRIES, EMPTY);
        }
        let entry = &mut self.entries[hash(bytes, self.seeds) as usize % ENTRIES];
        if usize::from(entry.length) == bytes.len() && entry.bytes[..bytes.len()] == *bytes {
            ids.extend_from_slice(&entry.ids[..usize::from(entry.ids_length)]);
            return;
        }
        let start = ids.len();
        find(ids);
        let found = &ids[start..];
        if found.len() <= MAX_IDS {
            entry.ids[..found.len()].copy_from_slice(found);
            entry.bytes[..bytes.len()].copy_from_slice(bytes);
            (entry.length, entry.ids_length) = (bytes.len() as u8, found.len() as u8);
        }
    }
}
