//! The experts of each row, in this program's memory.

use yuan_kernels::top_k;

use super::Routing;

/// The experts of each row and their weights, `[rows, top_k]`.
pub struct Routes {
    pub(super) ids: Vec<u32>,
    pub(super) weights: Vec<f32>,
    pub(super) top_k: usize,
}

impl Routes {
    /// The best of `experts` for each row of logits.
    pub(super) fn of(logits: &[f32], experts: usize, Routing { top_k: taken, weights: kind }: Routing) -> Self {
        let count = logits.len() / experts * taken;
        let (mut ids, mut weights) = (vec![0; count], vec![0.0; count]);
        top_k(logits, experts, taken, kind, &mut ids, &mut weights);
        Self { ids, weights, top_k: taken }
    }
}
