//! A network on candle's tensors, whose way back is candle's autograd: on a GPU of NVIDIA's in builds with the feature `candle-cuda`,
//! and on the CPU, slowly, to compare with.
//!
//! Parameters, gradients and moments are of fp32, a tensor each. The device's atomic sums may come in another order in each run: on a
//! GPU a training that goes on is near to one that was not stopped, not the same to the bit.
//!
//! It has been run on candle's CPU device alone: against torch's gradients and against [`Cpu`](crate::Cpu). No GPU has run it so far.

mod experts;
mod head;
mod layer;
mod layout;
mod network;
mod operations;
mod weights;

use std::collections::HashMap;

use candle_core::{Device as Place, Tensor, Var};
use yuan_model::config::Yuan;
use yuan_model::{AngleTable, Config};

use self::layout::Layout;
use self::operations::rms_norm;
use self::weights::Weights;
use crate::loss::Predictions;
use crate::{Batch, Error, Loss, Network, Options, Parameter, Result, State, check};

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";
const NORM: &str = "model.norm.weight";

/// A network in training on a device of candle's.
///
/// Memory: 16 bytes a parameter, and as much again while a step is taken; activations of a batch with everything that was computed
/// on the way: several times those of [`Cpu`](crate::Cpu), and `4 · heads · length²` for the attention of each sequence.
pub struct Device {
    config: Yuan,
    options: Options,
    place: Place,
    parameters: Vec<Parameter>,
    /// The place of each among them.
    places: HashMap<String, usize>,
    values: Vec<Var>,
    /// `None` where nothing was accumulated.
    gradients: Vec<Option<Tensor>>,
    first_moments: Vec<Tensor>,
    second_moments: Vec<Tensor>,
    step: u64,
    angles: AngleTable,
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Device(error.to_string())
    }
}

impl Device {
    /// A network on the CPU.
    ///
    /// # Errors
    /// As of [`Cpu::new`](crate::Cpu::new).
    pub fn on_cpu(config: &Yuan, options: Options, state: State) -> Result<Self> {
        Self::new(Place::Cpu, config, options, state)
    }

    /// A network on a GPU, by its number.
    ///
    /// # Errors
    /// As of [`Cpu::new`](crate::Cpu::new); [`Error::Device`] if there is no such GPU, or the program was not built for one.
    pub fn on_cuda(number: usize, config: &Yuan, options: Options, state: State) -> Result<Self> {
        if !cfg!(feature = "candle-cuda") {
            return Err(Error::Device("this program was built without the feature `candle-cuda`".to_owned()));
        }
        Self::new(Place::new_cuda(number)?, config, options, state)
    }

    fn new(place: Place, config: &Yuan, options: Options, state: State) -> Result<Self> {
        check(config)?;
        options.check()?;
        let tensors = Config::Yuan(config.clone());
        let parameters: Vec<Parameter> = tensors.tensors().map(|(name, shape)| Parameter { name, shape }).collect();
        let places = parameters.iter().enumerate().map(|(place, it)| (it.name.clone(), place)).collect();
        let mut network = Self {
            config: config.clone(),
            options,
            place,
            parameters,
            places,
            values: Vec::new(),
            gradients: Vec::new(),
            first_moments: Vec::new(),
            second_moments: Vec::new(),
            step: 0,
            angles: AngleTable::new(&config.rope),
        };
        network.restore(state)?;
        Ok(network)
    }

    /// A pass over a batch, with gradients of `scale` times the loss if there is a scale.
    fn pass(&mut self, batch: &Batch, scale: Option<f32>) -> Result<Loss> {
        batch.check(self.config.vocab_size)?;
        let weight: f64 = batch.weights().iter().map(|weight| f64::from(*weight)).sum();
        let mut loss = Loss { weight, ..Loss::default() };
        if batch.is_empty() {
            return Ok(loss);
        }
        let Options { precision, balance } = self.options;
        let weights = Weights::new(&self.places, &self.values, scale.is_some());
        let layout = Layout::new(batch, self.angles.rows(batch.inputs().positions()), &self.place)?;
        let ids = Tensor::from_slice(batch.inputs().ids(), batch.len(), &self.place)?;
        let mut x = weights.get(EMBEDDING).index_select(&ids, 0)?;
        let mut followed = None;
        for number in 0..self.config.layers {
            let (y, routed) = layer::forward(&x, &self.config, &layout, &weights.of(number), precision)?;
            x = y;
            let Some(routed) = routed else { continue };
            loss.balance += f64::from(balance) * routed.balance * weight;
            loss.routers.push(routed.load);
            followed = Some(match followed {
                Some(before) => (before + routed.followed)?,
                None => routed.followed,
            });
        }
        let last = rms_norm(&x, weights.get(NORM), self.config.rms_norm_eps as f32)?;
        let predictions = Predictions::new(batch.targets(), batch.weights());
        let head = if self.config.tied_embeddings { EMBEDDING } else { HEAD };
        let (sum, found) = head::loss(&last, weights.get(head), &predictions, precision, scale)?;
        loss.sum = sum;
        let Some(scale) = scale else { return Ok(loss) };
        // What leads on from the head is known: the rest is its product with what came there.
        let mut whole = (last * found.x)?.sum_all()?;
        if let Some(followed) = followed.filter(|_| balance != 0.0) {
            whole = (whole + (followed * (f64::from(scale) * weight * f64::from(balance)))?)?;
        }
        let mut own = whole.backward()?;
        let mut gradients = Vec::with_capacity(self.values.len());
        for (number, (value, before)) in self.values.iter().zip(&self.gradients).enumerate() {
            let of_head = found.head.as_ref().filter(|_| self.places[head] == number);
            // Else the graph of the batch would be kept with them.
            let of_rest = own.remove(value.as_tensor()).map(|own| own.detach());
            let parts = [before.clone(), of_rest, of_head.cloned()].into_iter().flatten().map(Ok);
            let sum = parts.reduce(|sum, part| Ok::<_, Error>((sum? + part?)?));
            gradients.push(sum.transpose()?);
        }
        self.gradients = gradients;
        Ok(loss)
    }
}
