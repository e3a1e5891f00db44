//! Rules that judge a document by counting.

mod gopher_quality;
mod gopher_repetition;
mod n_grams;
mod per_language;

pub use gopher_quality::{GopherQuality, QualityMeasures, QualityOverrides};
pub use gopher_repetition::{GopherRepetition, RepetitionMeasures, RepetitionOverrides};
pub use per_language::Profile;
