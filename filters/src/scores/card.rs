//! What is told of a classifier: how it was made, and how it did on documents it had not seen.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};

use super::prepare::{Spelling, Tokens};

/// A classifier's card: a JSON file beside the model, of its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassifierCard {
    /// The model's file.
    pub model: PathBuf,
    /// How texts are spelt.
    pub spelling: Spelling,
    /// What their tokens are.
    pub tokens: Tokens,
    /// The label whose probability is the score.
    pub positive_label: String,
    /// The labels with how many documents were learnt from and tested on.
    pub labels: Vec<LabelTest>,
    /// Documents learnt from, and their bytes.
    pub documents: u64,
    /// Bytes of text learnt from.
    pub bytes: u64,
    /// The test: all documents first, then each language that has some.
    pub test: Vec<GroupTest>,
}

/// How a label did in the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelTest {
    /// The label.
    pub label: String,
    /// Documents learnt from.
    pub learnt: u64,
    /// Documents tested on.
    pub tested: u64,
    /// Of documents given the label, the part that has it; null if none was given it.
    pub precision: Option<f64>,
    /// Of documents that have the label, the part that was given it; null if none has it.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
}

/// How the score did on a language's documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupTest {
    /// The language; `all` for all documents.
    pub language: String,
    /// Documents tested on.
    pub documents: u64,
    /// Of them with the positive label.
    pub positives: u64,
    /// Area under the receiver operating characteristic; null where all have one label.
    pub auc: Option<f64>,
    /// Where the score of 0.5 draws the line: precision, recall, F1 of the positive label.
    pub at_half: Option<ThresholdRow>,
    /// What thresholds keep.
    pub thresholds: Vec<ThresholdRow>,
}

/// What a threshold keeps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRow {
    /// Documents with at least this score are kept.
    pub threshold: f64,
    /// The part of all documents that is kept.
    pub kept: f64,
    /// Of those kept, the part with the positive label; null if none is kept.
    pub precision: Option<f64>,
    /// Of those with the positive label, the part that is kept; null if there is none.
    pub recall: Option<f64>,
}

impl ClassifierCard {
    /// Where the card of a model lies.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("json")
    }

    /// The card beside a model, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn beside(model: &Path) -> Result<Option<Self>> {
        let path = Self::path(model);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        // Somebody else's file may have the name.
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return Ok(None) };
        if value.get("positive_label").is_none() {
            return Ok(None);
        }
        serde_json::from_value(value).map(Some).map_err(|error| Error::Input { path, problem: error.to_string() })
    }
}
