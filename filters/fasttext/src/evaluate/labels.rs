//! Precision, recall and F1 of labels.

use super::ratio;

/// How often a label was right, given, and wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given and wanted.
    pub correct: u64,
    /// Given.
    pub predicted: u64,
    /// Wanted.
    pub actual: u64,
}

impl Counts {
    /// The part of the given labels that is right; `None` if none was given.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.correct, self.predicted)
    }

    /// The part of the wanted labels that was given; `None` if none was wanted.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.correct, self.actual)
    }

    /// The harmonic mean of precision and recall; `None` if no label was given or wanted.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.correct, self.predicted + self.actual)
    }

    fn add(&mut self, other: Counts) {
        self.correct += other.correct;
        self.predicted += other.predicted;
        self.actual += other.actual;
    }
}

/// What examples say of the labels a model gives: overall, as `fasttext test` counts, and for each label, as `test-label` does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelReport {
    /// Examples that count: those with a label.
    pub examples: u64,
    /// Examples whose first label given is one of those wanted.
    pub first_correct: u64,
    /// Over all labels of all examples: its precision and recall are those at k, if k labels are given to each example.
    pub overall: Counts,
    /// For each label by its number.
    pub labels: Vec<Counts>,
}

impl LabelReport {
    /// A report without examples.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an example: the labels it has, and those it was given, best first. One without labels counts for nothing, as in fastText.
    pub fn add(&mut self, actual: &[usize], predicted: &[usize]) {
        if actual.is_empty() {
            return;
        }
        let needed = actual.iter().chain(predicted).max().map_or(0, |label| label + 1);
        if self.labels.len() < needed {
            self.labels.resize(needed, Counts::default());
        }
        self.examples += 1;
        self.first_correct += u64::from(predicted.first().is_some_and(|first| actual.contains(first)));
        for &label in actual {
            self.labels[label].actual += 1;
            self.overall.actual += 1;
        }
        for &label in predicted {
            let correct = u64::from(actual.contains(&label));
            self.labels[label].add(Counts { correct, predicted: 1, actual: 0 });
            self.overall.add(Counts { correct, predicted: 1, actual: 0 });
        }
    }

    /// The report of these examples and those of `other`.
    pub fn merge(&mut self, other: &LabelReport) {
        self.examples += other.examples;
        self.first_correct += other.first_correct;
        self.overall.add(other.overall);
        if self.labels.len() < other.labels.len() {
            self.labels.resize(other.labels.len(), Counts::default());
        }
        for (counts, others) in self.labels.iter_mut().zip(&other.labels) {
            counts.add(*others);
        }
    }

    /// The part of the examples whose first label is right.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.first_correct, self.examples)
    }

    /// The mean F1 of all labels that were given or wanted, each weighing the same.
    pub fn macro_f1(&self) -> Option<f64> {
        let scores: Vec<f64> = self.labels.iter().filter_map(Counts::f1).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}
