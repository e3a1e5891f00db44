//! PolyLM's rules in eighteen languages: drops text that repeats itself or is too short, too long, or made of
//! symbols, ellipses, invisible characters, digits, dates, addresses or over-long words.
//!
//! Source: Wei et al. 2023, arXiv:2307.06018, section 2.2, which names the rules and gives no thresholds: these are
//! measured (`tests/fixtures/rules/THRESHOLDS_RATIOS.md`). Reads `text`, and `language` where it is there; adds
//! nothing, rewrites the text if asked. Cost: a walk each over words, sentences and digits.

mod dates;
mod rewrite;
mod urls;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Check, Document, Measured, Rules};

use super::per_language::{DocumentLanguage, PerLanguage};
use super::repeats::HashSet;
use crate::sentences::Sentences;
use crate::shape::{Kind, Kinds, Shape, is_letter, is_word};
use crate::words::{Language, Span, Words};

/// Thresholds of PolyLM's rules; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language; those left at their defaults give way to what
/// is built in for a document's language, and all of them to `languages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolyLm {
    /// Fewest words kept; a word counts if it holds a letter or a digit. Default 10 (measured).
    pub min_words: usize,
    /// Most words kept. Default 100000 (Gopher, which PolyLM follows).
    pub max_words: usize,
    /// Greatest fraction of characters, in [0, 1], in sentences of at least 10 characters that occurred before.
    /// Default 0.3 (measured).
    pub max_duplicate_sentence_char_fraction: f64,
    /// Greatest fraction of words, in [0, 1], that are the word before once more. Default 0.1 (measured).
    pub max_repeated_word_fraction: f64,
    /// Most symbols, emoji, `#`, `*`, `@`, `_` and `\` for each word. Default 0.25 (measured).
    pub max_symbol_word_ratio: f64,
    /// Most ellipses (`...`, `…`, `。。。`) for each sentence, of which one inside makes two. Default 0.5 (measured).
    pub max_ellipsis_sentence_ratio: f64,
    /// Greatest fraction of characters, in [0, 1], that are not seen: zero-width, direction marks, controls.
    /// Default 0.01 (measured).
    pub max_invisible_char_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that are digits, white space left out. Default 0.2 (measured).
    pub max_digit_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], in dates, white space left out. Default 0.15 (measured).
    pub max_date_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], in addresses, white space left out. Default 0.2 (measured).
    pub max_url_fraction: f64,
    /// Words of more characters than this are over-long. Default 50 (ROOTS, which PolyLM follows): the longest words
    /// of German or Turkish prose stay below.
    pub long_word_chars: usize,
    /// Greatest fraction of words, in [0, 1], that are over-long and no address. Default 0.03 (measured).
    pub max_long_word_fraction: f64,
    /// Whether addresses are taken out of documents that stay. Default false.
    pub remove_urls: bool,
    /// Whether runs of more than `long_word_chars` characters without white space, in scripts with spaces, are taken
    /// out. Default false.
    pub remove_long_words: bool,
    /// Whether white space is put in order: one space inside lines, none at their ends, one empty line between
    /// paragraphs. Default false.
    pub tidy_white_space: bool,
    /// Thresholds for documents of one language: `languages.th = { max_digit_fraction = 0.1 }`. What is left out
    /// is the language's built-in value, else the value above. Default empty.
    pub languages: PerLanguage<Self>,
}

impl Default for PolyLm {
    fn default() -> Self {
        Self {
            min_words: 10,
            max_words: 100_000,
            max_duplicate_sentence_char_fraction: 0.3,
            max_repeated_word_fraction: 0.1,
            max_symbol_word_ratio: 0.25,
            max_ellipsis_sentence_ratio: 0.5,
            max_invisible_char_fraction: 0.01,
            max_digit_fraction: 0.2,
            max_date_fraction: 0.15,
            max_url_fraction: 0.2,
            long_word_chars: 50,
            max_long_word_fraction: 0.03,
            remove_urls: false,
            remove_long_words: false,
            tidy_white_space: false,
            languages: PerLanguage::default(),
        }
    }
}

