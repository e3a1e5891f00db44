//! The step of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), as torch.optim.AdamW takes it.

use rayon::prelude::*;

use crate::isa::{Isa, force, multiversion};

/// Numbers of a task.
const TASK: usize = 1 << 15;
/// Sums that run side by side.
const SUMS: usize = 8;

/// The numbers of a step, the same for all parameters of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// What gradients are multiplied by first: less than 1 where they are clipped.
    pub gradient_scale: f32,
    /// How long means of gradients and of their squares remember.
    pub betas: [f32; 2],
    /// What parameters are multiplied by first: 1 − learning rate · decay.
    pub keep: f32,
    /// Learning rate over `1 − beta₁ᵗ`.
    pub step_size: f32,
    /// Root of `1 − beta₂ᵗ`.
    pub root_correction: f32,
    /// Added to the corrected root of the mean of squares.
    pub epsilon: f32,
}

/// Takes a step: `p = keep·p − step_size · m / (√v / root_correction + epsilon)`, after m and v have learnt the gradients, which become 0.
///
/// # Panics
/// If the arrays differ in length.
pub fn adamw(step: AdamW, parameters: &mut [f32], gradients: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    let count = parameters.len();
    assert!(gradients.len() == count && first.len() == count && second.len() == count, "arrays are of one length");
    let isa = Isa::current();
    parameters
        .par_chunks_mut(TASK)
        .zip(gradients.par_chunks_mut(TASK))
        .zip(first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK)))
        .for_each(|((parameters, gradients), (first, second))| {
            force(isa, || chunk(step, parameters, gradients, first, second));
        });
}

/// The sum of the squares, in f64.
pub fn squares(values: &[f32]) -> f64 {
    let isa = Isa::current();
    let parts: Vec<f64> = values.par_chunks(TASK).map(|values| force(isa, || sum(values))).collect();
    parts.iter().sum()
}

multiversion! {
    fn chunk(step: AdamW, parameters: &mut [f32], gradients: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let [slow, slower] = step.betas;
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
            let gradient = *g * step.gradient_scale;
            *m = (1.0 - slow).mul_add(gradient - *m, *m);
            *v = (1.0 - slower).mul_add(gradient * gradient, slower * *v);
            let root = v.sqrt() / step.root_correction + step.epsilon;
            *p = *p * step.keep - step.step_size * *m / root;
            *g = 0.0;
        }
    }

    fn sum(values: &[f32]) -> f64 {
        let mut sums = [0.0_f64; SUMS];
        for values in values.chunks(SUMS) {
            for (sum, value) in sums.iter_mut().zip(values) {
                let value = f64::from(*value);
                *sum = value.mul_add(value, *sum);
            }
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_squares_are_exact_where_they_can_be() {
        let values: Vec<f32> = (0..100_001).map(|value| (value % 7) as f32).collect();
        let expected: f64 = values.iter().map(|value| f64::from(value * value)).sum();
        assert!(Isa::all().all(|isa| force(isa, || squares(&values)) == expected));
        assert!(squares(&[f32::NAN]).is_nan() && squares(&[]) == 0.0);
    }
}
