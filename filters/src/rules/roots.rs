//! The ROOTS ratios: drops text with too much repetition, too many special or flagged, or too few stop words.
//!
//! Source: Laurençon et al. 2022, arXiv:2303.03915; `filtering.py` and `parameters_filtering.py` of
//! bigscience-workshop/data-preparation (01b_oscar_cleaning_and_filtering). Reads `text`, and `language` where it
//! is there; adds nothing. One walk over the characters, one over the words: O(bytes).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Check, Document, Measured, Rules};

use super::per_language::{DocumentLanguage, PerLanguage};
use super::ratios::{PreparedRatios, RatioSettings, joint};
use crate::words::Language;

/// Thresholds of the ROOTS ratios; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language; those left at their defaults give way to what
/// is built in for a document's language, and all of them to `languages`. Built in are ROOTS' own numbers, given
/// below, made looser where real documents, cut into real words, do not keep to them, and measured ones for other
/// languages: `tests/fixtures/rules/THRESHOLDS_RATIOS.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Roots {
    /// Fewest words kept; a word counts if it holds a letter. Default 10; ar, en 20, bn 33, ca, id 15, es 16, eu 8,
    /// fr 13, hi 38, pt 19, ur 25, vi 30, zh 1 (ROOTS).
    pub min_words: usize,
    /// Most words kept. Default 100000; zh 1000000 (ROOTS).
    pub max_words: usize,
    /// Characters of the runs whose repetition is measured. Default 10; zh 3 (ROOTS), ja, ko 3 as zh.
    pub char_repetition_chars: usize,
    /// Greatest fraction, in [0, 1], that the most frequent repeated runs of characters make up. Default 0.2;
    /// bn 0.13, en 0.106, es, fr 0.14, hi 0.18, id, vi 0.15, pt 0.25, ur 0.19 (ROOTS).
    pub max_char_repetition: f64,
    /// Words of the runs whose repetition is measured. Default 5; ur 7 (ROOTS).
    pub word_repetition_words: usize,
    /// Greatest fraction of runs of words, in [0, 1], that occur more than once. Default 0.3; ar 0.34, bn 0.21,
    /// ca, eu 0.4, en 0.19, es 0.25, fr 0.13, hi 0.47, id, vi 0.2, pt 0.98, ur 0.5, zh 0.96 (ROOTS).
    pub max_word_repetition: f64,
    /// Greatest fraction of characters, in [0, 1], that are no letters: digits, punctuation, symbols, white
    /// space. Default 0.4; ar, zh 0.3, bn, hi 0.45, ca, ur 0.25, es, fr, id, vi 0.34, eu 0.31, pt 0.35 (ROOTS).
    pub max_special_char_fraction: f64,
    /// Least fraction of words, in [0, 1], that are stop words. Default 0.1; ar 0.07, bn 0.002, ca 0.25, en 0.3,
    /// es 0.4, eu 0.05, fr 0.27, hi, ur 0.01, id 0.15, pt 0.2, vi 0.08, zh 0.1691 (ROOTS). A language without a list is
    /// not held to it.
    pub min_stop_word_fraction: f64,
    /// Greatest fraction of words, in [0, 1], that are flagged. Default 0.1; ar 0.03, bn, zh 0.001, en, es,
    /// id 0.01, fr 0.008, hi, vi 0.005, pt 0.007, ur 0.025 (ROOTS).
    pub max_flagged_word_fraction: f64,
    /// Stop words, in lower case, for every language; Arabic and Hebrew ones are found with vowel marks and without.
    /// Default empty: those of stopwords-iso, of eighteen languages.
    pub stop_words: Vec<String>,
    /// Flagged words, in lower case, for every language. Default empty: those of LDNOOBW for the language.
    pub flagged_words: Vec<String>,
    /// Thresholds for documents of one language: `languages.zh = { max_word_repetition = 0.5 }`. What is left
    /// out is the language's built-in value, else the value above. Default empty.
    pub languages: PerLanguage<Self>,
    /// `roots` for its definition: words are what stands between white space, special characters those of its
    /// list, thresholds its own. For Chinese it used a SentencePiece model, which is not at hand, so that Chinese
    /// has hardly any words. Default `none`.
    pub compat: RootsCompat,
}

/// Whose definition of the ROOTS ratios is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootsCompat {
    /// Ours: words and thresholds of each document's language.
    #[default]
    None,
    /// BigScience's own.
    Roots,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            min_words: 10,
            max_words: 100_000,
            char_repetition_chars: 10,
            max_char_repetition: 0.2,
            word_repetition_words: 5,
            max_word_repetition: 0.3,
            max_special_char_fraction: 0.4,
            min_stop_word_fraction: 0.1,
            max_flagged_word_fraction: 0.1,
            stop_words: Vec::new(),
            flagged_words: Vec::new(),
            languages: PerLanguage::default(),
            compat: RootsCompat::None,
        }
    }
}

// Places of the measures.
const WORDS: usize = 0;
const CHAR_REPETITION: usize = 1;
const WORD_REPETITION: usize = 2;
const SPECIAL_CHAR_FRACTION: usize = 3;
const STOP_WORD_FRACTION: usize = 4;
const FLAGGED_WORD_FRACTION: usize = 5;

impl Rules for Roots {
    type Prepared = PreparedRatios;

    const MEASURES: &'static [Measured] = &[
        Measured::count("words", "Words that hold a letter."),
        Measured::fraction("char_repetition", "Runs of characters that are among the most frequent repeated ones."),
        Measured::fraction("word_repetition", "Runs of words that occur more than once."),
        Measured::fraction("special_char_fraction", "Characters that are no letters."),
        Measured::fraction("stop_word_fraction", "Words that are stop words; none where the language has no list."),
        Measured::fraction("flagged_word_fraction", "Words that are flagged; none where the language has no list."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn prepare(&self, language: &str) -> PreparedRatios {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let stage = match self.compat {
            RootsCompat::None => "roots",
            RootsCompat::Roots => "roots_compat",
        };
        let own = self.languages.effective(self, stage, language);
        let checks = [
            Check::at_least("too_few_words", WORDS, own.min_words as f64),
            Check::at_most("too_many_words", WORDS, own.max_words as f64),
            Check::at_most("repeated_chars", CHAR_REPETITION, own.max_char_repetition),
            Check::at_most("repeated_words", WORD_REPETITION, own.max_word_repetition),
            Check::at_most("too_many_special_chars", SPECIAL_CHAR_FRACTION, own.max_special_char_fraction),
            Check::at_least("too_few_stop_words", STOP_WORD_FRACTION, own.min_stop_word_fraction),
            Check::at_most("too_many_flagged_words", FLAGGED_WORD_FRACTION, own.max_flagged_word_fraction),
        ];
        let settings = RatioSettings {
            stop_words: &own.stop_words,
            flagged_words: &own.flagged_words,
            run_chars: own.char_repetition_chars,
            run_words: own.word_repetition_words,
            is_literal: self.compat == RootsCompat::Roots,
            joint: joint(language.code()),
        };
        PreparedRatios::new(checks, language, &settings)
    }

    fn checks<'p>(&self, prepared: &'p PreparedRatios) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedRatios, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let ratios = prepared.measure(document);
        values[WORDS] = ratios.words as f64;
        values[CHAR_REPETITION] = ratios.char_repetition;
        values[WORD_REPETITION] = ratios.word_repetition;
        values[SPECIAL_CHAR_FRACTION] = ratios.special;
        values[STOP_WORD_FRACTION] = ratios.stop_words;
        values[FLAGGED_WORD_FRACTION] = ratios.flagged_words;
        None
    }
}
