//! `std::minstd_rand` and what libstdc++ draws from it.

/// The generator `x ← 48271·x mod (2³¹ − 1)`: values in [1, 2³¹ − 2].
#[derive(Clone, Debug)]
pub(crate) struct MinStdRand {
    state: u64,
}

/// 2³¹ − 1, the modulus.
const MODULUS: u64 = 2_147_483_647;

/// How many values the generator has, less one.
const RANGE: u64 = MODULUS - 2;

impl MinStdRand {
    /// A generator seeded as `std::minstd_rand(seed)` with a C++ `int`, which is widened with its sign to 64 bits; 0 counts as 1.
    pub(crate) fn new(seed: i64) -> Self {
        let state = (seed as u64) % MODULUS;
        MinStdRand { state: if state == 0 { 1 } else { state } }
    }

    /// The next value less the smallest one: in [0, `RANGE`].
    fn next_from_zero(&mut self) -> u64 {
        self.state = self.state * 48_271 % MODULUS;
        self.state - 1
    }

    /// The next value, in [1, 2³¹ − 2].
    #[cfg(test)]
    pub(crate) fn draw(&mut self) -> u64 {
        self.next_from_zero() + 1
    }

    /// A value in [0, `greatest`], as `uniform_int_distribution(0, greatest)`.
    ///
    /// Up to the generator's range one value is scaled down, with the uneven rest rejected; beyond it, values are joined as digits.
    pub(crate) fn uniform_int(&mut self, greatest: u64) -> u64 {
        if greatest < RANGE {
            let buckets = greatest + 1;
            let scaling = RANGE / buckets;
            let past = buckets * scaling;
            loop {
                let value = self.next_from_zero();
                if value < past {
                    return value / scaling;
                }
            }
        }
        if greatest == RANGE {
            return self.next_from_zero();
        }
        loop {
            let base = RANGE + 1;
            let high = base.wrapping_mul(self.uniform_int(greatest / base));
            let value = high.wrapping_add(self.next_from_zero());
            if value <= greatest && value >= high {
                return value;
            }
        }
    }

    /// A value in [0, 1), as `generate_canonical<double, 53>`: two values joined as digits.
    pub(crate) fn canonical(&mut self) -> f64 {
        const BASE: f64 = (RANGE + 1) as f64;
        let low = self.next_from_zero() as f64;
        let high = self.next_from_zero() as f64;
        let value = (low + high * BASE) / (BASE * BASE);
        if value < 1.0 { value } else { 1.0_f64.next_down() }
    }

    /// A value in [`low`, `high`), as `uniform_real_distribution<double>`.
    pub(crate) fn uniform_real(&mut self, low: f64, high: f64) -> f64 {
        self.canonical() * (high - low) + low
    }

    /// Puts the elements in the order `std::shuffle` gives them.
    ///
    /// While the square of the length fits the generator's range, positions are drawn two at a time.
    pub(crate) fn shuffle<T>(&mut self, elements: &mut [T]) {
        let count = elements.len();
        if count == 0 {
            return;
        }
        let mut index = 1;
        if RANGE / count as u64 >= count as u64 {
            if count.is_multiple_of(2) {
                elements.swap(index, self.uniform_int(1) as usize);
                index += 1;
            }
            while index < count {
                let places = index as u64 + 1;
                let pair = self.uniform_int(places * (places + 1) - 1);
                elements.swap(index, (pair / (places + 1)) as usize);
                elements.swap(index + 1, (pair % (places + 1)) as usize);
                index += 2;
            }
        } else {
            while index < count {
                elements.swap(index, self.uniform_int(index as u64) as usize);
                index += 1;
            }
        }
    }
}
