//! From a word's hash to its number.

/// A hash table with open addressing; a slot is the hash and the number, so that words are compared when hashes agree.
///
/// It is at most half full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// A power of two, or empty. The number is stored plus 1; 0 is a free slot.
    slots: Vec<(u32, u32)>,
    used: usize,
}

impl Table {
    /// Makes room for so many more numbers. `hash_of` gives the hash of a number that is stored.
    pub fn reserve(&mut self, more: usize, hash_of: impl Fn(u32) -> u32) {
        let needed = (self.used + more).saturating_mul(2).max(16).next_power_of_two();
        if needed <= self.slots.len() {
            return;
        }
        let old = std::mem::replace(&mut self.slots, vec![(0, 0); needed]);
        for (_, id) in old.into_iter().filter(|(_, id)| *id != 0) {
            let hash = hash_of(id - 1);
            let free = self.probe(hash, |_| false);
            self.slots[free] = (hash, id);
        }
    }

    /// Stores a number, in place of the one for which `same` holds if there is one.
    pub fn insert(&mut self, hash: u32, id: u32, same: impl Fn(u32) -> bool, hash_of: impl Fn(u32) -> u32) {
        self.reserve(1, hash_of);
        let at = self.probe(hash, same);
        self.used += usize::from(self.slots[at].1 == 0);
        self.slots[at] = (hash, id + 1);
    }

    /// The number with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.slots[self.probe(hash, same)].1.checked_sub(1)
    }

    /// The slot of the number for which `same` holds, or the free one where it would go.
    #[inline]
    fn probe(&self, hash: u32, same: impl Fn(u32) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        // FNV's low bits depend on the low bits of the letters alone; the upper half is mixed in.
        let mut at = (hash ^ (hash >> 15)) as usize & mask;
        loop {
            let (other, id) = self.slots[at];
            if id == 0 || (other == hash && same(id - 1)) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }
}
