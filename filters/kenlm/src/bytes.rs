//! Little-endian reads at any alignment, and fields of a few bits.
//!
//! KenLM stores everything in the byte order of the machine that built the model; all machines it is used on are
//! little-endian, and so is what is read here, on any machine.

/// The four bytes at `at` as an unsigned number. `at + 4` must lie within `bytes`.
#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The eight bytes at `at` as an unsigned number. `at + 8` must lie within `bytes`.
#[inline(always)]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The four bytes at `at` as a float. `at + 4` must lie within `bytes`.
#[inline(always)]
pub(crate) fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(bytes, at))
}

/// Writes a number of four bytes.
#[inline(always)]
pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Writes a number of eight bytes.
#[inline(always)]
pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Writes a float of four bytes.
#[inline(always)]
pub(crate) fn put_f32(bytes: &mut [u8], at: usize, value: f32) {
    put_u32(bytes, at, value.to_bits());
}

/// Bits from `bit` on (counted from the low bit of `bytes[0]`); the low 57 of the result are meaningful. The eight
/// bytes from `bit / 8` on must lie within `bytes`.
#[inline(always)]
pub(crate) fn bits_at(bytes: &[u8], bit: u64) -> u64 {
    u64_at(bytes, (bit >> 3) as usize) >> (bit & 7)
}

/// Adds a field of up to 57 bits to bytes where that field is zero so far.
#[inline(always)]
pub(crate) fn put_bits(bytes: &mut [u8], bit: u64, value: u64) {
    let at = (bit >> 3) as usize;
    let merged = u64_at(bytes, at) | (value << (bit & 7));
    put_u64(bytes, at, merged);
}

/// Number of bits in which all of `0..=max` can be written: 0 for 0, 1 for 1, 2 for 2 and 3.
pub(crate) fn required_bits(max: u64) -> u8 {
    (64 - max.leading_zeros()) as u8
}

/// A mask of the low `bits` bits; `bits` is at most 63.
pub(crate) fn mask(bits: u8) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_57_bits_lie_side_by_side() {
        let mut bytes = vec![0; 57 + 8];
        let value = 0x0123_4567_89ab_cdef;
        for field in 0..8 {
            put_bits(&mut bytes, field * 57, value);
        }
        for field in 0..8 {
            assert_eq!(bits_at(&bytes, field * 57) & mask(57), value);
        }
    }

    #[test]
    fn bits_needed() {
        assert_eq!([0, 1, 2, 3, 4, 255, 256, u64::MAX].map(required_bits), [0, 1, 2, 2, 3, 8, 9, 64]);
    }
}
