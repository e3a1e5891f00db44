//! Byte-pair encoding as it is defined: the rule learnt first is applied first, from the left.
//!
//! The rules are those of `tokenizers`' `BPE` model over byte symbols; so are the tokens. This is for vocabularies
//! whose rules are out of order, and what the faster ways are tested against. O(bytes · log bytes).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::hash::mix;

/// Up to this many bytes a piece is merged by looking through all its pairs, above by a heap.
const MAX_SCANNED_BYTES: usize = 96;
/// The rank of a pair that no rule merges.
const NO_RANK: u32 = u32::MAX;

/// A rule: its rank, and the id of what it makes.
#[derive(Clone, Copy)]
struct Rule {
    rank: u32,
    product: u32,
}

const NO_RULE: Rule = Rule { rank: NO_RANK, product: 0 };

/// The merges of a vocabulary.
pub(crate) struct Merges {
    byte_ids: [u32; 256],
    /// The rules for two bytes, by the bytes: most look-ups are among these.
    byte_rules: Box<[Rule]>,
    rules: RuleTable,
}

/// Rules by pair of ids: open addressing, at most half full.
struct RuleTable {
    slots: Box<[(u64, Rule)]>,
    mask: usize,
}

impl RuleTable {
    fn new(rules: impl ExactSizeIterator<Item = (u64, Rule)>) -> Self {
        let size = (rules.len() * 2).next_power_of_two().max(2);
        let mut table = Self { slots: vec![(0, NO_RULE); size].into_boxed_slice(), mask: size - 1 };
        for (key, rule) in rules {
            let slot = table.slot(key);
            table.slots[slot] = (key, rule);
        }
        table
    }

    /// Where the key is, or would be put.
    fn slot(&self, key: u64) -> usize {
        let mut slot = mix(key) as usize & self.mask;
        while self.slots[slot].1.rank != NO_RANK && self.slots[slot].0 != key {
            slot = (slot + 1) & self.mask;
        }
        slot
    }

    fn get(&self, left: u32, right: u32) -> Rule {
        self.slots[self.slot(pair(left, right))].1
    }
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// What merging one piece needs, kept from piece to piece.
#[derive(Default)]
pub(crate) struct Merging {
    ids: Vec<u32>,
    rules: Vec<Rule>,
    previous: Vec<u32>,
    next: Vec<u32>,
    queue: BinaryHeap<Reverse<(u32, u32, u32)>>,
}

impl Merges {
    /// From the ids of the bytes, and the rules `(left, right, product)` in rank order; a pair that
    /// comes twice has its last rank, as with `tokenizers`.
    pub(crate) fn new(byte_ids: [u32; 256], merges: &[(u32, u32, u32)]) -> Self {
        let rules = RuleTable::new(merges.iter().enumerate().map(|(rank, (left, right, product))| {
            (pair(*left, *right), Rule { rank: rank as u32, product: *product })
        }));
        let byte_rules =
            (0..1 << 16).map(|pair: usize| rules.get(byte_ids[pair >> 8], byte_ids[pair & 0xff])).collect();
        Self { byte_ids, byte_rules, rules }
    }

    /// Appends the tokens of `piece` to `out`.
    pub(crate) fn encode(&self, piece: &[u8], merging: &mut Merging, out: &mut Vec<u32>) {
        merging.ids.clear();
        merging.ids.extend(piece.iter().map(|byte| self.byte_ids[usize::from(*byte)]));
        merging.rules.clear();
        merging
            .rules
            .extend(piece.windows(2).map(|two| self.byte_rules[usize::from(two[0]) << 8 | usize::from(two[1])]));
        if piece.len() <= MAX_SCANNED_BYTES {
            self.merge_scanning(merging);
            out.extend_from_slice(&merging.ids);
        } else {
            self.merge_queued(merging, out);
        }
    }

    /// Quadratic, but without a data structure.
    fn merge_scanning(&self, merging: &mut Merging) {
        let (ids, rules) = (&mut merging.ids, &mut merging.rules);
        loop {
            let mut best = NO_RULE;
            let mut at = 0;
            for (place, rule) in rules.iter().enumerate() {
                if rule.rank < best.rank {
                    (best, at) = (*rule, place);
                }
            }
            if best.rank == NO_RANK {
                return;
            }
            ids[at] = best.product;
            ids.remove(at + 1);
            rules.remove(at);
            if at > 0 {
                rules[at - 1] = self.rules.get(ids[at - 1], ids[at]);
            }
            if at < rules.len() {
                rules[at] = self.rules.get(ids[at], ids[at + 1]);
            }
        }
    }

