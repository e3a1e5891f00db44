//! What models have in common: tokens go in, a row of activations comes out for each.

use crate::backend::Backend;
use crate::batch::Batch;
use crate::weights::Weights;
use crate::{Error, Result};

/// What a model remembers of one sequence, so that its next tokens can be read without the former ones.
pub struct State<B: Backend> {
    /// Tokens read.
    tokens: usize,
    /// For each layer.
    layers: Vec<B::Memory>,
}

impl<B: Backend> State<B> {
    /// Of a sequence without tokens, for a model of so many layers.
    pub(crate) fn new(layers: usize) -> Self {
        Self { tokens: 0, layers: (0..layers).map(|_| B::Memory::default()).collect() }
    }

    /// Tokens read so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// What a layer remembers.
    pub fn layer(&self, layer: usize) -> &B::Memory {
        &self.layers[layer]
    }
}

/// What one layer remembers of each sequence.
pub(crate) fn memories<B: Backend>(states: &mut [State<B>], layer: usize) -> Vec<&mut B::Memory> {
    states.iter_mut().map(|state| &mut state.layers[layer]).collect()
}

/// Sees what a layer computes on its way: its number, what it is, the numbers. For tests and `model check`.
pub type Trace<'a, B> = dyn FnMut(usize, &'static str, Traced<'_, B>) + 'a;

/// What a layer computes.
pub enum Traced<'a, B: Backend> {
    /// Activations.
    Array(&'a B::Array),
    /// The experts of each row.
    Routes(&'a B::Routes),
}

/// A layer whose numbers may be looked at.
pub(crate) struct Shown<'t, 'f, B: Backend> {
    pub layer: usize,
    pub trace: Option<&'t mut Trace<'f, B>>,
}

impl<B: Backend> Shown<'_, '_, B> {
    pub fn array(&mut self, name: &'static str, array: &B::Array) {
        if let Some(trace) = &mut self.trace {
            trace(self.layer, name, Traced::Array(array));
        }
    }

    pub fn routes(&mut self, routes: &B::Routes) {
        if let Some(trace) = &mut self.trace {
            trace(self.layer, "router_topk", Traced::Routes(routes));
        }
    }
}

/// A model without its output layer.
pub trait Transformer<B: Backend>: Send + Sync {
    /// Activations behind the last norm, `[rows, hidden]`. `states` are empty, or one for each sequence of the batch.
    ///
    /// # Errors
    /// If an id is not in the vocabulary or the device fails.
    fn forward(
        &self,
        backend: &B,
        batch: &Batch,
        states: &mut [State<B>],
        trace: Option<&mut Trace<'_, B>>,
    ) -> Result<B::Array>;

    /// The output layer.
    fn head(&self) -> &B::Head;

    /// Layers.
    fn layers(&self) -> usize;
}

/// Checks that states fit a batch, and counts the tokens they are about to read.
pub(crate) fn begin<B: Backend>(batch: &Batch, states: &mut [State<B>], vocab_size: usize) -> Result<()> {
    if !states.is_empty() && states.len() != batch.sequences().len() {
        return Err(Error::request(format!(
            "{} sequences cannot be read with the states of {}",
            batch.sequences().len(),
            states.len()
        )));
    }
    if let Some(id) = batch.ids().iter().find(|id| **id as usize >= vocab_size) {
        return Err(Error::request(format!(
            "token {id} is not in the model's vocabulary of {vocab_size}: the text was made with another tokenizer"
        )));
    }
    for (state, rows) in states.iter_mut().zip(batch.sequences()) {
        state.tokens += rows.len();
    }
    Ok(())
}

/// The embedding and the output layer, `[vocab, hidden]` both. A tied output layer may be stored beside the embedding.
pub(crate) fn embedding_and_head<B: Backend>(
    weights: &Weights,
    shape: [usize; 2],
    is_tied: bool,
    backend: &B,
) -> Result<(B::Table, B::Head)> {
    const HEAD: &str = "lm_head.weight";
    let table = weights.get("model.embed_tokens.weight", &shape)?;
    let embedding = backend.table(table.clone())?;
    let head = if is_tied {
        weights.try_get(HEAD, &shape)?;
        backend.head(table, Some(&embedding))?
    } else {
        backend.head(weights.get(HEAD, &shape)?, None)?
    };
    Ok((embedding, head))
}
