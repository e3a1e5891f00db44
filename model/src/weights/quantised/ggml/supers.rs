//! Blocks of 256 weights ("K-quants"): an f16 scale for the block, and small integers that scale runs of 16 or 32.

use super::{part, run, scale};

/// 16 bytes of scale (low half) and least value (high half), 64 bytes of four weights each, `d`, `dmin`:
/// `(d s) q - (dmin m)`. Weights that share a byte are 32 apart.
#[inline(always)]
pub fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let scales: &[u8; 16] = part(block, 0);
    let (d, least) = (scale(block, 80), scale(block, 82));
    for group in 0..16 {
        let q: &[u8; 16] = part(block, 16 + group / 8 * 32 + group % 2 * 16);
        let shift = group % 8 / 2 * 2;
        let factor = d * f32::from(scales[group] & 15);
        let offset = least * f32::from(scales[group] >> 4);
        for (q, out) in q.iter().zip(run::<16>(out, group * 16)) {
            *out = factor * f32::from(q >> shift & 3) - offset;
        }
    }
}

/// 32 bytes of third bits, 64 bytes of four weights each, 16 scales of 6 bits, `d`: `(d (s - 32)) q`, where 4 is taken
/// off `q` if its third bit is not set.
#[inline(always)]
pub fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let packed: &[u8; 12] = part(block, 96);
    let d = scale(block, 108);
    for group in 0..16 {
        let at = group % 2 * 16;
        let high: &[u8; 16] = part(block, at);
        let q: &[u8; 16] = part(block, 32 + group / 8 * 32 + at);
        let (shift, bit) = (group % 8 / 2 * 2, group / 2);
        // Four low bits of 16 scales in 8 bytes, two high bits in 4.
        let low = packed[group % 8] >> (group / 8 * 4) & 15;
        let top = packed[8 + group % 4] >> (group / 4 * 2) & 3;
        let factor = d * (i32::from(low | top << 4) - 32) as f32;
        for ((q, high), out) in q.iter().zip(high).zip(run::<16>(out, group * 16)) {
            *out = factor * (i32::from(q >> shift & 3 | (high >> bit & 1) << 2) - 4) as f32;
        }
    }
}

/// `d`, `dmin`, 8 scales and 8 least values of 6 bits, 128 bytes of two weights each: `(d s) q - (dmin m)`. Weights that
/// share a byte are 32 apart.
#[inline(always)]
pub fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let factors = factors(block);
    for pair in 0..4 {
        let q: &[u8; 32] = part(block, 16 + pair * 32);
        let [(low, low_least), (high, high_least)] = [factors[pair * 2], factors[pair * 2 + 1]];
        for (q, out) in q.iter().zip(run::<32>(out, pair * 64)) {
            *out = low * f32::from(q & 15) - low_least;
        }
        for (q, out) in q.iter().zip(run::<32>(out, pair * 64 + 32)) {
            *out = high * f32::from(q >> 4) - high_least;
        }
    }
}

/// As [`q4_k`], with 32 bytes of fifth bits before the integers: bit `n` of a byte belongs to run `n`.
#[inline(always)]
pub fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let factors = factors(block);
    let fifth: &[u8; 32] = part(block, 16);
    for pair in 0..4 {
        let q: &[u8; 32] = part(block, 48 + pair * 32);
        let [(low, low_least), (high, high_least)] = [factors[pair * 2], factors[pair * 2 + 1]];
        for ((q, fifth), out) in q.iter().zip(fifth).zip(run::<32>(out, pair * 64)) {
            *out = low * f32::from(q & 15 | (fifth >> (pair * 2) & 1) << 4) - low_least;
        }
        for ((q, fifth), out) in q.iter().zip(fifth).zip(run::<32>(out, pair * 64 + 32)) {
            *out = high * f32::from(q >> 4 | (fifth >> (pair * 2 + 1) & 1) << 4) - high_least;
        }
    }
}

/// 128 bytes of two weights' low four bits, 64 bytes of four weights' high two, 16 signed scales, `d`:
/// `(d s) (q - 32)`.
#[inline(always)]
pub fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let scales: &[u8; 16] = part(block, 192);
    let d = scale(block, 208);
    for group in 0..16 {
        let (half, within) = (group / 8, group % 8);
        let low: &[u8; 16] = part(block, half * 64 + within % 4 * 16);
        let high: &[u8; 16] = part(block, 128 + half * 32 + within % 2 * 16);
        let (low_shift, high_shift) = (within / 4 * 4, within / 2 * 2);
        let factor = d * f32::from(scales[group] as i8);
        for ((low, high), out) in low.iter().zip(high).zip(run::<16>(out, group * 16)) {
            *out = factor * (i32::from(low >> low_shift & 15 | (high >> high_shift & 3) << 4) - 32) as f32;
        }
    }
}

/// Factor and offset of the 8 runs of Q4_K and Q5_K: `d s`, `dmin m`.
#[inline(always)]
fn factors(block: &[u8]) -> [(f32, f32); 8] {
    let (d, least) = (scale(block, 0), scale(block, 2));
    let packed: &[u8; 12] = part(block, 4);
    std::array::from_fn(|run| {
        // The first four runs have six bits of bytes 0 to 7; of the others, four bits lie in bytes 8 to 11 and two on
        // top of those of the first four.
        let (s, m) = match run.checked_sub(4) {
            None => (packed[run] & 63, packed[run + 4] & 63),
            Some(run) => {
                (packed[run + 8] & 15 | packed[run] >> 6 << 4, packed[run + 8] >> 4 | packed[run + 4] >> 6 << 4)
            }
        };
        (d * f32::from(s), least * f32::from(m))
    })
}
