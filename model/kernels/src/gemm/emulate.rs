//! What the matrix units compute, in vectors: the same bits on CPUs without them.
//!
//! Found by comparing with the units: ordinary, cancelling, overflowing and subnormal values agree bit for bit (`tests/gemm.rs`
//! compares wherever they exist). It is what the manual says of TDPBF16PS, whose rounding mode and exceptions are fixed.
#![expect(clippy::needless_range_loop, reason = "counted loops over registers")]

use crate::gemm::rounded::{Block, TILE};
use crate::gemm::vector::{Eight, Vector};
use crate::gemm::{PANEL, STEP};

/// A block in vectors, `R` rows at a time.
#[inline(always)]
unsafe fn emulate<V: Vector, const R: usize>(block: &Block) {
    // SAFETY: the operands are whole.
    unsafe {
        for column in (0..PANEL).step_by(V::LANES) {
            for first in (0..if block.second.is_some() { 2 * TILE } else { TILE }).step_by(R) {
                let x = match block.second {
                    Some(second) if first >= TILE => second,
                    _ => block.x,
                };
                let x = x.add(first % TILE * STEP);
                let mut sums = [V::load(block.from.add(first * block.from_stride + column)); R];
                for r in 1..R {
                    sums[r] = V::load(block.from.add((first + r) * block.from_stride + column));
                }
                for r in 0..R {
                    sums[r] = sums[r].flush();
                }
                for step in 0..block.steps {
                    let (zero, x) = (0.0, x.add(step * STEP * TILE));
                    let mut even = [V::splat(&zero); R];
                    let mut odd = even;
                    for pair in 0..STEP / 2 {
                        let weights = block.weights.add((step * (STEP / 2) + pair) * 2 * PANEL + 2 * column);
                        let (w_even, w_odd) = (V::even(weights).flush(), V::odd(weights).flush());
                        for r in 0..R {
                            let x = x.add(r * STEP + 2 * pair);
                            let x_even = f32::from_bits((*x as u32) << 16);
                            let x_odd = f32::from_bits((*x.add(1) as u32) << 16);
                            even[r] = V::splat(&x_even).mul_add(w_even, even[r]).flush();
                            odd[r] = V::splat(&x_odd).mul_add(w_odd, odd[r]).flush();
                        }
                    }
                    for r in 0..R {
                        sums[r] = sums[r].add(even[r].add(odd[r]).flush()).flush();
                    }
                }
                for r in 0..R {
                    sums[r].store(block.to.add((first + r) * block.to_stride + column));
                }
            }
        }
    }
}

/// # Safety
/// The operands are whole and the CPU has AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) unsafe fn avx512(block: &Block) {
    // SAFETY: the caller's promise.
    unsafe { emulate::<std::arch::x86_64::__m512, 8>(block) }
}

/// # Safety
/// The operands are whole and the CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn avx2(block: &Block) {
    // SAFETY: the caller's promise.
    unsafe { emulate::<std::arch::x86_64::__m256, 4>(block) }
}

/// # Safety
/// The operands are whole.
pub(super) unsafe fn portable(block: &Block) {
    // SAFETY: the caller's promise.
    unsafe { emulate::<Eight, 4>(block) }
}
