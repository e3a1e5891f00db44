//! A network on the kernels of `yuan-kernels`: the same bits for any number of threads and on any CPU.
//!
//! Parameters, gradients and moments are four vectors of fp32, tensors one behind the other in Hugging Face's order.

mod experts;
mod head;
mod layer;
mod multiply;
mod network;
mod weight;

use yuan_kernels::gemm::Precision;
use yuan_kernels::isa::Isa;
use yuan_kernels::rms_norm;
use yuan_kernels::training::{Into, rms_norm_backward, scatter_rows};
use yuan_model::config::Yuan;
use yuan_model::{AngleTable, Config};

use self::head::Gradients;
use self::layer::Input;
use self::weight::{Places, sized, zeros};
pub use crate::Options;
use crate::loss::{Predictions, balance};
use crate::{Batch, Loss, Network, Parameter, Result, State, check};

/// A network in training on the CPU, on the current rayon pool.
///
/// Memory: 16 bytes a parameter (values, gradients, two moments); for matrices packed both ways 8 more in fp32, 4 in bf16; and for each
/// token of a batch some `4 · layers · (9 · hidden_size + 5 · attention_width + 2 · top_k · width)` bytes of activations. What
/// [`state`](Network::state) gives for a checkpoint is 12 bytes a parameter as long as it is held.
pub struct Cpu {
    config: Yuan,
    options: Options,
    parameters: Vec<Parameter>,
    places: Places,
    values: Vec<f32>,
    gradients: Vec<f32>,
    first_moments: Vec<f32>,
    second_moments: Vec<f32>,
    step: u64,
    angles: AngleTable,
    saved: Vec<layer::Saved>,
    room: Room,
}

/// Arrays used again and again.
#[derive(Default)]
struct Room {
    layer: layer::Room,
    head: head::Room,
    x: Vec<f32>,
    last: Vec<f32>,
    d_last: Vec<f32>,
    dx: Vec<f32>,
}

impl Cpu {
    /// A network of a shape, with parameters and moments as [`initial`](crate::initial) or a checkpoint gives them.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the shape contradicts itself or cannot be trained; [`Error::Tensor`](crate::Error::Tensor) if the state is of another shape.
    pub fn new(config: &Yuan, options: Options, state: State) -> Result<Self> {
        check(config)?;
        options.check()?;
        let tensors = Config::Yuan(config.clone());
        let parameters: Vec<Parameter> = tensors.tensors().map(|(name, shape)| Parameter { name, shape }).collect();
        let places = Places::new(config, &parameters, options.precision);
        let zeros = || vec![0.0; places.len];
        let (values, gradients, first_moments, second_moments) = (zeros(), zeros(), zeros(), zeros());
        let angles = AngleTable::new(&config.rope);
        let (config, saved, room) = (config.clone(), Vec::new(), Room::default());
        let mut network = Self {
            config,
            options,
            parameters,
            places,
            values,
            gradients,
            first_moments,
            second_moments,
            step: 0,
            angles,
            saved,
            room,
        };
        network.restore(state)?;
        Ok(network)
    }

    /// The precision in which this CPU trains fastest: bf16 where it has matrix units, otherwise fp32.
    pub fn fastest() -> Precision {
        if Isa::current() == Isa::Amx { Precision::Bf16 } else { Precision::F32 }
    }

    /// A pass over a batch, with gradients of `scale` times the loss if there is a scale.
    fn pass(&mut self, batch: &Batch, scale: Option<f32>) -> Result<Loss> {
        batch.check(self.config.vocab_size)?;
        let Self { config, options, places, values, gradients, saved, room, .. } = self;
        let (hidden, eps) = (config.hidden_size, config.rms_norm_eps as f32);
        let input = Input {
            config,
            precision: options.precision,
            sequences: batch.inputs().sequences(),
            first_keys: batch.inputs().first_keys(),
            angles: self.angles.rows(batch.inputs().positions()),
            values,
        };
        let weight = batch.weights().iter().map(|weight| f64::from(*weight)).sum();
        let mut loss = Loss { weight, ..Loss::default() };
        if batch.is_empty() {
            return Ok(loss);
        }
        let x = sized(&mut room.x, batch.len() * hidden);
        let embedding = &values[places.embedding.clone()];
        for (x, id) in x.chunks_exact_mut(hidden).zip(batch.inputs().ids()) {
            x.copy_from_slice(&embedding[*id as usize * hidden..][..hidden]);
        }
        // What the way back does not need is not kept.
        saved.resize_with(saved.len().max(if scale.is_some() { config.layers } else { 1 }), Default::default);
        for (number, layer) in places.layers.iter_mut().enumerate() {
            let saved = &mut saved[if scale.is_some() { number } else { 0 }];
            let load = layer::forward(layer, &input, x, saved, &mut room.layer);
            if let (Some(mut load), Some(routing)) = (load, &layer.feed_forward.routing) {
                let balance = balance(&saved.experts.logits, routing.experts, routing.top_k, &mut load);
                loss.balance += f64::from(options.balance) * balance * weight;
                loss.routers.push(load);
            }
        }
        let last = sized(&mut room.last, x.len());
        rms_norm(x, &values[places.norm.clone()], eps, last);
        let predictions = Predictions::new(batch.targets(), batch.weights());
        let Some(scale) = scale else {
            loss.sum = head::loss(last, &mut places.head, values, &predictions, &mut room.head, None);
            return Ok(loss);
        };
        let d_last = zeros(&mut room.d_last, x.len());
        let to = Gradients { scale, dx: d_last, parameters: gradients };
        loss.sum = head::loss(last, &mut places.head, values, &predictions, &mut room.head, Some(to));
        let dx = sized(&mut room.dx, x.len());
        let d_weight = &mut gradients[places.norm.clone()];
        rms_norm_backward(x, &values[places.norm.clone()], eps, d_last, Into::Set, dx, d_weight);
        let balance = (f64::from(scale) * weight * f64::from(options.balance)) as f32;
        for (layer, saved) in places.layers.iter_mut().zip(saved).rev() {
            layer::backward(layer, &input, dx, saved, &mut room.layer, balance, gradients);
        }
        scatter_rows(dx, hidden, batch.inputs().ids(), &mut gradients[places.embedding.clone()]);
        Ok(loss)
    }
}
