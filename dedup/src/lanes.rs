//! The inner loop of MinHash: minima of `aᵢ·x + bᵢ` over all `x`, many `i` at a time.
//!
//! `i` runs in blocks whose constants and minima stay in registers or the first cache while all shingles of a document
//! go by. The widest lanes of the processor at hand are used; every way gives the same minima.

/// The numbers of multipliers, addends and minima are multiples of this.
pub(crate) const LANES: usize = 8;

/// Most groups of lanes in a block: with AVX-512 three registers each, of 32.
const GROUPS: usize = 7;

/// Lowers each minimum to the least upper half of `aᵢ·x + bᵢ` (in 64-bit arithmetic) over the shingles `x`.
pub(crate) fn lower(multipliers: &[u64], addends: &[u64], shingles: &[u32], minima: &mut [u32]) {
    Width::widest().lower(multipliers, addends, shingles, minima);
}

#[derive(Clone, Copy, Debug)]
enum Width {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Any,
}

impl Width {
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Any,
    ];

    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Any => true,
        }
    }

    fn widest() -> Self {
        Self::ALL.iter().copied().find(|width| width.is_here()).expect("one needs nothing special")
    }

    fn lower(self, multipliers: &[u64], addends: &[u64], shingles: &[u32], minima: &mut [u32]) {
        assert!(self.is_here(), "{self:?} on a processor without it");
        let constants = multipliers.chunks(GROUPS * LANES).zip(addends.chunks(GROUPS * LANES));
        for ((a, b), minima) in constants.zip(minima.chunks_mut(GROUPS * LANES)) {
            let (a, b, minima) = (groups(a), groups(b), minima.as_chunks_mut().0);
            match self {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the processor has the features.
                Self::Avx512 => unsafe { wide::lower_avx512(a, b, shingles, minima) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the processor has the feature.
                Self::Avx2 => unsafe { wide::lower_avx2(a, b, shingles, minima) },
                Self::Any => a.iter().zip(b).zip(minima).for_each(|((a, b), minima)| lower_any(a, b, shingles, minima)),
            }
        }
    }
}

fn groups(constants: &[u64]) -> &[[u64; LANES]] {
    let (groups, rest) = constants.as_chunks();
    assert!(rest.is_empty(), "constants come in groups of {LANES}");
    groups
}

