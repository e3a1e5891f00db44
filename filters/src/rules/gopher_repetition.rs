//! Gopher repetition rules: drops text that says the same thing over and over.
//!
//! Source: Rae et al. 2021, arXiv:2112.11446, appendix A.1.1 and table A1, as defined by datatrove 0.10.1
//! (`GopherRepetitionFilter`); other languages' numbers are FineWeb-2's (`configs/*.yml`). Reads `text`,
//! and `language` where it is there; adds nothing. Lengths are in characters, of a text's whole length.

use std::cell::RefCell;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Detail, Document, Finding, Reason, Result, Stage, Verdict};

use super::n_grams::{Elements, NGrams};
use super::per_language::{Check, Profile, findings, verdict};
use crate::lines::{split_at_newlines, strip};
use crate::words::{Language, Words};

/// Thresholds of the Gopher repetition rules; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language; those left at their defaults give way to what
/// is built in for a document's language, and all of them to `languages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GopherRepetition {
    /// Greatest fraction of paragraphs, in [0, 1], that repeat an earlier one. Default 0.3 (Gopher); off for
    /// zh, ja, ko, th, km, fr, de, es, ru (FineWeb-2).
    pub max_duplicate_paragraph_fraction: f64,
    /// Greatest fraction of characters in such paragraphs. Default 0.2 (Gopher); off for the same languages.
    pub max_duplicate_paragraph_char_fraction: f64,
    /// Greatest fraction of lines, in [0, 1], that repeat an earlier one. Default 0.3 (Gopher); zh 0.287,
    /// ja 0.375, ko 0.374, th 0.349, km 0.92, fr 0.264, de 0.263, es 0.265, ru 0.322 (FineWeb-2).
    pub max_duplicate_line_fraction: f64,
    /// Greatest fraction of characters in such lines. Default 0.2 (Gopher); off for the same languages.
    pub max_duplicate_line_char_fraction: f64,
    /// Greatest fraction of characters in the most frequent pair of words; can exceed 1. Default 0.2
    /// (Gopher); zh 0.256, other languages as FineWeb-2.
    pub max_top_2_gram_char_fraction: f64,
    /// The same for three words. Default 0.18 (Gopher); zh 0.201.
    pub max_top_3_gram_char_fraction: f64,
    /// The same for four words. Default 0.16 (Gopher); zh 0.171.
    pub max_top_4_gram_char_fraction: f64,
    /// Greatest fraction of characters in runs of five words that occurred before. Default 0.15 (Gopher);
    /// zh 0.198, other languages as FineWeb-2.
    pub max_duplicate_5_gram_char_fraction: f64,
    /// The same for six words. Default 0.14 (Gopher); zh 0.182.
    pub max_duplicate_6_gram_char_fraction: f64,
    /// The same for seven words. Default 0.13 (Gopher); zh 0.167.
    pub max_duplicate_7_gram_char_fraction: f64,
    /// The same for eight words. Default 0.12 (Gopher); zh 0.154.
    pub max_duplicate_8_gram_char_fraction: f64,
    /// The same for nine words. Default 0.11 (Gopher); zh 0.14.
    pub max_duplicate_9_gram_char_fraction: f64,
    /// The same for ten words. Default 0.1 (Gopher); zh 0.127.
    pub max_duplicate_10_gram_char_fraction: f64,
    /// Thresholds for documents of one language: `languages.zh = { max_duplicate_line_fraction = 0.2 }`.
    /// What is left out is the language's built-in value, else the value above. Default empty.
    pub languages: BTreeMap<String, RepetitionOverrides>,
    /// `by_language`, or `datatrove_english` for the English definition on every document, with
    /// `languages` left aside. Default `by_language`.
    pub profile: Profile,
}

