//! Pairs of neighbouring symbols: how often each stands anywhere, and in which pieces it once stood.
//!
//! Open addressing with linear probing, 24 bytes a slot, at most five eighths full; a pair whose count falls to nothing leaves, so
//! that only living pairs take room. Its changes come in groups, whose slots are fetched ahead: a training waits for memory more
//! than for anything else.

use crate::hash::mix;

/// No pair: no symbol has this number.
const EMPTY: u64 = u64::MAX;
/// No list of pieces beside the one in the slot.
const NO_LIST: u32 = u32::MAX;
/// So many keys ahead of the one that is looked up, slots are fetched.
const AHEAD: usize = 12;

/// The key of a pair.
pub(super) fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// The two symbols of a key.
pub(super) fn symbols(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

#[derive(Clone, Copy)]
struct Slot {
    pair: u64,
    count: u64,
    /// A piece with the pair, the only one if there is no list.
    piece: u32,
    list: u32,
}

const EMPTY_SLOT: Slot = Slot { pair: EMPTY, count: 0, piece: 0, list: NO_LIST };

/// More of a pair: how often, and in which pieces, each once.
#[derive(Clone, Copy)]
pub(super) struct Rise<'a> {
    pub pair: u64,
    pub count: u64,
    pub pieces: &'a [u32],
}

/// The table.
pub(super) struct Pairs {
    slots: Vec<Slot>,
    shift: u32,
    len: usize,
    lists: Vec<Vec<u32>>,
    free: Vec<u32>,
}

impl Pairs {
    pub(super) fn new() -> Self {
        let bits = 10;
        Self {
            slots: vec![EMPTY_SLOT; 1 << bits],
            shift: u64::BITS - bits,
            len: 0,
            lists: Vec::new(),
            free: Vec::new(),
        }
    }

    fn home(&self, pair: u64) -> usize {
        (mix(pair) >> self.shift) as usize
    }

    /// Where the pair is, or would be put.
    fn find(&self, pair: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.home(pair);
        while self.slots[at].pair != pair && self.slots[at].pair != EMPTY {
            at = (at + 1) & mask;
        }
        at
    }

    fn fetch(&self, pair: u64) {
        let slot = &self.slots[self.home(pair)];
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, of an address within the slots; the instruction is in every x86-64 processor.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(slot).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    /// How often the pair stands anywhere.
    pub(super) fn count(&self, pair: u64) -> u64 {
        let slot = &self.slots[self.find(pair)];
        if slot.pair == pair { slot.count } else { 0 }
    }

    /// Adds to pairs, and hands each with its new count to `risen`.
    pub(super) fn rise<'a>(&mut self, rises: impl Iterator<Item = Rise<'a>> + Clone, mut risen: impl FnMut(u64, u64)) {
        let mut ahead = rises.clone();
        ahead.by_ref().take(AHEAD).for_each(|rise| self.fetch(rise.pair));
        for Rise { pair, count, pieces } in rises {
            if let Some(rise) = ahead.next() {
                self.fetch(rise.pair);
            }
            if (self.len + 1) * 8 > self.slots.len() * 5 {
                self.grow();
            }
            let at = self.find(pair);
            if self.slots[at].pair == EMPTY {
                self.len += 1;
                let list = if pieces.len() > 1 { self.new_list(pieces.to_vec()) } else { NO_LIST };
                self.slots[at] = Slot { pair, count, piece: pieces[0], list };
            } else {
                // A symbol that can be made of several pairs comes to stand beside another once more.
                let Slot { piece, list, .. } = self.slots[at];
                if list == NO_LIST {
                    let list = self.new_list([&[piece], pieces].concat());
                    self.slots[at].list = list;
                } else {
                    self.lists[list as usize].extend(pieces);
                }
                self.slots[at].count += count;
            }
            risen(pair, self.slots[at].count);
        }
    }

