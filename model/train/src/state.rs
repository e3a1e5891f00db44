//! What a checkpoint keeps of a network.

use yuan_model::Config;
use yuan_model::weights::{Tensor, Weights};

use crate::Result;

/// Parameters and the optimizer's moments: with it, training goes on to the bit as if it had not stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Steps taken, for the correction of the moments' bias.
    pub step: u64,
    /// The tensors, in the order of [`Network::parameters`](crate::Network::parameters).
    pub tensors: Vec<Named>,
}

/// One tensor with its moments, each of as many numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    /// Hugging Face's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The parameters.
    pub values: Vec<f32>,
    /// Running mean of gradients; empty is all zero, as before the first step.
    pub first_moment: Vec<f32>,
    /// Running mean of squares of gradients; empty is all zero.
    pub second_moment: Vec<f32>,
}

impl State {
    /// The state training begins with from a model's weights: no step taken.
    ///
    /// # Errors
    /// If a tensor is missing or of another shape.
    pub fn of(config: &Config, weights: &Weights) -> Result<Self> {
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let values = weights.get(&name, &shape)?.to_vec();
            Ok(Named { name, shape, values, ..Named::default() })
        };
        Ok(Self { step: 0, tensors: config.tensors().map(tensor).collect::<Result<_>>()? })
    }

    /// The parameters under Hugging Face's names, for [`write_safetensors`](yuan_model::weights::write_safetensors) or
    /// [`Weights::of`].
    pub fn into_tensors(self) -> impl Iterator<Item = (String, Tensor)> {
        self.tensors.into_iter().map(|Named { name, shape, values, .. }| (name, Tensor::new(shape, values)))
    }
}
