//! The numbers of evaluations are scikit-learn's.

#![allow(clippy::unwrap_used)]

mod train_support;

use train_support::fixture;
use yuan_fasttext::evaluate::{Counts, LabelReport, ScoredExamples};

fn rows(kind: &str) -> Vec<Vec<String>> {
    let table = String::from_utf8(fixture("evaluation.tsv")).unwrap();
    let rows = table.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|row| row[0] == kind).map(|row| row[1..].to_vec()).collect()
}

fn number(field: &str) -> f64 {
    field.parse().unwrap()
}

fn near(found: Option<f64>, expected: &str) {
    let (found, expected) = (found.unwrap_or(0.0), number(expected));
    assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
}

fn labels(field: &str) -> Vec<usize> {
    field.split(',').map(|label| label.parse().unwrap()).collect()
}

#[test]
fn precision_recall_and_f1_of_labels() {
    let examples = rows("example");
    let mut report = LabelReport::new();
    let mut halves = [LabelReport::new(), LabelReport::new()];
    for (index, row) in examples.iter().enumerate() {
        report.add(&labels(&row[0]), &labels(&row[1]));
        halves[index % 2].add(&labels(&row[0]), &labels(&row[1]));
    }
    report.add(&[], &[1]);
    let [mut merged, other] = halves;
    merged.merge(&other);
    assert_eq!(merged, report);
    assert_eq!(report.examples, 400);
    let micro = &rows("micro")[0];
    near(report.overall.precision(), &micro[0]);
    near(report.overall.recall(), &micro[1]);
    near(report.overall.f1(), &micro[2]);
    near(report.macro_f1(), &rows("macro")[0][2]);
    let expected = rows("label");
    assert_eq!(expected.len(), report.labels.len());
    for (row, counts) in expected.iter().zip(&report.labels) {
        near(counts.precision(), &row[1]);
        near(counts.recall(), &row[2]);
        near(counts.f1(), &row[3]);
    }
    assert_eq!(Counts::default().precision(), None);
    assert_eq!(LabelReport::new().accuracy(), None);
    let first = examples.iter().filter(|row| labels(&row[0]).contains(&labels(&row[1])[0])).count();
    assert_eq!(report.accuracy(), Some(first as f64 / 400.0));
}

#[test]
fn area_under_the_curve_and_thresholds() {
    let scores = rows("score");
    let examples = scores.iter().map(|row| (row[0].as_str(), number(&row[1]) as f32, row[2] == "1"));
    let mut groups = ScoredExamples::by_group(examples.clone());
    groups.insert("all", ScoredExamples::new(examples.map(|(_, score, positive)| (score, positive))));
    let areas = rows("auc");
    assert_eq!(areas.len(), 3);
    for row in areas {
        near(groups[row[0].as_str()].area_under_curve(), &row[1]);
    }
    let thresholds = rows("threshold");
    assert_eq!(thresholds.len(), 18);
    for row in thresholds {
        let found = groups[row[0].as_str()].threshold_table([number(&row[1]) as f32])[0];
        assert_eq!(found.kept, row[2].parse::<u64>().unwrap());
        near(Some(found.kept_fraction), &row[3]);
        near(found.precision, &row[4]);
        near(found.recall, &row[5]);
    }
}

#[test]
fn edges_of_scores() {
    let none = ScoredExamples::new([]);
    assert_eq!((none.area_under_curve(), none.threshold_keeping(0.5)), (None, None));
    assert_eq!(none.threshold_table([0.5])[0].precision, None);
    assert_eq!(ScoredExamples::new([(0.5, true), (0.1, true)]).area_under_curve(), None);
    let examples = ScoredExamples::new([(0.9, true), (f32::NAN, false), (0.4, false), (0.4, true), (0.1, false)]);
    assert_eq!(examples.threshold_keeping(0.2), Some(0.9));
    assert_eq!(examples.threshold_keeping(0.5), Some(0.4));
    assert_eq!(examples.threshold_keeping(0.0), None);
    assert_eq!(examples.threshold_table([0.4])[0].kept, 3);
    assert_eq!(examples.area_under_curve(), Some((3.0 + 2.5) / 6.0));
}
