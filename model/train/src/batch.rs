//! Tokens, and what they are to predict.

use yuan_model::{first_keys_after_eod, positions_after_eod};

use crate::{Error, Result};

/// Sequences laid end to end without padding, a token and what it is to predict in each row.
///
/// A sequence sees nothing of another one: neither attention nor localized filtering crosses its ends. Documents packed into
/// one sequence can be parted too, as [`yuan_model::perplexity::Resets`] names it, except that filtering runs on over
/// their borders; whoever wants them wholly apart pushes each as a sequence.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    inputs: yuan_model::Batch,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

impl Batch {
    /// No sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a sequence: positions count from 0, each token sees those before it. `targets` are what each is to predict,
    /// `weights` what that counts in the loss: 0 for a token that is masked, otherwise 1.
    ///
    /// # Errors
    /// If there is not one target and one weight for each token, or a weight is negative or no finite number.
    pub fn push(&mut self, ids: &[u32], targets: &[u32], weights: &[f32]) -> Result<()> {
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        self.push_with(ids, targets, weights, &positions, &vec![0; ids.len()])
    }

    /// Appends a sequence of packed documents that each end with `resets.eod`.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_packed(
        &mut self,
        ids: &[u32],
        targets: &[u32],
        weights: &[f32],
        resets: yuan_model::perplexity::Resets,
    ) -> Result<()> {
        let positions = match resets.positions {
            true => positions_after_eod(ids, resets.eod),
            false => (0..ids.len() as u32).collect(),
        };
        let first_keys = match resets.attention {
            true => first_keys_after_eod(ids, resets.eod),
            false => vec![0; ids.len()],
        };
        self.push_with(ids, targets, weights, &positions, &first_keys)
    }

    /// Appends a sequence with positions of its own, of which each token sees those from its first key on, counted from the
    /// sequence's first token.
    ///
    /// # Errors
    /// As for [`push`](Self::push); and if a token's first key lies behind itself or before its predecessor's.
    pub fn push_with(
        &mut self,
        ids: &[u32],
        targets: &[u32],
        weights: &[f32],
        positions: &[u32],
        first_keys: &[u32],
    ) -> Result<()> {
        let first = self.len();
        for (name, length) in [
            ("target", targets.len()),
            ("weight", weights.len()),
            ("position", positions.len()),
            ("first key", first_keys.len()),
        ] {
            if length != ids.len() {
                let row = first + length.min(ids.len());
                return Err(Error::batch(row, format!("has no {name} or no token: {} tokens, {length}", ids.len())));
            }
        }
        if let Some(row) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err(Error::batch(first + row, format!("counts {} in the loss: 0 or more is needed", weights[row])));
        }
        if let Some(row) = first_keys.iter().zip(0..).position(|(key, row)| *key > row) {
            return Err(Error::batch(first + row, "sees no token, not even itself: its first key lies behind it"));
        }
        if let Some(row) = first_keys.windows(2).position(|keys| keys[1] < keys[0]) {
            return Err(Error::batch(first + row + 1, "sees tokens that the one before it does not see"));
        }
        if ids.is_empty() {
            return Ok(());
        }
        self.inputs.push_with(ids, positions, first_keys)?;
        self.targets.extend(targets);
        self.weights.extend(weights);
        Ok(())
    }

    /// Forgets all sequences.
    pub fn clear(&mut self) {
        self.inputs.clear();
        self.targets.clear();
        self.weights.clear();
    }

    /// The tokens with their positions, sequences and first keys.
    pub fn inputs(&self) -> &yuan_model::Batch {
        &self.inputs
    }

    /// What each token is to predict.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// What each prediction counts in the loss.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Tokens of all sequences.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The first id or target that is not in a vocabulary.
    pub(crate) fn check(&self, vocab_size: usize) -> Result<()> {
        for (what, ids) in [("holds the token", self.inputs.ids()), ("is to predict the token", &self.targets)] {
            if let Some(row) = ids.iter().position(|id| *id as usize >= vocab_size) {
                return Err(Error::batch(row, format!("{what} {}: the vocabulary has {vocab_size}", ids[row])));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yuan_model::perplexity::Resets;

    #[test]
    fn documents_of_a_sequence_are_parted_as_asked() {
        let mut batch = Batch::new();
        batch.push(&[1, 2], &[2, 3], &[1.0, 0.0]).unwrap();
        let resets = Resets { eod: 9, positions: true, attention: true };
        batch.push_packed(&[5, 9, 6, 7], &[9, 6, 7, 8], &[1.0; 4], resets).unwrap();
        assert_eq!(batch.inputs().sequences(), [0..2, 2..6]);
        assert_eq!(batch.inputs().positions(), [0, 1, 0, 1, 0, 1]);
        assert_eq!(batch.inputs().first_keys(), [0, 0, 0, 0, 2, 2]);
        assert_eq!(
            batch.check(9).unwrap_err().to_string(),
            "row 3 of the batch holds the token 9: the vocabulary has 9"
        );
        assert!(batch.check(10).is_ok());
        batch.clear();
        assert!(batch.is_empty() && batch.targets().is_empty() && batch.weights().is_empty());
    }

    #[test]
    fn a_row_that_makes_no_sense_is_named() {
        let mut batch = Batch::new();
        batch.push(&[1], &[1], &[1.0]).unwrap();
        let says = |result: Result<()>| result.unwrap_err().to_string();
        assert!(says(batch.push(&[1, 2], &[2], &[1.0; 2])).starts_with("row 2 of the batch has no target"));
        assert!(says(batch.push(&[1, 2], &[2; 2], &[1.0, f32::NAN])).starts_with("row 2 of the batch counts NaN"));
        let mut with = |keys: &[u32]| batch.push_with(&[1; 3], &[1; 3], &[1.0; 3], &[0, 1, 2], keys);
        assert!(says(with(&[0, 2, 0])).starts_with("row 2 of the batch sees no token"));
        assert!(says(with(&[0, 1, 0])).starts_with("row 3 of the batch sees tokens"));
        assert_eq!(batch.len(), 1);
    }
}