    /// A linked list and a heap of candidate pairs, the stale ones passed over.
    fn merge_queued(&self, merging: &mut Merging, out: &mut Vec<u32>) {
        let Merging { ids, rules, previous, next, queue } = merging;
        let length = ids.len() as u32;
        const NONE: u32 = u32::MAX;
        previous.clear();
        previous.extend((0..length).map(|at| at.wrapping_sub(1)));
        next.clear();
        next.extend((1..length).chain([NONE]));
        queue.clear();
        queue.extend(
            rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.rank != NO_RANK)
                .map(|(at, rule)| Reverse((rule.rank, at as u32, rule.product))),
        );
        while let Some(Reverse((rank, at, product))) = queue.pop() {
            let right = next[at as usize];
            // A symbol merged away has itself as the next one.
            if right == at || right == NONE {
                continue;
            }
            if self.rules.get(ids[at as usize], ids[right as usize]).rank != rank {
                continue;
            }
            ids[at as usize] = product;
            let after = next[right as usize];
            next[right as usize] = right;
            next[at as usize] = after;
            if after != NONE {
                previous[after as usize] = at;
                let rule = self.rules.get(product, ids[after as usize]);
                if rule.rank != NO_RANK {
                    queue.push(Reverse((rule.rank, at, rule.product)));
                }
            }
            let before = previous[at as usize];
            if before != NONE {
                let rule = self.rules.get(ids[before as usize], product);
                if rule.rank != NO_RANK {
                    queue.push(Reverse((rule.rank, before, rule.product)));
                }
            }
        }
        let mut at = 0;
        while at != NONE {
            out.push(ids[at as usize]);
            at = next[at as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of lowest rank anywhere, leftmost, until none applies.
    fn slow(piece: &[u8], merges: &[(u32, u32, u32)]) -> Vec<u32> {
        let mut ids: Vec<u32> = piece.iter().map(|byte| u32::from(*byte)).collect();
        while let Some((at, product)) = merges.iter().find_map(|(left, right, product)| {
            let at = ids.windows(2).position(|two| two == [*left, *right])?;
            Some((at, *product))
        }) {
            ids.splice(at..at + 2, [product]);
        }
        ids
    }

    fn bpe(merges: &[(u32, u32, u32)]) -> Merges {
        Merges::new(std::array::from_fn(|byte| byte as u32), merges)
    }

    #[test]
    fn both_ways_of_merging_are_the_slow_way() {
        // Rules over few symbols, so that they overlap in every way.
        let merges = [
            (97, 97, 300),
            (97, 98, 301),
            (300, 300, 302),
            (98, 97, 303),
            (301, 97, 304),
            (300, 98, 305),
            (302, 301, 306),
            (303, 303, 307),
            (97, 300, 308),
            (305, 304, 309),
        ];
        let bpe = bpe(&merges);
        let mut merging = Merging::default();
        let mut state = 1_u64;
        for length in (0..=40).chain([97, 200, 333]) {
            for _ in 0..200 {
                let piece: Vec<u8> = (0..length)
                    .map(|_| {
                        state = mix(state);
                        b'a' + u8::from(state.is_multiple_of(5)) + u8::from(state.is_multiple_of(31))
                    })
                    .collect();
                let expected = slow(&piece, &merges);
                let mut out = Vec::new();
                bpe.encode(&piece, &mut merging, &mut out);
                assert_eq!(out, expected);
                if length > 0 && length <= MAX_SCANNED_BYTES {
                    merging.ids = piece.iter().map(|byte| u32::from(*byte)).collect();
                    merging.rules =
                        piece.windows(2).map(|two| bpe.rules.get(u32::from(two[0]), u32::from(two[1]))).collect();
                    out.clear();
                    bpe.merge_queued(&mut merging, &mut out);
                    assert_eq!(out, expected);
                }
            }
        }
    }
}