// Places of the measures.
const WORDS: usize = 0;
const DUPLICATE_SENTENCES: usize = 1;
const REPEATED_WORDS: usize = 2;
const SYMBOLS: usize = 3;
const ELLIPSES: usize = 4;
const INVISIBLE: usize = 5;
const DIGITS: usize = 6;
const DATES: usize = 7;
const URLS: usize = 8;
const LONG_WORDS: usize = 9;

/// Sentences shorter than this may come again: headings, answers, greetings.
const SENTENCE_CHARS: usize = 10;

/// The checks of one language, and what is rewritten.
pub struct PreparedPolyLm {
    checks: Vec<Check>,
    long_word_chars: usize,
    remove_urls: bool,
    remove_long_words: bool,
    tidy_white_space: bool,
}

impl PreparedPolyLm {
    /// The corrected text, if anything is to be corrected.
    fn rewrite(&self, text: &str) -> Option<String> {
        let mut changed: Option<String> = None;
        let mut apply = |asked: bool, correct: &dyn Fn(&str) -> Option<String>| {
            if asked && let Some(text) = correct(changed.as_deref().unwrap_or(text)) {
                changed = Some(text);
            }
        };
        apply(self.remove_urls, &rewrite::without_urls);
        apply(self.remove_long_words, &|text| rewrite::without_long_words(text, self.long_word_chars));
        apply(self.tidy_white_space, &rewrite::with_tidy_white_space);
        changed
    }
}

/// Words that hold a letter or digit, those with a letter that are the word before once more, and over-long ones.
fn count_words(text: &str, words: &Words, long_word_chars: usize) -> (usize, usize, usize) {
    let kinds = Kinds::get();
    let (mut count, mut repeated, mut long) = (0, 0, 0);
    let mut before: &[u8] = &[];
    for word in words.iter(text) {
        let bytes = word.as_bytes();
        // Most words begin with a letter of ASCII or with Han, and then that is all to know.
        let (has_letter, has_digit) = match bytes[0] {
            b'a'..=b'z' | b'A'..=b'Z' | 0xE5..=0xE9 => (true, false),
            _ => word
                .chars()
                .map(|character| kinds.of(character))
                .fold((false, false), |(letter, digit), kind| (letter | is_letter(kind), digit | is_word(kind))),
        };
        if !has_letter && !has_digit {
            continue;
        }
        count += 1;
        repeated += usize::from(has_letter && before == bytes);
        before = bytes;
        let is_long = bytes.len() > long_word_chars && word.chars().count() > long_word_chars;
        long += usize::from(is_long && !word.contains("://") && !word.starts_with("www."));
    }
    (count, repeated, long)
}

/// Characters of sentences that occurred before.
fn count_duplicates(text: &str, sentences: &Sentences) -> usize {
    let mut duplicate_chars = 0;
    let mut seen = HashSet::with_room(64);
    for sentence in sentences.spans().iter().map(|span| &text[span.range()]) {
        if sentence.len() < SENTENCE_CHARS {
            continue;
        }
        let chars = sentence.chars().count();
        if chars < SENTENCE_CHARS {
            continue;
        }
        if seen.insert(xxh3_64(sentence.as_bytes())) {
            duplicate_chars += chars;
        }
    }
    duplicate_chars
}

/// How often the text trails off: runs of at least three `.` or `。`, or of `…`.
fn count_ellipses(text: &str, shape: &Shape) -> usize {
    let bytes = text.as_bytes();
    let mut count = 0;
    if shape.count_ascii(b'.') > 2 {
        let mut end = 0;
        for at in memchr::memmem::find_iter(bytes, "...") {
            count += usize::from(at != end || at == 0);
            end = at + 3;
        }
    }
    if shape.chars < bytes.len() {
        for mark in ["…", "。。。"] {
            let mut end = usize::MAX;
            for at in memchr::memmem::find_iter(bytes, mark) {
                count += usize::from(at != end);
                end = at + mark.len();
            }
        }
    }
    count
}

/// Ellipses for each sentence; one inside a sentence makes two of it.
fn ellipsis_ratio(text: &str, shape: &Shape, sentences: &Sentences) -> f64 {
    let ellipses = count_ellipses(text, shape);
    if ellipses == 0 {
        return 0.0;
    }
    let ends_so = |span: &&Span| {
        let sentence = text[span.range()].trim_end_matches(|character: char| !character.is_alphanumeric());
        let end = &text[sentence.len() + span.start as usize..span.end as usize];
        ["...", "…", "。。。"].iter().any(|ellipsis| end.contains(ellipsis))
    };
    let ends = sentences.spans().iter().filter(ends_so).count();
    ellipses as f64 / (sentences.spans().len() + ellipses.saturating_sub(ends)) as f64
}

