//! What a model is given of a sample: tokens, labels, which of them count, positions, and what attention sees.

use serde::Serialize;

/// What stands for padding where a tokenizer has no such token, or one that means something else besides: no token.
pub const NO_PAD: i64 = -1;

/// Which labels the loss leaves out. Padding it leaves out in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None.
    OnAll,
    /// Those that follow the end of a document. Megatron's `eod_mask_loss`.
    NotAfterEod,
    /// Instructions: labels of a document before its separator. Yuan's `sft_stage`, in which `eod_mask_loss` does nothing.
    Answers {
        /// The token between an instruction and its answer, 77187 (`<sep>`) in Yuan's vocabulary.
        sep: i64,
    },
}

/// How a sample is prepared. The flags are Megatron's, and Yuan's fork has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The token at the end of a document, 77185 (`<eod>`) in Yuan's vocabulary.
    pub eod: i64,
    /// The token that fills up partial samples, or [`NO_PAD`].
    pub pad: i64,
    /// Positions begin anew behind an end of document. Megatron's `reset_position_ids`.
    pub reset_position_ids: bool,
    /// Attention does not reach back across an end of document. Megatron's `reset_attention_mask`.
    pub reset_attention_mask: bool,
    /// What the loss leaves out.
    pub loss: Loss,
}

/// A sample as a model is given it. All lists but the last are as long as a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// What is read; 0 for padding.
    pub tokens: Vec<i64>,
    /// What is to follow each; 0 for padding.
    pub labels: Vec<i64>,
    /// Whether a label counts.
    pub loss_mask: Vec<bool>,
    /// The position of each token.
    pub position_ids: Vec<u32>,
    /// Where attention begins anew, in order; 0 is the first.
    pub segment_starts: Vec<usize>,
}

impl Rules {
    /// Prepares the tokens of a sample: one more than the sample is long if it took an `extra_token`.
    ///
    /// Source: `GPTDataset.__getitem__` of megatron-core 0.16.1, and `get_ltor_masks_and_position_ids` of Yuan-2.0. One thing
    /// is not as there: with none of the three flags set, Megatron-Core keeps the loss mask of the first sample that a worker
    /// fetches, so that where this one has padding, the worker's later samples have no loss either.
    pub fn sample(&self, text: &[i64], extra_token: bool) -> Sample {
        let mut tokens = text.to_vec();
        let mut labels = text.get(1..).unwrap_or_default().to_vec();
        if extra_token {
            tokens.pop();
        } else {
            labels.push(self.pad);
        }
        let mut loss_mask = match self.loss {
            Loss::OnAll => vec![true; tokens.len()],
            Loss::NotAfterEod => tokens.iter().map(|token| *token != self.eod).collect(),
            Loss::Answers { sep } => answers(&labels, self.eod, sep),
        };
        let position_ids = self.position_ids(&tokens);
        let segment_starts = self.segment_starts(&tokens);
        for (label, counts) in labels.iter_mut().zip(&mut loss_mask) {
            if *label == self.pad {
                (*label, *counts) = (0, false);
            }
        }
        tokens.iter_mut().filter(|token| **token == self.pad).for_each(|token| *token = 0);
        Sample { tokens, labels, loss_mask, position_ids, segment_starts }
    }

    fn position_ids(&self, tokens: &[i64]) -> Vec<u32> {
        let mut next = 0;
        let positions = tokens.iter().map(|token| {
            let position = next;
            next = if self.reset_position_ids && *token == self.eod { 0 } else { next + 1 };
            position
        });
        positions.collect()
    }

    fn segment_starts(&self, tokens: &[i64]) -> Vec<usize> {
        let ends = tokens.iter().enumerate().filter(|(_, token)| self.reset_attention_mask && **token == self.eod);
        let starts = ends.map(|(at, _)| at + 1).filter(|start| *start < tokens.len());
        std::iter::once(0).chain(starts).collect()
    }
}

/// Yuan's loss mask of fine-tuning: a document's labels count from its first separator to its end.
///
/// As the fork has it: the separator of a document that is begun before the sample hides everything before it; what
/// follows the last end counts unless there is a separator in it, or there was one end only.
fn answers(labels: &[i64], eod: i64, sep: i64) -> Vec<bool> {
    let mut counts = vec![true; labels.len()];
    let ends: Vec<usize> = (0..labels.len()).filter(|at| labels[*at] == eod).collect();
    let separator =
        |from: usize, to: usize| labels[from..to].iter().position(|label| *label == sep).map(|at| from + at);
    for (number, end) in ends.iter().copied().enumerate() {
        let before = if number == 0 { 0 } else { ends[number - 1] };
        if let Some(at) = separator(before, end) {
            // The end of the document before counts.
            let first = if number == 0 { 0 } else { before + 1 };
            counts[first.min(at)..at].fill(false);
        }
        if number > 0
            && number + 1 == ends.len()
            && let Some(at) = separator(end, labels.len())
        {
            counts[(end + 1).min(at)..at].fill(false);
        }
    }
    counts
}

impl Sample {
    /// Whether attention sees `column` from `row`: not what comes later, nor what lies before the row's segment.
    pub fn sees(&self, row: usize, column: usize) -> bool {
        let segment = self.segment_starts.partition_point(|start| *start <= row);
        column <= row && segment.checked_sub(1).is_none_or(|segment| self.segment_starts[segment] <= column)
    }

    /// The whole mask as Megatron makes it, true where attention does not see: rows × columns, O(length²).
    pub fn attention_mask(&self) -> Vec<Vec<bool>> {
        let length = self.tokens.len();
        (0..length).map(|row| (0..length).map(|column| !self.sees(row, column)).collect()).collect()
    }

    /// The runs of labels that do not count: first and last place of each.
    pub fn masked_ranges(&self) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for at in (0..self.loss_mask.len()).filter(|at| !self.loss_mask[*at]) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == at => *last = at,
                _ => ranges.push((at, at)),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules =
        Rules { eod: 9, pad: NO_PAD, reset_position_ids: true, reset_attention_mask: true, loss: Loss::NotAfterEod };

    #[test]
    fn padding_does_not_count_and_becomes_0() {
        let sample = RULES.sample(&[5, 9, 6, NO_PAD, NO_PAD], true);
        assert_eq!(sample.tokens, [5, 9, 6, 0]);
        assert_eq!(sample.labels, [9, 6, 0, 0]);
        assert_eq!(sample.loss_mask, [true, false, false, false]);
        assert_eq!(sample.position_ids, [0, 1, 0, 1]);
        assert_eq!(sample.segment_starts, [0, 2]);
        assert_eq!(sample.masked_ranges(), [(1, 3)]);
        assert!(sample.sees(3, 2) && !sample.sees(3, 1) && !sample.sees(2, 3) && sample.sees(1, 0));
    }

    #[test]
    fn without_an_extra_token_the_last_label_is_padding() {
        let sample = RULES.sample(&[5, 6, 7], false);
        assert_eq!((sample.tokens, sample.labels), (vec![5, 6, 7], vec![6, 7, 0]));
        assert_eq!(sample.loss_mask, [true, true, false]);
    }

    #[test]
    fn nothing_of_nothing() {
        for extra_token in [true, false] {
            let sample = Rules { loss: Loss::Answers { sep: 8 }, ..RULES }.sample(&[9], extra_token);
            assert_eq!(sample.tokens.len(), usize::from(!extra_token));
        }
    }
}
