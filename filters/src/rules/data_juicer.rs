//! Data-Juicer's text filters as one stage: drops text whose lengths, characters or words are out of proportion.
//!
//! Source: Data-Juicer 1.6.1 (`ops/filter/*.py`), whose defaults these are. Reads `text`, and `language` where
//! it is there; adds nothing. One walk over the characters, one over the words: O(bytes).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Check, Document, Measured, Rules};

use super::per_language::{DocumentLanguage, PerLanguage};
use super::ratios::{PreparedRatios, RatioSettings, joint};
use crate::shape::Shape;
use crate::words::Language;

/// Thresholds of Data-Juicer's filters; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language; those left at their defaults give way to what
/// is built in for a document's language, and all of them to `languages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataJuicer {
    /// Fewest characters kept. Default 10 (`text_length_filter`).
    pub min_chars: usize,
    /// Most characters kept. Default 0, off (`text_length_filter`).
    pub max_chars: usize,
    /// Fewest words kept; a word counts if it holds a letter. Default 10 (`words_num_filter`).
    pub min_words: usize,
    /// Most words kept. Default 0, off (`words_num_filter`).
    pub max_words: usize,
    /// Least fraction of characters, in [0, 1], that are letters (with their marks) or numbers of any script.
    /// Default 0.25 (`alphanumeric_filter`).
    pub min_alphanumeric_fraction: f64,
    /// Greatest such fraction. Default 0, off (`alphanumeric_filter`).
    pub max_alphanumeric_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that are no letters: digits, punctuation, symbols, white
    /// space. Default 0.25 (`special_characters_filter`); built in for languages: see
    /// `tests/fixtures/rules/THRESHOLDS_RATIOS.md`.
    pub max_special_char_fraction: f64,
    /// Characters of the runs whose repetition is measured. Default 10 (`character_repetition_filter`).
    pub char_repetition_chars: usize,
    /// Greatest fraction, in [0, 1], that the most frequent repeated runs of characters make up.
    /// Default 0.5 (`character_repetition_filter`).
    pub max_char_repetition: f64,
    /// Words of the runs whose repetition is measured. Default 10 (`word_repetition_filter`).
    pub word_repetition_words: usize,
    /// Greatest fraction of runs of words, in [0, 1], that occur more than once. Default 0.5
    /// (`word_repetition_filter`).
    pub max_word_repetition: f64,
    /// Least characters for each line. Default 10 (`average_line_length_filter`).
    pub min_mean_line_chars: f64,
    /// Most characters for each line. Default 0, off (`average_line_length_filter`).
    pub max_mean_line_chars: f64,
    /// Least characters of the longest line. Default 10 (`maximum_line_length_filter`).
    pub min_longest_line_chars: usize,
    /// Most characters of the longest line. Default 0, off (`maximum_line_length_filter`).
    pub max_longest_line_chars: usize,
    /// Least fraction of words, in [0, 1], that are stop words. Default 0.3 (`stopwords_filter`); built in for
    /// languages: see `tests/fixtures/rules/THRESHOLDS_RATIOS.md`. A language without a list is not held to it.
    pub min_stop_word_fraction: f64,
    /// Greatest fraction of words, in [0, 1], that are flagged. Default 0.045 (`flagged_words_filter`).
    pub max_flagged_word_fraction: f64,
    /// Stop words, in lower case, for every language; Arabic and Hebrew ones are found with vowel marks and without.
    /// Default empty: those of stopwords-iso, of eighteen languages.
    pub stop_words: Vec<String>,
    /// Flagged words, in lower case, for every language. Default empty: those of LDNOOBW for the language.
    pub flagged_words: Vec<String>,
    /// Thresholds for documents of one language: `languages.zh = { min_words = 30 }`. What is left out is
    /// the language's built-in value, else the value above. Default empty.
    pub languages: PerLanguage<Self>,
    /// `data-juicer` for its definition: words are what stands between white space, special characters those of
    /// its list (with `一`, `上`, `士` and Hindi vowel signs among them), alphanumeric without marks, thresholds
    /// those above. Chinese then has hardly any words. Default `none`.
    pub compat: DataJuicerCompat,
}

/// Whose definition of Data-Juicer's filters is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataJuicerCompat {
    /// Ours: words and thresholds of each document's language.
    #[default]
    None,
    /// Data-Juicer's own, at its defaults.
    DataJuicer,
}

impl Default for DataJuicer {
    fn default() -> Self {
        Self {
            min_chars: 10,
            max_chars: 0,
            min_words: 10,
            max_words: 0,
            min_alphanumeric_fraction: 0.25,
            max_alphanumeric_fraction: 0.0,
            max_special_char_fraction: 0.25,
            char_repetition_chars: 10,
            max_char_repetition: 0.5,
            word_repetition_words: 10,
            max_word_repetition: 0.5,
            min_mean_line_chars: 10.0,
            max_mean_line_chars: 0.0,
            min_longest_line_chars: 10,
            max_longest_line_chars: 0,
            min_stop_word_fraction: 0.3,
            max_flagged_word_fraction: 0.045,
            stop_words: Vec::new(),
            flagged_words: Vec::new(),
            languages: PerLanguage::default(),
            compat: DataJuicerCompat::None,
        }
    }
}

