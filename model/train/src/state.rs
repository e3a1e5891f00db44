//! What a checkpoint keeps of a network.

use std::collections::HashMap;

use yuan_model::Config;
use yuan_model::weights::{Tensor, Weights};

use crate::{Error, Parameter, Result};

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

    /// The tensors as a network has its own, all of them there and in their shapes.
    pub(crate) fn in_order(self, parameters: &[Parameter]) -> Result<Vec<Named>> {
        let mut found = HashMap::new();
        for tensor in self.tensors {
            if let Some(tensor) = found.insert(tensor.name.clone(), tensor) {
                return Err(Error::tensor(&tensor.name, "is there twice"));
            }
        }
        let mut tensors = Vec::with_capacity(found.len());
        for Parameter { name, shape } in parameters {
            let Some(tensor) = found.remove(name) else {
                return Err(Error::tensor(name, "is missing in the state to go on from"));
            };
            if tensor.shape != *shape {
                return Err(Error::tensor(name, format!("is {:?}, and the network's is {shape:?}", tensor.shape)));
            }
            let count = shape.iter().product::<usize>();
            let moments = [&tensor.first_moment, &tensor.second_moment];
            let fits = tensor.values.len() == count && moments.iter().all(|it| it.is_empty() || it.len() == count);
            if !fits {
                return Err(Error::tensor(name, format!("or its moments are not of {count} numbers")));
            }
            tensors.push(tensor);
        }
        match found.into_keys().min() {
            Some(name) => Err(Error::tensor(&name, "is none of the network's")),
            None => Ok(tensors),
        }
    }

    /// The parameters under Hugging Face's names, for [`write_safetensors`](yuan_model::weights::write_safetensors) or
    /// [`Weights::of`].
    pub fn into_tensors(self) -> impl Iterator<Item = (String, Tensor)> {
        self.tensors.into_iter().map(|Named { name, shape, values, .. }| (name, Tensor::new(shape, values)))
    }
}
