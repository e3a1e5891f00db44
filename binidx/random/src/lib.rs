//! The random numbers of `numpy.random.RandomState`, draw by draw.
//!
//! Megatron's sample order and Yuan's fill-in-the-middle are drawn from this generator: whoever wants to know what a
//! training step sees has to draw the same numbers. For anything new, hash instead: a hash needs no order of draws.
//!
//! Source: Matsumoto and Nishimura 1998 (MT19937), and what NumPy 2.4.6's legacy generator answers
//! (`tests/fixtures/binidx/gpt/numpy_randomstate.json`).
//!
//! ```
//! let mut random = yuan_random_state::RandomState::new(0);
//! let mut order = [0, 1, 2, 3, 4];
//! random.shuffle(&mut order);
//! assert_eq!(order, [2, 0, 1, 3, 4]);
//! ```

/// Words of the generator's state.
const WORDS: usize = 624;
/// The distance of the words that are mixed.
const SHIFT: usize = 397;

/// `numpy.random.RandomState(seed)`.
#[derive(Clone)]
pub struct RandomState {
    words: Box<[u32; WORDS]>,
    at: usize,
}

impl RandomState {
    /// The generator of a seed.
    pub fn new(seed: u32) -> Self {
        let mut words = Box::new([0; WORDS]);
        words[0] = seed;
        for place in 1..WORDS {
            let before = words[place - 1];
            words[place] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
        }
        Self { words, at: WORDS }
    }

    fn refill(&mut self) {
        for place in 0..WORDS {
            let (next, far) = (self.words[(place + 1) % WORDS], self.words[(place + SHIFT) % WORDS]);
            let mixed = (self.words[place] & 0x8000_0000) | (next & 0x7fff_ffff);
            let twist = if mixed & 1 == 0 { 0 } else { 0x9908_b0df };
            self.words[place] = far ^ (mixed >> 1) ^ twist;
        }
        self.at = 0;
    }

    /// 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.at == WORDS {
            self.refill();
        }
        let mut word = self.words[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `random_sample()`: a number of 53 bits in [0, 1).
    #[inline]
    pub fn next_f64(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `randint(0, max + 1)`: a whole number in [0, `max`], by draws masked to the bits of `max` until one is not above it.
    #[inline]
    pub fn interval(&mut self, max: u64) -> u64 {
        if max == 0 {
            return 0;
        }
        let mask = u64::MAX >> max.leading_zeros();
        loop {
            let drawn = match u32::try_from(max) {
                Ok(_) => u64::from(self.next_u32()),
                Err(_) => u64::from(self.next_u32()) << 32 | u64::from(self.next_u32()),
            };
            if drawn & mask <= max {
                return drawn & mask;
            }
        }
    }

    /// `shuffle(items)`, in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.interval(last as u64) as usize;
            items.swap(last, other);
        }
    }

    /// `binomial(1, probability)`: whether the event took place.
    ///
    /// By inversion, as NumPy does for all small expectations; a probability above one half by its complement.
    pub fn event(&mut self, probability: f64) -> bool {
        if probability <= 0.5 { self.rare_event(probability) } else { !self.rare_event(1.0 - probability) }
    }

    fn rare_event(&mut self, probability: f64) -> bool {
        let misses = 1.0 - probability;
        let none = misses.ln().exp();
        loop {
            let drawn = self.next_f64();
            if drawn <= none {
                return false;
            }
            // Two events of one trial cannot be: rounding alone leads here, and NumPy draws anew.
            if drawn - none <= probability * none / misses {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(value: &serde_json::Value) -> Vec<u64> {
        value.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a number")).collect()
    }

    #[test]
    fn every_draw_is_numpys() {
        let json = include_str!("../../../tests/fixtures/binidx/gpt/numpy_randomstate.json");
        let expected: serde_json::Value = serde_json::from_str(json).expect("JSON");
        for vector in expected["vectors"].as_array().expect("vectors") {
            let seed = vector["seed"].as_u64().expect("a seed") as u32;
            let mut random = RandomState::new(seed);
            for word in numbers(&vector["first_uint32"]) {
                assert_eq!(u64::from(random.next_u32()), word, "seed {seed}");
            }
            for (length, order) in vector["shuffle_arange_fresh_rng"].as_object().expect("orders") {
                let mut shuffled: Vec<u64> = (0..length.parse().expect("a length")).collect();
                RandomState::new(seed).shuffle(&mut shuffled);
                assert_eq!(shuffled, numbers(order), "seed {seed}");
            }
            let mut random = RandomState::new(seed);
            for order in vector["consecutive_shuffles_5_9_16"].as_array().expect("orders") {
                let order = numbers(order);
                let mut shuffled: Vec<u64> = (0..order.len() as u64).collect();
                random.shuffle(&mut shuffled);
                assert_eq!(shuffled, order, "seed {seed}");
            }
        }
    }

    #[test]
    fn events_and_integers_take_numpys_draws() {
        let json = include_str!("../../../tests/fixtures/binidx/gpt/numpy_randomstate.json");
        let expected: serde_json::Value = serde_json::from_str(json).expect("JSON");
        // The upper bounds of the two integers, in the order of the draws.
        for vector in expected["vectors"].as_array().expect("vectors") {
            let mut random = RandomState::new(vector["seed"].as_u64().expect("a seed") as u32);
            let draws = vector["binomial1_05_randint2_binomial1_025_double"].as_array().expect("draws");
            for (draw, bound) in draws.iter().zip([10, 100, 1000]) {
                let ours = serde_json::json!([
                    u8::from(random.event(0.5)),
                    [random.interval(bound), random.interval(bound)],
                    u8::from(random.event(0.25)),
                    random.next_f64(),
                ]);
                assert_eq!(&ours, draw, "seed {}", vector["seed"]);
            }
        }
        // What is certain takes a draw too: `RandomState(5)`, four times `binomial(1, p)`, then `random_sample()`.
        for (probability, events) in [(1.0, [true; 4]), (0.0, [false; 4]), (0.75, [true, false, true, false])] {
            let mut random = RandomState::new(5);
            assert_eq!([(); 4].map(|()| random.event(probability)), events);
            assert_eq!(random.next_f64(), 0.488_411_188_794_829_14);
        }
        // `RandomState(5).randint(0, 2**40, size=4)`: beyond 32 bits two words are drawn, the high one first.
        let mut random = RandomState::new(5);
        let wide = [(); 4].map(|()| random.interval((1 << 40) - 1));
        assert_eq!(wide, [425_438_759_118, 1_030_067_709_629, 989_404_716_150, 622_681_974_857]);
    }
}
