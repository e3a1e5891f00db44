//! What the trait asks for beside passes: the optimizer's step, and the state of a checkpoint.

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
        let step = state.step;
        let tensors = state.in_order(&self.parameters)?;
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
        self.step = step;
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
        let clipped = update.clipped(norm);
        let power = |beta: f32| 1.0 - libm::pow(f64::from(beta), step as f64);
        let rate = f64::from(update.learning_rate);
        let all = AdamW {
            gradient_scale: clipped.map_or(1.0, |scale| scale as f32),
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
        Ok(Updated { gradient_norm: norm, is_clipped: clipped.is_some(), step })
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
