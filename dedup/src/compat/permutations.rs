//! Permutations x ↦ (a·x + b mod 2⁶⁴) mod (2⁶¹ − 1), as numpy computes them: the product wraps before it is reduced.
//!
//! Source: Carter and Wegman 1979, as datasketch wrote it and the pipelines here took it over.

use super::mt19937::RandomState;

/// 2⁶¹ − 1.
pub(super) const MERSENNE: u64 = (1 << 61) - 1;
/// 2³² − 5, of text-dedup with 32 bits.
const PRIME_32: u32 = u32::MAX - 4;

/// In which order the numbers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// All multipliers, then all addends.
    InTurn,
    /// A multiplier and its addend.
    InPairs,
}

/// What is computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 64 bits, modulo 2⁶¹ − 1.
    Bits61,
    /// The same, of which the lower 32 bits are kept.
    Lower32,
    /// 32 bits throughout, modulo 2³² − 5.
    Bits32,
}

/// The permutations of a signature.
#[derive(Clone, Debug)]
pub(super) struct Permutations {
    width: Width,
    multipliers: Vec<u64>,
    addends: Vec<u64>,
}

impl Permutations {
    pub(super) fn new(count: usize, seed: u32, draw: Draw, width: Width) -> Self {
        let mut random = RandomState::new(seed);
        let mut below = |low: u32| match width {
            Width::Bits32 => u64::from(random.below_u32(low, PRIME_32)),
            Width::Bits61 | Width::Lower32 => random.below_u64(low.into(), MERSENNE),
        };
        let (multipliers, addends) = match draw {
            Draw::InPairs => (0..count).map(|_| (below(1), below(0))).unzip(),
            Draw::InTurn => ((0..count).map(|_| below(1)).collect(), (0..count).map(|_| below(0)).collect()),
        };
        Self { width, multipliers, addends }
    }

    /// One minimum for each permutation; the largest number of this width if there are no shingles.
    /// O(shingles × permutations).
    pub(super) fn minima(&self, shingles: &[u64], minima: &mut Vec<u64>) {
        minima.clear();
        let largest = if self.width == Width::Bits61 { u64::MAX } else { u32::MAX.into() };
        minima.resize(self.multipliers.len(), largest);
        match self.width {
            Width::Bits61 => self.lower_to(shingles, minima, u64::MAX),
            Width::Lower32 => self.lower_to(shingles, minima, u32::MAX.into()),
            Width::Bits32 => {
                for &shingle in shingles {
                    for ((minimum, &a), &b) in minima.iter_mut().zip(&self.multipliers).zip(&self.addends) {
                        let permuted = (shingle as u32).wrapping_mul(a as u32).wrapping_add(b as u32) % PRIME_32;
                        *minimum = (*minimum).min(permuted.into());
                    }
                }
            }
        }
    }

    fn lower_to(&self, shingles: &[u64], minima: &mut [u64], mask: u64) {
        let (a, b) = (&self.multipliers, &self.addends);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { lower_avx512(a, b, shingles, minima, mask) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                return unsafe { lower_avx2(a, b, shingles, minima, mask) };
            }
        }
        lower(a, b, shingles, minima, mask);
    }

    #[cfg(test)]
    pub(super) fn numbers(&self) -> (&[u64], &[u64]) {
        (&self.multipliers, &self.addends)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn lower_avx512(a: &[u64], b: &[u64], shingles: &[u64], minima: &mut [u64], mask: u64) {
    lower(a, b, shingles, minima, mask);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn lower_avx2(a: &[u64], b: &[u64], shingles: &[u64], minima: &mut [u64], mask: u64) {
    lower(a, b, shingles, minima, mask);
}

/// Eight permutations over all shingles before the next eight: their minima stay in registers.
#[inline(always)]
fn lower(a: &[u64], b: &[u64], shingles: &[u64], minima: &mut [u64], mask: u64) {
    const LANES: usize = 8;
    for ((minima, a), b) in minima.chunks_mut(LANES).zip(a.chunks(LANES)).zip(b.chunks(LANES)) {
        let mut lowest = [u64::MAX; LANES];
        let mut multipliers = [0; LANES];
        let mut addends = [0; LANES];
        lowest[..minima.len()].copy_from_slice(minima);
        multipliers[..a.len()].copy_from_slice(a);
        addends[..b.len()].copy_from_slice(b);
        for &shingle in shingles {
            for lane in 0..LANES {
                let wide = shingle.wrapping_mul(multipliers[lane]).wrapping_add(addends[lane]);
                // At most 2⁶¹ + 6: one subtraction leads below the modulus; where it wraps, the sum was below already.
                let folded = (wide & MERSENNE) + (wide >> 61);
                let reduced = folded.min(folded.wrapping_sub(MERSENNE)) & mask;
                lowest[lane] = lowest[lane].min(reduced);
            }
        }
        let count = minima.len();
        minima.copy_from_slice(&lowest[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_datatroves_and_data_juicers() {
        // numpy 2.4.6, RandomState(1), all a then all b; RandomState(42), in pairs.
        let datatrove = Permutations::new(112, 1, Draw::InTurn, Width::Bits61);
        let (a, b) = datatrove.numbers();
        assert_eq!(
            a[..4],
            [775_169_054_918_279_404, 1_758_426_461_858_698_313, 2_109_959_069_025_162, 965_365_488_286_768_774]
        );
        assert_eq!((a[111], b[111]), (223_865_076_026_037_746, 1_097_409_548_522_419_201));
        assert_eq!(b[..2], [1_062_448_801_025_099_917, 1_324_811_268_927_594_100]);
        let juicer = Permutations::new(2, 42, Draw::InPairs, Width::Lower32);
        let (a, b) = juicer.numbers();
        assert_eq!((a[0], b[0]), (2_297_359_619_001_564_596, 1_396_682_528_897_996_046));
        assert_eq!((a[1], b[1]), (1_973_689_801_170_867_272, 1_819_927_849_474_927_636));
    }

    #[test]
    fn every_processor_gives_the_minima_of_the_definition() {
        for width in [Width::Bits61, Width::Lower32] {
            let permutations = Permutations::new(29, 7, Draw::InPairs, width);
            let (a, b) = permutations.numbers();
            let shingles: Vec<u64> = (1..500_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let mask = if width == Width::Lower32 { u64::from(u32::MAX) } else { u64::MAX };
            let definition = |(a, b): (&u64, &u64)| {
                let permuted =
                    shingles.iter().map(|x| x.wrapping_mul(*a).wrapping_add(*b) % MERSENNE).map(|x| x & mask);
                permuted.min().expect("there are shingles")
            };
            let expected: Vec<u64> = a.iter().zip(b).map(definition).collect();
            let mut minima = Vec::new();
            permutations.minima(&shingles, &mut minima);
            assert_eq!(minima, expected);
            let mut plain = vec![u64::MAX; 29];
            lower(a, b, &shingles, &mut plain, mask);
            assert_eq!(plain, expected);
        }
    }
}
