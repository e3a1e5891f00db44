//! What the trait asks for beside passes: the optimizer's step, and the state of a checkpoint.

use std::collections::HashMap;

use yuan_kernels::isa::{Isa, force};
use yuan_kernels::training::{AdamW, adamw, squares};
use yuan_model::config::Yuan;

use super::Cpu;
use crate::{Batch, Error, Loss, Named, Network, Parameter, Result, State, Update, Updated};

impl Network for Cpu {
    fn config(&self) -> &Yuan {
        &self.config
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn accumulate(&mut self, batch: &Batch, scale: f32) -> Result<Loss> {
        in_pool(|| self.pass(batch, Some(scale)))
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Loss> {
        in_pool(|| self.pass(batch, None))
    }

    fn forget_gradients(&mut self) {
        self.gradients.fill(0.0);
    }

    fn update(&mut self, update: &Update) -> Result<Updated> {
        update.check()?;
        in_pool(|| self.step(update))
    }

    fn state(&self) -> Result<State> {
        let each = |all: &[f32]| cut(&self.parameters, all);
        let moments = each(&self.first_moments).into_iter().zip(each(&self.second_moments));
        let tensors = self.parameters.iter().zip(each(&self.values)).zip(moments);
        let tensors = tensors.map(|((parameter, values), (first_moment, second_moment))| {
            let Parameter { name, shape } = parameter.clone();
            Named { name, shape, values, first_moment, second_moment }
        });
        Ok(State { step: self.step, tensors: tensors.collect() })
    }

    fn restore(&mut self, state: State) -> Result<()> {
        let mut found = HashMap::new();
        for tensor in &state.tensors {
            if found.insert(tensor.name.as_str(), tensor).is_some() {
                return Err(Error::tensor(&tensor.name, "is there twice"));
            }
        }
        let mut tensors = Vec::with_capacity(found.len());
        for Parameter { name, shape } in &self.parameters {
            let Some(tensor) = found.remove(name.as_str()) else {
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
        if let Some(name) = found.into_keys().min() {
            return Err(Error::tensor(name, "is none of the network's"));
        }
        let mut place = 0;
        for tensor in tensors {
            let own = place..place + tensor.values.len();
            place = own.end;
            self.values[own.clone()].copy_from_slice(&tensor.values);
            let learn = |to: &mut [f32], from: &[f32]| {
                if from.is_empty() { to.fill(0.0) } else { to.copy_from_slice(from) }
            };
            learn(&mut self.first_moments[own.clone()], &tensor.first_moment);
            learn(&mut self.second_moments[own], &tensor.second_moment);
        }
        self.gradients.fill(0.0);
        self.step = state.step;
        self.places.forget();
        Ok(())
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        Ok(cut(&self.parameters, &self.gradients))
    }
}

impl Cpu {
    /// Takes a step of the optimizer.
    fn step(&mut self, update: &Update) -> Result<Updated> {
        let norm = squares(&self.gradients).sqrt();
        let step = self.step + 1;
        if !norm.is_finite() {
            self.gradients.fill(0.0);
            return Err(Error::NotFinite { what: "the norm of the gradients", step });
        }
        let longest = update.max_gradient_norm.map_or(f64::INFINITY, f64::from);
        let is_clipped = norm > longest;
        let power = |beta: f32| 1.0 - libm::pow(f64::from(beta), step as f64);
        let rate = f64::from(update.learning_rate);
        let all = AdamW {
            // torch.nn.utils.clip_grad_norm_ adds 1e-6.
            gradient_scale: if is_clipped { (longest / (norm + 1e-6)) as f32 } else { 1.0 },
            betas: update.betas,
            keep: 1.0,
            step_size: (rate / power(update.betas[0])) as f32,
            root_correction: power(update.betas[1]).sqrt() as f32,
            epsilon: update.epsilon,
        };
        let decayed = (1.0 - rate * f64::from(update.weight_decay)) as f32;
        let mut place = 0;
        for Parameter { shape, .. } in &self.parameters {
            let own = place..place + shape.iter().product::<usize>();
            place = own.end;
            adamw(
                AdamW { keep: if shape.len() > 1 { decayed } else { 1.0 }, ..all },
                &mut self.values[own.clone()],
                &mut self.gradients[own.clone()],
                &mut self.first_moments[own.clone()],
                &mut self.second_moments[own],
            );
        }
        self.step = step;
        self.places.forget();
        Ok(Updated { gradient_norm: norm, is_clipped, step })
    }
}

/// Runs `f` on a thread of rayon's pool, with this thread's instructions: what it shares out then is not handed over and back each time.
fn in_pool<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let isa = Isa::current();
    rayon::scope(|_| force(isa, f))
}

/// The numbers of each tensor among those of all.
fn cut(parameters: &[Parameter], mut all: &[f32]) -> Vec<Vec<f32>> {
    let mut take = |parameter: &Parameter| {
        let (own, rest) = all.split_at(parameter.shape.iter().product());
        all = rest;
        own.to_vec()
    };
    parameters.iter().map(&mut take).collect()
}
