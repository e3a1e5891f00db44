//! Cross entropy of logits, and its gradient in their place.

use rayon::prelude::*;

use crate::exp::exp;
use crate::isa::{Isa, force, multiversion};
use crate::norm::{LANES, total};

/// Of `logits`, `[rows, classes]`: the natural logarithm of the probability of each row's target, `[rows]`. With `scales`, logits become
/// the gradients of `−scales[r] · log_probs[r]`; without, they become of no use.
///
/// # Panics
/// If the arrays do not fit each other or a target is no class.
pub fn cross_entropy(logits: &mut [f32], targets: &[u32], scales: Option<&[f32]>, log_probs: &mut [f32]) {
    let rows = targets.len();
    if rows == 0 {
        return;
    }
    let classes = logits.len() / rows;
    assert!(logits.len() == rows * classes && log_probs.len() == rows, "arrays fit each other");
    assert!(scales.is_none_or(|scales| scales.len() == rows), "a scale for each row");
    let isa = Isa::current();
    logits.par_chunks_exact_mut(classes).zip(log_probs).enumerate().with_min_len(4).for_each(
        |(row, (logits, log_prob))| {
            force(isa, || {
                let own = logits[targets[row] as usize];
                let (max, sum) = powers(logits);
                // In f64, of which the logarithm rounds to one f32 on every system.
                *log_prob = (f64::from(own) - f64::from(max) - libm::log(f64::from(sum))) as f32;
                if let Some(scales) = scales {
                    multiply(logits, scales[row] / sum);
                    logits[targets[row] as usize] -= scales[row];
                }
            });
        },
    );
}

multiversion! {
    /// Replaces logits by powers of e, divided by the largest; the largest logit, and the powers' sum.
    fn powers(logits: &mut [f32]) -> (f32, f32) {
        let mut maxima = [f32::NEG_INFINITY; LANES];
        for logits in logits.chunks(LANES) {
            for (max, logit) in maxima.iter_mut().zip(logits) {
                *max = if *logit > *max { *logit } else { *max };
            }
        }
        let max = maxima.iter().fold(f32::NEG_INFINITY, |max, other| if *other > max { *other } else { max });
        let mut sums = [0.0_f32; LANES];
        for logits in logits.chunks_mut(LANES) {
            for (sum, logit) in sums.iter_mut().zip(logits) {
                *logit = exp(*logit - max);
                *sum += *logit;
            }
        }
        (max, total(sums))
    }

    fn multiply(values: &mut [f32], by: f32) {
        for value in values {
            *value *= by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_probabilities_less_the_target() {
        let logits: Vec<f32> = (0..3 * 37).map(|place| ((place * 7919) % 101) as f32 / 17.0).collect();
        for isa in Isa::all() {
            let (mut found, mut log_probs) = (logits.clone(), [0.0; 3]);
            force(isa, || cross_entropy(&mut found, &[5, 36, 0], Some(&[1.0, 0.5, 0.0]), &mut log_probs));
            for (row, (target, scale)) in [(5, 1.0), (36, 0.5), (0, 0.0)].into_iter().enumerate() {
                let logits: Vec<f64> = logits[row * 37..][..37].iter().map(|logit| f64::from(*logit)).collect();
                let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                assert!((f64::from(log_probs[row]) - (logits[target] - sum.ln())).abs() < 1e-6);
                for (place, logit) in logits.iter().enumerate() {
                    let expected = scale * (logit.exp() / sum - if place == target { 1.0 } else { 0.0 });
                    assert!((f64::from(found[row * 37 + place]) - expected).abs() < 1e-7, "{isa:?}");
                }
            }
        }
        cross_entropy(&mut [], &[], None, &mut []);
    }
}