    /// Takes from the counts of pairs; those that are not here are passed over.
    pub(super) fn fall(&mut self, falls: impl Iterator<Item = (u64, u64)> + Clone) {
        let mut ahead = falls.clone();
        ahead.by_ref().take(AHEAD).for_each(|(pair, _)| self.fetch(pair));
        for (pair, count) in falls {
            if let Some((pair, _)) = ahead.next() {
                self.fetch(pair);
            }
            let at = self.find(pair);
            let slot = &mut self.slots[at];
            if slot.pair == pair {
                // A pair that may not be merged was taken out and may be here again, with less than it had.
                slot.count = slot.count.saturating_sub(count);
                if slot.count == 0 {
                    self.clear(at);
                }
            }
        }
    }

    /// Takes a pair out, with the pieces it once stood in.
    pub(super) fn remove(&mut self, pair: u64) -> Vec<u32> {
        let at = self.find(pair);
        let Slot { pair: found, piece, list, .. } = self.slots[at];
        if found != pair {
            return Vec::new();
        }
        let pieces = if list == NO_LIST { vec![piece] } else { std::mem::take(&mut self.lists[list as usize]) };
        self.clear(at);
        pieces
    }

    fn new_list(&mut self, pieces: Vec<u32>) -> u32 {
        match self.free.pop() {
            Some(list) => {
                self.lists[list as usize] = pieces;
                list
            }
            None => {
                self.lists.push(pieces);
                self.lists.len() as u32 - 1
            }
        }
    }

    /// Empties a slot, and moves up those behind it that were pushed on by what was there.
    fn clear(&mut self, mut hole: usize) {
        let list = self.slots[hole].list;
        if list != NO_LIST {
            self.lists[list as usize] = Vec::new();
            self.free.push(list);
        }
        self.len -= 1;
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot.pair == EMPTY {
                break;
            }
            let distance = |from: usize| at.wrapping_sub(from) & mask;
            if distance(self.home(slot.pair)) >= distance(hole) {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY_SLOT;
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY_SLOT; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        self.shift -= 1;
        for slot in old.into_iter().filter(|slot| slot.pair != EMPTY) {
            let at = self.find(slot.pair);
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut pairs = Pairs::new();
        let mut expected: BTreeMap<u64, (u64, Vec<u32>)> = BTreeMap::new();
        let mut state = 1;
        for step in 0..40_000_u32 {
            state = mix(state);
            let key = pair((state >> 8) as u32 % 70, (state >> 20) as u32 % 70);
            match state % 8 {
                0 => {
                    let pieces = pairs.remove(key);
                    assert_eq!(pieces, expected.remove(&key).map(|it| it.1).unwrap_or_default());
                }
                1 | 2 => {
                    let count = expected.get(&key).map_or(1, |it| 1 + state % it.0);
                    pairs.fall([(key, count)].into_iter());
                    if let Some(known) = expected.get_mut(&key) {
                        known.0 -= count;
                        if known.0 == 0 {
                            expected.remove(&key);
                        }
                    }
                }
                _ => {
                    let pieces = [step, step + 1];
                    let pieces = &pieces[..1 + (state >> 40) as usize % 2];
                    let known = expected.entry(key).or_default();
                    known.0 += 5;
                    known.1.extend(pieces);
                    let mut risen = None;
                    pairs.rise([Rise { pair: key, count: 5, pieces }].into_iter(), |pair, count| {
                        risen = Some((pair, count));
                    });
                    assert_eq!(risen, Some((key, known.0)));
                }
            }
            assert_eq!(pairs.len, expected.len());
        }
        assert!(expected.len() > 1000);
        for (key, (count, pieces)) in expected {
            assert_eq!(pairs.count(key), count);
            assert_eq!(pairs.remove(key), pieces);
        }
        assert_eq!(pairs.len, 0);
        assert!(pairs.slots.iter().all(|slot| slot.pair == EMPTY));
    }
}
