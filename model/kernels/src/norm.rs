//! Root-mean-square norms (Zhang & Sennrich 2019, arXiv:1910.07467).

use crate::isa::multiversion;
use crate::rows::for_each_row;

/// Lanes of a sum: they are added up in one order on every CPU.
pub(crate) const LANES: usize = 16;

/// `out[r] = x[r] / sqrt(mean(x[r]²) + eps) * weight`, for rows of `weight.len()` values.
///
/// # Panics
/// If `x` and `out` differ in length, or are not whole rows.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many values come out as go in");
    for_each_row(out, weight.len(), |row, out| {
        let x = &x[row * weight.len()..][..weight.len()];
        norm_row(x, weight, eps, out);
    });
}

/// `x += y`.
///
/// # Panics
/// If the lengths differ.
pub fn add(x: &mut [f32], y: &[f32]) {
    const STEP: usize = 1 << 14;
    assert_eq!(x.len(), y.len(), "sums are of arrays of one length");
    for_each_row(x, STEP, |row, x| {
        for (x, y) in x.iter_mut().zip(&y[row * STEP..]) {
            *x += y;
        }
    });
}

/// The sum of 16 lanes, in one order.
#[inline(always)]
pub(crate) fn total(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

multiversion! {
    fn norm_row(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let mut sums = [0.0_f32; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for values in whole {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = value.mul_add(*value, *sum);
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            *sum = value.mul_add(*value, *sum);
        }
        let scale = 1.0 / (total(sums) / x.len() as f32 + eps).sqrt();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * weight;
        }
    }
}
