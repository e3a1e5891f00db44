//! Rules applied to a batch, and what they measured.

use std::sync::Arc;

use arrow_array::Float32Array;
use arrow_schema::{DataType, Field};

use super::{Batch, Mark};
use crate::Result;
use crate::document::Document;
use crate::rules::{Rules, judge};
use crate::stage::Verdict;

/// What one stage measured, row after row; NaN where it measured nothing.
pub(crate) struct StageMeasures {
    /// The stage's place in the sweep.
    pub stage: u16,
    pub values: Vec<f64>,
    /// The language whose thresholds each row was held to, by its place in `languages`.
    pub language: Vec<u16>,
    pub languages: Vec<String>,
}

impl Batch {
    /// The batch, from now on keeping what [`Rules`] measure. A document that rules drop is marked, but goes on
    /// through the other stages, so that every document has every measure.
    #[must_use]
    pub(crate) fn recording(mut self) -> Self {
        self.recording = true;
        self.keeps_values = true;
        self.fixed = vec![None; self.rows()];
        self
    }

    /// The batch, from now on keeping what [`Rules`] measure of the documents that come to them.
    #[must_use]
    pub(crate) fn keeping_values(mut self) -> Self {
        self.keeps_values = true;
        self
    }

    /// What was recorded, stage by stage.
    pub(crate) fn measured(&self) -> &[StageMeasures] {
        &self.measured
    }

    /// The language whose thresholds a row was held to by the first rules that measured it.
    pub(crate) fn language_of(&self, row: usize) -> Option<String> {
        let places = self.measured.iter().map(|stage| (stage, usize::from(stage.language[row])));
        places.filter_map(|(stage, place)| stage.languages.get(place)).next().cloned()
    }

    /// The language whose thresholds a row was held to by the stage at a place of the sweep.
    pub(crate) fn language_for(&self, stage: u16, row: usize) -> Option<&str> {
        let measured = self.measured.iter().find(|measured| measured.stage == stage)?;
        measured.languages.get(usize::from(measured.language[row])).map(String::as_str)
    }

    /// Why a row is dropped whatever the thresholds, while recording.
    pub(crate) fn fixed(&self, row: usize) -> Option<&Mark> {
        self.fixed[row].as_ref()
    }

    /// Measures every row, marks those that a check drops, adds the columns of scores, and takes over new texts.
    pub(crate) fn apply_rules<R: Rules>(mut self, rules: &R) -> Result<Self> {
        let width = R::MEASURES.len();
        let score_columns = rules.score_columns();
        let mut scores = vec![vec![None; self.rows()]; score_columns.len()];
        let mut prepared: Vec<(String, R::Prepared)> = Vec::new();
        let mut values = vec![f64::NAN; width];
        let mut recorded = if self.keeps_values { vec![f64::NAN; width * self.rows()] } else { Vec::new() };
        let mut language_of = if self.keeps_values { vec![u16::MAX; self.rows()] } else { Vec::new() };
        let mut texts: Vec<(usize, String)> = Vec::new();
        let in_work: Vec<usize> = (0..self.rows()).filter(|row| self.is_in_work(*row)).collect();
        let documents: Vec<_> = in_work.iter().map(|row| Document { batch: &self, row: *row }).collect();
        let together = rules.measure_together(&documents)?;
        let with_number = |name: &str| documents.iter().filter(|document| document.f64(name).is_some()).count() as u64;
        let all = documents.len() as u64;
        let looked_up: Vec<(&str, u64)> =
            rules.names_looked_up().into_iter().map(|name| (name, with_number(name))).collect();
        for (place, row) in in_work.into_iter().enumerate() {
            let document = Document { batch: &self, row };
            let language = rules.language(&document);
            let at = prepared.iter().position(|(known, _)| known == language).unwrap_or_else(|| {
                prepared.push((language.to_owned(), rules.prepare(language)));
                prepared.len() - 1
            });
            values.fill(f64::NAN);
            let text = match &together {
                Some(measured) => {
                    values.copy_from_slice(&measured[place * width..][..width]);
                    None
                }
                None => rules.measure(&prepared[at].1, &document, &mut values),
            };
            debug_assert!(text.is_none() || R::REWRITES, "rules that rewrite say so");
            let verdict = judge(rules.checks(&prepared[at].1), &values);
            for ((measure, _), column) in score_columns.iter().zip(&mut scores) {
                column[row] = Some(values[*measure] as f32).filter(|value| !value.is_nan());
            }
            if self.keeps_values {
                recorded[width * row..width * (row + 1)].copy_from_slice(&values);
                language_of[row] = at as u16;
            }
            if let Some(text) = text
                && (self.recording || verdict == Verdict::Keep)
            {
                texts.push((row, text));
            }
            if let Verdict::Drop(reason) = verdict {
                let mark = Mark { stage: self.stage, reason };
                if self.recording && self.is_fixed {
                    self.fixed[row] = Some(mark.clone());
                }
                self.set_mark(row, mark);
            }
        }
        if self.keeps_values {
            let languages = prepared.into_iter().map(|(language, _)| language).collect();
            self.measured.push(StageMeasures { stage: self.stage, values: recorded, language: language_of, languages });
        }
        self.replace_texts(texts);
        for (name, with) in looked_up {
            self.tally("with_value", name, with, 0);
            self.tally("without_value", name, all - with, 0);
        }
        for ((_, name), values) in score_columns.into_iter().zip(scores) {
            let field = Field::new(name, DataType::Float32, true);
            self = self.annotate(field, Arc::new(Float32Array::from(values)))?;
        }
        Ok(self)
    }
}
