//! Thresholds for a language from those of English: the ways that FineWeb-2 compares.
//!
//! Source: the ways named in Penedo et al. 2025, arXiv:2506.20920. Its code is not published, so what each does exactly is
//! ours: read the descriptions, not the paper. Pure functions over sorted samples of one measure. Cost: a few walks over the samples.

use serde::{Deserialize, Serialize};
use yuan_pipeline::Unit;

/// How a threshold is carried over from English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdMethod {
    /// The English one.
    English,
    /// As many standard deviations from the mean as in English.
    MeanStd,
    /// The one that drops the fraction of documents that the English one drops of the English sample.
    Quantile,
    /// The one that drops a tenth of the documents, whatever English does.
    #[default]
    TenTail,
    /// The English one times the ratio of the medians.
    MedianRatio,
}

/// The least that is proposed as the greatest value of a fraction or ratio: below one in a document of a million words.
const SMALLEST: f64 = 1e-6;

/// The English side of a threshold.
#[derive(Clone, Copy, Debug)]
pub struct EnglishThreshold<'s> {
    /// The measure of English documents, in ascending order.
    pub sample: &'s [f64],
    /// The threshold.
    pub threshold: f64,
    /// Whether documents stay whose value is at least (true) or at most (false) the threshold.
    pub at_least: bool,
    /// What kind of number the measure is: a fraction's threshold stays in [0, 1], no other is negative.
    pub unit: Unit,
}

/// The threshold for a language whose documents have the values of `sample`, in ascending order and without NaN.
///
/// A greatest value is never 0, which turns a check off: it is 1 for a count, else a millionth.
///
/// `None` where there is nothing to take it from: no sample, or an English one all of whose values are equal
/// (`MeanStd`) or whose median is 0 (`MedianRatio`).
///
/// # Example
/// ```
/// use yuan_filters::{EnglishThreshold, ThresholdMethod, threshold_for};
/// use yuan_pipeline::Unit;
///
/// let english = EnglishThreshold { sample: &[3.0, 4.0, 5.0], threshold: 3.0, at_least: true, unit: Unit::Ratio };
/// assert_eq!(threshold_for(ThresholdMethod::MedianRatio, english, &[1.0, 2.0, 2.5]), Some(1.5));
/// ```
pub fn threshold_for(method: ThresholdMethod, english: EnglishThreshold<'_>, sample: &[f64]) -> Option<f64> {
    let threshold = match method {
        ThresholdMethod::English => english.threshold,
        ThresholdMethod::MeanStd => {
            let (mean, deviation) = mean_and_deviation(english.sample)?;
            let (own_mean, own_deviation) = mean_and_deviation(sample)?;
            if deviation == 0.0 {
                return None;
            }
            own_mean + (english.threshold - mean) / deviation * own_deviation
        }
        ThresholdMethod::Quantile => {
            let kept_below =
                |value: &f64| if english.at_least { *value < english.threshold } else { *value <= english.threshold };
            let below = english.sample.partition_point(kept_below);
            quantile(sample, below as f64 / non_empty(english.sample)?.len() as f64)?
        }
        ThresholdMethod::TenTail => quantile(sample, if english.at_least { 0.1 } else { 0.9 })?,
        ThresholdMethod::MedianRatio => {
            let median = quantile(english.sample, 0.5)?;
            if median == 0.0 {
                return None;
            }
            english.threshold * quantile(sample, 0.5)? / median
        }
    };
    let (threshold, smallest) = match english.unit {
        Unit::Fraction => (threshold.clamp(0.0, 1.0), SMALLEST),
        Unit::Count => (threshold.max(0.0).round(), 1.0),
        Unit::Ratio => (threshold.max(0.0), SMALLEST),
    };
    // A greatest value of 0 would turn the check off, which is the loosest setting where the strictest is meant.
    Some(if english.at_least { threshold } else { threshold.max(smallest) })
}

