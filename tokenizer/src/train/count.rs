//! Counting pieces.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

/// The hash by which pieces are found and ordered.
pub(crate) fn hash(piece: &[u8]) -> u64 {
    xxh3_64(piece)
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    start: u64,
    count: u64,
    len: u32,
}

impl Entry {
    /// Where the bytes are.
    fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// No entry.
const EMPTY: u32 = u32::MAX;

/// Pieces and how often they came. Memory: a piece's bytes and some 40 more.
#[derive(Default)]
pub(crate) struct Counter {
    /// The upper half of a hash, and the number of the entry.
    slots: Vec<(u32, u32)>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Counter {
    /// Counts a piece of less than 4 GiB once more.
    pub(crate) fn count(&mut self, piece: &[u8]) {
        if self.entries.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash(piece);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        let tag = (hash >> 32) as u32;
        loop {
            let (found, number) = self.slots[at];
            if number == EMPTY {
                break;
            }
            if found == tag {
                let entry = &mut self.entries[number as usize];
                if entry.hash == hash && self.bytes[entry.range()] == *piece {
                    entry.count += 1;
                    return;
                }
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = (tag, self.entries.len() as u32);
        self.entries.push(Entry { hash, start: self.bytes.len() as u64, count: 1, len: piece.len() as u32 });
        self.bytes.extend_from_slice(piece);
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1 << 10);
        self.slots.clear();
        self.slots.resize(size, (0, EMPTY));
        for (entry, number) in self.entries.iter().zip(0..) {
            let mut at = entry.hash as usize & (size - 1);
            while self.slots[at].1 != EMPTY {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = ((entry.hash >> 32) as u32, number);
        }
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>() + self.slots.len() * size_of::<(u32, u32)>()
    }

    /// Hands all pieces with their counts to `take`, in the order of their hashes, of one hash in that of their bytes, and
    /// starts anew.
    pub(crate) fn drain<E>(&mut self, mut take: impl FnMut(&[u8], u64) -> Result<(), E>) -> Result<(), E> {
        let bytes = &self.bytes;
        let piece = |entry: &Entry| &bytes[entry.range()];
        self.entries
            .sort_unstable_by(|one, other| one.hash.cmp(&other.hash).then_with(|| piece(one).cmp(piece(other))));
        self.entries.iter().try_for_each(|entry| take(piece(entry), entry.count))?;
        self.entries.clear();
        self.bytes.clear();
        self.slots.fill((0, EMPTY));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pieces_are_counted_and_come_in_the_order_of_their_hashes() {
        let mut counter = Counter::default();
        for round in 0..2 {
            let mut expected: BTreeMap<(u64, Vec<u8>), u64> = BTreeMap::new();
            for number in 0..30_000_u64 {
                let piece = format!("{}", number * number % 7919 + round).into_bytes();
                counter.count(&piece);
                *expected.entry((hash(&piece), piece)).or_default() += 1;
            }
            assert!(expected.len() > 3000 && counter.memory() > expected.len() * 30);
            let mut found = Vec::new();
            counter
                .drain(|piece, count| {
                    found.push(((hash(piece), piece.to_vec()), count));
                    Ok::<_, ()>(())
                })
                .unwrap();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            assert!(counter.entries.is_empty() && counter.bytes.is_empty());
        }
    }
}
