//! Numbers in bf16, to nearest, ties to even; subnormal numbers count as zeros of their sign.
//!
//! The bits are those of the CPU's own conversion, which is used where there are matrix units to feed.

use crate::isa::{Isa, multiversion};

/// The nearest bf16, as `VCVTNEPS2BF16` has it: what is subnormal before it is rounded is a zero of its sign.
#[inline(always)]
pub(super) fn nearest(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let rounded = if x.is_nan() { bits >> 16 | 0x40 } else { rounded };
    (if bits & 0x7f80_0000 == 0 { bits >> 16 & 0x8000 } else { rounded }) as u16
}

/// A row in bf16, filled up with zeros.
pub(super) fn row(x: &[f32], to: &mut [u16]) {
    let (values, rest) = to.split_at_mut(x.len());
    rest.fill(0);
    #[cfg(target_arch = "x86_64")]
    if Isa::current() == Isa::Amx && x86::available() {
        // SAFETY: the CPU has the instructions.
        return unsafe { x86::row(x, values) };
    }
    row_in_steps(x, values);
}

/// Numbers of two rows in turns, a pair in each place, the even one below; zeros for a row or numbers that are not there.
pub(super) fn zip(even: Option<&[f32]>, odd: Option<&[f32]>, to: &mut [u32]) {
    let (Some(even), Some(odd)) = (even, odd) else {
        to.fill(0);
        for (to, even) in to.iter_mut().zip(even.unwrap_or(&[])) {
            *to = u32::from(nearest(*even));
        }
        return;
    };
    let (values, rest) = to.split_at_mut(even.len());
    rest.fill(0);
    #[cfg(target_arch = "x86_64")]
    if Isa::current() == Isa::Amx && x86::available() {
        // SAFETY: the CPU has the instructions.
        return unsafe { x86::zip(even, odd, values) };
    }
    zip_in_steps(even, odd, values);
}

multiversion! {
    fn row_in_steps(x: &[f32], to: &mut [u16]) {
        for (to, x) in to.iter_mut().zip(x) {
            *to = nearest(*x);
        }
    }

    fn zip_in_steps(even: &[f32], odd: &[f32], to: &mut [u32]) {
        for ((to, even), odd) in to.iter_mut().zip(even).zip(odd) {
            *to = u32::from(nearest(*even)) | u32::from(nearest(*odd)) << 16;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Whether the CPU converts to bf16 itself.
    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx512bf16")
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
    unsafe fn convert(x: *const f32, mask: __mmask16) -> __m256i {
        // SAFETY: lanes beyond the mask are not read; bf16 is 16 bits like any other.
        unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x))) }
    }

    /// The lanes of numbers from `first` on.
    fn mask(first: usize, len: usize) -> __mmask16 {
        if len - first >= 16 { u16::MAX } else { (1 << (len - first)) - 1 }
    }

    /// # Safety
    /// The CPU has AVX-512 with bf16.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
    pub(super) unsafe fn row(x: &[f32], to: &mut [u16]) {
        let len = x.len().min(to.len());
        for first in (0..len).step_by(16) {
            let mask = mask(first, len);
            // SAFETY: lanes of the mask are in both slices.
            unsafe {
                let values = convert(x.as_ptr().add(first), mask);
                _mm256_mask_storeu_epi16(to.as_mut_ptr().add(first).cast(), mask, values);
            }
        }
    }

    /// # Safety
    /// The CPU has AVX-512 with bf16.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
    pub(super) unsafe fn zip(even: &[f32], odd: &[f32], to: &mut [u32]) {
        let len = even.len().min(odd.len()).min(to.len());
        for first in (0..len).step_by(16) {
            let mask = mask(first, len);
            // SAFETY: lanes of the mask are in all three slices.
            unsafe {
                let even = _mm512_cvtepu16_epi32(convert(even.as_ptr().add(first), mask));
                let odd = _mm512_cvtepu16_epi32(convert(odd.as_ptr().add(first), mask));
                let pairs = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
                _mm512_mask_storeu_epi32(to.as_mut_ptr().add(first).cast(), mask, pairs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::force;
    use half::bf16;

    #[test]
    fn every_path_rounds_every_number_alike() {
        let ends = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX, 1.003_906_2];
        let mut x: Vec<f32> = (0..=u32::MAX).step_by(40_009).map(f32::from_bits).collect();
        x.extend(
            ends.iter()
                .flat_map(|end| (0..40_u32).map(|i| f32::from_bits(end.to_bits().wrapping_add(i).wrapping_sub(20)))),
        );
        let turned: Vec<f32> = x.iter().rev().copied().collect();
        let expected = |x: &f32| match bf16::from_f32(*x) {
            _ if x.is_subnormal() => bf16::from_f32(0.0_f32.copysign(*x)).to_bits(),
            rounded => rounded.to_bits(),
        };
        for isa in Isa::all() {
            let (mut rounded, mut pairs) = (vec![1; x.len() + 5], vec![1; x.len() + 5]);
            force(isa, || {
                row(&x, &mut rounded);
                zip(Some(&x), Some(&turned), &mut pairs);
            });
            for (place, x) in x.iter().enumerate() {
                assert_eq!(rounded[place], expected(x), "{isa:?} {x:e}");
                assert_eq!(pairs[place], u32::from(expected(x)) | u32::from(expected(&turned[place])) << 16);
            }
            assert!(rounded[x.len()..] == [0; 5] && pairs[x.len()..] == [0; 5]);
        }
        let mut pairs = [7; 3];
        zip(Some(&[1.0, 2.0]), None, &mut pairs);
        assert_eq!(pairs, [0x3f80, 0x4000, 0]);
    }
}
