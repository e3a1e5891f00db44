//! How likely documents are that are not trained on: what `model perplexity` would say of the network as it is.

use yuan_model::perplexity::Windows;

use crate::{Batch, Network, Result};

/// What is handed a document, its ids and the bytes of its text if they are known, and tells whether there is to be another.
pub type Take<'t> = dyn FnMut(&[u32], Option<u64>) -> Result<bool> + 't;

/// Documents that are not trained on.
pub trait HeldOut: Send + Sync {
    /// What they are called.
    fn name(&self) -> &str;

    /// What they are known by: another set of the same name, or one whose texts are counted otherwise, has another.
    fn key(&self) -> &str;

    /// Hands each document, without the token it ends with, to `take`, as long as that asks for more.
    ///
    /// # Errors
    /// If they cannot be read, and what `take` returns.
    fn for_each(&self, take: &mut Take<'_>) -> Result<()>;
}

/// How documents are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What stands before each document.
    pub prefix: u32,
    /// How long ones are cut.
    pub windows: Windows,
    /// Tokens that go through the network together; a longer window goes alone.
    pub batch_tokens: usize,
}

/// What was found of held-out documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Documents read.
    pub documents: u64,
    /// Tokens predicted.
    pub tokens: u64,
    /// Sum of the negative natural logarithms of their probabilities.
    pub sum: f64,
    /// Bytes of the documents' texts, if all are known.
    pub bytes: Option<u64>,
}

impl Evaluation {
    /// Nats a token; `None` if nothing was predicted.
    pub fn loss(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.sum / self.tokens as f64)
    }

    /// e to the loss.
    pub fn perplexity(&self) -> Option<f64> {
        self.loss().map(libm::exp)
    }

    /// Bits for each byte of the texts.
    pub fn bits_per_byte(&self) -> Option<f64> {
        let bytes = self.bytes.filter(|bytes| *bytes > 0 && self.tokens > 0)?;
        Some(self.sum / std::f64::consts::LN_2 / bytes as f64)
    }
}

impl Reading {
    /// Reads documents until at least `limit` tokens are predicted, if there is a limit; gives `None` if `stop` says so
    /// between two batches.
    ///
    /// # Errors
    /// If documents cannot be read, or hold a token that the network does not know.
    pub fn evaluate(
        &self,
        network: &mut dyn Network,
        documents: &dyn HeldOut,
        limit: Option<u64>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        let mut found = Evaluation { bytes: Some(0), ..Evaluation::default() };
        let mut pending = Pending::default();
        let mut text = vec![self.prefix];
        let mut is_stopped = false;
        documents.for_each(&mut |ids, bytes| {
            text.truncate(1);
            text.extend_from_slice(ids);
            for window in self.windows.of(text.len()) {
                if !pending.batch.is_empty() && pending.batch.len() + window.inputs.len() > self.batch_tokens {
                    if stop() {
                        is_stopped = true;
                        return Ok(false);
                    }
                    found.sum += pending.take(network)?;
                }
                let (inputs, targets) = (window.inputs, window.targets);
                // Those before the targets are there for their context.
                let weights = (inputs.start + 1..=inputs.end).map(|place| f32::from(place >= targets.start));
                let weights: Vec<f32> = weights.collect();
                pending.batch.push(&text[inputs.clone()], &text[inputs.start + 1..=inputs.end], &weights)?;
                found.tokens += targets.len() as u64;
            }
            found.documents += 1;
            found.bytes = found.bytes.zip(bytes).map(|(sum, bytes)| sum + bytes);
            Ok(limit.is_none_or(|limit| found.tokens < limit))
        })?;
        if is_stopped {
            return Ok(None);
        }
        found.sum += pending.take(network)?;
        Ok(Some(found))
    }
}

/// Windows that wait to be read.
#[derive(Default)]
struct Pending {
    batch: Batch,
}

impl Pending {
    fn take(&mut self, network: &mut dyn Network) -> Result<f64> {
        if self.batch.is_empty() {
            return Ok(0.0);
        }
        let loss = network.evaluate(&self.batch)?;
        self.batch.clear();
        Ok(loss.sum)
    }
}
