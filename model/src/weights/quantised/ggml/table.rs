//! Blocks whose integers choose among 16 values.

use super::{part, run, scale};

/// The values of IQ4_NL and IQ4_XS.
const UNEVEN: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The values of MXFP4, doubled: sign, two bits of exponent, one of fraction.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `d`, 16 bytes of two weights each.
#[inline(always)]
pub fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    choose(&UNEVEN, scale(block, 0), part(block, 2), out);
}

/// `d`, 8 scales of 6 bits (the high two in 2 bytes, the low four in 4), 128 bytes of two weights each: `d (s - 32)` is
/// the scale of 32 weights.
#[inline(always)]
pub fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = scale(block, 0);
    let high = u16::from_le_bytes(*part(block, 2));
    let low: &[u8; 4] = part(block, 4);
    for group in 0..8 {
        let s = i32::from(low[group / 2] >> (group % 2 * 4) & 15) | i32::from(high >> (group * 2) & 3) << 4;
        choose(&UNEVEN, d * (s - 32) as f32, part(block, 8 + group * 16), run(out, group * 32));
    }
}

/// An exponent, 16 bytes of two weights each: `2^(e - 128)` times twice the value.
#[inline(always)]
pub fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let exponent = u32::from(block[0]);
    // The least two are subnormal.
    let bits = if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 };
    choose(&E2M1, f32::from_bits(bits), part(block, 1), out);
}

/// `d` times the values chosen.
#[inline(always)]
fn choose(values: &[i8; 16], d: f32, q: &[u8; 16], out: &mut [f32; 32]) {
    let values = values.map(|value| d * f32::from(value));
    let (low, high) = out.split_at_mut(16);
    for ((q, low), high) in q.iter().zip(low).zip(high) {
        *low = values[usize::from(q & 15)];
        *high = values[usize::from(q >> 4)];
    }
}
