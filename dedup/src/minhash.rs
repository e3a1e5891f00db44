//! MinHash signatures and their bands.
//!
//! Permutation `i` sends a 32-bit shingle hash `x` to the upper half of `aᵢ·x + bᵢ` in 64-bit arithmetic, which is
//! strongly universal (Dietzfelbinger 1996, "Universal hashing and k-wise independent random variables via integer
//! arithmetic without primes"); `aᵢ`, `bᵢ` come from SplitMix64. A signature is the minimum of each permutation over
//! the document's shingles (Broder 1997); two documents agree in a place of their signatures with the probability of
//! their Jaccard similarity. All processors give the same bits.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::lanes::{LANES, lower};

/// The permutations of a signature.
#[derive(Clone, Debug)]
pub struct Permutations {
    count: usize,
    multipliers: Vec<u64>,
    addends: Vec<u64>,
}

impl Permutations {
    /// `count` permutations drawn with `seed`.
    pub fn new(count: usize, seed: u64) -> Self {
        let mut state = seed;
        let mut draw = |_| (splitmix64(&mut state), splitmix64(&mut state));
        let (multipliers, addends) = (0..count.next_multiple_of(LANES)).map(&mut draw).unzip();
        Self { count, multipliers, addends }
    }

    /// The signature of a document with these shingles: one minimum for each permutation, `u32::MAX` if there are
    /// no shingles. O(shingles × permutations).
    pub fn minima(&self, shingles: &[u32], minima: &mut Vec<u32>) {
        minima.clear();
        minima.resize(self.multipliers.len(), u32::MAX);
        lower(&self.multipliers, &self.addends, shingles, minima);
        minima.truncate(self.count);
    }
}

/// The key of each band of a signature: equal for documents that agree in all rows of the band, and for no others
/// but by chance (once in 2⁶⁴ pairs). Rows beyond the last whole band are not looked at.
///
/// # Panics
/// If `rows_per_band` is 0.
pub fn band_keys(minima: &[u32], rows_per_band: usize) -> impl Iterator<Item = u64> {
    let mut bytes = Vec::with_capacity(rows_per_band * 4);
    minima.chunks_exact(rows_per_band).zip(0_u64..).map(move |(rows, band)| {
        bytes.clear();
        bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
        xxh3_64_with_seed(&bytes, band)
    })
}

/// The Jaccard similarity of two documents as their signatures have it: the fraction of equal minima, in [0, 1]. Its
/// standard error is √(s·(1 − s)/n) for `n` minima.
///
/// # Panics
/// If the signatures differ in length or are empty.
pub fn estimated_similarity(one: &[u32], other: &[u32]) -> f64 {
    assert!(one.len() == other.len() && !one.is_empty(), "signatures of one kind, not empty");
    one.iter().zip(other).filter(|(one, other)| one == other).count() as f64 / one.len() as f64
}

/// The probability that two documents of this Jaccard similarity share a band: 1 − (1 − sʳ)ᵇ, the S-curve of Leskovec,
/// Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.
pub fn candidate_probability(similarity: f64, bands: usize, rows_per_band: usize) -> f64 {
    1.0 - (1.0 - similarity.powf(rows_per_band as f64)).powf(bands as f64)
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first numbers for seed 1234567, as Rosetta Code lists them for Vigna's algorithm.
        let mut state = 1_234_567;
        let numbers: [u64; 3] = std::array::from_fn(|_| splitmix64(&mut state));
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_longer_signature_starts_with_the_shorter_one() {
        let minima = |count| {
            let mut minima = Vec::new();
            Permutations::new(count, 1).minima(&[1, 2, 3], &mut minima);
            minima
        };
        assert_eq!((minima(7).len(), minima(112).len()), (7, 112));
        assert_eq!(minima(7), minima(112)[..7]);
    }

    #[test]
    fn a_band_key_depends_on_the_band_and_all_its_rows() {
        let keys: Vec<u64> = band_keys(&[1, 2, 1, 2, 1, 3, 2, 1], 2).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(keys[0], band_keys(&[1, 2], 2).next().unwrap());
    }

    #[test]
    fn the_s_curve_of_the_defaults() {
        // What the FineWeb paper (arXiv:2406.17557) states for 14 bands of 8 rows: 56, 77, 92 and 98.8 per cent.
        for (similarity, probability, rounding) in
            [(0.7, 0.56, 0.01), (0.75, 0.77, 0.01), (0.8, 0.92, 0.01), (0.85, 0.988, 0.001)]
        {
            let error = candidate_probability(similarity, 14, 8) - probability;
            assert!(error.abs() < rounding, "{similarity}: off by {error}");
        }
        assert_eq!((candidate_probability(0.0, 14, 8), candidate_probability(1.0, 14, 8)), (0.0, 1.0));
    }
}
