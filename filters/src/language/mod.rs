//! Which language a document is written in.
//!
//! Scripts that one language uses decide by themselves; Chinese is told simplified from traditional by the
//! characters only one of them has; Latin, Cyrillic and Arabic letters go to a classifier of our own. Measured
//! against whatlang, whichlang and lingua in `tests/fixtures/language/MEASUREMENTS.md`.
//! Reads `text`, adds `language` and `language_score`.

mod chinese;
mod codes;
mod identify;
mod ngrams;
mod script;

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, LargeStringBuilder};
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Columns, Detail, Document, Finding, Reason, Result, Stage, Verdict};

pub(crate) use chinese::is_traditional;
pub use codes::{check_identified, language_of_key};
pub use identify::{Identified, identify};
pub(crate) use script::main_script;

/// Names each document's language in the columns `language` and `language_score`, and keeps those asked for.
///
/// Others are dropped as `language_not_kept`, uncertain ones as `low_language_score`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageId {
    /// Languages kept: ISO 639-1 codes (639-3 where there is none), `zh` for both `zh-Hans` and `zh-Hant`, `und`
    /// for texts without letters. Default empty: all are kept.
    pub keep: Vec<String>,
    /// Least score kept, in [0, 1]: the share of letters in the language's script times the classifier's
    /// probability. Default 0.2, which all but a few real documents in ten thousand pass
    /// (`tests/fixtures/language/MEASUREMENTS.md`); 0 keeps all.
    pub min_score: f32,
    /// Bytes of a document looked at, in sixteen windows spread evenly over it; shorter documents are read whole.
    /// Default 4096, which identifies documents as well as reading them whole does. What tells languages of
    /// one script apart reads a quarter of it.
    pub sample_bytes: usize,
}

impl Default for LanguageId {
    fn default() -> Self {
        Self { keep: Vec::new(), min_score: 0.2, sample_bytes: 4096 }
    }
}

impl LanguageId {
    /// The language of a text.
    pub fn identify(&self, text: &str) -> Identified {
        identify(text, self.sample_bytes)
    }

    /// Whether documents of this language and score stay.
    pub fn judge(&self, language: &str, score: f32) -> Verdict {
        if !self.keeps(language) {
            return Verdict::Drop(Reason { code: "language_not_kept", detail: Detail::Text(language.to_owned()) });
        }
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

impl Stage for LanguageId {
    fn asked_for(&self) -> &'static [&'static str] {
        &["language_not_kept"]
    }

    fn columns(&self) -> Columns {
        Columns::default().adding("language", DataType::LargeUtf8).adding("language_score", DataType::Float32)
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut found: Vec<Option<Identified>> = vec![None; batch.rows()];
        for document in batch.documents() {
            found[document.row()] = Some(self.identify(document.text()));
        }
        let mut languages = LargeStringBuilder::with_capacity(batch.rows(), batch.rows() * 8);
        let mut scores = Float32Builder::with_capacity(batch.rows());
        for identified in &found {
            languages.append_option(identified.map(|identified| identified.language));
            scores.append_option(identified.map(|identified| identified.score));
        }
        batch
            .annotate(Field::new("language", DataType::LargeUtf8, true), Arc::new(languages.finish()))?
            .annotate(Field::new("language_score", DataType::Float32, true), Arc::new(scores.finish()))?
            .judge(|document| match found[document.row()] {
                Some(identified) => self.judge(identified.language, identified.score),
                None => Verdict::Keep,
            })
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let identified = self.identify(document.text());
        let is_kept = self.keeps(identified.language);
        let kept = Finding {
            rule: "language_not_kept",
            value: f64::from(u8::from(is_kept)),
            threshold: 1.0,
            at_least: true,
            drops: !is_kept,
        };
        let score = Finding {
            rule: "low_language_score",
            value: f64::from(identified.score),
            threshold: f64::from(self.min_score),
            at_least: true,
            drops: identified.score < self.min_score,
        };
        // A text without letters has no score that is looked at.
        if identified.language == "und" { vec![kept] } else { vec![kept, score] }
    }
}

#[cfg(test)]
mod tests;
