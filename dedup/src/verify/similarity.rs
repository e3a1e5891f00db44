//! How alike two sets of shingles are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Candidate;
use crate::near::Minhash;
use crate::numbers::split;

/// How alike two documents are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Similarity {
    /// Shingles that both have, over shingles that any has (Jaccard).
    #[default]
    Jaccard,
    /// Shingles that both have, over those of the document that has fewer: a document within a longer one is a copy of it.
    Containment,
}

/// What two documents must reach to be alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    /// Least similarity of their shingles.
    threshold: f64,
    /// Whether numbers stand behind the shingles.
    has_numbers: bool,
    /// Least similarity of their numbers, if one of them has this many.
    min_number_agreement: f64,
    min_numbers: usize,
}

impl Bar {
    pub(super) fn of(config: &Minhash) -> Self {
        let Minhash { threshold, min_number_agreement, min_numbers, .. } = *config;
        Self { threshold, has_numbers: config.compares_numbers(), min_number_agreement, min_numbers }
    }

    /// Whatever their similarity.
    pub(super) fn any(self) -> Self {
        Self { threshold: 0.0, min_number_agreement: 0.0, ..self }
    }
}

impl From<f64> for Bar {
    /// Shingles alone.
    fn from(threshold: f64) -> Self {
        Self { threshold, has_numbers: false, min_number_agreement: 0.0, min_numbers: 0 }
    }
}

impl Similarity {
    /// How alike two documents are, in [0, 1], if that is enough. Linear in their shingles.
    pub(super) fn reaching(self, bar: impl Into<Bar>, one: &Candidate<'_>, other: &Candidate<'_>) -> Option<f64> {
        let bar = bar.into();
        let parts = |hashes| if bar.has_numbers { split(hashes) } else { (hashes, [].as_slice()) };
        let ((one_shingles, one_numbers), (other_shingles, other_numbers)) =
            (parts(one.shingles), parts(other.shingles));
        if one_shingles.is_empty() || other_shingles.is_empty() {
            // Shorter than a shingle: they are alike if they are the same.
            let are_short = one_shingles.is_empty() && other_shingles.is_empty();
            return (are_short && one.keys == other.keys).then_some(1.0);
        }
        let similarity = self.of_sets(bar.threshold, one_shingles, other_shingles)?;
        let has_many = one_numbers.len().max(other_numbers.len()) >= bar.min_numbers;
        if bar.min_number_agreement > 0.0 && has_many && !(one_numbers.is_empty() && other_numbers.is_empty()) {
            if one_numbers.is_empty() || other_numbers.is_empty() {
                return None;
            }
            self.of_sets(bar.min_number_agreement, one_numbers, other_numbers)?;
        }
        Some(similarity)
    }

    /// How alike two sorted sets are that are not empty, if that is `threshold` or more.
    fn of_sets(self, threshold: f64, one: &[[u8; 4]], other: &[[u8; 4]]) -> Option<f64> {
        let (fewer, more) = (one.len().min(other.len()), one.len().max(other.len()));
        let of = |common: usize| match self {
            Self::Jaccard => common as f64 / (fewer + more - common) as f64,
            Self::Containment => common as f64 / fewer as f64,
        };
        if of(fewer) < threshold {
            return None;
        }
        let (mut at, mut there, mut common) = (0, 0, 0);
        while at < one.len() && there < other.len() {
            // Most that are nominated by chance are far from it: what is left cannot make up for what is missing.
            if of(common + (one.len() - at).min(other.len() - there)) < threshold {
                return None;
            }
            for _ in 0..STRIDE {
                let (Some(left), Some(right)) = (one.get(at), other.get(there)) else { break };
                let (left, right) = (u32::from_le_bytes(*left), u32::from_le_bytes(*right));
                common += usize::from(left == right);
                at += usize::from(left <= right);
                there += usize::from(right <= left);
            }
        }
        let similarity = of(common);
        (similarity >= threshold).then_some(similarity)
    }
}

/// Steps through two lists between two looks at what can still come of it.
const STRIDE: usize = 64;
