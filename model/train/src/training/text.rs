//! What is trained on: texts of one length, and the borders of the documents in them.

use yuan_model::perplexity::Resets;

use crate::error::Cause;
use crate::{Batch, Error, Result};

/// The texts of a training run, in the order in which they are read.
pub trait Texts: Send + Sync {
    /// Puts the text at a place of the run, from 0, into `text`, in place of what is there.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, place: u64, text: &mut Text) -> Result<(), Cause>;
}

/// Tokens that are read one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The tokens: all but the last are read, all but the first are to be predicted.
    pub ids: Vec<u32>,
    /// What each token but the first counts in the loss when it is to be predicted: 1, or 0 for one that is not learnt.
    pub weights: Vec<f32>,
}

/// What happens where a document of a text ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// Each document is a sequence of its own and sees nothing of another, in attention and in localized filtering. It begins
    /// with the end of the document before it, which stands for "here one begins": what [`yuan_model::perplexity::Scoring`] puts
    /// before a document that is scored, so that a model is asked for what it has learnt.
    Apart {
        /// The token documents end with.
        eod: u32,
    },
    /// A text is one sequence. With resets, positions and attention begin anew *behind* an end of document, as in Megatron;
    /// localized filtering runs on over it.
    Together(Resets),
}

impl Borders {
    /// Appends a text to a batch.
    ///
    /// # Errors
    /// If there is not a weight for each token but the first; [`Batch::push`].
    pub fn push(self, text: &Text, batch: &mut Batch) -> Result<()> {
        let Text { ids, weights } = text;
        let Some((_, inputs)) = ids.split_last() else { return Ok(()) };
        let targets = &ids[1..];
        match self {
            Self::Together(resets) => batch.push_packed(inputs, targets, weights, resets),
            Self::Apart { eod } => {
                if weights.len() != inputs.len() {
                    let problem = format!("has no weight or no token: {} tokens, {}", inputs.len(), weights.len());
                    return Err(Error::batch(batch.len() + weights.len().min(inputs.len()), problem));
                }
                let begins = (1..inputs.len()).filter(|place| inputs[*place] == eod);
                let mut start = 0;
                for end in begins.chain([inputs.len()]) {
                    batch.push(&inputs[start..end], &targets[start..end], &weights[start..end])?;
                    start = end;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [u32; 8] = [5, 6, 9, 7, 9, 9, 8, 4];

    fn pushed(borders: Borders) -> Batch {
        let mut batch = Batch::new();
        let weights = vec![1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        borders.push(&Text { ids: IDS.to_vec(), weights }, &mut batch).unwrap();
        assert_eq!(batch.inputs().ids(), &IDS[..7]);
        assert_eq!(batch.targets(), &IDS[1..]);
        assert_eq!(batch.weights(), [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        batch
    }

    #[test]
    fn documents_apart_begin_with_the_end_before_them() {
        let batch = pushed(Borders::Apart { eod: 9 });
        assert_eq!(batch.inputs().sequences(), [0..2, 2..4, 4..5, 5..7]);
        assert_eq!(batch.inputs().positions(), [0, 1, 0, 1, 0, 0, 1]);
        let long = Text { ids: IDS.to_vec(), weights: vec![1.0; 3] };
        let error = Borders::Apart { eod: 9 }.push(&long, &mut Batch::new()).unwrap_err().to_string();
        assert_eq!(error, "row 3 of the batch has no weight or no token: 7 tokens, 3");
    }

    #[test]
    fn documents_together_are_reset_behind_their_ends() {
        let resets = Resets { eod: 9, positions: true, attention: true };
        let batch = pushed(Borders::Together(resets));
        assert_eq!(batch.inputs().sequences().len(), 1);
        assert_eq!(batch.inputs().positions(), [0, 1, 2, 0, 1, 0, 0]);
        let batch = pushed(Borders::Together(Resets { eod: 9, ..Resets::default() }));
        assert_eq!(batch.inputs().positions(), [0, 1, 2, 3, 4, 5, 6]);
    }
}
