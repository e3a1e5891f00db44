//! How good predictions are: pure functions over labels and scores, whatever they come from.
//!
//! | question | file |
//! |---|---|
//! | how many of the labels are right, overall and for each label | `labels.rs` |
//! | how well a score parts positives from others, where to cut | `scores.rs` |

mod labels;
mod scores;

pub use labels::{Counts, LabelReport};
pub use scores::{ScoredExamples, ThresholdRow};

/// `part / whole`, `None` where there is nothing.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
