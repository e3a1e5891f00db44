//! Vectors of f32 and what the kernels do to them, for each set of instructions.
//!
//! A fused multiply-add rounds once on every path; reading a weight of 16 bits is exact.

use crate::gemm::PANEL;
use half::{bf16, f16};

/// A vector register of f32.
///
/// # Safety
/// The methods may run only in functions compiled for the implementor's instructions, on a CPU that has them; pointers are
/// valid for `LANES` values and need no alignment.
pub(crate) trait Vector: Copy {
    /// Values in a vector.
    const LANES: usize;
    /// The value at `x` in every lane.
    unsafe fn splat(x: *const f32) -> Self;
    /// Consecutive values.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes consecutive values.
    unsafe fn store(self, to: *mut f32);
    /// Asks for the cache line at `to`, which will be written.
    unsafe fn prefetch(to: *mut f32);
    /// Asks for the cache line at `from`, which will be read some time later.
    unsafe fn prefetch_far(from: *const u8);
    /// `self · w + sum`, rounded once.
    unsafe fn mul_add(self, w: Self, sum: Self) -> Self;
    /// `self + other`, rounded.
    unsafe fn add(self, other: Self) -> Self;
    /// Zeros of their sign for subnormal lanes.
    unsafe fn flush(self) -> Self;
    /// Consecutive IEEE halves.
    unsafe fn halves(from: *const u16) -> Self;
    /// The even members of consecutive bf16 pairs.
    unsafe fn even(from: *const u16) -> Self;
    /// The odd members of consecutive bf16 pairs.
    unsafe fn odd(from: *const u16) -> Self;
}

/// How the weights of a panel lie in memory: a panel is [`PANEL`] outputs.
///
/// # Safety
/// As for [`Vector`]; `panel` is valid for row `k`, `column + LANES ≤ PANEL`.
pub(super) trait Weights {
    /// One weight.
    type Element;
    /// The weights of input `k` for the outputs from `column`; `odd` says whether `k` is odd.
    unsafe fn load<V: Vector>(panel: *const Self::Element, k: usize, odd: bool, column: usize) -> V;
}

/// `[inputs, PANEL]` of f32.
pub(super) struct F32;
/// `[inputs, PANEL]` of IEEE halves.
pub(super) struct F16;
/// `[inputs / 2, PANEL, 2]` of bf16: the pairs that dot-product instructions eat, and the cheapest to widen.
pub(super) struct Bf16;

impl Weights for F32 {
    type Element = f32;
    #[inline(always)]
    unsafe fn load<V: Vector>(panel: *const f32, k: usize, _: bool, column: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { V::load(panel.add(k * PANEL + column)) }
    }
}

impl Weights for F16 {
    type Element = u16;
    #[inline(always)]
    unsafe fn load<V: Vector>(panel: *const u16, k: usize, _: bool, column: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { V::halves(panel.add(k * PANEL + column)) }
    }
}

impl Weights for Bf16 {
    type Element = u16;
    #[inline(always)]
    unsafe fn load<V: Vector>(panel: *const u16, k: usize, odd: bool, column: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe {
            let pairs = panel.add((k - odd as usize) * PANEL + 2 * column);
            if odd { V::odd(pairs) } else { V::even(pairs) }
        }
    }
}

/// Eight lanes of plain code: NEON on aarch64, calls to `fmaf` on a bare x86-64.
#[derive(Clone, Copy)]
pub(crate) struct Eight([f32; 8]);

impl Vector for Eight {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Self([unsafe { *x }; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn prefetch(_: *mut f32) {}
    #[inline(always)]
    unsafe fn prefetch_far(_: *const u8) {}
    #[inline(always)]
    unsafe fn mul_add(self, w: Self, sum: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(w.0[i], sum.0[i])))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn flush(self) -> Self {
        Self(self.0.map(|x| if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }))
    }
    #[inline(always)]
    unsafe fn halves(from: *const u16) -> Self {
        // SAFETY: the trait's contract.
        let bits = unsafe { from.cast::<[u16; 8]>().read_unaligned() };
        Self(bits.map(|bits| f16::from_bits(bits).to_f32()))
    }
    #[inline(always)]
    unsafe fn even(from: *const u16) -> Self {
        // SAFETY: the trait's contract.
        let pairs = unsafe { from.cast::<[[u16; 2]; 8]>().read_unaligned() };
        Self(pairs.map(|pair| bf16::from_bits(pair[0]).to_f32()))
    }
    #[inline(always)]
    unsafe fn odd(from: *const u16) -> Self {
        // SAFETY: the trait's contract.
        let pairs = unsafe { from.cast::<[[u16; 2]; 8]>().read_unaligned() };
        Self(pairs.map(|pair| bf16::from_bits(pair[1]).to_f32()))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// A register, by what its instructions are called; only how subnormal lanes are found differs.
    macro_rules! vector {
        (
            $register:ident, $lanes:literal: $set:ident, $load:ident, $store:ident, $mul_add:ident, $add:ident;
            $set_bits:ident, $load_bits:ident, $shift_left:ident, $and:ident, $of_bits:ident;
            $load_halves:ident, $of_halves:ident; flush($x:ident) $flush:block
        ) => {
            impl Vector for $register {
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn splat(x: *const f32) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $set(*x) }
                }
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: the trait's contract.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn prefetch(to: *mut f32) {
                    // SAFETY: a hint, of any address.
                    unsafe { _mm_prefetch::<_MM_HINT_ET0>(to.cast()) }
                }
                #[inline(always)]
                unsafe fn prefetch_far(from: *const u8) {
                    // SAFETY: a hint, of any address.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, w: Self, sum: Self) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $mul_add(self, w, sum) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn flush(self) -> Self {
                    let $x = self;
                    // SAFETY: the trait's contract.
                    unsafe { $flush }
                }
                #[inline(always)]
                unsafe fn halves(from: *const u16) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $of_halves($load_halves(from.cast())) }
                }
                #[inline(always)]
                unsafe fn even(from: *const u16) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $of_bits($shift_left::<16>($load_bits(from.cast()))) }
                }
                #[inline(always)]
                unsafe fn odd(from: *const u16) -> Self {
                    // SAFETY: the trait's contract.
                    unsafe { $of_bits($and($load_bits(from.cast()), $set_bits(0xffff_0000_u32 as i32))) }
                }
            }
        };
    }

    vector!(
        __m256, 8: _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_add_ps;
        _mm256_set1_epi32, _mm256_loadu_si256, _mm256_slli_epi32, _mm256_and_si256, _mm256_castsi256_ps;
        _mm_loadu_si128, _mm256_cvtph_ps; flush(x) {
            let sign = _mm256_set1_ps(-0.0);
            let small = _mm256_cmp_ps::<_CMP_LT_OQ>(_mm256_andnot_ps(sign, x), _mm256_set1_ps(f32::MIN_POSITIVE));
            _mm256_andnot_ps(_mm256_andnot_ps(sign, small), x)
        }
    );

    vector!(
        __m512, 16: _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps;
        _mm512_set1_epi32, _mm512_loadu_si512, _mm512_slli_epi32, _mm512_and_si512, _mm512_castsi512_ps;
        _mm256_loadu_si256, _mm512_cvtph_ps; flush(x) {
            let small = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(x), _mm512_set1_ps(f32::MIN_POSITIVE));
            _mm512_mask_and_ps(x, small, x, _mm512_set1_ps(-0.0))
        }
    );
}
