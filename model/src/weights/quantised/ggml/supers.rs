//! Blocks of 256 weights ("K-quants"): an f16 scale for the block, and small integers that scale runs of 16 or 32.
//!
//! Shifts are constants, which vectors of bytes need to be shifted fast.

use super::{part, run, scale};

/// 16 bytes of scale (low half) and least value (high half), 64 bytes of four weights each, `d`, `dmin`:
/// `(d s) q - (dmin m)`. Weights that share a byte are 32 apart.
#[inline(always)]
pub fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let scales: &[u8; 16] = part(block, 0);
    let (d, least) = (scale(block, 80), scale(block, 82));
    for (group, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let q: &[u8; 32] = part(block, 16 + group * 32);
        let scales = part::<8>(scales, group * 8).map(|s| (d * f32::from(s & 15), least * f32::from(s >> 4)));
        two_bits::<0>(q, [scales[0], scales[1]], run(out, 0));
        two_bits::<2>(q, [scales[2], scales[3]], run(out, 32));
        two_bits::<4>(q, [scales[4], scales[5]], run(out, 64));
        two_bits::<6>(q, [scales[6], scales[7]], run(out, 96));
    }
}

/// The two runs of 16 whose bits begin at `SHIFT`.
#[inline(always)]
fn two_bits<const SHIFT: u8>(q: &[u8; 32], scales: [(f32, f32); 2], out: &mut [f32; 32]) {
    let runs = q.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<16>().0);
    for ((q, out), (factor, offset)) in runs.zip(scales) {
        for (q, out) in q.iter().zip(out) {
            *out = factor * f32::from(q >> SHIFT & 3) - offset;
        }
    }
}

/// 32 bytes of third bits, 64 bytes of four weights each, 16 scales of 6 bits, `d`: `(d (s - 32)) q`, where 4 is taken
/// off `q` if its third bit is not set.
#[inline(always)]
pub fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let packed: &[u8; 12] = part(block, 96);
    let d = scale(block, 108);
    let scales: [f32; 16] = std::array::from_fn(|group| {
        // Four low bits of 16 scales in 8 bytes, two high bits in 4.
        let low = packed[group % 8] >> (group / 8 * 4) & 15;
        let high = packed[8 + group % 4] >> (group / 4 * 2) & 3;
        d * (i32::from(low | high << 4) - 32) as f32
    });
    let (high, low): (&[u8; 32], [&[u8; 32]; 2]) = (part(block, 0), [part(block, 32), part(block, 64)]);
    three_bits::<0, 0>(high, low[0], [scales[0], scales[1]], run(out, 0));
    three_bits::<2, 1>(high, low[0], [scales[2], scales[3]], run(out, 32));
    three_bits::<4, 2>(high, low[0], [scales[4], scales[5]], run(out, 64));
    three_bits::<6, 3>(high, low[0], [scales[6], scales[7]], run(out, 96));
    three_bits::<0, 4>(high, low[1], [scales[8], scales[9]], run(out, 128));
    three_bits::<2, 5>(high, low[1], [scales[10], scales[11]], run(out, 160));
    three_bits::<4, 6>(high, low[1], [scales[12], scales[13]], run(out, 192));
    three_bits::<6, 7>(high, low[1], [scales[14], scales[15]], run(out, 224));
}

/// The two runs of 16 whose low bits begin at `SHIFT` and whose third bit is `BIT`.
#[inline(always)]
fn three_bits<const SHIFT: u8, const BIT: u8>(high: &[u8; 32], low: &[u8; 32], factors: [f32; 2], out: &mut [f32; 32]) {
    let q: [i8; 32] = std::array::from_fn(|j| (low[j] >> SHIFT & 3 | (high[j] >> BIT & 1) << 2) as i8 - 4);
    signed(&q, factors, out);
}

/// `d`, `dmin`, 8 scales and 8 least values of 6 bits, 128 bytes of two weights each: `(d s) q - (dmin m)`. Weights that
/// share a byte are 32 apart.
#[inline(always)]
pub fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let factors = factors(block);
    four_bits(part(block, 16), [factors[0], factors[1]], run(out, 0));
    four_bits(part(block, 48), [factors[2], factors[3]], run(out, 64));
    four_bits(part(block, 80), [factors[4], factors[5]], run(out, 128));
    four_bits(part(block, 112), [factors[6], factors[7]], run(out, 192));
}

