//! Floats in fewer bits: one weight a block.

/// A single, as it lies.
#[inline(always)]
pub fn f32(block: &[u8; 4], out: &mut [f32; 1]) {
    out[0] = f32::from_le_bytes(*block);
}

/// A half.
#[inline(always)]
pub fn f16(block: &[u8; 2], out: &mut [f32; 1]) {
    out[0] = half(u16::from_le_bytes(*block));
}

/// The upper half of a single.
#[inline(always)]
pub fn bf16(block: &[u8; 2], out: &mut [f32; 1]) {
    out[0] = f32::from_bits(u32::from(u16::from_le_bytes(*block)) << 16);
}

/// IEEE half to single, exactly, without a branch: loops over it become vectors. Payloads of NaN are kept.
#[inline(always)]
pub fn half(bits: u16) -> f32 {
    /// What the exponent of a single has above that of a half.
    const BIAS: u32 = (127 - 15) << 23;
    /// The least normal half, 2^-14.
    const LEAST: u32 = (127 - 14) << 23;
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    // Infinity and NaN: the exponent is moved twice, to 255.
    let normal = magnitude + BIAS + if magnitude >= 0x0f80_0000 { BIAS } else { 0 };
    // Subnormal: 2^-14 with this fraction, less 2^-14. No subnormal single on the way, which would be slow.
    let subnormal = (f32::from_bits(magnitude + LEAST) - f32::from_bits(LEAST)).to_bits();
    f32::from_bits(sign | if magnitude < 0x0080_0000 { subnormal } else { normal })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_half() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (super::half(bits), half::f16::from_bits(bits).to_f32_const());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#x}");
        }
    }
}
