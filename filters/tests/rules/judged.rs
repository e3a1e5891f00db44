//! What a stage of rules says of a text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::LargeStringArray;
use arrow_schema::{DataType, Field};
use xxhash_rust::xxh64::xxh64;
use yuan_pipeline::{Batch, Finding, Rules, Verdict, judge};

/// What a stage of rules says of a text: its measures, the reason it goes for, the text it makes.
pub fn ask<R: Rules>(rules: &R, text: &str) -> (Vec<f64>, Option<&'static str>, String) {
    let batch = Batch::of_texts(&[text]);
    let document = batch.document(0);
    let prepared = rules.prepare(rules.language(&document));
    let mut values = vec![f64::NAN; R::MEASURES.len()];
    let rewritten = rules.measure(&prepared, &document, &mut values);
    let reason = match judge(rules.checks(&prepared), &values) {
        Verdict::Keep => None,
        Verdict::Drop(reason) => Some(reason.code),
    };
    (values, reason, rewritten.unwrap_or_else(|| text.to_owned()))
}

/// The hash of a text as the peers' answers have it.
pub fn short_hash(text: &str) -> String {
    format!("{:08x}", xxh64(text.as_bytes(), 0) as u32)
}

/// A stage whose preparation for each language is kept.
pub struct Judge<R: Rules> {
    rules: R,
    prepared: HashMap<String, R::Prepared>,
}

impl<R: Rules> Judge<R> {
    pub fn new(rules: R) -> Self {
        Self { rules, prepared: HashMap::new() }
    }

    /// Every check that is on, of a text taken for one of this language.
    pub fn findings(&mut self, text: &str, code: &str) -> Vec<Finding> {
        let field = Field::new("language", DataType::LargeUtf8, true);
        let column = LargeStringArray::from_iter_values([code]);
        let batch = Batch::of_texts(&[text]).annotate(field, Arc::new(column)).expect("one row");
        let document = batch.document(0);
        let language = self.rules.language(&document).to_owned();
        let prepared = self.prepared.entry(language).or_insert_with_key(|language| self.rules.prepare(language));
        let mut values = vec![f64::NAN; R::MEASURES.len()];
        self.rules.measure(prepared, &document, &mut values);
        let checks = self.rules.checks(prepared).iter().filter(|check| !values[check.measure].is_nan());
        checks
            .map(|check| Finding {
                rule: check.reason,
                value: values[check.measure],
                threshold: check.threshold,
                at_least: check.at_least,
                drops: check.fails(&values),
            })
            .collect()
    }
}
