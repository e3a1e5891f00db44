//! The buckets that a pruned model kept.

/// The buckets of hashed n-grams that were kept when a model was pruned (`-cutoff`), with their new places.
#[derive(Clone, Debug, Default)]
pub struct KeptBuckets {
    pairs: Vec<(i32, i32)>,
    /// A power of two, at most half full; a bucket of -1 is a free slot.
    table: Vec<(i32, i32)>,
    rows: u64,
}

impl KeptBuckets {
    /// From pairs of bucket and new place, in the order in which they are stored. Of pairs with the same bucket the last
    /// counts; pairs with a negative number are stored but never looked up.
    pub fn new(pairs: Vec<(i32, i32)>) -> Self {
        let usable = || pairs.iter().filter(|(bucket, place)| *bucket >= 0 && *place >= 0);
        let rows = usable().map(|(_, place)| *place as u64 + 1).max().unwrap_or(0);
        let mut table = vec![(-1, 0); (pairs.len() * 2).next_power_of_two()];
        let mask = table.len() - 1;
        for &(bucket, place) in usable() {
            let mut at = mixed(bucket as u32) & mask;
            while table[at].0 >= 0 && table[at].0 != bucket {
                at = (at + 1) & mask;
            }
            table[at] = (bucket, place);
        }
        Self { rows, table, pairs }
    }

    /// The pairs in the order in which they are stored.
    pub fn pairs(&self) -> &[(i32, i32)] {
        &self.pairs
    }

    /// Rows that the kept buckets take behind the words.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The new place of a bucket.
    #[inline(always)]
    pub(super) fn place(&self, bucket: u32) -> Option<u32> {
        let mask = self.table.len() - 1;
        let mut at = mixed(bucket) & mask;
        loop {
            let (other, place) = self.table[at];
            if other == bucket as i32 {
                return Some(place as u32);
            }
            if other < 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Buckets are spread evenly already, but neighbours come in runs if somebody sorted them.
#[inline(always)]
fn mixed(bucket: u32) -> usize {
    (u64::from(bucket).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}
