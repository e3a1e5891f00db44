//! Hash tables with linear probing, laid out as KenLM lays them out: an array of entries that begin with a key of
//! eight bytes, zero where the bucket is free; the home of a key is `key % buckets`.

use crate::bytes::u64_at;

/// Where such a table lies. `ENTRY` is an entry's size in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbingTable<const ENTRY: usize> {
    /// Of the first bucket.
    offset: usize,
    buckets: u64,
    /// `⌊(2⁶⁴ − 1) / buckets⌋`, so that the remainder costs two multiplications instead of a division.
    reciprocal: u64,
}

impl<const ENTRY: usize> ProbingTable<ENTRY> {
    /// A table of `buckets` (at least 1) entries at `offset`.
    pub(crate) fn new(offset: usize, buckets: u64) -> Self {
        assert!(buckets > 0, "a probing table has at least one bucket");
        ProbingTable { offset, buckets, reciprocal: u64::MAX / buckets }
    }

    /// Number of buckets that KenLM gives a table of `entries`: computed in single precision, as there.
    pub(crate) fn buckets(entries: u64, multiplier: f32) -> u64 {
        entries.saturating_add(1).max((multiplier * entries as f32) as u64)
    }

    /// Bytes from the first bucket to the end of the last.
    pub(crate) fn size(&self) -> usize {
        self.buckets as usize * ENTRY
    }

    /// Number of buckets.
    pub(crate) fn bucket_count(&self) -> u64 {
        self.buckets
    }

    /// The bucket where the search for `key` begins: `key % buckets`.
    #[inline(always)]
    pub(crate) fn home(&self, key: u64) -> u64 {
        let quotient = ((u128::from(key) * u128::from(self.reciprocal)) >> 64) as u64;
        let mut rest = key.wrapping_sub(quotient.wrapping_mul(self.buckets));
        // The quotient is at most two too small.
        if rest >= self.buckets {
            rest -= self.buckets;
        }
        if rest >= self.buckets {
            rest -= self.buckets;
        }
        rest
    }

    /// Where bucket number `bucket` begins.
    #[inline(always)]
    pub(crate) fn at(&self, bucket: u64) -> usize {
        self.offset + bucket as usize * ENTRY
    }

    /// Where the entry with `key` begins.
    #[inline(always)]
    pub(crate) fn find(&self, bytes: &[u8], key: u64) -> Option<usize> {
        self.find_from(bytes, self.home(key), key)
    }

    /// As [`Self::find`], with the home bucket known. A table without a free bucket is walked once.
    #[inline(always)]
    pub(crate) fn find_from(&self, bytes: &[u8], home: u64, key: u64) -> Option<usize> {
        match self.find_or_free(bytes, home, key) {
            Slot::Taken(at) => Some(at),
            Slot::Free(_) | Slot::Full => None,
        }
    }

    /// The entry with `key`, or the free bucket that ended the search for it.
    #[inline(always)]
    pub(crate) fn find_or_free(&self, bytes: &[u8], home: u64, key: u64) -> Slot {
        let table = &bytes[self.offset..self.offset + self.buckets as usize * ENTRY];
        let start = home as usize * ENTRY;
        let mut at = start;
        loop {
            let found = u64_at(table, at);
            if found == key {
                return Slot::Taken(self.offset + at);
            }
            if found == 0 {
                return Slot::Free(self.offset + at);
            }
            at += ENTRY;
            if at == table.len() {
                at = 0;
            }
            if at == start {
                return Slot::Full;
            }
        }
    }

    /// The first free bucket for a key that is not looked for, whether the key is there already or not.
    #[inline(always)]
    pub(crate) fn free(&self, bytes: &[u8], home: u64) -> Option<usize> {
        match self.find_or_free(bytes, home, 0) {
            Slot::Taken(at) | Slot::Free(at) => Some(at),
            Slot::Full => None,
        }
    }
}

/// Where a search in a table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// At the entry.
    Taken(usize),
    /// At a free bucket.
    Free(usize),
    /// Nowhere: every bucket holds another key.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::put_u64;

    #[test]
    fn the_home_is_the_remainder() {
        let mut key = 0x9e37_79b9_7f4a_7c15u64;
        for buckets in [1, 2, 3, 7, 100, 65_537, (1 << 32) + 1, u64::MAX / 3, u64::MAX / 2 + 7, u64::MAX - 1, u64::MAX]
        {
            let table = ProbingTable::<12>::new(0, buckets);
            for special in [0, 1, buckets - 1, buckets, buckets.wrapping_add(1), u64::MAX - 1, u64::MAX] {
                assert_eq!(table.home(special), special % buckets, "{special} % {buckets}");
            }
            for _ in 0..1000 {
                key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                assert_eq!(table.home(key), key % buckets, "{key} % {buckets}");
            }
        }
    }

    #[test]
    fn a_search_wraps_around_and_a_full_table_ends_it() {
        let mut bytes = vec![0; 4 + 3 * 16];
        let table = ProbingTable::<16>::new(4, 3);
        put_u64(&mut bytes, 4 + 2 * 16, 5);
        put_u64(&mut bytes, 4, 8);
        assert_eq!(table.find(&bytes, 5), Some(4 + 32));
        assert_eq!(table.find(&bytes, 8), Some(4));
        assert_eq!(table.find_or_free(&bytes, table.home(11), 11), Slot::Free(20));
        put_u64(&mut bytes, 20, 11);
        assert_eq!(table.find_or_free(&bytes, table.home(2), 2), Slot::Full);
    }
}
