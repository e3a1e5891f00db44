//! numpy's `RandomState`: the Mersenne Twister, and whole numbers below a bound.
//!
//! Source: Matsumoto and Nishimura 1998, "Mersenne Twister" (`init_genrand` of 2002); numpy's `randint` of the legacy
//! generator draws as many bits as the bound has and rejects what is above it.

const LENGTH: usize = 624;
const MIDDLE: usize = 397;

/// The generator.
pub(super) struct RandomState {
    state: [u32; LENGTH],
    at: usize,
}

impl RandomState {
    /// `numpy.random.RandomState(seed)`.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [0; LENGTH];
        state[0] = seed;
        for at in 1..LENGTH {
            let before: u32 = state[at - 1];
            state[at] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(at as u32);
        }
        Self { state, at: LENGTH }
    }

    fn refill(&mut self) {
        for at in 0..LENGTH {
            let bits = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % LENGTH] & 0x7fff_ffff);
            let odd = if bits % 2 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + MIDDLE) % LENGTH] ^ (bits >> 1) ^ odd;
        }
        self.at = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.at == LENGTH {
            self.refill();
        }
        let mut bits = self.state[self.at];
        self.at += 1;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }

    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        high << 32 | u64::from(self.next_u32())
    }

    /// `randint(low, high, dtype=numpy.uint64)` for bounds that are more than 2³² apart.
    pub(super) fn below_u64(&mut self, low: u64, high: u64) -> u64 {
        let most = high - 1 - low;
        let mask = u64::MAX >> most.leading_zeros();
        loop {
            let drawn = self.next_u64() & mask;
            if drawn <= most {
                return low + drawn;
            }
        }
    }

    /// `randint(low, high, dtype=numpy.uint32)`.
    pub(super) fn below_u32(&mut self, low: u32, high: u32) -> u32 {
        let most = high - 1 - low;
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let drawn = self.next_u32() & mask;
            if drawn <= most {
                return low + drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        // C++'s standard states the 10,000th number of std::mt19937, whose default seed is 5489.
        let mut random = RandomState::new(5489);
        let last = (0..10_000).map(|_| random.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn bounded_numbers_are_those_of_numpy() {
        // numpy 2.4.6: RandomState(42).randint(1, 2**32 - 5, dtype=uint32, size=3), then below 2**61 - 1 as uint64.
        let mut random = RandomState::new(42);
        let drawn: [u32; 3] = std::array::from_fn(|_| random.below_u32(1, u32::MAX - 4));
        assert_eq!(drawn, [1608637543, 3421126068, 4083286877]);
        let mut random = RandomState::new(42);
        let drawn: [u64; 2] = std::array::from_fn(|_| random.below_u64(1, (1 << 61) - 1));
        assert_eq!(drawn, [2297359619001564596, 1396682528897996047]);
    }
}
