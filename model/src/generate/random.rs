//! Random numbers by counting: each is a function of what it is for, so no state is shared between sequences.

/// A number in [0, 1) for the token at `position` of a sequence: 53 bits of the first word of Philox4x64-10 with the
/// key `[seed, 0]` and the counter `[position, sequence, 0, 0]` (Salmon et al. 2011, "Parallel random numbers: as easy
/// as 1, 2, 3").
pub fn uniform(seed: u64, sequence: u64, position: u64) -> f64 {
    (philox([seed, 0], [position, sequence, 0, 0])[0] >> 11) as f64 / (1_u64 << 53) as f64
}

/// Ten rounds.
fn philox(mut key: [u64; 2], mut counter: [u64; 4]) -> [u64; 4] {
    let product = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        ((product >> 64) as u64, product as u64)
    };
    for _ in 0..10 {
        let (high0, low0) = product(0xd2e7_470e_e14c_6c93, counter[0]);
        let (high1, low1) = product(0xca5a_8263_9512_1157, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9e37_79b9_7f4a_7c15), key[1].wrapping_add(0xbb67_ae85_84ca_a73b)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.Philox(key=…, counter=…).random_raw(4)` of numpy 2.4, which counts once before it draws.
    #[test]
    fn numpy_draws_the_same() {
        assert_eq!(
            philox([42, 0], [7, 3, 0, 0]),
            [0x38be_744f_01e1_7b9d, 0xc75d_7c8f_fe4a_0665, 0x17b8_fe12_3ff3_e589, 0x90f1_132d_d468_4c90]
        );
        assert_eq!(
            philox([u64::MAX, 5], [u64::MAX, 1 << 63, 9, 1]),
            [0x995f_f2fd_1187_c763, 0x1813_b6d5_a154_6e38, 0x1538_dc47_0930_b249, 0xb24e_6b63_cd66_e64d]
        );
        assert_eq!(uniform(42, 3, 7), (0x38be_744f_01e1_7b9d_u64 >> 11) as f64 / 2_f64.powi(53));
    }
}
