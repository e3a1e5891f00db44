//! Stages that measure first and compare second, so that thresholds can be tuned without the text.

use arrow_schema::DataType;
use serde_json::Value;

use crate::stage::{Columns, Finding, Stage, Verdict};
use crate::{Batch, Document, Result};

/// A stage that judges a document by comparing what it measures with thresholds.
///
/// Whoever implements it is a [`Stage`]: the engine calls [`measure`](Self::measure) once for each document,
/// takes the first of [`checks`](Self::checks) that fails as the verdict, and stores the values if the run
/// keeps its measures, so that `retune` can compare them with other thresholds later.
pub trait Rules: Send + Sync {
    /// What is looked up once for a language and used for all its documents: thresholds, word lists.
    type Prepared;

    /// What is measured, in the order of the values.
    const MEASURES: &'static [Measured];

    /// Whether [`measure`](Self::measure) may return a new text.
    const REWRITES: bool = false;

    /// Columns read and added, as [`Stage::columns`].
    fn columns(&self) -> Columns {
        Columns::default()
    }

    /// The language whose thresholds hold for a document.
    fn language<'a>(&self, document: &Document<'a>) -> &'a str;

    /// Looks up what one language needs.
    fn prepare(&self, language: &str) -> Self::Prepared;

    /// The comparisons that are on, in the order they are made.
    fn checks<'p>(&self, prepared: &'p Self::Prepared) -> &'p [Check];

    /// Fills in the value of each measure, in the order of [`MEASURES`](Self::MEASURES): they come as NaN,
    /// and one that stays NaN is in no check's way. Returns a new text if the stage rewrites it.
    fn measure(&self, prepared: &Self::Prepared, document: &Document<'_>, values: &mut [f64]) -> Option<String>;

    /// Measures some documents at once, where one after the other would be slow: the values of each, in the order of
    /// [`MEASURES`](Self::MEASURES). By default there is nothing of that kind, and [`measure`](Self::measure) is called
    /// for each.
    ///
    /// # Errors
    /// For what makes going on pointless: a device that fails.
    fn measure_together(&self, documents: &[Document<'_>]) -> Result<Option<Vec<f64>>> {
        let _ = documents;
        Ok(None)
    }

    /// See [`Stage::batch_bytes`].
    fn batch_bytes(&self) -> Option<u64> {
        None
    }

    /// Measures that become columns of the documents: the measure's place in [`MEASURES`](Self::MEASURES), the
    /// column's name. They are 32-bit floats, null where nothing was measured. None by default.
    fn score_columns(&self) -> Vec<(usize, String)> {
        Vec::new()
    }

    /// Columns of numbers that say which documents are measured: one that no document has is probably misspelt, and the
    /// summary tells. None by default.
    fn names_looked_up(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether a run in which the rules drop no document at all is worth a warning: not of those that only measure.
    fn is_expected_to_drop(&self) -> bool {
        true
    }

    /// Settings named like thresholds (`min_…`, `max_…`) that shape what is measured or written all the same:
    /// changing one takes another run.
    fn shaping_settings(&self) -> &'static [&'static str] {
        &[]
    }
}

/// One measured value of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Its name; its column is `STEP.NAME`.
    pub name: &'static str,
    /// What kind of number it is.
    pub unit: Unit,
    /// What it says, in one sentence.
    pub about: &'static str,
}

/// What kind of number a measure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A whole number, at least 0.
    Count,
    /// A part of a whole, in [0, 1].
    Fraction,
    /// Any other number.
    Ratio,
}

impl Measured {
    /// A whole number.
    pub const fn count(name: &'static str, about: &'static str) -> Self {
        Self { name, unit: Unit::Count, about }
    }

    /// A part of a whole, in [0, 1].
    pub const fn fraction(name: &'static str, about: &'static str) -> Self {
        Self { name, unit: Unit::Fraction, about }
    }

    /// Any other number.
    pub const fn ratio(name: &'static str, about: &'static str) -> Self {
        Self { name, unit: Unit::Ratio, about }
    }
}

/// One comparison of a measure with a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// The reason a document gets when the check fails.
    pub reason: &'static str,
    /// The measure, by its place in [`Rules::MEASURES`].
    pub measure: usize,
    /// Whether the document stays if the value is at least (true) or at most (false) the threshold.
    pub at_least: bool,
    /// The threshold.
    pub threshold: f64,
}

impl Check {
    /// The document stays if the measure is at least the threshold.
    pub const fn at_least(reason: &'static str, measure: usize, threshold: f64) -> Self {
        Self { reason, measure, at_least: true, threshold }
    }

    /// The document stays if the measure is at most the threshold.
    pub const fn at_most(reason: &'static str, measure: usize, threshold: f64) -> Self {
        Self { reason, measure, at_least: false, threshold }
    }

