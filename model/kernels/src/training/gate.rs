//! What lies between the two products of an expert, and its gradient.

use rayon::prelude::*;

use crate::exp::{exp, silu};
use crate::gemm::Gate;
use crate::isa::{Isa, force, multiversion};
use crate::norm::{LANES, total};

/// Rows of a task.
const ROWS: usize = 32;

/// `out[r] = weights[r] · gate(h[r])`, `[rows, width]` of `[rows, gate.inputs(width)]`; weights of 1 if there are none.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn gate_weighted(h: &[f32], gate: Gate, weights: Option<&[f32]>, width: usize, out: &mut [f32]) {
    let inner = gate.inputs(width);
    assert_eq!(h.len() / inner * width, out.len(), "arrays fit each other");
    let isa = Isa::current();
    out.par_chunks_mut(ROWS * width).zip(h.par_chunks(ROWS * inner)).enumerate().for_each(|(task, (out, h))| {
        force(isa, || {
            for (row, (out, h)) in out.chunks_exact_mut(width).zip(h.chunks_exact(inner)).enumerate() {
                forward(h, gate, weights.map_or(1.0, |weights| weights[task * ROWS + row]), out);
            }
        });
    });
}

/// Of `y = weights[r] · gate(h[r])` and the gradient `d` of `gate(h) · weights` without the weights: replaces h by its gradient, d by y,
/// and sets the gradients of the weights if there are any.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn gate_backward(
    h: &mut [f32],
    gate: Gate,
    weights: Option<&[f32]>,
    width: usize,
    d: &mut [f32],
    d_weights: Option<&mut [f32]>,
) {
    let inner = gate.inputs(width);
    let rows = d.len() / width;
    assert!(h.len() == rows * inner && d.len() == rows * width, "arrays fit each other");
    let mut none = vec![0.0; if d_weights.is_some() { 0 } else { rows }];
    let d_weights = d_weights.unwrap_or(&mut none);
    assert!(d_weights.len() == rows && weights.is_none_or(|weights| weights.len() == rows), "a weight for each row");
    let isa = Isa::current();
    let tasks = h.par_chunks_mut(ROWS * inner).zip(d.par_chunks_mut(ROWS * width)).zip(d_weights.par_chunks_mut(ROWS));
    tasks.enumerate().for_each(|(task, ((h, d), d_weights))| {
        force(isa, || {
            let rows = h.chunks_exact_mut(inner).zip(d.chunks_exact_mut(width)).zip(d_weights);
            for (row, ((h, d), d_weight)) in rows.enumerate() {
                let weight = weights.map_or(1.0, |weights| weights[task * ROWS + row]);
                *d_weight = backward(h, gate, weight, d);
            }
        });
    });
}

multiversion! {
    fn forward(h: &[f32], gate: Gate, weight: f32, out: &mut [f32]) {
        let (first, second) = h.split_at(out.len());
        match gate {
            Gate::None => {
                for (out, x) in out.iter_mut().zip(first) {
                    *out = weight * silu(*x);
                }
            }
            Gate::First | Gate::Second => {
                let (gates, ups) = if gate == Gate::First { (first, second) } else { (second, first) };
                for ((out, x), up) in out.iter_mut().zip(gates).zip(ups) {
                    *out = weight * (silu(*x) * up);
                }
            }
        }
    }

    /// The gradient of the weight.
    fn backward(h: &mut [f32], gate: Gate, weight: f32, d: &mut [f32]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        let (first, second) = h.split_at_mut(d.len());
        if gate == Gate::None {
            for (xs, ds) in first.chunks_mut(LANES).zip(d.chunks_mut(LANES)) {
                for ((x, d), sum) in xs.iter_mut().zip(ds).zip(&mut sums) {
                    let share = 1.0 / (1.0 + exp(-*x));
                    let active = *x * share;
                    *sum = active.mul_add(*d, *sum);
                    let slope = share * (1.0 - share).mul_add(*x, 1.0);
                    (*x, *d) = (weight * *d * slope, weight * active);
                }
            }
            return total(sums);
        }
        let (gates, ups) = if gate == Gate::First { (first, second) } else { (second, first) };
        for ((xs, ups), ds) in gates.chunks_mut(LANES).zip(ups.chunks_mut(LANES)).zip(d.chunks_mut(LANES)) {
            for (((x, up), d), sum) in xs.iter_mut().zip(ups).zip(ds).zip(&mut sums) {
                let share = 1.0 / (1.0 + exp(-*x));
                let active = *x * share;
                let y = active * *up;
                *sum = y.mul_add(*d, *sum);
                let slope = share * (1.0 - share).mul_add(*x, 1.0);
                let weighted = weight * *d;
                (*x, *up, *d) = (weighted * *up * slope, weighted * active, weight * y);
            }
        }
        total(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(h: &[f64], gate: Gate, width: usize) -> Vec<f64> {
        let silu = |x: f64| x / (1.0 + (-x).exp());
        (0..width)
            .map(|place| match gate {
                Gate::None => silu(h[place]),
                Gate::First => silu(h[place]) * h[width + place],
                Gate::Second => h[place] * silu(h[width + place]),
            })
            .collect()
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let width = 21;
        for gate in [Gate::First, Gate::Second, Gate::None] {
            let inner = gate.inputs(width);
            let number = |place: usize| ((place * 7919 % 97) as f32 - 48.0) / 20.0;
            let h: Vec<f32> = (0..inner).map(number).collect();
            let d: Vec<f32> = (0..width).map(|place| number(place + 50)).collect();
            let wide: Vec<f64> = h.iter().map(|h| f64::from(*h)).collect();
            let loss = |h: &[f64]| value(h, gate, width).iter().zip(&d).map(|(y, d)| y * f64::from(*d)).sum::<f64>();
            for isa in Isa::all() {
                let (mut dh, mut y, mut d_weight, mut out) = (h.clone(), d.clone(), [0.0], vec![0.0; width]);
                force(isa, || {
                    gate_weighted(&h, gate, Some(&[0.7]), width, &mut out);
                    gate_backward(&mut dh, gate, Some(&[0.7]), width, &mut y, Some(&mut d_weight));
                });
                assert!((f64::from(d_weight[0]) - loss(&wide)).abs() < 1e-5);
                for (place, expected) in value(&wide, gate, width).iter().enumerate() {
                    assert!((f64::from(y[place]) - 0.7 * expected).abs() < 1e-6);
                    assert!((f64::from(out[place]) - 0.7 * expected).abs() < 1e-6);
                }
                for (place, found) in dh.iter().enumerate() {
                    let shifted = |by: f64| {
                        let mut h = wide.clone();
                        h[place] += by;
                        loss(&h)
                    };
                    let expected = 0.7 * (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                    assert!(
                        (f64::from(*found) - expected).abs() < 3e-6,
                        "{gate:?} {isa:?} {place}: {found} {expected}"
                    );
                }
            }
        }
    }
}
