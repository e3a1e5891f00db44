//! Parameters under their names.

use std::collections::HashMap;

use candle_core::{Tensor, Var};

/// All parameters, watched by autograd or not.
pub(super) struct Weights<'w> {
    places: &'w HashMap<String, usize>,
    tensors: Vec<Tensor>,
}

/// Those of a layer.
pub(super) struct Of<'w> {
    weights: &'w Weights<'w>,
    layer: usize,
}

impl<'w> Weights<'w> {
    pub fn new(places: &'w HashMap<String, usize>, values: &[Var], is_watched: bool) -> Self {
        let tensor = |value: &Var| if is_watched { value.as_tensor().clone() } else { value.as_detached_tensor() };
        Self { places, tensors: values.iter().map(tensor).collect() }
    }

    /// One of the network's own names.
    pub fn get(&self, name: &str) -> &Tensor {
        &self.tensors[self.places[name]]
    }

    pub fn of(&'w self, layer: usize) -> Of<'w> {
        Of { weights: self, layer }
    }
}

impl Of<'_> {
    pub fn get(&self, name: &str) -> &Tensor {
        self.weights.get(&format!("model.layers.{}.{name}", self.layer))
    }
}
