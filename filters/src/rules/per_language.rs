//! Which thresholds a document is held to: by its language, or the English ones for all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::Document;

use crate::words::{EnglishWords, Words};

/// Whose definition a rule follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Words and thresholds of each document's language.
    #[default]
    ByLanguage,
    /// datatrove's `GopherQualityFilter` and `GopherRepetitionFilter` at their defaults: every document is
    /// cut into words as English and held to the English thresholds. Drops nearly all Chinese.
    DatatroveEnglish,
}

impl Profile {
    /// The words a document is measured by.
    pub(super) fn words<'a>(self, document: &Document<'a>) -> &'a Words {
        match self {
            Self::ByLanguage => document.measure::<Words>(),
            Self::DatatroveEnglish => &document.measure::<EnglishWords>().0,
        }
    }
}

/// One comparison of a measure with its threshold, in the order rules are checked.
pub(super) struct Check {
    pub(super) reason: &'static str,
    pub(super) value: f64,
    pub(super) threshold: f64,
    pub(super) at_least: bool,
}

impl Check {
    pub(super) fn at_least(reason: &'static str, value: f64, threshold: f64) -> Self {
        Self { reason, value, threshold, at_least: true }
    }

    pub(super) fn at_most(reason: &'static str, value: f64, threshold: f64) -> Self {
        Self { reason, value, threshold, at_least: false }
    }

    /// A threshold of 0 turns a check off, as it does in datatrove.
    pub(super) fn fails(&self) -> bool {
        self.threshold != 0.0 && if self.at_least { self.value < self.threshold } else { self.value > self.threshold }
    }
}

/// The first check that fails decides.
pub(super) fn verdict(checks: impl IntoIterator<Item = Check>) -> yuan_pipeline::Verdict {
    match checks.into_iter().find(Check::fails) {
        Some(check) => yuan_pipeline::Verdict::drop(check.reason, check.value, check.threshold),
        None => yuan_pipeline::Verdict::Keep,
    }
}

/// All checks that are on, for `explain`.
pub(super) fn findings(checks: impl IntoIterator<Item = Check>) -> Vec<yuan_pipeline::Finding> {
    checks
        .into_iter()
        .filter(|check| check.threshold != 0.0)
        .map(|check| yuan_pipeline::Finding {
            rule: check.reason,
            value: check.value,
            threshold: check.threshold,
            at_least: check.at_least,
            drops: check.fails(),
        })
        .collect()
}
