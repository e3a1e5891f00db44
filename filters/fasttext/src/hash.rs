//! fastText's hashes of words and of word n-grams, and division by a number that is known beforehand.

/// Where the hash of a word begins (FNV-1a, 32 bits).
pub const HASH_START: u32 = 2_166_136_261;

/// The hash with one more byte.
///
/// fastText's first models were trained with `char` signed, so bytes from 0x80 up are extended with ones instead of
/// zeros before they are mixed in; that is part of the format.
#[inline(always)]
pub fn hash_byte(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as i8 as u32).wrapping_mul(16_777_619)
}

/// fastText's hash of a word: FNV-1a over sign-extended bytes.
#[inline]
pub fn hash(word: &[u8]) -> u32 {
    word.iter().fold(HASH_START, |hash, &byte| hash_byte(hash, byte))
}

/// The hash of a word n-gram from that of the n-gram without its last word. Hashes of words are extended by sign.
#[inline(always)]
pub fn hash_next_word(ngram: u64, word: u32) -> u64 {
    ngram.wrapping_mul(116_049_371).wrapping_add(word as i32 as u64)
}

/// Remainders by a fixed divisor without division (Lemire, Kaser, Kurz: "Faster remainder by direct computation", 2019).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remainder {
    divisor: u32,
    reciprocal: u64,
}

impl Remainder {
    /// For divisor 0 every remainder is 0; callers see to it that nobody asks.
    pub fn new(divisor: u32) -> Self {
        Self { divisor, reciprocal: if divisor == 0 { 0 } else { (u64::MAX / u64::from(divisor)).wrapping_add(1) } }
    }

    #[inline(always)]
    pub fn of(self, number: u32) -> u32 {
        let fraction = self.reciprocal.wrapping_mul(u64::from(number));
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as u32
    }

    #[inline(always)]
    pub fn of_u64(self, number: u64) -> u32 {
        number.checked_rem(u64::from(self.divisor)).unwrap_or(0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_extended_by_sign() {
        // FNV-1a of ASCII is the usual one; "é" differs from it (0x24d6c2f0 would be the unsigned variant's).
        assert_eq!(hash(b""), 2_166_136_261);
        assert_eq!(hash(b"a"), 0xe40c_292c);
        assert_eq!(hash(b"\xff"), (2_166_136_261u32 ^ 0xffff_ffff).wrapping_mul(16_777_619));
    }

    #[test]
    fn remainders_are_exact() {
        let mut state = 1u64;
        for divisor in [1u32, 2, 3, 7, 10, 1000, 20_000, 2_000_000, 2_147_483_647, u32::MAX] {
            let remainder = Remainder::new(divisor);
            for edge in [0, 1, divisor - 1, divisor, divisor.wrapping_add(1), u32::MAX - 1, u32::MAX] {
                assert_eq!(remainder.of(edge), edge % divisor);
            }
            for _ in 0..10_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let number = (state >> 32) as u32;
                assert_eq!(remainder.of(number), number % divisor);
            }
        }
    }
}
