//! The gradient of cross entropy, in the place of logits.

use rayon::prelude::*;

use crate::exp::exp;
use crate::isa::{Isa, force, multiversion};

/// Replaces logits, `[rows, classes]`, by the gradients of `−scale · log probability` of each row's target. They may be a part of all
/// classes: targets count from the first of them, `None` is a target among the others; `log_sums` are of all.
///
/// # Panics
/// If the arrays do not fit each other or a target is no class.
pub fn cross_entropy_backward(
    logits: &mut [f32],
    classes: usize,
    log_sums: &[f32],
    scales: &[f32],
    target: impl Fn(usize) -> Option<usize> + Sync,
) {
    let rows = log_sums.len();
    assert!(logits.len() == rows * classes && scales.len() == rows, "arrays fit each other");
    let isa = Isa::current();
    logits.par_chunks_exact_mut(classes).enumerate().with_min_len(16).for_each(|(row, logits)| {
        force(isa, || shares(logits, log_sums[row], scales[row]));
        if let Some(target) = target(row) {
            logits[target] -= scales[row];
        }
    });
}

multiversion! {
    fn shares(logits: &mut [f32], log_sum: f32, scale: f32) {
        for logit in logits {
            *logit = scale * exp(*logit - log_sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Running;

    #[test]
    fn gradients_are_probabilities_less_the_target() {
        let logits: Vec<f32> = (0..3 * 37).map(|place| ((place * 7919) % 101) as f32 / 17.0).collect();
        let targets = [Some(5), Some(36), None];
        let scales = [1.0, 0.5, 2.0];
        let log_sum = |logits: &[f32]| {
            let mut running = Running::default();
            running.read(logits, None);
            running.log_sum()
        };
        let log_sums: Vec<f32> = logits.chunks(37).map(log_sum).collect();
        for isa in Isa::all() {
            let mut found = logits.clone();
            force(isa, || cross_entropy_backward(&mut found, 37, &log_sums, &scales, |row| targets[row]));
            for (row, (target, scale)) in targets.into_iter().zip([1.0, 0.5, 2.0]).enumerate() {
                let logits: Vec<f64> = logits[row * 37..][..37].iter().map(|logit| f64::from(*logit)).collect();
                let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                for (place, logit) in logits.iter().enumerate() {
                    let expected = scale * (logit.exp() / sum - if target == Some(place) { 1.0 } else { 0.0 });
                    assert!((f64::from(found[row * 37 + place]) - expected).abs() < 2e-7, "{isa:?}");
                }
            }
        }
    }
}
