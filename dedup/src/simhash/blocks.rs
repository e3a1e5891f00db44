//! Keys that fingerprints within a distance have in common.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bits of a key that name its table; the others are a hash, so keys are evenly spread.
const TABLE: u64 = 0xff;

/// The tables: for each choice of `max_distance` blocks, the bits of all others.
pub(super) struct Tables {
    masks: Vec<u128>,
    max_distance: u32,
}

/// How many tables there are: `blocks` over `max_distance`; stops counting beyond 2³².
pub(super) fn count(blocks: u32, max_distance: u32) -> usize {
    let ways = (0..u64::from(max_distance)).try_fold(1_u64, |ways, chosen| {
        let ways = ways * (u64::from(blocks) - chosen) / (chosen + 1);
        if ways < 1 << 32 { Some(ways) } else { None }
    });
    ways.unwrap_or(1 << 32) as usize
}

impl Tables {
    pub(super) fn new(bits: u32, blocks: u32, max_distance: u32) -> Self {
        let bound = |block: u32| bits * block / blocks;
        let all = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
        let below = |bit: u32| if bit == 128 { u128::MAX } else { (1_u128 << bit) - 1 };
        let block = |number: u32| below(bound(number + 1)) & !below(bound(number));
        let mut masks = Vec::new();
        // Choices in the order of their blocks, as digits that rise.
        let mut left_out: Vec<u32> = (0..max_distance).collect();
        loop {
            masks.push(left_out.iter().fold(all, |mask, number| mask & !block(*number)));
            let last = left_out.len();
            let Some(place) = (0..last).rev().find(|place| left_out[*place] < blocks - (last - place) as u32) else {
                break;
            };
            left_out[place] += 1;
            (place + 1..last).for_each(|place| left_out[place] = left_out[place - 1] + 1);
        }
        Self { masks, max_distance }
    }

    /// Hands the key of each table to `take`.
    pub(super) fn keys(&self, fingerprint: u128, scope: u64, mut take: impl FnMut(u64)) {
        for (table, mask) in (0..).zip(&self.masks) {
            let hash = xxh3_64_with_seed(&(fingerprint & mask).to_le_bytes(), table) ^ scope;
            take(hash & !TABLE | table);
        }
    }

    /// How far two fingerprints of a key are from each other, if that is near enough and no earlier table has the two.
    pub(super) fn found(&self, key: u64, one: u128, other: u128) -> Option<u32> {
        let different = one ^ other;
        let distance = different.count_ones();
        if distance > self.max_distance {
            return None;
        }
        let first = self.masks.iter().position(|mask| different & mask == 0);
        (first == Some((key & TABLE) as usize)).then_some(distance)
    }
}

/// Whether documents of one fingerprint are told by this key: one table is enough.
pub(super) fn is_first_table(key: u64) -> bool {
    key & TABLE == 0
}

/// The key of a document shorter than a shingle, that no longer one has.
pub(super) fn short_key(hash: u64, scope: u64) -> u64 {
    (xxh3_64_with_seed(&hash.to_le_bytes(), u64::MAX) ^ scope) & !TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_within_the_distance_is_found_once_and_no_other() {
        let mut state = 9_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 20
        };
        for (bits, blocks, max_distance) in [(64, 5, 3), (64, 4, 3), (64, 6, 3), (128, 8, 6), (64, 1, 0), (64, 3, 1)] {
            let tables = Tables::new(bits, blocks, max_distance);
            assert_eq!(tables.masks.len(), count(blocks, max_distance));
            for distance in 0..max_distance + 3 {
                for _ in 0..200 {
                    let one = u128::from(next()) << 90 ^ u128::from(next()) << 44 ^ u128::from(next());
                    let one = if bits == 64 { u128::from(one as u64) } else { one };
                    let mut other = one;
                    while (one ^ other).count_ones() < distance {
                        other ^= 1 << (next() as u32 % bits);
                    }
                    let mut keys = Vec::new();
                    tables.keys(one, 0, |key| keys.push(key));
                    let mut common = Vec::new();
                    tables.keys(other, 0, |key| {
                        if keys.contains(&key) {
                            common.push(key)
                        }
                    });
                    let found = common.iter().filter_map(|key| tables.found(*key, one, other)).collect::<Vec<_>>();
                    let distance = (one ^ other).count_ones();
                    assert_eq!(found, if distance <= max_distance { vec![distance] } else { vec![] });
                }
            }
        }
    }

    #[test]
    fn tables_are_counted() {
        assert_eq!([count(5, 3), count(6, 3), count(4, 3), count(1, 0), count(64, 31)], [10, 20, 4, 1, 1 << 32]);
    }
}