/// Shaped for processors that multiply 32-bit lanes: the multiplier is taken in halves.
fn lower_any(a: &[u64; LANES], b: &[u64; LANES], shingles: &[u32], minima: &mut [u32; LANES]) {
    let low: [u32; LANES] = std::array::from_fn(|lane| a[lane] as u32);
    let high: [u32; LANES] = std::array::from_fn(|lane| (a[lane] >> 32) as u32);
    let mut lowest = *minima;
    for &shingle in shingles {
        lowest = std::array::from_fn(|lane| {
            let carried = (u64::from(low[lane]) * u64::from(shingle)).wrapping_add(b[lane]) >> 32;
            lowest[lane].min((carried as u32).wrapping_add(high[lane].wrapping_mul(shingle)))
        });
    }
    *minima = lowest;
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::LANES;

    type Group = [u64; LANES];

    /// Calls `$block::<GROUPS>` for the number of groups at hand, so that the block's loops are unrolled.
    macro_rules! by_groups {
        ($block:ident, $a:ident, $b:ident, $shingles:ident, $minima:ident; $($groups:literal)*) => {
            match $a.len() {
                $($groups => $block::<$groups>(
                    $a.try_into().expect("as many groups as matched"),
                    $b.try_into().expect("as many addends as multipliers"),
                    $shingles,
                    $minima.try_into().expect("as many minima as multipliers"),
                ),)*
                groups => unreachable!("{groups} groups in a block"),
            }
        };
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    pub(super) fn lower_avx512(a: &[Group], b: &[Group], shingles: &[u32], minima: &mut [[u32; LANES]]) {
        by_groups!(block_avx512, a, b, shingles, minima; 1 2 3 4 5 6 7);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn lower_avx2(a: &[Group], b: &[Group], shingles: &[u32], minima: &mut [[u32; LANES]]) {
        by_groups!(block_avx2, a, b, shingles, minima; 1 2 3 4 5 6 7);
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn block_avx512<const GROUPS: usize>(
        a: &[Group; GROUPS],
        b: &[Group; GROUPS],
        shingles: &[u32],
        minima: &mut [[u32; LANES]; GROUPS],
    ) {
        // SAFETY: a group is as wide as a register.
        let load = |group: &Group| unsafe { _mm512_loadu_si512(group.as_ptr().cast()) };
        let (a, b) = (a.each_ref().map(load), b.each_ref().map(load));
        // Taking the upper half is monotone, so it can wait until the minima are known.
        let mut lowest = [_mm512_set1_epi64(-1); GROUPS];
        for &shingle in shingles {
            let shingle = _mm512_set1_epi64(i64::from(shingle));
            for group in 0..GROUPS {
                let value = _mm512_add_epi64(_mm512_mullo_epi64(a[group], shingle), b[group]);
                lowest[group] = _mm512_min_epu64(lowest[group], value);
            }
        }
        for (lowest, minima) in lowest.into_iter().zip(minima) {
            let mut values: Group = [0; LANES];
            // SAFETY: a group is as wide as a register.
            unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), lowest) };
            *minima = std::array::from_fn(|lane| minima[lane].min((values[lane] >> 32) as u32));
        }
    }

    #[target_feature(enable = "avx2")]
    fn block_avx2<const GROUPS: usize>(
        a: &[Group; GROUPS],
        b: &[Group; GROUPS],
        shingles: &[u32],
        minima: &mut [[u32; LANES]; GROUPS],
    ) {
        // SAFETY: half a group is as wide as a register.
        let load = |half: &[u64]| unsafe { _mm256_loadu_si256(half[..LANES / 2].as_ptr().cast()) };
        let halves = |group: &Group| [load(group), load(&group[LANES / 2..])];
        // Lane 2i of a group of 32-bit lanes belongs to permutation i, lane 2i + 1 to permutation i + 4.
        let upper = |[even, odd]: [__m256i; 2]| _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        let (a, b) = (a.each_ref().map(halves), b.each_ref().map(halves));
        let high = a.map(upper);
        let mut lowest = [_mm256_set1_epi32(-1); GROUPS];
        for &shingle in shingles {
            let shingle = _mm256_set1_epi32(shingle.cast_signed());
            for group in 0..GROUPS {
                let carried: [_; 2] = std::array::from_fn(|half| {
                    _mm256_add_epi64(_mm256_mul_epu32(a[group][half], shingle), b[group][half])
                });
                let value = _mm256_add_epi32(upper(carried), _mm256_mullo_epi32(high[group], shingle));
                lowest[group] = _mm256_min_epu32(lowest[group], value);
            }
        }
        for (lowest, minima) in lowest.into_iter().zip(minima) {
            let mut values = [0_u32; LANES];
            // SAFETY: eight lanes of four bytes are as wide as a register.
            unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), lowest) };
            *minima = std::array::from_fn(|lane| minima[lane].min(values[lane % 4 * 2 + lane / 4]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random.
    fn numbers(count: usize, seed: u64) -> Vec<u64> {
        (1..=count as u64)
            .map(|n| (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(n | 1))
            .collect()
    }

    #[test]
    fn every_width_gives_the_minima_of_the_definition() {
        for permutations in [8, 24, 56, 64, 112, 256] {
            for count in [0, 1, 2, 7, 100] {
                let (a, b) = (numbers(permutations, 1), numbers(permutations, 2));
                let shingles: Vec<u32> = numbers(count, 3).iter().map(|&number| (number >> 32) as u32).collect();
                let value = |lane: usize, shingle: u128| {
                    let product = u128::from(a[lane]) * shingle + u128::from(b[lane]);
                    ((product % (1 << 64)) >> 32) as u32
                };
                let expected: Vec<u32> = (0..permutations)
                    .map(|lane| shingles.iter().map(|&x| value(lane, x.into())).min().unwrap_or(u32::MAX))
                    .collect();
                for &width in Width::ALL.iter().filter(|width| width.is_here()) {
                    let mut minima = vec![u32::MAX; permutations];
                    width.lower(&a, &b, &shingles, &mut minima);
                    assert_eq!(minima, expected, "{width:?}, {permutations} permutations, {count} shingles");
                }
            }
        }
    }
}
