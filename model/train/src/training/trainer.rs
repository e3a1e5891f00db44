//! A step of training: texts become batches, batches gradients, gradients an update.

use super::{Borders, Schedule, Text, Texts};
use crate::{Batch, Error, Loss, Network, Result, Update, Updated};

/// What the steps of a run are like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Texts of a step: those of step `s`, from 1, are `(s − 1) · texts_per_step` and following.
    pub texts_per_step: u64,
    /// Texts that go through the network together. Sums are taken in this grouping: another one gives other last bits.
    pub texts_per_batch: u64,
    /// How documents in a text are kept apart.
    pub borders: Borders,
    /// Learning rates.
    pub schedule: Schedule,
    /// The rest of the optimizer; its learning rate is the schedule's.
    pub update: Update,
}

/// What a step did.
#[derive(Clone, Debug)]
pub struct Step {
    /// How well the texts were predicted before the step was taken.
    pub loss: Loss,
    /// The learning rate it was taken with.
    pub learning_rate: f64,
    /// The optimizer's side of it.
    pub updated: Updated,
    /// Tokens read.
    pub tokens: u64,
}

/// A network on its way through its texts.
pub struct Trainer<'a> {
    network: Box<dyn Network>,
    texts: &'a dyn Texts,
    plan: Plan,
    done: u64,
    text: Text,
    batches: Vec<Batch>,
}

impl<'a> Trainer<'a> {
    /// A trainer that has taken `done` steps already; the network is in the state they left.
    pub fn new(network: Box<dyn Network>, texts: &'a dyn Texts, plan: Plan, done: u64) -> Self {
        Self { network, texts, plan, done, text: Text::default(), batches: Vec::new() }
    }

    /// The network.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// The network, to evaluate with.
    pub fn network_mut(&mut self) -> &mut dyn Network {
        &mut *self.network
    }

    /// What the steps are like.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Steps taken.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Takes the next step; nothing is taken, and `None` given, if `stop` says so between two batches. The loss is the mean over all
    /// tokens of the step that count, however they lie in batches. A step that is not taken leaves nothing behind: the next call
    /// takes it from its first text on. Memory: the step's tokens, and the activations of a batch.
    ///
    /// # Errors
    /// If a text cannot be read, it does not fit the network, or loss or gradients are no finite numbers.
    pub fn step(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Step>> {
        self.read()?;
        let taken = self.take(stop);
        if !matches!(taken, Ok(Some(_))) {
            self.network.forget_gradients();
        }
        taken
    }

    /// Takes the step whose texts are read.
    fn take(&mut self, stop: &dyn Fn() -> bool) -> Result<Option<Step>> {
        let weight: f64 = self.batches.iter().flat_map(Batch::weights).map(|weight| f64::from(*weight)).sum();
        let scale = if weight > 0.0 { (1.0 / weight) as f32 } else { 0.0 };
        let mut loss = Loss::default();
        for batch in self.batches.iter().filter(|batch| !batch.is_empty()) {
            if stop() {
                return Ok(None);
            }
            loss.add(&self.network.accumulate(batch, scale)?);
        }
        let step = self.done + 1;
        if !loss.sum.is_finite() {
            return Err(Error::NotFinite { what: "the loss", step });
        }
        let learning_rate = self.plan.schedule.rate(step);
        let updated = self.network.update(&Update { learning_rate: learning_rate as f32, ..self.plan.update })?;
        self.done = step;
        let tokens = self.batches.iter().map(|batch| batch.len() as u64).sum();
        Ok(Some(Step { loss, learning_rate, updated, tokens }))
    }

    /// Reads the texts of the next step.
    fn read(&mut self) -> Result<()> {
        let Plan { texts_per_step, texts_per_batch, borders, .. } = self.plan;
        self.batches.iter_mut().for_each(Batch::clear);
        self.batches.resize_with(texts_per_step.div_ceil(texts_per_batch) as usize, Batch::new);
        for number in 0..texts_per_step {
            let place = self.done * texts_per_step + number;
            self.texts
                .read(place, &mut self.text)
                .map_err(|source| Error::Data { what: format!("text {place} of the run"), source })?;
            borders.push(&self.text, &mut self.batches[(number / texts_per_batch) as usize])?;
        }
        Ok(())
    }
}
