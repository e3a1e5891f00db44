//! How a classifier does on examples that it has not seen.

use std::collections::BTreeMap;

use yuan_fasttext::evaluate::{LabelReport, ScoredExamples, ThresholdRow as Row};
use yuan_fasttext::{ALL_LABELS, Model, Scratch};

use super::examples::Example;
use crate::scores::card::{GroupTest, LabelTest, ThresholdRow};

/// Languages with fewer tested documents than this have no row of their own.
const MIN_DOCUMENTS: usize = 20;
/// Thresholds in the table: twentieths.
const THRESHOLDS: u8 = 20;

/// What the model said of the tested examples.
pub(super) struct Test<'m> {
    model: &'m Model,
    names: Vec<String>,
    positive: String,
    scratch: Scratch,
    report: LabelReport,
    /// Language, score, whether the label is the positive one.
    scores: Vec<(String, f32, bool)>,
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
            report: LabelReport::new(),
            scores: Vec::new(),
        }
    }

    pub fn add(&mut self, example: &Example) -> yuan_fasttext::Result<()> {
        let predictions = self.model.predict(&mut self.scratch, &example.text, ALL_LABELS, 0.0)?;
        let given: Vec<usize> = predictions.first().map(|best| best.label as usize).into_iter().collect();
        let actual: Vec<usize> = self.names.iter().position(|name| *name == example.label).into_iter().collect();
        let score = predictions.iter().find(|one| self.names[one.label as usize] == self.positive);
        let score = score.map_or(0.0, |one| one.probability.min(1.0));
        self.scores.push((example.language.clone(), score, example.label == self.positive));
        self.report.add(&actual, &given);
        Ok(())
    }

    /// Precision and recall of each label; `counts` has how many were learnt and tested.
    pub fn labels(&self, counts: &BTreeMap<String, (u64, u64)>) -> Vec<LabelTest> {
        let of_label = |(label, (learnt, tested)): (&String, &(u64, u64))| {
            let place = self.names.iter().position(|name| name == label);
            let found = place.and_then(|place| self.report.labels.get(place)).copied().unwrap_or_default();
            let (precision, recall, f1) = (found.precision(), found.recall(), found.f1());
            LabelTest { label: label.clone(), learnt: *learnt, tested: *tested, precision, recall, f1 }
        };
        counts.iter().map(of_label).collect()
    }

    /// The test of the score: on all documents, then on each language's.
    pub fn groups(&self) -> Vec<GroupTest> {
        let scores = || self.scores.iter().map(|(language, score, positive)| (language, *score, *positive));
        let all = ScoredExamples::new(scores().map(|(_, score, positive)| (score, positive)));
        if all.is_empty() {
            return Vec::new();
        }
        let mut groups = vec![group("all", &all)];
        let of_languages = ScoredExamples::by_group(scores());
        let shown = of_languages.iter().filter(|(_, found)| found.len() >= MIN_DOCUMENTS && found.len() < all.len());
        groups.extend(shown.map(|(language, found)| group(language, found)));
        groups
    }
}

fn group(language: &str, scores: &ScoredExamples) -> GroupTest {
    let row = |row: Row| ThresholdRow {
        // A twentieth as people write it.
        threshold: (f64::from(row.threshold) * 1e4).round() / 1e4,
        kept: row.kept_fraction,
        precision: row.precision,
        recall: row.recall,
    };
    let thresholds = (1..THRESHOLDS).map(|step| f32::from(step) / f32::from(THRESHOLDS));
    GroupTest {
        language: language.to_owned(),
        documents: scores.len() as u64,
        positives: scores.positives(),
        auc: scores.area_under_curve(),
        at_half: scores.threshold_table([0.5]).into_iter().next().map(row),
        thresholds: scores.threshold_table(thresholds).into_iter().map(row).collect(),
    }
}
