//! What the trait asks for beside passes: the optimizer's step, and the state of a checkpoint.

use candle_core::{Tensor, Var};
use yuan_model::config::Yuan;

use super::Device;
use crate::{Batch, Error, Loss, Named, Network, Parameter, Result, State, Update, Updated};

impl Network for Device {
    fn config(&self) -> &Yuan {
        &self.config
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn accumulate(&mut self, batch: &Batch, scale: f32) -> Result<Loss> {
        self.pass(batch, Some(scale))
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Loss> {
        self.pass(batch, None)
    }

    fn forget_gradients(&mut self) {
        self.gradients.fill(None);
    }

    fn update(&mut self, update: &Update) -> Result<Updated> {
        update.check()?;
        let norm = self.norm()?;
        let step = self.step + 1;
        if !norm.is_finite() {
            self.forget_gradients();
            return Err(Error::NotFinite { what: "the norm of the gradients", step });
        }
        let clipped = update.clipped(norm);
        for number in 0..self.values.len() {
            self.learn(number, update, step, clipped.unwrap_or(1.0))?;
        }
        self.forget_gradients();
        self.step = step;
        Ok(Updated { gradient_norm: norm, is_clipped: clipped.is_some(), step })
    }

    fn state(&self) -> Result<State> {
        let tensors = self.parameters.iter().zip(&self.values).zip(self.first_moments.iter().zip(&self.second_moments));
        let tensors = tensors.map(|((parameter, value), (first, second))| {
            let Parameter { name, shape } = parameter.clone();
            let (first_moment, second_moment) = (to_vec(first)?, to_vec(second)?);
            Ok(Named { name, shape, values: to_vec(value.as_tensor())?, first_moment, second_moment })
        });
        Ok(State { step: self.step, tensors: tensors.collect::<Result<_>>()? })
    }

    fn restore(&mut self, state: State) -> Result<()> {
        let step = state.step;
        let tensors = state.in_order(&self.parameters)?;
        let (mut values, mut moments) = (Vec::with_capacity(tensors.len()), [Vec::new(), Vec::new()]);
        for Named { shape, values: own, first_moment, second_moment, .. } in tensors {
            let count = own.len();
            values.push(Var::from_vec(own, shape.as_slice(), &self.place)?);
            for (to, from) in moments.iter_mut().zip([first_moment, second_moment]) {
                let from = if from.is_empty() { vec![0.0; count] } else { from };
                to.push(Tensor::from_vec(from, shape.as_slice(), &self.place)?);
            }
        }
        self.gradients = vec![None; values.len()];
        (self.values, [self.first_moments, self.second_moments]) = (values, moments);
        self.step = step;
        Ok(())
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        let each = self.parameters.iter().zip(&self.gradients);
        each.map(|(parameter, gradient)| match gradient {
            Some(gradient) => to_vec(gradient),
            None => Ok(vec![0.0; parameter.shape.iter().product()]),
        })
        .collect()
    }
}

impl Device {
    /// Euclidean norm of all gradients.
    fn norm(&self) -> Result<f64> {
        let squares = self.gradients.iter().flatten().map(|gradient| Ok(gradient.sqr()?.sum_all()?));
        let squares = squares.collect::<Result<Vec<Tensor>>>()?;
        if squares.is_empty() {
            return Ok(0.0);
        }
        let squares: Vec<f32> = Tensor::stack(&squares, 0)?.to_vec1()?;
        Ok(squares.into_iter().map(f64::from).sum::<f64>().sqrt())
    }

    /// Takes the step of a tensor, whose gradient is multiplied by `scale` first.
    fn learn(&mut self, number: usize, update: &Update, step: u64, scale: f64) -> Result<()> {
        let value = self.values[number].as_detached_tensor();
        let (first, second) = (&self.first_moments[number], &self.second_moments[number]);
        let [beta, beta_squares] = update.betas.map(f64::from);
        let gradient = match &self.gradients[number] {
            Some(gradient) => (gradient * scale)?,
            None => value.zeros_like()?,
        };
        let first = ((first * beta)? + (&gradient * (1.0 - beta))?)?;
        let second = ((second * beta_squares)? + (gradient.sqr()? * (1.0 - beta_squares))?)?;
        let power = |beta: f64| 1.0 - libm::pow(beta, step as f64);
        let root = ((second.sqrt()? / power(beta_squares).sqrt())? + f64::from(update.epsilon))?;
        let rate = f64::from(update.learning_rate);
        let keep = if value.rank() > 1 { 1.0 - rate * f64::from(update.weight_decay) } else { 1.0 };
        let moved = ((value * keep)? - ((&first / root)? * (rate / power(beta)))?)?;
        self.values[number].set(&moved)?;
        (self.first_moments[number], self.second_moments[number]) = (first, second);
        Ok(())
    }
}

fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}
