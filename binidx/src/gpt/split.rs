//! Train, valid and test: which sequences of a dataset belong to which part.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// One of the three parts of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What is trained on.
    Train,
    /// What is looked at while training.
    Valid,
    /// What is looked at in the end.
    Test,
}

impl Part {
    /// Megatron's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// A split such as `969,30,1`: the shares of train, valid and test.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    text: String,
    fractions: [f64; 3],
}

impl Split {
    /// Reads one to three numbers; whatever is neither digit nor point stands between them.
    ///
    /// Source: `parse_and_normalize_split` of megatron-core 0.16.1.
    ///
    /// # Errors
    /// If there are more than three, one is no number, or all are 0.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |problem: &str| Error::sampling("split", format!("`{text}` {problem}: write `969,30,1`"));
        let words = text.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|word| !word.is_empty());
        let mut weights = Vec::new();
        for word in words {
            weights.push(word.parse::<f64>().map_err(|_| wrong("is not made of numbers"))?);
        }
        if weights.len() > 3 {
            return Err(wrong("has more than three numbers"));
        }
        weights.resize(3, 0.0);
        let sum = weights[0] + weights[1] + weights[2];
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(wrong("does not add up to something"));
        }
        Ok(Self { text: text.to_owned(), fractions: [weights[0] / sum, weights[1] / sum, weights[2] / sum] })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The shares of train, valid and test; their sum is 1.
    pub fn fractions(&self) -> [f64; 3] {
        self.fractions
    }

    /// Where each part begins and ends, in [0, 1]; nothing for a part without a share.
    ///
    /// Source: `convert_split_vector_to_split_matrix` of megatron-core 0.16.1.
    pub fn bounds(&self) -> [Option<(f64, f64)>; 3] {
        let mut start = 0.0;
        self.fractions.map(|fraction| {
            let bounds = (start, start + fraction);
            start = bounds.1;
            (bounds.1 > bounds.0).then_some(bounds)
        })
    }

    /// The sequences of a part, of `sequences` in all; nothing for a part without a share.
    ///
    /// Bounds are rounded, halves to the even number. Source: `BlendedMegatronDatasetBuilder` of megatron-core 0.16.1.
    pub fn sequences(&self, part: Part, sequences: usize) -> Option<Range<usize>> {
        let (start, end) = self.bounds()[part as usize]?;
        let at = |bound: f64| (bound * sequences as f64).round_ties_even() as usize;
        Some(at(start)..at(end).min(sequences))
    }

    /// The sequences of a part as Yuan's fork of Megatron-LM cuts them: sizes are rounded one by one, and what their sum is
    /// too large by is taken from every bound behind the first.
    ///
    /// # Errors
    /// If a bound comes to lie before the first sequence, where the fork gives up.
    pub fn yuan_sequences(&self, part: Part, sequences: usize) -> Result<Range<usize>> {
        let mut bounds = [0_i64; 4];
        for (at, fraction) in self.fractions.iter().enumerate() {
            bounds[at + 1] = bounds[at] + (fraction * sequences as f64).round_ties_even() as i64;
        }
        let overshoot = bounds[3] - sequences as i64;
        bounds[1..].iter_mut().for_each(|bound| *bound -= overshoot);
        match (usize::try_from(bounds[part as usize]), usize::try_from(bounds[part as usize + 1])) {
            (Ok(start), Ok(end)) => Ok(start..end.max(start)),
            _ => Err(Error::sampling(
                "split",
                format!("`{}` cuts {sequences} sequences at {}, before the first", self.text, bounds[1]),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_stands_between_numbers() {
        let split = Split::parse("969,30,1").unwrap();
        for text in ["969, 30, 1", "969/30/1", "969 30 1", "(969.0;30;-1)"] {
            assert_eq!(Split::parse(text).unwrap().fractions(), split.fractions(), "{text}");
        }
        for text in ["", "0,0,0", "1,2,3,4", "1.2.3", "."] {
            assert!(Split::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_forks_overshoot_moves_all_bounds() {
        // `get_train_valid_test_split_("1,1,0", 3)`: 0, 2, 4, 4, less 1.
        let split = Split::parse("1,1,0").unwrap();
        let parts = [Part::Train, Part::Valid, Part::Test].map(|part| split.yuan_sequences(part, 3).unwrap());
        assert_eq!(parts, [0..1, 1..3, 3..3]);
        assert_eq!(split.sequences(Part::Train, 3), Some(0..2));
        // 0, 0, 2, 4, less 1: there is no sequence -1.
        assert!(Split::parse("0,1,1").unwrap().yuan_sequences(Part::Valid, 3).is_err());
    }
}
