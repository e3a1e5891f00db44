//! Sequences laid end to end, without padding: each sees only itself.

use std::ops::Range;

use crate::{Error, Result};

/// Tokens of several sequences, in the order of their rows.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    ids: Vec<u32>,
    positions: Vec<u32>,
    /// For each row the first key of its sequence it sees.
    first_keys: Vec<u32>,
    sequences: Vec<Range<usize>>,
}

impl Batch {
    /// No sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// One sequence from its first token on.
    pub fn of(ids: &[u32]) -> Self {
        let mut batch = Self::new();
        batch.push(ids);
        batch
    }

    /// Appends a sequence: positions count from 0, each token sees those before it.
    pub fn push(&mut self, ids: &[u32]) {
        self.push_after(0, ids);
    }

    /// Appends the tokens that follow the first `past` of a sequence, which lie in its [`State`](crate::State).
    pub fn push_after(&mut self, past: usize, ids: &[u32]) {
        let past = past as u32;
        self.begin(ids);
        self.positions.extend((past..).take(ids.len()));
        self.first_keys.resize(self.ids.len(), 0);
    }

    /// Appends a sequence with positions of its own, of which each token sees those from `first_keys` on.
    ///
    /// A token whose first key lies behind itself sees none: its attention is the mean of all values, as the reference
    /// gives it for padding.
    ///
    /// # Errors
    /// If there is not one position and one first key for each token.
    pub fn push_with(&mut self, ids: &[u32], positions: &[u32], first_keys: &[u32]) -> Result<()> {
        if positions.len() != ids.len() || first_keys.len() != ids.len() {
            return Err(Error::request("a sequence needs a position and a first key for each of its tokens"));
        }
        self.begin(ids);
        self.positions.extend(positions);
        self.first_keys.extend(first_keys);
        Ok(())
    }

    fn begin(&mut self, ids: &[u32]) {
        let start = self.ids.len();
        self.ids.extend(ids);
        self.sequences.push(start..self.ids.len());
    }

    /// Forgets all sequences.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.positions.clear();
        self.first_keys.clear();
        self.sequences.clear();
    }

    /// The tokens of all sequences.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The position of each token.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// For each token the first key of its sequence it sees, keys in its state counted.
    pub fn first_keys(&self) -> &[u32] {
        &self.first_keys
    }

    /// The rows of each sequence.
    pub fn sequences(&self) -> &[Range<usize>] {
        &self.sequences
    }

    /// For each row the one before it in its sequence; for the first of a sequence a number behind all rows: how many there
    /// are, and the sequence's own.
    pub(crate) fn previous_rows(&self) -> Vec<u32> {
        let mut previous = Vec::with_capacity(self.len());
        for (number, rows) in self.sequences.iter().enumerate() {
            let before = |row: usize| if row == rows.start { self.len() + number } else { row - 1 };
            previous.extend(rows.clone().map(|row| before(row) as u32));
        }
        previous
    }

    /// Tokens of all sequences.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Refuses ids that are in no vocabulary of this size.
pub(crate) fn check_ids(ids: &[u32], vocab_size: usize) -> Result<()> {
    match ids.iter().find(|id| **id as usize >= vocab_size) {
        Some(id) => Err(Error::request(format!(
            "token {id} is not in the model's vocabulary of {vocab_size}: the text was made with another tokenizer"
        ))),
        None => Ok(()),
    }
}

/// The first keys of a text in which attention stops at each `eod`: what follows one does not see it or what lies
/// before it. This is what `reset_attention_mask` asks for.
pub fn first_keys_after_eod(ids: &[u32], eod: u32) -> Vec<u32> {
    let mut first = 0;
    let after = |(place, id): (usize, &u32)| {
        let own = first;
        if *id == eod {
            first = place as u32 + 1;
        }
        own
    };
    ids.iter().enumerate().map(after).collect()
}

/// Positions of a text that begin again after each `eod`: what `reset_position_ids` asks for.
pub fn positions_after_eod(ids: &[u32], eod: u32) -> Vec<u32> {
    first_keys_after_eod(ids, eod).iter().zip(0..).map(|(first, place)| place - first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_of_document_sees_its_own_document() {
        let ids = [5, 9, 6, 7, 9, 9, 8];
        assert_eq!(first_keys_after_eod(&ids, 9), [0, 0, 2, 2, 2, 5, 6]);
        assert_eq!(positions_after_eod(&ids, 9), [0, 1, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn every_token_has_a_position() {
        let mut batch = Batch::of(&[1, 2]);
        assert!(batch.push_with(&[1, 2], &[0], &[0, 0]).is_err());
        batch.push_after(4, &[3, 4, 5]);
        assert_eq!(batch.positions(), [0, 1, 4, 5, 6]);
        assert_eq!(batch.sequences(), [0..2, 2..5]);
        batch.push(&[]);
        batch.push(&[6]);
        assert_eq!(batch.previous_rows(), [6, 0, 7, 2, 3, 9]);
    }
}
