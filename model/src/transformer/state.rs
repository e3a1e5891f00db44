//! What a model remembers of sequences between their tokens.

use crate::backend::Backend;
use crate::batch::{Batch, check_ids};
use crate::{Error, Result};

/// What a model remembers of one sequence, so that its next tokens can be read without the former ones.
pub struct State<B: Backend> {
    /// Tokens read.
    tokens: usize,
    /// For each layer.
    layers: Vec<B::Memory>,
}

impl<B: Backend> State<B> {
    /// Of a sequence without tokens, for a model of so many layers, with room for so many tokens (0 for as many as come).
    pub(crate) fn new(layers: usize, room: usize) -> Self {
        Self { tokens: 0, layers: (0..layers).map(|_| B::memory(room)).collect() }
    }

    /// Remembers what another does. Nothing has been read of its own sequence.
    pub(crate) fn follow(&mut self, backend: &B, other: &Self) -> Result<()> {
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            backend.copy_memory(other, own)?;
        }
        self.tokens = other.tokens;
        Ok(())
    }

    /// Tokens read so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// What a layer remembers.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer(&self, layer: usize) -> &B::Memory {
        &self.layers[layer]
    }
}

/// What one layer remembers of each sequence.
pub(super) fn memories<B: Backend>(states: &mut [State<B>], layer: usize) -> Vec<&mut B::Memory> {
    states.iter_mut().map(|state| &mut state.layers[layer]).collect()
}

/// Checks that states fit a batch, and counts the tokens they are about to read.
pub(super) fn begin<B: Backend>(batch: &Batch, states: &mut [State<B>], vocab_size: usize) -> Result<()> {
    if !states.is_empty() && states.len() != batch.sequences().len() {
        return Err(Error::request(format!(
            "{} sequences cannot be read with the states of {}",
            batch.sequences().len(),
            states.len()
        )));
    }
    check_ids(batch.ids(), vocab_size)?;
    for (state, rows) in states.iter_mut().zip(batch.sequences()) {
        state.tokens += rows.len();
    }
    Ok(())
}
