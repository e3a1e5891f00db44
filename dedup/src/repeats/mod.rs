//! Repeats across the corpus: lines, paragraphs, sentences and runs of sentences that stand in earlier documents are cut out.
//!
//! Sources: CCNet (Wenzek et al. 2019, arXiv:1911.00359, section 3.1: paragraphs, which are lines); C4 (Raffel et al. 2020,
//! arXiv:1910.10683, section 2.2: spans of three sentences) as datatrove has it; YAYI 2 (Luo et al. 2023, arXiv:2312.14862,
//! section 2.2: paragraphs by similarity, sentences by prefix and suffix).
//!
//! Units are compared by 64-bit hashes (XXH3) of what normalising leaves of them. Among n distinct units one is cut for another's
//! sake with a probability of n/2⁶⁴: 5·10⁻⁹ for a hundred thousand million. Scan: one walk over the text, 24 bytes for
//! each unit, sorted. Reduction: `ranges.rs`, then the places to cut, sorted (`sorter.rs`), 16 bytes each: time is linear in the
//! units, memory is the budget's.
//!
//! | file | what |
//! |---|---|
//! | `unit.rs`, `sentences.rs`, `simplified.rs`, `spacy.rs` | a text → its units |
//! | `normal.rs` | a unit → what is compared |
//! | `scan.rs`, `similar.rs` | units → partial files; alike ones by a second reading |
//! | `reduce.rs` | partial files → places to cut |
//! | `cut.rs` | places → texts without them |

mod cut;
mod normal;
mod reduce;
mod scan;
mod sentences;
mod similar;
mod simplified;
mod spacy;
mod unit;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Context, Error, Pass, Result, Scan, Stage};

use crate::cuts::Cuts;
use crate::files::{Format, Kind};
use crate::near::Minhash;
use crate::parameters::hash_of;

pub use normal::UnitNormalization;
pub(crate) use unit::Cutting;
pub use unit::RepeatedUnit;

use cut::CutRepeats;
pub(crate) use cut::rejoined;
use scan::RepeatScan;
use similar::{Similar, SimilarScan};

/// Cuts lines, paragraphs, sentences or runs of sentences out of documents if earlier documents, or the same one before, have
/// them. A document of which too little is left is dropped.
///
/// With `unit = "span"` what is left may stand together as spans that are repeated in turn; with any other, a second run
/// changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedText {
    /// What is compared and cut out: `line`, `paragraph`, `sentence`, or `span`, a run of sentences. Default `line` (CCNet's
    /// paragraph).
    pub unit: RepeatedUnit,
    /// Sentences in a span. Default 3 (C4).
    pub span_sentences: usize,
    /// When two units are the same: `exact`, once they are normalised; `similar`, by their shingles (in one more reading of the
    /// documents); `prefix_or_suffix`, if they begin or end alike; `prefix_and_suffix`, if both. Default `exact`.
    pub matching: UnitMatching,
    /// In what units may differ and be the same: `none`, `letters` (letters and digits alone are compared, every digit as 0),
    /// `ccnet`, `simplified` (datatrove's). `similar` compares shingles instead. Default `letters`.
    pub normalization: UnitNormalization,
    /// Units of fewer characters are left alone; a Chinese sentence has some 20, an English one some 80. Default 20.
    pub min_characters: usize,
    /// How many occurrences are kept, the first in the order of the corpus. 0 removes every unit that two documents have, from
    /// both, and of what one document repeats keeps the first (CCNet). Default 1.
    pub keep_first: usize,
    /// Characters in a prefix or suffix, of what is left by normalising; a unit with fewer is compared whole. Default 20.
    pub affix_characters: usize,
    /// `similar`: tokens in a shingle. Default 5.
    pub ngram: usize,
    /// `similar`: bands of a signature. Default 14.
    pub bands: usize,
    /// `similar`: minima in a band. Default 8.
    pub rows_per_band: usize,
    /// `similar`: least Jaccard similarity, in [0, 1], of a unit that goes to the one that is kept for it. Default 0.8.
    pub threshold: f64,
    /// `similar`: units of fewer tokens (words, characters of Chinese) are left alone. Default 20.
    pub min_tokens: usize,
    /// Least characters of a document something was cut from. Default 0. Whatever it is, a document of which nothing is left goes.
    pub min_remaining_characters: usize,
    /// Least fraction of its characters, in [0, 1], that is left of a document. Default 0.
    pub min_remaining_fraction: f64,
    /// Least words, characters in scripts without spaces, of a document something was cut from. Default 0; with
    /// `compat = "datatrove"` 0 means its 50, and marks are words.
    pub min_remaining_words: usize,
    /// Least sentences of a document something was cut from. Default 0; with `compat = "datatrove"` 0 means its 3.
    pub min_remaining_sentences: usize,
    /// Only units of documents with the same values in these columns or fields are held against each other: `["source"]`.
    /// `source` is what the input names as its source, else the file. Default empty: all.
    pub within: Vec<String>,
    /// Whose definition is followed instead of `unit`, `matching`, `normalization` and `min_characters`: `ccnet` (lines, blank ones
    /// too; its paper keeps none, `keep_first = 0`), `datatrove` (`SentenceDedup` in English: spans of `span_sentences`).
    /// Default `none`.
    pub compat: RepeatedCompat,
}

/// When two units are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitMatching {
    /// What normalising leaves of them is equal.
    #[default]
    Exact,
    /// Their shingles are: MinHash nominates, the Jaccard similarity decides.
    Similar,
    /// They begin with the same characters, or end with them.
    PrefixOrSuffix,
    /// They begin with the same characters and end with the same.
    PrefixAndSuffix,
}

