//! Held against values that a C++ program printed (`tests/oracle/libstdcxx.cc`).

use super::{hash_order::walk_order, random::MinStdRand, sort::sort_by};

include!("../../../../tests/fixtures/fasttext_train/libstdcxx.rs");

#[test]
fn generator_and_distributions_give_the_values_of_libstdcxx() {
    let mut generator = MinStdRand::new(0);
    let raw: Vec<u64> = (0..4).map(|_| generator.draw()).collect();
    assert_eq!(raw, RAW_SEED_0);
    let mut generator = MinStdRand::new(-7);
    let raw: Vec<u64> = (0..4).map(|_| generator.draw()).collect();
    assert_eq!(raw, RAW_SEED_MINUS_7);
    let mut generator = MinStdRand::new(1234);
    let reals: Vec<u64> = (0..4).map(|_| generator.uniform_real(-0.0625, 0.0625).to_bits()).collect();
    assert_eq!(reals, REALS);
    for (greatest, expected) in INTEGERS {
        let mut generator = MinStdRand::new(99);
        let drawn: Vec<u64> = (0..6).map(|_| generator.uniform_int(greatest)).collect();
        assert_eq!(drawn, expected, "greatest {greatest}");
    }
}

#[test]
fn shuffles_are_those_of_libstdcxx() {
    for (count, expected) in SHUFFLES {
        let mut elements: Vec<u64> = (0..count).collect();
        MinStdRand::new(1234).shuffle(&mut elements);
        let digest = elements.iter().fold(0_u64, |digest, &value| digest.wrapping_mul(1_000_003).wrapping_add(value));
        assert_eq!(digest, expected, "{count} elements");
    }
}

/// The permutation's digest, as the C++ program that made the expected values computes it.
fn digest(order: &[(u64, u64)]) -> u64 {
    order.iter().fold(0, |digest: u64, &(_, place)| digest.wrapping_mul(1_000_003).wrapping_add(place))
}

#[test]
fn equal_elements_come_in_the_order_of_libstdcxx() {
    for (count, kinds, expected) in SORTS {
        let mut generator = MinStdRand::new(7);
        let mut elements: Vec<(u64, u64)> = (0..count).map(|place| (generator.uniform_int(kinds - 1), place)).collect();
        sort_by(&mut elements, &|left, right| left.0 > right.0);
        assert!(elements.is_sorted_by(|left, right| left.0 >= right.0));
        assert_eq!(digest(&elements), expected, "{count} elements of {kinds} kinds");
    }
}

#[test]
fn runs_that_defeat_the_median_are_left_to_the_heap_as_in_libstdcxx() {
    for (count, expected) in ORGAN_PIPES {
        let mut elements: Vec<(u64, u64)> = (0..count).map(|place| (killer(place, count), place)).collect();
        sort_by(&mut elements, &|left, right| left.0 < right.0);
        assert_eq!(digest(&elements), expected, "{count} elements");
    }
}

/// Musser's sequence, which makes the median of three the second smallest every time; halved, so that values are equal in pairs.
fn killer(place: u64, count: u64) -> u64 {
    let half = count / 2;
    let value = if place >= half {
        2 * (place - half + 1)
    } else if place.is_multiple_of(2) {
        place + 1
    } else {
        half + place + half % 2
    };
    value / 2
}

#[test]
fn entries_come_in_the_order_of_libstdcxx() {
    for (count, expected) in MAPS {
        let mut generator = MinStdRand::new(7);
        let mut seen = std::collections::HashSet::new();
        let mut keys = Vec::new();
        while keys.len() < count {
            let key = generator.uniform_int(2_000_000) as u32;
            if seen.insert(key) {
                keys.push(key);
            }
        }
        let digest = walk_order(&keys)
            .into_iter()
            .fold(0_u64, |digest, place| digest.wrapping_mul(1_000_003).wrapping_add(u64::from(keys[place])));
        assert_eq!(digest, expected, "{count} keys");
    }
}
