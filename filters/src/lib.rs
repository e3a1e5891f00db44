//! Is this document worth keeping? Normalising, language, rules.

mod language;
pub use language::{Identified, LanguageId, identify};

mod normalize;
pub use normalize::{IdeographicSpace, Normalize, UnicodeForm};
