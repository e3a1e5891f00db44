//! What a network in training can do, wherever it runs.

use yuan_kernels::gemm::Precision;
use yuan_model::config::Yuan;

use crate::{Batch, Error, Loss, Result, State};

/// A tensor of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Hugging Face's name, as [`yuan_model::Config::tensors`] has it.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
}

/// How a network is computed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What products are computed in, those of routers apart, which are of fp32 always. Parameters, gradients and moments are of fp32.
    pub precision: Precision,
    /// What the auxiliary loss of load balance counts. Default 0: Yuan2.0-M32 was trained without.
    pub balance: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: Precision::F32, balance: 0.0 }
    }
}

impl Options {
    /// Whether the numbers make sense.
    pub(crate) fn check(&self) -> Result<()> {
        let balance = self.balance;
        if !(balance.is_finite() && balance >= 0.0) {
            return Err(Error::Setting { name: "balance", value: balance.into(), problem: "0 or more is needed" });
        }
        Ok(())
    }
}

/// A step of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), as `torch.optim.AdamW` takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Learning rate.
    pub learning_rate: f32,
    /// How long the means of gradients and of their squares remember. Default 0.9 and 0.95.
    pub betas: [f32; 2],
    /// Added to the root of the mean of squares. Default 1e-8.
    pub epsilon: f32,
    /// Part of a weight that is taken off it, times the learning rate; of matrices alone, norms and biases stay. Default 0.1.
    pub weight_decay: f32,
    /// Longest gradient, all tensors together (its Euclidean norm); a longer one is shortened to it. Default 1.
    pub max_gradient_norm: Option<f32>,
}

impl Update {
    /// A step with the defaults.
    pub fn new(learning_rate: f32) -> Self {
        Self { learning_rate, betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, max_gradient_norm: Some(1.0) }
    }

    /// What gradients of a norm are multiplied by, if they are shortened.
    pub(crate) fn clipped(&self, norm: f64) -> Option<f64> {
        let longest = self.max_gradient_norm.map_or(f64::INFINITY, f64::from);
        // torch.nn.utils.clip_grad_norm_ adds 1e-6.
        (norm > longest).then(|| longest / (norm + 1e-6))
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`Error::Setting`] names the one that does not.
    pub fn check(&self) -> Result<()> {
        let longest = self.max_gradient_norm.unwrap_or(1.0);
        let is_rate = |value: f32| value.is_finite() && value >= 0.0;
        for (name, value, is_good, problem) in [
            ("learning_rate", self.learning_rate, is_rate(self.learning_rate), "0 or more is needed"),
            ("betas[0]", self.betas[0], (0.0..1.0).contains(&self.betas[0]), "it lies in [0, 1)"),
            ("betas[1]", self.betas[1], (0.0..1.0).contains(&self.betas[1]), "it lies in [0, 1)"),
            ("epsilon", self.epsilon, self.epsilon.is_finite() && self.epsilon > 0.0, "more than 0 is needed"),
            ("weight_decay", self.weight_decay, is_rate(self.weight_decay), "0 or more is needed"),
            ("max_gradient_norm", longest, longest > 0.0 && !longest.is_nan(), "more than 0 is needed"),
        ] {
            if !is_good {
                return Err(Error::Setting { name, value: value.into(), problem });
            }
        }
        Ok(())
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Updated {
    /// Euclidean norm of all gradients before they were shortened.
    pub gradient_norm: f64,
    /// Whether they were shortened.
    pub is_clipped: bool,
    /// Steps taken since the network began, this one among them.
    pub step: u64,
}

/// A network in training: parameters, gradients and the moments of AdamW.
pub trait Network: Send {
    /// Its shape.
    fn config(&self) -> &Yuan;

    /// Its tensors, in a fixed order.
    fn parameters(&self) -> &[Parameter];

    /// Adds gradients of `scale · (Σ weight · loss + Σ weight · auxiliary loss)`, and tells the loss without `scale`. With
    /// `scale` = 1 / (weights of all batches of a step), gradients are those of the mean over the step's tokens.
    ///
    /// Everything a batch activates is in memory at once: of longer batches, a part is given at a time.
    ///
    /// # Errors
    /// [`Error::Batch`] if an id or a target is not in the vocabulary; if the device fails. Gradients are then as before.
    fn accumulate(&mut self, batch: &Batch, scale: f32) -> Result<Loss>;

    /// The loss of a batch; gradients stay as they are.
    ///
    /// # Errors
    /// As for [`accumulate`](Self::accumulate).
    fn evaluate(&mut self, batch: &Batch) -> Result<Loss>;

    /// Clears the gradients: what was accumulated is of no step.
    fn forget_gradients(&mut self);

    /// Takes a step along the gradients, and clears them.
    ///
    /// # Errors
    /// [`Error::Setting`] if a number makes no sense, with nothing changed; [`Error::NotFinite`] if the gradients are no finite
    /// numbers: they are cleared, and the step is not taken.
    fn update(&mut self, step: &Update) -> Result<Updated>;

    /// Parameters and moments, as they are now.
    ///
    /// # Errors
    /// If the device fails.
    fn state(&self) -> Result<State>;

    /// Puts parameters and moments in the place of those that are there, and clears gradients. Tensors may come in any order.
    ///
    /// # Errors
    /// [`Error::Tensor`] names one that is missing, unknown, twice there or of another shape; nothing is changed then.
    fn restore(&mut self, state: State) -> Result<()>;

    /// The gradients as they are now, a slice for each of [`parameters`](Self::parameters), in Hugging Face's order.
    ///
    /// # Errors
    /// If the device fails.
    fn gradients(&self) -> Result<Vec<Vec<f32>>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_sense_is_refused() {
        assert!(Update::new(0.0).check().is_ok());
        let says = |update: Update| update.check().unwrap_err().to_string();
        assert_eq!(says(Update::new(f32::NAN)), "`learning_rate` is NaN: 0 or more is needed");
        assert_eq!(says(Update { betas: [0.9, 1.0], ..Update::new(0.1) }), "`betas[1]` is 1: it lies in [0, 1)");
        assert!(says(Update { max_gradient_norm: Some(0.0), ..Update::new(0.1) }).starts_with("`max_gradient_norm`"));
    }
}