    /// Whether the check drops a document with these values. What was not measured (NaN) drops nothing.
    pub fn fails(&self, values: &[f64]) -> bool {
        self.fails_at(values[self.measure])
    }

    /// Whether the check drops a document whose measure has this value.
    pub fn fails_at(&self, value: f64) -> bool {
        if self.at_least { value < self.threshold } else { value > self.threshold }
    }

    /// The check beside the value, for `explain`; `None` if there is no value.
    fn finding(&self, values: &[f64]) -> Option<Finding> {
        let value = values[self.measure];
        (!value.is_nan()).then(|| Finding {
            rule: self.reason,
            value,
            threshold: self.threshold,
            at_least: self.at_least,
            drops: self.fails(values),
        })
    }
}

/// The first check that fails decides.
pub fn judge(checks: &[Check], values: &[f64]) -> Verdict {
    match checks.iter().find(|check| check.fails(values)) {
        Some(check) => Verdict::drop(check.reason, values[check.measure], check.threshold),
        None => Verdict::Keep,
    }
}

/// A stage's rules as `retune` needs them: what was measured, and what it is compared with.
pub trait Tunable {
    /// What the stage measures.
    fn measures(&self) -> &'static [Measured];

    /// The checks that documents of a language are held to.
    fn checks_of(&self, language: &str) -> Vec<Check>;

    /// Whether the stage rewrites texts as well, or adds columns.
    fn changes_documents(&self) -> bool;

    /// See [`Rules::shaping_settings`].
    fn shaping_settings(&self) -> &'static [&'static str];
}

impl<R: Rules> Tunable for R {
    fn measures(&self) -> &'static [Measured] {
        R::MEASURES
    }

    fn checks_of(&self, language: &str) -> Vec<Check> {
        self.checks(&self.prepare(language)).to_vec()
    }

    fn changes_documents(&self) -> bool {
        R::REWRITES || !self.score_columns().is_empty()
    }

    fn shaping_settings(&self) -> &'static [&'static str] {
        Rules::shaping_settings(self)
    }
}

impl<R: Rules> Stage for R {
    fn columns(&self) -> Columns {
        let scores = self.score_columns().into_iter();
        scores.fold(Rules::columns(self), |columns, (_, name)| columns.adding(name, DataType::Float32))
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        batch.apply_rules(self)
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let prepared = self.prepare(self.language(document));
        let mut values = vec![f64::NAN; R::MEASURES.len()];
        self.measure(&prepared, document, &mut values);
        self.checks(&prepared).iter().filter_map(|check| check.finding(&values)).collect()
    }

    fn tunable(&self) -> Option<&dyn Tunable> {
        Some(self)
    }

    fn is_expected_to_drop(&self) -> bool {
        Rules::is_expected_to_drop(self)
    }

    fn batch_bytes(&self) -> Option<u64> {
        Rules::batch_bytes(self)
    }
}

