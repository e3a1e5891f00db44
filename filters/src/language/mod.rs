//! Which language a document is written in.
//!
//! Scripts that one language uses decide by themselves; Chinese is told simplified from traditional by the
//! characters only one of them has; letters that several languages use go to a classifier of our own, or everything to a
//! fastText model. Measured against other identifiers in `tests/fixtures/language/MEASUREMENTS.md`.
//! Reads `text`, adds `language` and `language_score`, and if asked `language_script` and `language_shares`.

mod chinese;
mod codes;
mod identify;
mod labels;
mod lines;
mod model;
mod ngrams;
mod script;
mod stage;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::Verdict;

pub(crate) use chinese::is_traditional;
pub use codes::{check_identified, language_of_key};
pub use identify::{Identified, identify};
pub(crate) use script::main_script;
pub use stage::LanguageIdentifier;

use crate::rules::PerLanguage;

/// Names each document's language in the columns `language` and `language_score`, and keeps those asked for.
///
/// Others are dropped as `language_not_kept`, uncertain ones as `low_language_score`. Without a model the built-in identifier
/// is asked, which knows some eighty languages; with one, whatever the model knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageId {
    /// Languages kept: ISO 639-1 codes (639-3 where there is none), `zh` for both `zh-Hans` and `zh-Hant`, `und`
    /// for texts without letters. Default empty: all are kept.
    pub keep: Vec<String>,
    /// Least score kept, in [0, 1]: the share of letters in the language's script times the classifier's
    /// probability. Default 0.2, which real documents pass and garbled ones do not always
    /// (`tests/fixtures/language/MEASUREMENTS.md`); 0 keeps all.
    ///
    /// fastText models have a scale of their own: 0.65 is what FineWeb and others take for lid.176.
    pub min_score: f32,
    /// Bytes of a document looked at, in sixteen windows spread evenly over it; shorter documents are read whole.
    /// Default 4096, which identifies documents as well as reading them whole does. What tells languages of
    /// one script apart reads a sixth of it.
    pub sample_bytes: usize,
    /// A fastText model asked instead of the built-in identifier: `lid.176.bin`, `lid.176.ftz`, GlotLID, OpenLID or any other.
    /// Its labels become ISO 639 codes: `__label__cmn_Hani`, `__label__zho_Hans` and `__label__zh` are all Chinese, told
    /// simplified from traditional. Default none.
    pub model: Option<PathBuf>,
    /// Texts with fewer letters than this are too short to tell: see `short_text`. Default 0: none is.
    pub min_letters: usize,
    /// What becomes of texts that are too short: `undetermined` (they are `und`, and only `keep` can drop them) or `drop` (as
    /// `too_short_to_identify`). Default `undetermined`.
    pub short_text: ShortText,
    /// Whether the column `language_script` is added: the script's code of ISO 15924, as `Hans`, `Latn`. Default false.
    pub script: bool,
    /// Whether the column `language_shares` is added: for each language of the document's lines the share of its text, in
    /// [0, 1]. Default false.
    pub shares: bool,
    /// Lines with fewer letters than this are not asked about: they count for the language of the document. Default 10.
    pub min_line_letters: usize,
    /// Least share, in [0, 1], of a document's lines that are in its language; others are dropped as `mixed_languages`.
    /// Default 0: off.
    pub min_main_share: f32,
    /// Thresholds for documents of one language: `languages.zh = { min_score = 0.85 }`. Default empty.
    pub languages: PerLanguage<Self>,
}

/// What becomes of a text too short to tell its language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShortText {
    /// It is in no language that is known: `und`.
    #[default]
    Undetermined,
    /// It goes.
    Drop,
}

impl Default for LanguageId {
    fn default() -> Self {
        Self {
            keep: Vec::new(),
            min_score: 0.2,
            sample_bytes: 4096,
            model: None,
            min_letters: 0,
            short_text: ShortText::Undetermined,
            script: false,
            shares: false,
            min_line_letters: 10,
            min_main_share: 0.0,
            languages: PerLanguage::default(),
        }
    }
}

impl LanguageId {
    /// The language of a text, as the built-in identifier has it.
    pub fn identify(&self, text: &str) -> Identified {
        identify(text, self.sample_bytes)
    }

    /// Whether documents of a language stay with this score.
    fn judge_score(&self, language: &str, score: f32) -> Verdict {
        // A text without letters has no score to speak of: whether it stays is for `keep` to say.
        if score < self.min_score && language != "und" {
            return Verdict::drop("low_language_score", f64::from(score), f64::from(self.min_score));
        }
        Verdict::Keep
    }

    fn keeps(&self, language: &str) -> bool {
        let matches = |kept: &String| {
            language.strip_prefix(kept.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.keep.is_empty() || self.keep.iter().any(matches)
    }
}

#[cfg(test)]
mod tests;
