//! Gradients of root-mean-square norms.

use rayon::prelude::*;

use super::Into;
use super::sums::{BLOCK, add_up};
use crate::isa::{Isa, force, multiversion};
use crate::norm::{LANES, total};

/// Of `y = x / sqrt(mean(x²) + eps) · weight` and the gradient of y: that of x, `[rows, width]`, added or set, and that of the weight,
/// `[width]`, added.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    into: Into,
    dx: &mut [f32],
    d_weight: &mut [f32],
) {
    let width = weight.len();
    assert!(x.len() == dy.len() && x.len() == dx.len() && d_weight.len() == width, "arrays fit each other");
    let mut parts = vec![0.0; x.len().div_ceil(BLOCK * width) * width];
    let isa = Isa::current();
    let arrays = x.par_chunks(BLOCK * width).zip(dy.par_chunks(BLOCK * width)).zip(dx.par_chunks_mut(BLOCK * width));
    parts.par_chunks_exact_mut(width).zip(arrays).for_each(|(part, ((x, dy), dx))| {
        force(isa, || {
            let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
            for ((x, dy), dx) in rows {
                row(x, weight, eps, dy, into, dx, part);
            }
        });
    });
    add_up(&parts, d_weight);
}

multiversion! {
    fn row(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], into: Into, dx: &mut [f32], d_weight: &mut [f32]) {
        let (mut squares, mut dots) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for ((x, weight), dy) in x.chunks(LANES).zip(weight.chunks(LANES)).zip(dy.chunks(LANES)) {
            for lane in 0..x.len() {
                squares[lane] = x[lane].mul_add(x[lane], squares[lane]);
                dots[lane] = (x[lane] * weight[lane]).mul_add(dy[lane], dots[lane]);
            }
        }
        let count = x.len() as f32;
        let scale = 1.0 / (total(squares) / count + eps).sqrt();
        let pull = scale * scale * scale / count * total(dots);
        if into == Into::Set {
            dx.fill(0.0);
        }
        for ((((dx, d_weight), x), weight), dy) in dx.iter_mut().zip(d_weight).zip(x).zip(weight).zip(dy) {
            *dx += (scale * weight).mul_add(*dy, -(pull * x));
            *d_weight = (x * scale).mul_add(*dy, *d_weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    /// The norm in f64.
    fn loss(x: &[f64], weight: &[f64], dy: &[f32]) -> f64 {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + 1e-3).sqrt();
        x.iter().zip(weight).zip(dy).map(|((x, weight), dy)| x * scale * weight * f64::from(*dy)).sum()
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let number = |place: usize, by: f32| ((place * 7919 % 101) as f32 - 50.0) / by;
        let width = 19;
        let x: Vec<f32> = (0..width).map(|place| number(place + 3, 40.0)).collect();
        let weight: Vec<f32> = (0..width).map(|place| number(place + 30, 50.0)).collect();
        let dy: Vec<f32> = (0..width).map(|place| number(place + 70, 60.0)).collect();
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        for isa in Isa::all() {
            let (mut dx, mut d_weight) = (vec![1.0; width], vec![2.0; width]);
            force(isa, || rms_norm_backward(&x, &weight, 1e-3, &dy, Into::Add, &mut dx, &mut d_weight));
            for place in 0..width {
                let step = 1e-5;
                let shifted = |by: f64| {
                    let (mut x, mut weight) = (wide(&x), wide(&weight));
                    x[place] += by;
                    let of_x = loss(&x, &weight, &dy);
                    x[place] -= by;
                    weight[place] += by;
                    (of_x, loss(&x, &weight, &dy))
                };
                let (above, below) = (shifted(step), shifted(-step));
                let expected = ((above.0 - below.0) / (2.0 * step), (above.1 - below.1) / (2.0 * step));
                assert!((f64::from(dx[place]) - 1.0 - expected.0).abs() < 2e-6, "{isa:?} {place} {expected:?}");
                assert!((f64::from(d_weight[place]) - 2.0 - expected.1).abs() < 2e-6, "{isa:?} {place} {expected:?}");
            }
        }
    }
}