/// Whose definition of repeats is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RepeatedCompat {
    /// Ours: right in every script.
    #[default]
    None,
    /// cc_net's `dedup.py`.
    Ccnet,
    /// datatrove's `SentenceDedup`, with English sentences and words.
    Datatrove,
}

impl Default for RepeatedText {
    fn default() -> Self {
        Self {
            unit: RepeatedUnit::Line,
            span_sentences: 3,
            matching: UnitMatching::Exact,
            normalization: UnitNormalization::Letters,
            min_characters: 20,
            keep_first: 1,
            affix_characters: 20,
            ngram: 5,
            bands: 14,
            rows_per_band: 8,
            threshold: 0.8,
            min_tokens: 20,
            min_remaining_characters: 0,
            min_remaining_fraction: 0.0,
            min_remaining_words: 0,
            min_remaining_sentences: 0,
            within: Vec::new(),
            compat: RepeatedCompat::None,
        }
    }
}

/// What settings and `compat` come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    pub cutting: Cutting,
    pub normalization: UnitNormalization,
    pub matching: UnitMatching,
    /// Consecutive pieces that make up a unit.
    pub run: usize,
    pub min_characters: usize,
    /// Whether blank units, and those of which normalising leaves nothing, can be repeated.
    pub blanks: bool,
    pub min_words: usize,
    pub min_sentences: usize,
}

impl RepeatedText {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// Names the setting that does not.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::stage(STAGE, problem));
        for (field, value) in [("span_sentences", self.span_sentences), ("affix_characters", self.affix_characters)] {
            if value == 0 {
                return refuse(format!("`{field}` is 0, it must be at least 1"));
            }
        }
        if self.reads_similar() {
            if self.unit == RepeatedUnit::Span {
                return refuse("`matching = \"similar\"` is for lines, paragraphs and sentences, not for spans".into());
            }
            if self.keep_first != 1 {
                return refuse(format!(
                    "`matching = \"similar\"` keeps the first, `keep_first` is {}",
                    self.keep_first
                ));
            }
            if self.threshold == 0.0 {
                return refuse("`threshold` is 0, so that nothing is verified: it must be more".into());
            }
            self.minhash()
                .validate()
                .map_err(|error| Error::stage(STAGE, error.to_string().replace("`minhash`: ", "")))?;
        }
        if !(0.0..=1.0).contains(&self.min_remaining_fraction) {
            return refuse(format!(
                "`min_remaining_fraction` is {}, it must be from 0 to 1",
                self.min_remaining_fraction
            ));
        }
        Ok(())
    }

    fn reads_similar(&self) -> bool {
        self.definition().matching == UnitMatching::Similar
    }

    pub(crate) fn definition(&self) -> Definition {
        let cutting = match self.unit {
            RepeatedUnit::Line => Cutting::Lines,
            RepeatedUnit::Paragraph => Cutting::Paragraphs,
            RepeatedUnit::Sentence | RepeatedUnit::Span => Cutting::Sentences,
        };
        let own = Definition {
            cutting,
            normalization: self.normalization,
            matching: self.matching,
            run: if self.unit == RepeatedUnit::Span { self.span_sentences } else { 1 },
            min_characters: self.min_characters,
            blanks: false,
            min_words: self.min_remaining_words,
            min_sentences: self.min_remaining_sentences,
        };
        let exact = Definition { matching: UnitMatching::Exact, min_characters: 0, ..own };
        let or = |value: usize, default: usize| if value == 0 { default } else { value };
        match self.compat {
            RepeatedCompat::None => own,
            RepeatedCompat::Ccnet => Definition {
                cutting: Cutting::BareLines,
                normalization: UnitNormalization::Ccnet,
                run: 1,
                blanks: true,
                ..exact
            },
            RepeatedCompat::Datatrove => Definition {
                cutting: Cutting::DatatroveSentences,
                normalization: UnitNormalization::Simplified,
                run: self.span_sentences,
                min_words: or(own.min_words, 50),
                min_sentences: or(own.min_sentences, 3),
                ..exact
            },
        }
    }

    /// What nominates and compares units that are similar.
    fn minhash(&self) -> Minhash {
        Minhash {
            ngram: self.ngram,
            bands: self.bands,
            rows_per_band: self.rows_per_band,
            threshold: self.threshold,
            ..Minhash::default()
        }
    }

    fn format(&self, kind: Kind) -> Format {
        Format { stage: STAGE, kind, parameters: hash_of(self) }
    }
}

const STAGE: &str = "repeated_text";

impl Pass for RepeatedText {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        self.validate()?;
        if self.reads_similar() {
            return Ok(Box::new(SimilarScan::new(self, partial)?));
        }
        Ok(Box::new(RepeatScan::new(self, partial)))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        if self.reads_similar() {
            similar::nominate(partials, self.format(Kind::Units), outcome, context)
        } else {
            reduce::reduce(self, partials, self.format(Kind::Units), outcome, context)
        }
    }

    fn reads_twice(&self) -> bool {
        self.reads_similar()
    }

    fn second(&self, first: &Path) -> Result<Option<Box<dyn Pass>>> {
        if !self.reads_similar() {
            return Ok(None);
        }
        Ok(Some(Box::new(Similar::open(self, first)?)))
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let cuts = Cuts::open(outcome, self.format(Kind::Cuts))?;
        Ok(Some(Box::new(CutRepeats { cuts, config: self.clone(), definition: self.definition() })))
    }
}