/// FineWeb-2's least language score, from the scores of a language's documents in ascending order: the median less one
/// standard deviation, at least 0.3 and at most 0.9. `None` without scores.
pub fn language_score_threshold(scores: &[f64]) -> Option<f64> {
    let (_, deviation) = mean_and_deviation(scores)?;
    Some((quantile(scores, 0.5)? - deviation).clamp(0.3, 0.9))
}

fn non_empty(sample: &[f64]) -> Option<&[f64]> {
    Some(sample).filter(|sample| !sample.is_empty())
}

/// Mean and standard deviation of the sample itself (numpy's `std`).
fn mean_and_deviation(sample: &[f64]) -> Option<(f64, f64)> {
    let count = non_empty(sample)?.len() as f64;
    let mean = sample.iter().sum::<f64>() / count;
    let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance.sqrt()))
}

/// The value below which this fraction of a sample lies, between two values in proportion (numpy's `quantile`).
fn quantile(sample: &[f64], fraction: f64) -> Option<f64> {
    let place = fraction * (non_empty(sample)?.len() - 1) as f64;
    let (below, above) = (sample[place.floor() as usize], sample[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9];
    const OTHER: [f64; 5] = [0.0, 0.1, 0.2, 0.2, 0.7];

    fn of(method: ThresholdMethod, threshold: f64, at_least: bool) -> f64 {
        let english = EnglishThreshold { sample: &ENGLISH, threshold, at_least, unit: Unit::Fraction };
        threshold_for(method, english, &OTHER).expect("samples")
    }

    /// Answers of numpy 2.4.
    #[test]
    fn thresholds_are_those_of_numpy() {
        let is_close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        is_close(of(ThresholdMethod::English, 0.3, true), 0.3);
        is_close(of(ThresholdMethod::MeanStd, 0.3, true), 0.079437924216);
        is_close(of(ThresholdMethod::Quantile, 0.3, true), 0.1);
        is_close(of(ThresholdMethod::Quantile, 0.6, false), 0.2);
        is_close(of(ThresholdMethod::TenTail, 0.3, true), 0.04);
        is_close(of(ThresholdMethod::TenTail, 0.3, false), 0.5);
        is_close(of(ThresholdMethod::MedianRatio, 0.3, true), 0.3 * 0.2 / 0.45);
        is_close(language_score_threshold(&ENGLISH).expect("scores"), 0.3);
        is_close(language_score_threshold(&[0.7, 0.8, 0.9]).expect("scores"), 0.718350341907);
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let english = EnglishThreshold { sample: &[0.0, 0.0], threshold: 0.3, at_least: true, unit: Unit::Ratio };
        for method in [ThresholdMethod::MeanStd, ThresholdMethod::MedianRatio] {
            assert_eq!(threshold_for(method, english, &OTHER), None);
        }
        assert_eq!(threshold_for(ThresholdMethod::TenTail, english, &[]), None);
        assert_eq!(threshold_for(ThresholdMethod::Quantile, EnglishThreshold { sample: &[], ..english }, &OTHER), None);
        assert_eq!(language_score_threshold(&[]), None);
    }

    #[test]
    fn a_greatest_value_is_never_0() {
        for (unit, smallest) in [(Unit::Fraction, 1e-6), (Unit::Ratio, 1e-6), (Unit::Count, 1.0)] {
            let english = EnglishThreshold { sample: &[], threshold: 0.9, at_least: false, unit };
            assert_eq!(threshold_for(ThresholdMethod::TenTail, english, &[0.0; 20]), Some(smallest));
            let least = EnglishThreshold { at_least: true, ..english };
            assert_eq!(threshold_for(ThresholdMethod::TenTail, least, &[0.0; 20]), Some(0.0));
        }
    }

    #[test]
    fn a_fraction_stays_one() {
        let english = EnglishThreshold { sample: &ENGLISH, threshold: 0.9, at_least: false, unit: Unit::Fraction };
        assert_eq!(threshold_for(ThresholdMethod::MedianRatio, english, &[0.9, 0.9, 0.9]), Some(1.0));
    }
}