impl Rules for PolyLm {
    type Prepared = PreparedPolyLm;

    const REWRITES: bool = true;

    const MEASURES: &'static [Measured] = &[
        Measured::count("words", "Words that hold a letter or a digit."),
        Measured::fraction("duplicate_sentence_char_fraction", "Characters in sentences that occurred before."),
        Measured::fraction("repeated_word_fraction", "Words that are the word before once more."),
        Measured::ratio("symbol_word_ratio", "Symbols for each word."),
        Measured::ratio("ellipsis_sentence_ratio", "Ellipses for each sentence."),
        Measured::fraction("invisible_char_fraction", "Characters that are not seen."),
        Measured::fraction("digit_fraction", "Digits among the characters that are no white space."),
        Measured::fraction("date_fraction", "Characters in dates among those that are no white space."),
        Measured::fraction("url_fraction", "Characters in addresses among those that are no white space."),
        Measured::fraction("long_word_fraction", "Words that are over-long."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn prepare(&self, language: &str) -> PreparedPolyLm {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = self.languages.effective(self, "polylm", language);
        let checks = [
            Check::at_least("too_few_words", WORDS, own.min_words as f64),
            Check::at_most("too_many_words", WORDS, own.max_words as f64),
            Check::at_most("repeated_sentences", DUPLICATE_SENTENCES, own.max_duplicate_sentence_char_fraction),
            Check::at_most("repeated_words", REPEATED_WORDS, own.max_repeated_word_fraction),
            Check::at_most("too_many_symbols", SYMBOLS, own.max_symbol_word_ratio),
            Check::at_most("too_many_ellipses", ELLIPSES, own.max_ellipsis_sentence_ratio),
            Check::at_most("too_many_invisible_chars", INVISIBLE, own.max_invisible_char_fraction),
            Check::at_most("too_many_digits", DIGITS, own.max_digit_fraction),
            Check::at_most("too_many_dates", DATES, own.max_date_fraction),
            Check::at_most("too_many_urls", URLS, own.max_url_fraction),
            Check::at_most("too_many_long_words", LONG_WORDS, own.max_long_word_fraction),
        ];
        PreparedPolyLm {
            checks: checks.into_iter().filter(|check| check.threshold != 0.0).collect(),
            long_word_chars: own.long_word_chars,
            remove_urls: own.remove_urls,
            remove_long_words: own.remove_long_words,
            tidy_white_space: own.tidy_white_space,
        }
    }

    fn checks<'p>(&self, prepared: &'p PreparedPolyLm) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedPolyLm, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let (text, shape) = (document.text(), document.measure::<Shape>());
        let (words, repeated, long) = count_words(text, document.measure::<Words>(), prepared.long_word_chars);
        let sentences = document.measure::<Sentences>();
        let symbols = shape.count_of(&[Kind::Symbol, Kind::Emoji])
            + b"#*@_\\".iter().map(|&symbol| shape.count_ascii(symbol)).sum::<usize>();
        let url_chars = urls::urls(text).map(|url| text[url].chars().count()).sum::<usize>();
        let visible = shape.chars - shape.white_space();
        let ratio = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        values[WORDS] = words as f64;
        values[DUPLICATE_SENTENCES] = shape.share(count_duplicates(text, sentences));
        values[REPEATED_WORDS] = ratio(repeated, words);
        values[SYMBOLS] = ratio(symbols, words);
        values[ELLIPSES] = ellipsis_ratio(text, shape, sentences);
        values[INVISIBLE] = shape.share(shape.count_of(&[Kind::Invisible, Kind::Control]));
        values[DIGITS] = ratio(shape.count(Kind::Digit), visible);
        values[DATES] = ratio(dates::date_chars(text, shape), visible);
        values[URLS] = ratio(url_chars, visible);
        values[LONG_WORDS] = ratio(long, words);
        prepared.rewrite(text)
    }
}
