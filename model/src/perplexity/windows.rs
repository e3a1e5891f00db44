//! Documents longer than the model's context, cut into windows that overlap.

use std::ops::Range;

use crate::{Error, Result};

/// How long documents are cut. Every token is predicted once, the first ones of a window being there for their context.
///
/// The last window reaches back for as much context as it has room for, as lm-eval's does: `stride = length` is its rolling
/// log-likelihood, with one token of context at each cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    length: usize,
    stride: usize,
    is_aligned: bool,
}

/// A part of a document that the model reads at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Tokens read.
    pub inputs: Range<usize>,
    /// Tokens predicted; the last is the one behind the inputs.
    pub targets: Range<usize>,
}

impl Windows {
    /// Windows that read `length` tokens and, but for the first, predict `stride` of them.
    ///
    /// # Errors
    /// If `length` is 0, or `stride` is not between 1 and `length`.
    pub fn new(length: usize, stride: usize) -> Result<Self> {
        if length == 0 || !(1..=length).contains(&stride) {
            return Err(Error::request(format!(
                "windows of {length} tokens cannot go on by {stride}: the stride is from 1 to the length"
            )));
        }
        Ok(Self { length, stride, is_aligned: false })
    }

    /// Windows that begin at multiples of the stride, so that the last one is short: Hugging Face's recipe for perplexity
    /// (`max_length` there is `length + 1`).
    #[must_use]
    pub fn aligned(self) -> Self {
        Self { is_aligned: true, ..self }
    }

    /// Most tokens of a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Tokens that each window but the first predicts.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Whether they begin at multiples of the stride.
    pub fn is_aligned(&self) -> bool {
        self.is_aligned
    }

    /// The windows of a text of `tokens`, of which the first is never predicted.
    pub fn of(self, tokens: usize) -> impl Iterator<Item = Window> {
        let mut next = 1;
        std::iter::from_fn(move || {
            if next >= tokens {
                return None;
            }
            let count = if next == 1 { self.length } else { self.stride };
            let targets = next..(next + count).min(tokens);
            let end = if self.is_aligned { next + count } else { targets.end };
            next = targets.end;
            Some(Window { inputs: (end - 1).saturating_sub(self.length)..targets.end - 1, targets })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As lm-eval's `get_rolling_token_windows` cuts `range(10)` behind a prefix token, `max_seq_len` 4, `context_len` 1
    /// and 3: inputs and predictions, the prefix being token 0 here.
    #[test]
    fn a_stride_of_the_whole_length_rolls() {
        let windows = |stride| -> Vec<(Range<usize>, Range<usize>)> {
            let windows = Windows::new(4, stride).unwrap();
            windows.of(11).map(|window| (window.inputs, window.targets)).collect()
        };
        assert_eq!(windows(4), [(0..4, 1..5), (4..8, 5..9), (6..10, 9..11)]);
        assert_eq!(windows(2), [(0..4, 1..5), (2..6, 5..7), (4..8, 7..9), (6..10, 9..11)]);
    }

    #[test]
    fn every_token_but_the_first_is_predicted_once() {
        for tokens in 0..40 {
            for (length, stride) in [(1, 1), (7, 1), (7, 3), (7, 7), (64, 10)] {
                let windows: Vec<Window> = Windows::new(length, stride).unwrap().of(tokens).collect();
                let predicted: Vec<usize> = windows.iter().flat_map(|window| window.targets.clone()).collect();
                assert_eq!(predicted, (1..tokens).collect::<Vec<_>>());
                for Window { inputs, targets } in windows {
                    assert!(inputs.len() <= length && inputs.start < targets.start && inputs.end + 1 == targets.end);
                }
            }
        }
        assert!(Windows::new(4, 0).is_err() && Windows::new(4, 5).is_err() && Windows::new(0, 0).is_err());
    }
}
