//! Logits of one row as probabilities.

use yuan_kernels::Running;

/// Tokens of a part of the vocabulary.
pub(super) const PART: usize = 2048;

/// What a row of logits says of tokens: natural logarithms of their probabilities.
///
/// Sums are carried through the vocabulary as [`Engine::score`](crate::engine::Engine::score) carries them on a CPU, so that the
/// results have the same bits.
#[derive(Clone, Copy, Debug)]
pub struct LogProbs(Running);

impl LogProbs {
    /// Of the logits of all tokens.
    pub fn of(logits: &[f32]) -> Self {
        let mut running = Running::default();
        for part in logits.chunks(PART) {
            running.read(part, None);
        }
        Self(running)
    }

    /// That of the token with this logit.
    pub fn log_prob(&self, logit: f32) -> f32 {
        self.0.log_prob_of(logit)
    }
}
