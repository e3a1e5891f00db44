//! Blocks of 32 weights: an f16 scale `d`, in some formats an f16 least value `m`, then the integers.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{part, run, scale};

/// `d`, 16 bytes of two weights each: `d (q - 8)`.
#[inline(always)]
pub fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    one_block_at_a_time();
    let d = scale(block, 0);
    let q: &[u8; 16] = part(block, 2);
    let weight = |q: u8| d * (i32::from(q) - 8) as f32;
    *run(out, 0) = q.map(|q| weight(q & 15));
    *run(out, 16) = q.map(|q| weight(q >> 4));
}

/// `d`, `m`, 16 bytes of two weights each: `d q + m`.
#[inline(always)]
pub fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    one_block_at_a_time();
    let (d, m) = (scale(block, 0), scale(block, 2));
    let q: &[u8; 16] = part(block, 4);
    let weight = |q: u8| d * f32::from(q) + m;
    *run(out, 0) = q.map(|q| weight(q & 15));
    *run(out, 16) = q.map(|q| weight(q >> 4));
}

/// `d`, 32 fifth bits, 16 bytes of two weights each: `d (q - 16)`.
#[inline(always)]
pub fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    let q = five_bits(part(block, 2), part(block, 6));
    for (q, out) in q.iter().zip(out) {
        *out = d * (q - 16) as f32;
    }
}

/// `d`, `m`, 32 fifth bits, 16 bytes of two weights each: `d q + m`.
#[inline(always)]
pub fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let q = five_bits(part(block, 4), part(block, 8));
    for (q, out) in q.iter().zip(out) {
        *out = d * *q as f32 + m;
    }
}

/// `d`, 32 signed bytes: `d q`.
#[inline(always)]
pub fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (q, out) in part::<32>(block, 2).iter().zip(out) {
        *out = d * f32::from(*q as i8);
    }
}

/// Keeps LLVM from making vectors of the same weight of many blocks, which it would gather byte by byte. No instruction.
#[inline(always)]
fn one_block_at_a_time() {
    compiler_fence(Ordering::SeqCst);
}

/// Integers of 5 bits: the fifth of weight `j` is bit `j` of `high`.
#[inline(always)]
fn five_bits(high: &[u8; 4], low: &[u8; 16]) -> [i32; 32] {
    let high = u32::from_le_bytes(*high);
    let mut q = [0; 32];
    for j in 0..16 {
        q[j] = i32::from(low[j] & 15) | ((high >> j & 1) as i32) << 4;
        q[j + 16] = i32::from(low[j] >> 4) | ((high >> (j + 16) & 1) as i32) << 4;
    }
    q
}
