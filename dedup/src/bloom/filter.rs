//! A Bloom filter in blocks of a cache line (Putze, Sanders and Singler 2007, "Cache-, hash- and space-efficient Bloom filters").
//!
//! An element sets `hashes` bits of one block of 512, chosen by its hash: one cache miss instead of one for each bit. Blocks fill
//! unevenly, so that at 1 % false positives it takes 4 % more memory than a classical filter; sizes are computed for blocks.

const BLOCK_BITS: u32 = 512;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: u64 = 64;
const MAX_HASHES: u32 = 16;

/// A set that may hold what was never put in, and never misses what was.
pub(super) struct BloomFilter {
    blocks: Vec<[u64; 8]>,
    hashes: u32,
}

impl BloomFilter {
    pub(super) fn new(Size { blocks, hashes }: Size) -> Self {
        Self { blocks: vec![[0; 8]; blocks as usize], hashes }
    }

    fn block(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.blocks.len() as u128) >> 64) as usize
    }

    pub(super) fn contains(&self, hash: u64) -> bool {
        let mask = mask(hash, self.hashes);
        self.blocks[self.block(hash)].iter().zip(mask).all(|(word, mask)| word & mask == mask)
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let (block, mask) = (self.block(hash), mask(hash, self.hashes));
        self.blocks[block].iter_mut().zip(mask).for_each(|(word, mask)| *word |= mask);
    }
}

/// The bits of an element in its block: nine bits of a mixed hash for each.
fn mask(hash: u64, hashes: u32) -> [u64; 8] {
    let mut mask = [0; 8];
    let mut bits = 0;
    for number in 0..hashes {
        if number % 7 == 0 {
            bits = mixed(hash ^ u64::from(number + 1));
        }
        let bit = bits % u64::from(BLOCK_BITS);
        mask[(bit / 64) as usize] |= 1 << (bit % 64);
        bits /= u64::from(BLOCK_BITS);
    }
    mask
}

/// A bijection that looks random (SplitMix64's).
pub(super) fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How large a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub blocks: u64,
    pub hashes: u32,
}

impl Size {
    /// The smallest filter that answers wrongly at most at this rate once it holds so many elements.
    pub(super) fn for_rate(elements: u64, rate: f64) -> Self {
        let (mut low, mut high) = (0, 1);
        while Self::of_blocks(high, elements).1 > rate {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 + high / 4096 {
            let middle = low + (high - low) / 2;
            if Self::of_blocks(middle, elements).1 > rate {
                low = middle;
            } else {
                high = middle;
            }
        }
        Self::of_blocks(high, elements).0
    }

    /// The filter of so many blocks with the best number of hashes, and its rate of false positives.
    pub(super) fn of_blocks(blocks: u64, elements: u64) -> (Self, f64) {
        let load = elements as f64 / blocks as f64;
        let best = (1..=MAX_HASHES).map(|hashes| (hashes, false_positive_rate(load, hashes)));
        let (hashes, rate) = best.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((1, 1.0));
        (Self { blocks, hashes }, rate)
    }

    pub(super) fn bytes(self) -> u64 {
        self.blocks * BLOCK_BYTES
    }
}

/// Σ over the number of elements in a block (Poisson with mean `load`) of the probability that all bits asked for are set.
fn false_positive_rate(load: f64, hashes: u32) -> f64 {
    if load > 4.0 * f64::from(BLOCK_BITS) {
        return 1.0;
    }
    let spread = 12.0 * load.sqrt() + 12.0;
    let (first, last) = ((load - spread).max(0.0) as u64, (load + spread) as u64);
    // ln of the Poisson probability, one step after the other.
    let mut ln_factorial: f64 = (1..=first).map(|n| (n as f64).ln()).sum();
    let mut rate = 0.0;
    for elements in first..=last {
        if elements > first {
            ln_factorial += (elements as f64).ln();
        }
        let ln_of_load = if elements == 0 { 0.0 } else { elements as f64 * load.ln() };
        let probability = (ln_of_load - load - ln_factorial).exp();
        let clear = (1.0 - 1.0 / f64::from(BLOCK_BITS)).powf(elements as f64 * f64::from(hashes));
        rate += probability * (1.0 - clear).powi(hashes as i32);
    }
    rate.min(1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    #[allow(clippy::print_stdout, reason = "a measurement, for MEASUREMENTS.md")]
    fn the_rate_is_what_was_asked_for() {
        for (elements, rate) in [(1_000_u64, 0.01), (200_000, 0.01), (200_000, 0.001), (50_000, 0.1), (20_000, 0.5)] {
            let size = Size::for_rate(elements, rate);
            let mut filter = BloomFilter::new(size);
            let inserted: HashSet<u64> = (0..elements).map(mixed).collect();
            inserted.iter().for_each(|&hash| filter.insert(hash));
            assert!(inserted.iter().all(|&hash| filter.contains(hash)), "nothing is missed");
            let asked = 400_000;
            let wrong = (elements..elements + asked).filter(|&n| filter.contains(mixed(n))).count();
            let measured = wrong as f64 / asked as f64;
            // Within four standard errors and what 1,000 elements scatter by themselves.
            let error = 4.0 * (rate / asked as f64).sqrt() + if elements < 10_000 { rate } else { rate * 0.03 };
            assert!((measured - rate).abs() < error, "{elements} elements, {rate}: {measured}, {size:?}");
            let bits = size.bytes() as f64 * 8.0 / elements as f64;
            println!(
                "{elements} elements, {rate} asked for: {measured:.5}, {bits:.1} bits each, {} hashes",
                size.hashes
            );
            let classical = -rate.ln() / std::f64::consts::LN_2.powi(2);
            assert!(bits < classical * 1.35 + 1.5, "{bits} bits an element, {classical} for a classical filter");
        }
    }

    #[test]
    fn more_memory_never_answers_worse() {
        let rates: Vec<f64> = (1..200).map(|blocks| Size::of_blocks(blocks * 16, 100_000).1).collect();
        assert!(rates.windows(2).all(|two| two[1] <= two[0] + 1e-12));
        assert_eq!(Size::for_rate(0, 0.01).blocks, 1);
    }
}
