//! How alike two sets of shingles are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Candidate;

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

impl Similarity {
    /// How alike two documents are, in [0, 1], if that is `threshold` or more. Linear in their shingles.
    pub(super) fn reaching(self, threshold: f64, one: &Candidate<'_>, other: &Candidate<'_>) -> Option<f64> {
        let (fewer, more) =
            (one.shingles.len().min(other.shingles.len()), one.shingles.len().max(other.shingles.len()));
        if fewer == 0 {
            // Shorter than a shingle: they are alike if they are the same.
            return (more == 0 && one.keys == other.keys).then_some(1.0);
        }
        let of = |common: usize| match self {
            Self::Jaccard => common as f64 / (fewer + more - common) as f64,
            Self::Containment => common as f64 / fewer as f64,
        };
        if of(fewer) < threshold {
            return None;
        }
        let (one, other) = (one.shingles, other.shingles);
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
