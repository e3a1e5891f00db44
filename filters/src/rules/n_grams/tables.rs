//! Flat tables of hashes, reused from document to document.

/// Two bits for each of many slots, by hash: "seen" and "seen again". Never misses a repetition, sometimes
/// invents one.
#[derive(Default)]
pub(in crate::rules) struct BitMaps {
    pairs: Vec<u64>,
}

impl BitMaps {
    /// Keeps the places whose key occurs more than once, and calls `dropped` for the others.
    pub(in crate::rules) fn keep_repeated(
        &mut self,
        keys: &mut Vec<u64>,
        places: &mut Vec<u32>,
        mut dropped: impl FnMut(u32),
    ) {
        // Some sixteen slots for each key.
        let size = (keys.len() / 2).next_power_of_two();
        self.pairs.clear();
        self.pairs.resize(size, 0);
        let pairs = &mut self.pairs[..size];
        // Of a pair the lower bit is "seen".
        let slot = |key: u64| ((key >> 6) as usize & (size - 1), key as u32 & 62);
        for &key in keys.iter() {
            let (word, shift) = slot(key);
            let pair = &mut pairs[word];
            let was_seen = *pair >> shift & 1;
            *pair |= (1 | was_seen << 1) << shift;
        }
        let mut kept = 0;
        for at in 0..places.len().min(keys.len()) {
            let (place, key) = (places[at], keys[at]);
            let (word, shift) = slot(key);
            (places[kept], keys[kept]) = (place, key);
            if pairs[word] >> shift & 2 != 0 {
                kept += 1;
            } else {
                dropped(place);
            }
        }
        places.truncate(kept);
        keys.truncate(kept);
    }
}

/// A set of hashes in flat memory, at most half full.
#[derive(Default)]
pub(super) struct HashSet {
    /// 0 for free.
    slots: Vec<u64>,
}

impl HashSet {
    /// Empties the set and makes room.
    pub(super) fn clear(&mut self, most: usize) {
        self.slots.clear();
        self.slots.resize((2 * most).next_power_of_two(), 0);
    }

    /// Whether the hash was there before.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let (hash, mask) = (hash.max(1), self.slots.len() - 1);
        let mut at = (hash >> 20) as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if *slot == hash {
                return true;
            }
            if *slot == 0 {
                *slot = hash;
                return false;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Finds the most frequent of many hashes: counts them by a few of their bits, then exactly only those that
/// can be it.
#[derive(Default)]
pub(super) struct HashCounts {
    rough: Vec<u32>,
    exact: Vec<HashCount>,
}

#[derive(Clone, Copy, Default)]
struct HashCount {
    hash: u64,
    /// 0 for a free slot.
    count: u32,
    /// Where the hash was met first.
    first: u32,
}

impl HashCounts {
    /// The first place and the count of the most frequent key, of equals the one met first; drops places
    /// whose key is met once (and may leave a few). With no key met twice, every key of the text is met
    /// once, and the first place of all is the answer.
    pub(super) fn most_frequent(&mut self, keys: &mut Vec<u64>, places: &mut Vec<u32>) -> (usize, usize) {
        let mask = (2 * places.len()).next_power_of_two() - 1;
        self.rough.clear();
        self.rough.resize(mask + 1, 0);
        let rough = &mut self.rough[..=mask];
        keys.iter().for_each(|&key| rough[key as usize & mask] += 1);
        let mut at_least = rough.iter().copied().max().unwrap_or(0);
        let mut best = HashCount { count: 1, ..HashCount::default() };
        while at_least > 1 {
            let found = Self::count(&mut self.exact, rough, at_least, keys, places);
            if found.count >= at_least {
                best = found;
                break;
            }
            // Keys that share a slot made its count too high: look once more, among all that reach what was
            // found, or at those met twice.
            at_least = if at_least == 2 { 1 } else { found.count.max(2) };
        }
        let mut kept = 0;
        for at in 0..places.len().min(keys.len()) {
            (places[kept], keys[kept]) = (places[at], keys[at]);
            kept += usize::from(rough[keys[at] as usize & mask] > 1);
        }
        places.truncate(kept);
        keys.truncate(kept);
        (best.first as usize, best.count as usize)
    }

    /// How many of the keys occur more than once, every copy counted.
    pub(super) fn count_repeated(&mut self, keys: &[u64]) -> usize {
        let exact = &mut self.exact;
        exact.clear();
        exact.resize((2 * keys.len()).next_power_of_two(), HashCount::default());
        let mask = exact.len() - 1;
        for &hash in keys {
            let mut at = (hash >> 20) as usize & mask;
            while exact[at].count != 0 && exact[at].hash != hash {
                at = (at + 1) & mask;
            }
            exact[at].hash = hash;
            exact[at].count += 1;
        }
        exact.iter().filter(|slot| slot.count > 1).map(|slot| slot.count as usize).sum()
    }

    /// The most frequent of the keys whose rough count is at least `rough_count`, of equals the first.
    fn count(exact: &mut Vec<HashCount>, rough: &[u32], rough_count: u32, keys: &[u64], places: &[u32]) -> HashCount {
        let high = |key: u64| rough[key as usize & (rough.len() - 1)] >= rough_count;
        let many = rough.iter().filter(|&&count| count >= rough_count).map(|&count| count as usize).sum::<usize>();
        exact.clear();
        exact.resize((2 * many).next_power_of_two(), HashCount::default());
        let mask = exact.len() - 1;
        for (&hash, &place) in keys.iter().zip(places).filter(|&(&key, _)| high(key)) {
            let mut at = (hash >> 20) as usize & mask;
            while exact[at].count != 0 && exact[at].hash != hash {
                at = (at + 1) & mask;
            }
            let slot = &mut exact[at];
            if slot.count == 0 {
                (slot.hash, slot.first) = (hash, place);
            }
            slot.count += 1;
        }
        let best = exact.iter().max_by_key(|slot| (slot.count, std::cmp::Reverse(slot.first)));
        best.copied().unwrap_or_default()
    }
}
