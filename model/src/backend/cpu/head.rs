//! The output layer: probabilities of tokens without all logits in memory.

use rayon::prelude::*;
use yuan_kernels::Running;
use yuan_kernels::gemm::{Matrix, Start, matmul};

use super::super::log_probs::PART;
use super::super::{Scored, Stack};
use crate::weights::Tensor;

/// Rows of activations whose logits of a part are in memory at once.
const ROWS: usize = 512;

/// An output layer, in parts of the vocabulary.
pub struct Head {
    parts: Vec<Matrix>,
    vocab_size: usize,
    hidden_size: usize,
}

impl Head {
    /// Lays out `[vocab, hidden]`.
    pub(super) fn new(weight: &Tensor, pack: impl Fn(Stack) -> Matrix) -> Self {
        let (vocab_size, hidden_size) = (weight.rows(), weight.columns());
        let part = |start| weight.slice_rows(start..(start + PART).min(vocab_size));
        let parts = (0..vocab_size).step_by(PART).map(|start| pack(Stack::new(hidden_size).with(part(start))));
        Self { parts: parts.collect(), vocab_size, hidden_size }
    }

    /// Tokens.
    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// How well each row predicts its token: the maximum and the sum of powers are carried from part to part.
    pub(super) fn score(&self, x: &[f32], ids: &[u32]) -> Vec<Scored> {
        let mut scored = Vec::with_capacity(ids.len());
        let mut logits = Vec::new();
        for (x, ids) in x.chunks(ROWS * self.hidden_size).zip(ids.chunks(ROWS)) {
            let mut running = vec![Running::default(); ids.len()];
            for (number, part) in self.parts.iter().enumerate() {
                logits.resize(ids.len() * part.out(), 0.0);
                matmul(x, part, Start::Zero, &mut logits);
                let first = number * PART;
                logits.par_chunks_exact(part.out()).zip(&mut running).zip(ids).for_each(|((logits, running), id)| {
                    running.read(logits, (*id as usize).checked_sub(first));
                });
            }
            let scores = running.iter().map(|row| Scored { log_prob: row.log_prob(), is_greedy: row.is_greedy() });
            scored.extend(scores);
        }
        scored
    }

    /// Logits of all rows, `[rows, vocab]`.
    pub(super) fn logits(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.hidden_size;
        let mut all = vec![0.0; rows * self.vocab_size];
        let mut logits = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            logits.resize(rows * part.out(), 0.0);
            matmul(x, part, Start::Zero, &mut logits);
            for (all, logits) in all.chunks_exact_mut(self.vocab_size).zip(logits.chunks_exact(part.out())) {
                all[number * PART..][..part.out()].copy_from_slice(logits);
            }
        }
        all
    }
}
