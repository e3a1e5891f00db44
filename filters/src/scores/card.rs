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

impl ClassifierCard {
    /// What the test found, as lines for people.
    pub fn table(&self) -> String {
        let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
        let mut rows = vec![["label", "learnt", "tested", "precision", "recall", "F1"].map(str::to_owned).to_vec()];
        rows.extend(self.labels.iter().map(|label| {
            let counts = [label.learnt.to_string(), label.tested.to_string()];
            let shares = [label.precision, label.recall, label.f1].map(share);
            [vec![label.label.clone()], counts.to_vec(), shares.to_vec()].concat()
        }));
        let mut text = aligned(&rows);
        if self.test.is_empty() {
            text += "\nnothing was held out for a test\n";
            return text;
        }
        let positive = &self.positive_label;
        text += &format!("\nThe score is the probability of `{positive}`; precision and recall of it at 0.5.\n\n");
        let head = ["language", "documents", positive.as_str(), "AUC", "precision", "recall"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.test.iter().map(|group| {
            let half = group.at_half;
            let shares =
                [group.auc, half.and_then(|half| half.precision), half.and_then(|half| half.recall)].map(share);
            let counts = [group.documents.to_string(), group.positives.to_string()];
            [vec![group.language.clone()], counts.to_vec(), shares.to_vec()].concat()
        }));
        text += &aligned(&rows);
        for group in self.test.iter().filter(|group| !group.thresholds.is_empty()) {
            text += &format!(
                "\nThresholds, {}: what is kept, how much of it is `{positive}`, how much of `{positive}` is kept.\n\n",
                group.language
            );
            let mut rows = vec![["min_score", "kept", "precision", "recall"].map(str::to_owned).to_vec()];
            rows.extend(group.thresholds.iter().map(|row| {
                let kept = format!("{:.4}", row.kept);
                vec![format!("{:.2}", row.threshold), kept, share(row.precision), share(row.recall)]
            }));
            text += &aligned(&rows);
        }
        text
    }
}

/// Rows of cells, the first column to the left, the others to the right, each as wide as its widest cell.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            text += &if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> ClassifierCard {
        let row = |threshold, kept| ThresholdRow { threshold, kept, precision: Some(0.875), recall: Some(0.5) };
        let group = |language: &str, thresholds| GroupTest {
            language: language.into(),
            documents: 100,
            positives: 40,
            auc: Some(0.95),
            at_half: Some(row(0.5, 0.3)),
            thresholds,
        };
        ClassifierCard {
            model: "quality.bin".into(),
            spelling: Spelling::LowerCase,
            tokens: Tokens::Words,
            positive_label: "good".into(),
            labels: vec![LabelTest {
                label: "好".into(),
                learnt: 900,
                tested: 100,
                precision: None,
                recall: Some(1.0),
                f1: None,
            }],
            documents: 900,
            bytes: 12345,
            test: vec![group("all", vec![row(0.1, 0.75)]), group("zh-Hans", Vec::new())],
        }
    }

    #[test]
    fn tables_are_aligned() {
        let table = card().table();
        assert!(
            table.starts_with(
                "label  learnt  tested  precision  recall  F1\n好         900     100          –  1.0000   –\n"
            ),
            "{table}"
        );
        assert!(table.contains("\nzh-Hans         100    40  0.9500     0.8750  0.5000\n"), "{table}");
        assert!(
            table.ends_with("\nmin_score    kept  precision  recall\n0.10       0.7500     0.8750  0.5000\n"),
            "{table}"
        );
    }

    #[test]
    fn a_card_lies_beside_its_model_and_other_files_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("quality.bin");
        assert_eq!(ClassifierCard::beside(&model).expect("no card"), None);
        let path = folder.path().join("quality.json");
        std::fs::write(&path, b"[1, 2]").expect("written");
        assert_eq!(ClassifierCard::beside(&model).expect("not ours"), None);
        std::fs::write(&path, serde_json::to_vec(&card()).expect("JSON")).expect("written");
        assert_eq!(ClassifierCard::beside(&folder.path().join("quality.ftz")).expect("read"), Some(card()));
        std::fs::write(&path, br#"{"positive_label": 3}"#).expect("written");
        assert!(ClassifierCard::beside(&model).is_err());
    }
}