/// The two runs of 32 that share bytes.
#[inline(always)]
fn four_bits(q: &[u8; 32], factors: [(f32, f32); 2], out: &mut [f32; 64]) {
    unsigned(&std::array::from_fn(|j| q[j] & 15), factors[0], run(out, 0));
    unsigned(&std::array::from_fn(|j| q[j] >> 4), factors[1], run(out, 32));
}

/// As [`q4_k`], with 32 bytes of fifth bits before the integers: bit `n` of a byte belongs to run `n`.
#[inline(always)]
pub fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let factors = factors(block);
    let fifth: &[u8; 32] = part(block, 16);
    five_bits::<0>(fifth, part(block, 48), [factors[0], factors[1]], run(out, 0));
    five_bits::<2>(fifth, part(block, 80), [factors[2], factors[3]], run(out, 64));
    five_bits::<4>(fifth, part(block, 112), [factors[4], factors[5]], run(out, 128));
    five_bits::<6>(fifth, part(block, 144), [factors[6], factors[7]], run(out, 192));
}

/// The two runs of 32 whose fifth bits are `BIT` and the next.
#[inline(always)]
fn five_bits<const BIT: u8>(fifth: &[u8; 32], q: &[u8; 32], factors: [(f32, f32); 2], out: &mut [f32; 64]) {
    let low = std::array::from_fn(|j| q[j] & 15 | (fifth[j] >> BIT & 1) << 4);
    let high = std::array::from_fn(|j| q[j] >> 4 | (fifth[j] >> BIT >> 1 & 1) << 4);
    unsigned(&low, factors[0], run(out, 0));
    unsigned(&high, factors[1], run(out, 32));
}

/// 128 bytes of two weights' low four bits, 64 bytes of four weights' high two, 16 signed scales, `d`:
/// `(d s) (q - 32)`.
#[inline(always)]
pub fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = scale(block, 208);
    for (half, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low: [&[u8; 32]; 2] = [part(block, half * 64), part(block, half * 64 + 32)];
        let high: &[u8; 32] = part(block, 128 + half * 32);
        let scales = part::<8>(block, 192 + half * 8).map(|s| d * f32::from(s as i8));
        six_bits::<0, 0>(low[0], high, [scales[0], scales[1]], run(out, 0));
        six_bits::<0, 2>(low[1], high, [scales[2], scales[3]], run(out, 32));
        six_bits::<4, 4>(low[0], high, [scales[4], scales[5]], run(out, 64));
        six_bits::<4, 6>(low[1], high, [scales[6], scales[7]], run(out, 96));
    }
}

/// The two runs of 16 whose low bits begin at `LOW` and whose high bits begin at `HIGH`.
#[inline(always)]
fn six_bits<const LOW: u8, const HIGH: u8>(low: &[u8; 32], high: &[u8; 32], factors: [f32; 2], out: &mut [f32; 32]) {
    let q: [i8; 32] = std::array::from_fn(|j| (low[j] >> LOW & 15 | (high[j] >> HIGH & 3) << 4) as i8 - 32);
    signed(&q, factors, out);
}

/// Two runs of 16 signed integers with a factor each.
#[inline(always)]
fn signed(q: &[i8; 32], factors: [f32; 2], out: &mut [f32; 32]) {
    let runs = q.as_chunks::<16>().0.iter().zip(out.as_chunks_mut::<16>().0);
    for ((q, out), factor) in runs.zip(factors) {
        for (q, out) in q.iter().zip(out) {
            *out = factor * f32::from(*q);
        }
    }
}

/// A run of 32 unsigned integers with a factor and what is taken off.
#[inline(always)]
fn unsigned(q: &[u8; 32], (factor, offset): (f32, f32), out: &mut [f32; 32]) {
    for (q, out) in q.iter().zip(out) {
        *out = factor * f32::from(*q) - offset;
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
