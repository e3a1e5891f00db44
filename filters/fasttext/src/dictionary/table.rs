//! From a word's hash to its number.

/// A hash table with open addressing, at most half full. A slot has four bytes: the number, and in the bits that it leaves
/// over some of the hash, so that words are compared only when these agree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// A power of two, or empty. The number is stored plus 1; 0 is a free slot.
    slots: Vec<u32>,
    used: usize,
    /// Bits of a slot that hold the number.
    number_bits: u32,
}

impl Table {
    /// Makes room for so many more numbers. `hash_of` gives the hash of a number that is stored.
    pub fn reserve(&mut self, more: usize, hash_of: impl Fn(u32) -> u32) {
        let needed = (self.used + more).saturating_mul(2).max(16).next_power_of_two();
        if needed <= self.slots.len() {
            return;
        }
        let old = std::mem::replace(&mut self.slots, vec![0; needed]);
        let old_mask = self.number_mask();
        self.number_bits = needed.trailing_zeros().min(32);
        for number in old.into_iter().map(|slot| slot & old_mask).filter(|number| *number != 0) {
            self.store(hash_of(number - 1), number - 1, |_| false);
        }
    }

    /// Stores a number, in place of the one for which `same` holds if there is one.
    pub fn insert(&mut self, hash: u32, number: u32, same: impl Fn(u32) -> bool, hash_of: impl Fn(u32) -> u32) {
        self.reserve(1, hash_of);
        self.used += usize::from(self.store(hash, number, same));
    }

    /// Whether the slot was free.
    fn store(&mut self, hash: u32, number: u32, same: impl Fn(u32) -> bool) -> bool {
        let at = self.probe(hash, same);
        let was_free = self.slots[at] == 0;
        self.slots[at] = self.tag(hash) | (number + 1);
        was_free
    }

    /// The number with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        (self.slots[self.probe(hash, same)] & self.number_mask()).checked_sub(1)
    }

    /// The slot where the search for a hash begins, to fetch it ahead of time; `None` in an empty table.
    #[inline(always)]
    pub fn first_slot(&self, hash: u32) -> Option<&u32> {
        self.slots.get(self.start(hash))
    }

    /// The slot of the number for which `same` holds, or the free one where it would go.
    #[inline(always)]
    fn probe(&self, hash: u32, same: impl Fn(u32) -> bool) -> usize {
        let (tag, number_mask) = (self.tag(hash), self.number_mask());
        let mask = self.slots.len() - 1;
        let mut at = self.start(hash);
        loop {
            let slot = self.slots[at];
            if slot == 0 || (slot & !number_mask == tag && same((slot & number_mask) - 1)) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    #[inline(always)]
    fn start(&self, hash: u32) -> usize {
        (mixed(hash) >> 32) as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline(always)]
    fn tag(&self, hash: u32) -> u32 {
        mixed(hash) as u32 & !self.number_mask()
    }

    #[inline(always)]
    fn number_mask(&self) -> u32 {
        ((1u64 << self.number_bits) - 1) as u32
    }
}

/// FNV's low bits are those of letters alone and make runs; a product spreads all bits over the upper ones.
#[inline(always)]
fn mixed(hash: u32) -> u64 {
    let product = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_stored_last() {
        let mut table = Table::default();
        assert_eq!(table.find(7, |_| true), None);
        let hash_of = |number: u32| number % 1000 * 77;
        // Three numbers for each hash; the word is the number modulo 2000, so that some are the same word.
        for number in 0..3000u32 {
            table.insert(hash_of(number), number, |other| other % 2000 == number % 2000, hash_of);
        }
        assert_eq!(table.used, 2000);
        for word in 0..2000 {
            let expected = if word < 1000 { word + 2000 } else { word };
            assert_eq!(table.find(hash_of(word), |other| other % 2000 == word), Some(expected));
        }
        assert_eq!(table.find(5, |_| true), None);
    }
}