/// Thresholds that differ for one language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionOverrides {
    /// In place of `max_duplicate_paragraph_fraction`.
    pub max_duplicate_paragraph_fraction: Option<f64>,
    /// In place of `max_duplicate_paragraph_char_fraction`.
    pub max_duplicate_paragraph_char_fraction: Option<f64>,
    /// In place of `max_duplicate_line_fraction`.
    pub max_duplicate_line_fraction: Option<f64>,
    /// In place of `max_duplicate_line_char_fraction`.
    pub max_duplicate_line_char_fraction: Option<f64>,
    /// In place of `max_top_2_gram_char_fraction`.
    pub max_top_2_gram_char_fraction: Option<f64>,
    /// In place of `max_top_3_gram_char_fraction`.
    pub max_top_3_gram_char_fraction: Option<f64>,
    /// In place of `max_top_4_gram_char_fraction`.
    pub max_top_4_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_5_gram_char_fraction`.
    pub max_duplicate_5_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_6_gram_char_fraction`.
    pub max_duplicate_6_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_7_gram_char_fraction`.
    pub max_duplicate_7_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_8_gram_char_fraction`.
    pub max_duplicate_8_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_9_gram_char_fraction`.
    pub max_duplicate_9_gram_char_fraction: Option<f64>,
    /// In place of `max_duplicate_10_gram_char_fraction`.
    pub max_duplicate_10_gram_char_fraction: Option<f64>,
}

/// The checks in the order they are made, by the reason each gives.
const REASONS: [&str; 13] = [
    "duplicate_paragraph_fraction",
    "duplicate_paragraph_char_fraction",
    "duplicate_line_fraction",
    "duplicate_line_char_fraction",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "duplicate_5_gram",
    "duplicate_6_gram",
    "duplicate_7_gram",
    "duplicate_8_gram",
    "duplicate_9_gram",
    "duplicate_10_gram",
];

/// One value for each check, in their order.
type PerCheck<T> = [T; 13];

impl Default for GopherRepetition {
    fn default() -> Self {
        Self {
            max_duplicate_paragraph_fraction: 0.3,
            max_duplicate_paragraph_char_fraction: 0.2,
            max_duplicate_line_fraction: 0.3,
            max_duplicate_line_char_fraction: 0.2,
            max_top_2_gram_char_fraction: 0.2,
            max_top_3_gram_char_fraction: 0.18,
            max_top_4_gram_char_fraction: 0.16,
            max_duplicate_5_gram_char_fraction: 0.15,
            max_duplicate_6_gram_char_fraction: 0.14,
            max_duplicate_7_gram_char_fraction: 0.13,
            max_duplicate_8_gram_char_fraction: 0.12,
            max_duplicate_9_gram_char_fraction: 0.11,
            max_duplicate_10_gram_char_fraction: 0.10,
            languages: BTreeMap::new(),
            profile: Profile::ByLanguage,
        }
    }
}

/// FineWeb-2's numbers: duplicate lines, top 2- to 4-grams, duplicate 5- to 10-grams. The other three
/// checks are off there.
const BUILT_IN: [(&str, f64, [f64; 9]); 9] = [
    ("zh", 0.287, [0.256, 0.201, 0.171, 0.198, 0.182, 0.167, 0.154, 0.14, 0.127]),
    ("ja", 0.375, [0.121, 0.129, 0.145, 0.307, 0.283, 0.264, 0.248, 0.234, 0.223]),
    ("ko", 0.374, [0.282, 0.228, 0.185, 0.201, 0.184, 0.168, 0.154, 0.14, 0.127]),
    ("th", 0.349, [0.221, 0.197, 0.162, 0.185, 0.168, 0.152, 0.137, 0.124, 0.111]),
    ("km", 0.92, [0.165, 0.225, 0.242, 0.197, 0.168, 0.148, 0.126, 0.107, 0.094]),
    ("fr", 0.264, [0.161, 0.149, 0.134, 0.15, 0.141, 0.131, 0.121, 0.111, 0.1]),
    ("de", 0.263, [0.169, 0.153, 0.137, 0.141, 0.134, 0.126, 0.117, 0.108, 0.098]),
    ("es", 0.265, [0.077, 0.097, 0.112, 0.152, 0.137, 0.123, 0.114, 0.107, 0.099]),
    ("ru", 0.322, [0.184, 0.164, 0.146, 0.168, 0.156, 0.145, 0.133, 0.121, 0.109]),
];

/// What the rules look at: thresholds can be tuned later without reading the text again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RepetitionMeasures {
    /// The language whose thresholds apply.
    pub language: Language,
    /// Characters of the text.
    pub chars: usize,
    /// Fraction of paragraphs that repeat an earlier one.
    pub duplicate_paragraph_fraction: f64,
    /// Characters in such paragraphs for each character of the text.
    pub duplicate_paragraph_char_fraction: f64,
    /// Fraction of lines that repeat an earlier one.
    pub duplicate_line_fraction: f64,
    /// Characters in such lines for each character of the text.
    pub duplicate_line_char_fraction: f64,
    /// Length times count of the most frequent 2-, 3- and 4-gram for each character of the text.
    pub top_n_gram_char_fractions: [f64; 3],
    /// Characters in repeated 5- to 10-grams for each character of the text.
    pub duplicate_n_gram_char_fractions: [f64; 6],
}

thread_local! {
    static N_GRAMS: RefCell<NGrams> = RefCell::default();
}

impl GopherRepetition {
    /// What the rules look at in a text cut into `words`.
    pub fn measure(&self, text: &str, words: &Words) -> RepetitionMeasures {
        let language = match self.profile {
            Profile::ByLanguage => words.language(),
            Profile::DatatroveEnglish => Language::ENGLISH,
        };
        N_GRAMS.with_borrow_mut(|n_grams| {
            let chars = text.chars().count();
            let fraction = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
            let paragraphs = Elements::of(split_at_newlines(strip(text), 2), n_grams);
            let lines = Elements::of(split_at_newlines(text, 1), n_grams);
            n_grams.read(text, words.spans());
            RepetitionMeasures {
                language,
                chars,
                duplicate_paragraph_fraction: fraction(paragraphs.duplicates, paragraphs.count),
                duplicate_paragraph_char_fraction: fraction(paragraphs.duplicate_chars, chars),
                duplicate_line_fraction: fraction(lines.duplicates, lines.count),
                duplicate_line_char_fraction: fraction(lines.duplicate_chars, chars),
                top_n_gram_char_fractions: n_grams.top().map(|top| fraction(top, chars)),
                duplicate_n_gram_char_fractions: n_grams.duplicates().map(|repeated| fraction(repeated, chars)),
            }
        })
    }

    /// The first rule broken, in datatrove's order; an empty text is dropped as `empty_text`.
    pub fn judge(&self, measures: &RepetitionMeasures) -> Verdict {
        match measures.chars {
            0 => Verdict::Drop(Reason { code: "empty_text", detail: Detail::None }),
            _ => verdict(self.checks(measures)),
        }
    }

    /// Every check that is on, with its threshold, in the same order.
    pub fn findings(&self, measures: &RepetitionMeasures) -> Vec<Finding> {
        findings(self.checks(measures))
    }

    fn checks(&self, m: &RepetitionMeasures) -> impl Iterator<Item = Check> {
        let lines = [
            m.duplicate_paragraph_fraction,
            m.duplicate_paragraph_char_fraction,
            m.duplicate_line_fraction,
            m.duplicate_line_char_fraction,
        ];
        let values = lines.into_iter().chain(m.top_n_gram_char_fractions).chain(m.duplicate_n_gram_char_fractions);
        let thresholds = self.thresholds(m.language);
        std::iter::zip(REASONS, values)
            .zip(thresholds)
            .map(|((reason, value), threshold)| Check::at_most(reason, value, threshold))
    }

    /// The recipe's own thresholds, in the order of the checks.
    fn own_thresholds(&self) -> PerCheck<f64> {
        [
            self.max_duplicate_paragraph_fraction,
            self.max_duplicate_paragraph_char_fraction,
            self.max_duplicate_line_fraction,
            self.max_duplicate_line_char_fraction,
            self.max_top_2_gram_char_fraction,
            self.max_top_3_gram_char_fraction,
            self.max_top_4_gram_char_fraction,
            self.max_duplicate_5_gram_char_fraction,
            self.max_duplicate_6_gram_char_fraction,
            self.max_duplicate_7_gram_char_fraction,
            self.max_duplicate_8_gram_char_fraction,
            self.max_duplicate_9_gram_char_fraction,
            self.max_duplicate_10_gram_char_fraction,
        ]
    }

    fn thresholds(&self, language: Language) -> PerCheck<f64> {
        let mut thresholds = self.own_thresholds();
        if self.profile == Profile::DatatroveEnglish {
            return thresholds;
        }
        if let Some((_, lines, n_grams)) = BUILT_IN.iter().find(|row| row.0 == language.code()) {
            let built_in = [0.0, 0.0, *lines, 0.0].into_iter().chain(n_grams.iter().copied());
            let defaults = Self::default().own_thresholds();
            for ((threshold, default), built_in) in thresholds.iter_mut().zip(defaults).zip(built_in) {
                if *threshold == default {
                    *threshold = built_in;
                }
            }
        }
        if let Some((_, own)) = self.languages.iter().find(|(name, _)| Language::of_name(name) == Some(language)) {
            for (threshold, own) in thresholds.iter_mut().zip(own.values()) {
                *threshold = own.unwrap_or(*threshold);
            }
        }
        thresholds
    }
}

impl RepetitionOverrides {
    fn values(&self) -> PerCheck<Option<f64>> {
        [
            self.max_duplicate_paragraph_fraction,
            self.max_duplicate_paragraph_char_fraction,
            self.max_duplicate_line_fraction,
            self.max_duplicate_line_char_fraction,
            self.max_top_2_gram_char_fraction,
            self.max_top_3_gram_char_fraction,
            self.max_top_4_gram_char_fraction,
            self.max_duplicate_5_gram_char_fraction,
            self.max_duplicate_6_gram_char_fraction,
            self.max_duplicate_7_gram_char_fraction,
            self.max_duplicate_8_gram_char_fraction,
            self.max_duplicate_9_gram_char_fraction,
            self.max_duplicate_10_gram_char_fraction,
        ]
    }
}

impl Stage for GopherRepetition {
    fn process(&self, batch: Batch) -> Result<Batch> {
        batch.judge(|document| self.judge(&self.measure(document.text(), self.profile.words(&document))))
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        self.findings(&self.measure(document.text(), self.profile.words(document)))
    }
}