// Places of the measures.
const CHARS: usize = 0;
const WORDS: usize = 1;
const ALPHANUMERIC_FRACTION: usize = 2;
const SPECIAL_CHAR_FRACTION: usize = 3;
const CHAR_REPETITION: usize = 4;
const WORD_REPETITION: usize = 5;
const MEAN_LINE_CHARS: usize = 6;
const LONGEST_LINE_CHARS: usize = 7;
const STOP_WORD_FRACTION: usize = 8;
const FLAGGED_WORD_FRACTION: usize = 9;

impl DataJuicer {
    fn is_literal(&self) -> bool {
        self.compat == DataJuicerCompat::DataJuicer
    }

    fn checks_for(own: &Self) -> [Check; 15] {
        [
            Check::at_least("too_few_chars", CHARS, own.min_chars as f64),
            Check::at_most("too_many_chars", CHARS, own.max_chars as f64),
            Check::at_least("too_few_words", WORDS, own.min_words as f64),
            Check::at_most("too_many_words", WORDS, own.max_words as f64),
            Check::at_least("too_few_alphanumeric_chars", ALPHANUMERIC_FRACTION, own.min_alphanumeric_fraction),
            Check::at_most("too_many_alphanumeric_chars", ALPHANUMERIC_FRACTION, own.max_alphanumeric_fraction),
            Check::at_most("too_many_special_chars", SPECIAL_CHAR_FRACTION, own.max_special_char_fraction),
            Check::at_most("repeated_chars", CHAR_REPETITION, own.max_char_repetition),
            Check::at_most("repeated_words", WORD_REPETITION, own.max_word_repetition),
            Check::at_least("short_lines", MEAN_LINE_CHARS, own.min_mean_line_chars),
            Check::at_most("long_lines", MEAN_LINE_CHARS, own.max_mean_line_chars),
            Check::at_least("no_long_line", LONGEST_LINE_CHARS, own.min_longest_line_chars as f64),
            Check::at_most("too_long_line", LONGEST_LINE_CHARS, own.max_longest_line_chars as f64),
            Check::at_least("too_few_stop_words", STOP_WORD_FRACTION, own.min_stop_word_fraction),
            Check::at_most("too_many_flagged_words", FLAGGED_WORD_FRACTION, own.max_flagged_word_fraction),
        ]
    }
}

impl Rules for DataJuicer {
    type Prepared = PreparedRatios;

    const MEASURES: &'static [Measured] = &[
        Measured::count("chars", "Characters of the text."),
        Measured::count("words", "Words that hold a letter."),
        Measured::fraction("alphanumeric_fraction", "Characters that are letters or numbers."),
        Measured::fraction("special_char_fraction", "Characters that are no letters."),
        Measured::fraction("char_repetition", "Runs of characters that are among the most frequent repeated ones."),
        Measured::fraction("word_repetition", "Runs of words that occur more than once."),
        Measured::ratio("mean_line_chars", "Characters for each line."),
        Measured::count("longest_line_chars", "Characters of the longest line."),
        Measured::fraction("stop_word_fraction", "Words that are stop words; none where the language has no list."),
        Measured::fraction("flagged_word_fraction", "Words that are flagged; none where the language has no list."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn prepare(&self, language: &str) -> PreparedRatios {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = match self.compat {
            DataJuicerCompat::None => self.languages.effective(self, "data_juicer", language),
            DataJuicerCompat::DataJuicer => self.clone(),
        };
        let settings = RatioSettings {
            stop_words: &own.stop_words,
            flagged_words: &own.flagged_words,
            run_chars: own.char_repetition_chars,
            run_words: own.word_repetition_words,
            is_literal: self.is_literal(),
            joint: if self.is_literal() { None } else { joint(language.code()) },
        };
        PreparedRatios::new(Self::checks_for(&own), language, &settings)
    }

    fn checks<'p>(&self, prepared: &'p PreparedRatios) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedRatios, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let (ratios, shape) = (prepared.measure(document), document.measure::<Shape>());
        let alphanumeric = if self.is_literal() { shape.alphanumeric() } else { shape.word_chars() };
        values[CHARS] = shape.chars as f64;
        values[WORDS] = ratios.words as f64;
        values[ALPHANUMERIC_FRACTION] = shape.share(alphanumeric);
        values[SPECIAL_CHAR_FRACTION] = ratios.special;
        values[CHAR_REPETITION] = ratios.char_repetition;
        values[WORD_REPETITION] = ratios.word_repetition;
        values[MEAN_LINE_CHARS] = if shape.lines == 0 { 0.0 } else { shape.chars as f64 / shape.lines as f64 };
        values[LONGEST_LINE_CHARS] = shape.longest_line as f64;
        values[STOP_WORD_FRACTION] = ratios.stop_words;
        values[FLAGGED_WORD_FRACTION] = ratios.flagged_words;
        None
    }
}