/// The settings that differ between two configurations of a stage but are no thresholds: what was measured
/// with the one says nothing about the other.
///
/// Thresholds are named `min_…` and `max_…`, also those of one language in `languages`.
pub fn reshaped(old: &Value, new: &Value, shaping: &[&str]) -> Vec<String> {
    let is_threshold = |name: &str| (name.starts_with("min_") || name.starts_with("max_")) && !shaping.contains(&name);
    let mut found = Vec::new();
    compare("", old, new, &is_threshold, &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, is_threshold: &dyn Fn(&str) -> bool, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    // A language that one side does not speak of has nothing of its own there.
    let empty = Value::Object(serde_json::Map::new());
    let or_empty = |value: &'_ Value| if value.is_null() { empty.clone() } else { value.clone() };
    let (Value::Object(old), Value::Object(new)) = (or_empty(old), or_empty(new)) else {
        found.push(path.to_owned());
        return;
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (one, other) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if one == other || is_threshold(name) {
            continue;
        }
        if one.is_object() || other.is_object() {
            compare(&below, one, other, is_threshold, found);
        } else {
            found.push(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Length {
        min_chars: f64,
    }

    impl Rules for Length {
        type Prepared = Vec<Check>;
        const MEASURES: &'static [Measured] =
            &[Measured::count("chars", "Characters."), Measured::ratio("absent", "Never measured.")];
        const REWRITES: bool = true;

        fn language<'a>(&self, _: &Document<'a>) -> &'a str {
            "und"
        }

        fn prepare(&self, _: &str) -> Vec<Check> {
            vec![Check::at_least("nothing", 1, 1.0), Check::at_least("too_short", 0, self.min_chars)]
        }

        fn checks<'p>(&self, prepared: &'p Vec<Check>) -> &'p [Check] {
            prepared
        }

        fn measure(&self, _: &Vec<Check>, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
            values[0] = document.text().chars().count() as f64;
            document.text().contains('x').then(|| document.text().replace('x', ""))
        }
    }

    #[test]
    fn rules_are_a_stage_that_marks_rewrites_and_explains() {
        let rules = Length { min_chars: 4.0 };
        let batch = rules.process(Batch::of_texts(&["short", "你好", "long x"])).expect("judged");
        assert_eq!(batch.reason(0), None);
        assert_eq!(batch.reason(1).map(|reason| reason.code), Some("too_short"));
        assert_eq!(batch.document(2).text(), "long ");
        let findings = rules.explain(&batch.document(1));
        assert_eq!(findings.len(), 1, "what was not measured is not told");
        assert_eq!((findings[0].rule, findings[0].value, findings[0].drops), ("too_short", 2.0, true));
    }

    /// What is measured of a document depends on its company, so that a test can see it.
    struct Together;

    impl Rules for Together {
        type Prepared = Vec<Check>;
        const MEASURES: &'static [Measured] = &[Measured::count("company", "Documents measured at once.")];

        fn language<'a>(&self, _: &Document<'a>) -> &'a str {
            "und"
        }

        fn prepare(&self, _: &str) -> Vec<Check> {
            vec![Check::at_least("alone", 0, 2.0)]
        }

        fn checks<'p>(&self, prepared: &'p Vec<Check>) -> &'p [Check] {
            prepared
        }

        fn measure(&self, _: &Vec<Check>, _: &Document<'_>, values: &mut [f64]) -> Option<String> {
            values[0] = 1.0;
            None
        }

        fn measure_together(&self, documents: &[Document<'_>]) -> Result<Option<Vec<f64>>> {
            Ok(Some(vec![documents.len() as f64; documents.len()]))
        }

        fn score_columns(&self) -> Vec<(usize, String)> {
            vec![(0, "company".into())]
        }
    }

    #[test]
    fn documents_are_measured_together_but_for_those_that_are_gone() {
        let batch = Length { min_chars: 2.0 }.process(Batch::of_texts(&["one", "a", "three"])).expect("judged");
        let batch = Together.process(batch).expect("judged");
        assert_eq!(batch.reason(1).map(|reason| reason.code), Some("too_short"));
        assert_eq!([0, 1, 2].map(|row| batch.document(row).f64("company")), [Some(2.0), None, Some(2.0)]);
        let alone = Together.process(Batch::of_texts(&["one"])).expect("judged");
        assert_eq!(alone.reason(0).map(|reason| reason.code), Some("alone"));
        assert_eq!(Together.explain(&alone.document(0))[0].value, 1.0);
    }

    #[test]
    fn parts_of_a_batch_have_so_many_bytes_or_one_document() {
        let batch = Batch::of_texts(&["four", "", "fo", "much more than that", "x", "y"]);
        let cuts = batch.cut(6);
        assert_eq!(cuts, [0..3, 3..4, 4..6]);
        let texts: Vec<String> = cuts
            .into_iter()
            .flat_map(|rows| {
                let part = batch.part(rows).expect("rows that are there");
                part.documents().map(|document| document.text().to_owned()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(texts, ["four", "", "fo", "much more than that", "x", "y"]);
    }

    #[test]
    fn a_recording_batch_measures_dropped_documents_too() {
        let batch = Batch::of_texts(&["a", "abcdef x"]).recording();
        let batch = Length { min_chars: 4.0 }.process(batch).expect("judged");
        let batch = Length { min_chars: 9.0 }.process(batch).expect("judged");
        let reasons: Vec<_> = (0..2).map(|row| batch.mark(row).map(|mark| mark.reason.code)).collect();
        assert_eq!(reasons, [Some("too_short"), Some("too_short")]);
        let measured: Vec<f64> = batch.measured().iter().flat_map(|stage| [stage.values[0], stage.values[2]]).collect();
        assert_eq!(measured, [1.0, 8.0, 1.0, 7.0], "the second stage saw the rewritten text");
    }

    #[test]
    fn only_thresholds_may_change() {
        let old = json!({ "min_words": 50, "profile": "a", "languages": {} });
        let new = json!({ "min_words": 30, "profile": "a", "languages": { "zh": { "min_words": 3 } } });
        assert!(reshaped(&old, &new, &[]).is_empty());
        assert_eq!(reshaped(&old, &new, &["min_words"]), ["languages.zh.min_words", "min_words"]);
        let new = json!({ "min_words": 50, "profile": "b", "languages": { "zh": { "stop_words": ["的"] } } });
        assert_eq!(reshaped(&old, &new, &[]), ["languages.zh.stop_words", "profile"]);
    }
}
