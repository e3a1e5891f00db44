//! Scores of two kinds of examples: how well they are parted, and where to cut.

use std::collections::BTreeMap;

use super::ratio;

/// Examples with a score, each positive or not, sorted by falling score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoredExamples {
    /// Falling.
    sorted: Vec<(f32, bool)>,
    positives: u64,
}

/// What cutting at a threshold does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdRow {
    /// Examples with this score and higher ones are kept.
    pub threshold: f32,
    /// Examples kept.
    pub kept: u64,
    /// Examples kept, as a part of all; in [0, 1].
    pub kept_fraction: f64,
    /// The part of the kept examples that is positive; `None` if none is kept.
    pub precision: Option<f64>,
    /// The part of the positive examples that is kept; `None` if none is positive.
    pub recall: Option<f64>,
}

impl ScoredExamples {
    /// From scores and whether each example is positive. Scores that are NaN stand below all others. O(n log n).
    pub fn new(examples: impl IntoIterator<Item = (f32, bool)>) -> Self {
        let with_floor =
            |(score, positive): (f32, bool)| (if score.is_nan() { f32::NEG_INFINITY } else { score }, positive);
        let mut sorted: Vec<(f32, bool)> = examples.into_iter().map(with_floor).collect();
        sorted.sort_by(|left, right| right.0.total_cmp(&left.0));
        let positives = sorted.iter().filter(|(_, positive)| *positive).count() as u64;
        ScoredExamples { sorted, positives }
    }

    /// One for each group, such as a language, by its name.
    pub fn by_group<G: Ord>(examples: impl IntoIterator<Item = (G, f32, bool)>) -> BTreeMap<G, ScoredExamples> {
        let mut groups: BTreeMap<G, Vec<(f32, bool)>> = BTreeMap::new();
        for (group, score, positive) in examples {
            groups.entry(group).or_default().push((score, positive));
        }
        groups.into_iter().map(|(group, examples)| (group, ScoredExamples::new(examples))).collect()
    }

    /// Examples.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Positive examples.
    pub fn positives(&self) -> u64 {
        self.positives
    }

    /// The area under the ROC curve: how probable it is that a positive example scores higher than another, equal scores counting half.
    /// `None` without positive or without other examples. O(n).
    pub fn area_under_curve(&self) -> Option<f64> {
        let negatives = self.sorted.len() as u64 - self.positives;
        if self.positives == 0 || negatives == 0 {
            return None;
        }
        let mut above = 0_u64;
        let mut doubled_wins = 0_u128;
        for tie in self.sorted.chunk_by(|left, right| left.0 == right.0) {
            let tied_positives = tie.iter().filter(|(_, positive)| *positive).count() as u64;
            let tied_negatives = tie.len() as u64 - tied_positives;
            doubled_wins += u128::from(tied_negatives) * (2 * u128::from(above) + u128::from(tied_positives));
            above += tied_positives;
        }
        Some(doubled_wins as f64 / 2.0 / (self.positives as f64 * negatives as f64))
    }

    /// What cutting at each of these thresholds does. O((n + m) log n).
    pub fn threshold_table(&self, thresholds: impl IntoIterator<Item = f32>) -> Vec<ThresholdRow> {
        let mut positives = Vec::with_capacity(self.sorted.len() + 1);
        positives.push(0);
        let mut sum = 0_u64;
        positives.extend(self.sorted.iter().map(|(_, positive)| {
            sum += u64::from(*positive);
            sum
        }));
        let row = |threshold: f32| {
            let kept = self.sorted.partition_point(|(score, _)| *score >= threshold);
            ThresholdRow {
                threshold,
                kept: kept as u64,
                kept_fraction: ratio(kept as u64, self.sorted.len() as u64).unwrap_or(0.0),
                precision: ratio(positives[kept], kept as u64),
                recall: ratio(positives[kept], self.positives),
            }
        };
        thresholds.into_iter().map(row).collect()
    }

    /// The threshold that keeps this fraction of the examples, in [0, 1], or the least more where scores are equal. `None` without
    /// examples or for a fraction that keeps none.
    pub fn threshold_keeping(&self, fraction: f64) -> Option<f32> {
        let kept = (self.sorted.len() as f64 * fraction.clamp(0.0, 1.0)).ceil() as usize;
        Some(self.sorted.get(kept.checked_sub(1)?)?.0)
    }
}
