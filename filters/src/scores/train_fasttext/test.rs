//! How a classifier does on examples that it has not seen.

use std::collections::BTreeMap;

use yuan_fasttext::{ALL_LABELS, Model, Scratch};

use super::examples::Example;
use crate::scores::card::{GroupTest, LabelTest, ThresholdRow};

/// Languages with fewer tested documents than this have no row of their own.
const MIN_DOCUMENTS: usize = 20;
/// Thresholds in the table: twentieths.
const THRESHOLDS: u32 = 20;

/// What the model said of the tested examples.
pub(super) struct Test<'m> {
    model: &'m Model,
    names: Vec<String>,
    positive: String,
    scratch: Scratch,
    /// By label: tested, given the label, both.
    labels: BTreeMap<String, [u64; 3]>,
    /// By language: score, whether the label is the positive one.
    scores: BTreeMap<String, Vec<(f32, bool)>>,
}

impl<'m> Test<'m> {
    pub fn new(model: &'m Model, positive: &str) -> Self {
        let name = |label| {
            let name = String::from_utf8_lossy(model.dictionary().label(label)).into_owned();
            name.strip_prefix("__label__").map_or(name.clone(), str::to_owned)
        };
        Self {
            model,
            names: (0..model.dictionary().label_count()).map(name).collect(),
            positive: positive.to_owned(),
            scratch: Scratch::new(),
            labels: BTreeMap::new(),
            scores: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, example: &Example) -> yuan_fasttext::Result<()> {
        let predictions = self.model.predict(&mut self.scratch, &example.text, ALL_LABELS, 0.0)?;
        let given = predictions.first().map(|best| &self.names[best.label as usize]);
        let score = predictions.iter().find(|one| self.names[one.label as usize] == self.positive);
        let score = score.map_or(0.0, |one| one.probability);
        let is_positive = example.label == self.positive;
        let of_label = self.labels.entry(example.label.clone()).or_default();
        of_label[0] += 1;
        of_label[2] += u64::from(given == Some(&example.label));
        if let Some(given) = given {
            self.labels.entry(given.clone()).or_default()[1] += 1;
        }
        self.scores.entry(example.language.clone()).or_default().push((score, is_positive));
        Ok(())
    }

    /// Precision and recall of each label; `counts` has how many were learnt and tested.
    pub fn labels(&self, counts: &BTreeMap<String, (u64, u64)>) -> Vec<LabelTest> {
        let of_label = |(label, (learnt, tested)): (&String, &(u64, u64))| {
            let [_, given, right] = self.labels.get(label).copied().unwrap_or_default();
            let (precision, recall) = (ratio(right, given), ratio(right, *tested));
            let f1 = precision.zip(recall).filter(|(p, r)| p + r > 0.0).map(|(p, r)| 2.0 * p * r / (p + r));
            LabelTest { label: label.clone(), learnt: *learnt, tested: *tested, precision, recall, f1 }
        };
        counts.iter().map(of_label).collect()
    }

    /// The test of the score: on all documents, then on each language's.
    pub fn groups(&self) -> Vec<GroupTest> {
        let all: Vec<(f32, bool)> = self.scores.values().flatten().copied().collect();
        if all.is_empty() {
            return Vec::new();
        }
        let languages =
            self.scores.iter().filter(|(_, scores)| scores.len() >= MIN_DOCUMENTS && scores.len() < all.len());
        let languages: Vec<GroupTest> = languages.map(|(name, scores)| group(name, scores)).collect();
        let mut groups = vec![group("all", &all)];
        groups.extend(languages);
        groups
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn group(language: &str, scores: &[(f32, bool)]) -> GroupTest {
    let positives = scores.iter().filter(|(_, positive)| *positive).count() as u64;
    GroupTest {
        language: language.to_owned(),
        documents: scores.len() as u64,
        positives,
        auc: area_under_curve(scores),
        at_half: Some(row(scores, 0.5)),
        thresholds: (1..THRESHOLDS).map(|step| row(scores, f64::from(step) / f64::from(THRESHOLDS))).collect(),
    }
}

fn row(scores: &[(f32, bool)], threshold: f64) -> ThresholdRow {
    let kept = || scores.iter().filter(|(score, _)| f64::from(*score) >= threshold);
    let right = kept().filter(|(_, positive)| *positive).count() as u64;
    let (kept, positives) = (kept().count() as u64, scores.iter().filter(|(_, positive)| *positive).count() as u64);
    ThresholdRow {
        threshold,
        kept: kept as f64 / scores.len() as f64,
        precision: ratio(right, kept),
        recall: ratio(right, positives),
    }
}

/// The probability that a positive document scores above another one, ties counting half; by ranks (Mann-Whitney).
fn area_under_curve(scores: &[(f32, bool)]) -> Option<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut below, mut sum) = (0_u64, 0.0);
    for tied in sorted.chunk_by(|one, other| one.0 == other.0) {
        let positives = tied.iter().filter(|(_, positive)| *positive).count() as u64;
        let negatives = tied.len() as u64 - positives;
        sum += positives as f64 * (below as f64 + negatives as f64 / 2.0);
        below += negatives;
    }
    let positives = scores.len() as u64 - below;
    (positives > 0 && below > 0).then(|| sum / (positives as f64 * below as f64))
}
