//! Gopher quality rules: drops text that does not read like prose.
//!
//! Source: Rae et al. 2021, arXiv:2112.11446, appendix A.1.1, as defined by datatrove 0.10.1
//! (`GopherQualityFilter`); other languages' numbers are FineWeb-2's (`configs/*.yml`). Reads `text`, and
//! `language` where it is there; adds nothing. One walk over the words and one over the lines: O(bytes).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Document, Finding, Result, Stage, Verdict};

use super::per_language::{Check, Profile, findings, verdict};
use crate::lines::{lines, strip_end, strip_start};
use crate::words::{Classes, LETTER, Language, SYMBOL, Words};

/// Thresholds of the Gopher quality rules; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language; those left at their defaults give way to what
/// is built in for a document's language, and all of them to `languages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GopherQuality {
    /// Fewest words kept; a word counts if it is more than punctuation. Default 50 (Gopher).
    pub min_words: usize,
    /// Most words kept, counted the same way. Default 100000 (Gopher).
    pub max_words: usize,
    /// Least mean length of the words that are more than punctuation, in characters. Default 3 (Gopher);
    /// built in for other languages: zh, ja, ko 1, th, km, fr 2, ru 3, es 4, de 0 (FineWeb-2).
    pub min_mean_word_chars: f64,
    /// Greatest mean length of those words, in characters. Default 10 (Gopher); zh, ja 5, th 10, km 13,
    /// fr, ru 11, es 14, de 15 (FineWeb-2).
    pub max_mean_word_chars: f64,
    /// Most `#` for each word, punctuation counted as words. Default 0.1 (Gopher).
    pub max_hash_ratio: f64,
    /// Most `...` and `…` for each word, punctuation counted as words. Default 0.1 (Gopher).
    pub max_ellipsis_ratio: f64,
    /// Greatest fraction of lines, in [0, 1], that begin with `•` or `-`. Default 0.9 (Gopher).
    pub max_bullet_line_fraction: f64,
    /// Greatest fraction of lines, in [0, 1], that end with `...` or `…`. Default 0.3 (Gopher).
    pub max_ellipsis_line_fraction: f64,
    /// Least fraction of words, in [0, 1], that hold a letter, punctuation counted as words. Default 0.8
    /// (Gopher); zh 0.735, ja 0.759, ko 0.791, th 0.9, km 0.905, fr 0.812, de 0.774, es 0.825, ru 0.713
    /// (FineWeb-2).
    pub min_alphabetic_word_fraction: f64,
    /// Fewest different stop words a document must hold. Default 2 (Gopher).
    pub min_stop_words: usize,
    /// Stop words of English text, matched letter for letter. Default the, be, to, of, and, that, have, with
    /// (Gopher). zh, ja, th, km, fr, de, es and ru have FineWeb-2's lists built in; a document of any other
    /// language is not held to this check unless `languages` gives its words.
    pub stop_words: Vec<String>,
    /// Thresholds for documents of one language: `languages.zh = { min_words = 30 }`. What is left out is
    /// the language's built-in value, else the value above. Default empty.
    pub languages: BTreeMap<String, QualityOverrides>,
    /// `by_language`, or `datatrove_english` for the English definition on every document, with
    /// `languages` left aside. Default `by_language`.
    pub profile: Profile,
}

/// Thresholds that differ for one language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QualityOverrides {
    /// In place of `min_words`.
    pub min_words: Option<usize>,
    /// In place of `max_words`.
    pub max_words: Option<usize>,
    /// In place of `min_mean_word_chars`.
    pub min_mean_word_chars: Option<f64>,
    /// In place of `max_mean_word_chars`.
    pub max_mean_word_chars: Option<f64>,
    /// In place of `max_hash_ratio`.
    pub max_hash_ratio: Option<f64>,
    /// In place of `max_ellipsis_ratio`.
    pub max_ellipsis_ratio: Option<f64>,
    /// In place of `max_bullet_line_fraction`.
    pub max_bullet_line_fraction: Option<f64>,
    /// In place of `max_ellipsis_line_fraction`.
    pub max_ellipsis_line_fraction: Option<f64>,
    /// In place of `min_alphabetic_word_fraction`.
    pub min_alphabetic_word_fraction: Option<f64>,
    /// In place of `min_stop_words`.
    pub min_stop_words: Option<usize>,
    /// In place of `stop_words`.
    pub stop_words: Option<Vec<String>>,
}

impl Default for GopherQuality {
    fn default() -> Self {
        let stop_words = ["the", "be", "to", "of", "and", "that", "have", "with"];
        Self {
            min_words: 50,
            max_words: 100_000,
            min_mean_word_chars: 3.0,
            max_mean_word_chars: 10.0,
            max_hash_ratio: 0.1,
            max_ellipsis_ratio: 0.1,
            max_bullet_line_fraction: 0.9,
            max_ellipsis_line_fraction: 0.3,
            min_alphabetic_word_fraction: 0.8,
            min_stop_words: 2,
            stop_words: stop_words.map(String::from).into(),
            languages: BTreeMap::new(),
            profile: Profile::ByLanguage,
        }
    }
}

/// FineWeb-2's numbers: least and greatest mean word length, least alphabetic fraction, stop words.
type BuiltIn = (&'static str, f64, f64, f64, &'static str);

/// Korean is cut at spaces here and into morphemes there, so of its row only what does not depend on that
/// is taken: no stop words (they are particles), a longer greatest mean.
const BUILT_IN: [BuiltIn; 9] = [
    ("zh", 1.0, 5.0, 0.735, "的 年 在 月 是 和 日 了 於 · 為 有 被 人 中 为 他 與 後 也 而 由"),
    ("ja", 1.0, 5.0, 0.759, "の に を は た て が と で 年 し ・ 月 れ さ"),
    ("ko", 1.0, 10.0, 0.791, ""),
    ("th", 2.0, 10.0, 0.9, "ใน ที่ และ ของ เป็น มี การ ได้"),
    ("km", 2.0, 13.0, 0.905, "មាន បាន ដែល ជា និង នៅ របស់ ក្នុង ថា នេះ នៃ ហើយ ទៅ ដោយ"),
    ("fr", 2.0, 11.0, 0.812, "de la le et à en l' des du les est d' un une il dans par au"),
    ("de", 0.0, 15.0, 0.774, "der und die in von im den des mit das er dem als wurde für"),
    ("es", 4.0, 14.0, 0.825, "de la en el y a que del los se por un con una las su"),
    ("ru", 3.0, 11.0, 0.713, "в и на с года по году из был к не от что за для его как а он также до после"),
];

impl QualityOverrides {
    /// What is built in for a language.
    fn built_in(code: &str) -> Self {
        let stop_words = |words: &str| Some(words.split_whitespace().map(String::from).collect());
        match BUILT_IN.iter().find(|row| row.0 == code) {
            Some(&(_, min, max, alphabetic, words)) => Self {
                min_mean_word_chars: Some(min),
                max_mean_word_chars: Some(max),
                min_alphabetic_word_fraction: Some(alphabetic),
                stop_words: stop_words(words),
                ..Self::default()
            },
            None if code == "en" => Self::default(),
            // Two more scripts without spaces; of the others only the stop words are known to be wrong.
            None if matches!(code, "lo" | "my") => {
                Self { min_mean_word_chars: Some(1.0), stop_words: stop_words(""), ..Self::default() }
            }
            None => Self { stop_words: stop_words(""), ..Self::default() },
        }
    }
}

/// What the rules look at: thresholds can be tuned later without reading the text again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityMeasures {
    /// The language whose thresholds apply.
    pub language: Language,
    /// Words that are more than punctuation.
    pub words: usize,
    /// Their mean length in characters; 0 without such words.
    pub mean_word_chars: f64,
    /// `#` for each word.
    pub hash_ratio: f64,
    /// `...` and `…` for each word.
    pub ellipsis_ratio: f64,
    /// Fraction of lines that begin with a bullet.
    pub bullet_line_fraction: f64,
    /// Fraction of lines that end with an ellipsis.
    pub ellipsis_line_fraction: f64,
    /// Fraction of words with a letter.
    pub alphabetic_word_fraction: f64,
    /// Different stop words found; `None` where the language has no list.
    pub stop_words: Option<usize>,
}

/// The thresholds and stop words of one language, looked up once a batch.
struct Prepared {
    language: Language,
    thresholds: GopherQuality,
    stop_words: StopWords,
}

impl GopherQuality {
    /// What the rules look at in a text cut into `words`.
    pub fn measure(&self, text: &str, words: &Words) -> QualityMeasures {
        self.prepare(self.effective(words.language())).measure(text, words)
    }

    /// The first rule broken, in datatrove's order.
    pub fn judge(&self, measures: &QualityMeasures) -> Verdict {
        verdict(self.prepare(measures.language).checks(measures))
    }

    /// Every check that is on, with its threshold, in the same order.
    pub fn findings(&self, measures: &QualityMeasures) -> Vec<Finding> {
        findings(self.prepare(measures.language).checks(measures))
    }

    fn effective(&self, language: Language) -> Language {
        match self.profile {
            Profile::ByLanguage => language,
            Profile::DatatroveEnglish => Language::ENGLISH,
        }
    }

    fn prepare(&self, language: Language) -> Prepared {
        let mut thresholds = self.clone();
        if self.profile == Profile::ByLanguage {
            let mut built_in = QualityOverrides::built_in(language.code());
            self.keep_own(&mut built_in);
            let own = self.languages.iter().find(|(name, _)| Language::of_name(name) == Some(language));
            for overrides in [Some(&built_in), own.map(|(_, own)| own)].into_iter().flatten() {
                thresholds.apply(overrides);
            }
        }
        let stop_words = StopWords::new(&thresholds.stop_words);
        Prepared { language, thresholds, stop_words }
    }

    /// Takes out of what is built in the settings that the recipe has set itself.
    fn keep_own(&self, built_in: &mut QualityOverrides) {
        fn keep<T: PartialEq>(own: &T, default: &T, built_in: &mut Option<T>) {
            if own != default {
                *built_in = None;
            }
        }
        let default = Self::default();
        keep(&self.min_mean_word_chars, &default.min_mean_word_chars, &mut built_in.min_mean_word_chars);
        keep(&self.max_mean_word_chars, &default.max_mean_word_chars, &mut built_in.max_mean_word_chars);
        let alphabetic = &mut built_in.min_alphabetic_word_fraction;
        keep(&self.min_alphabetic_word_fraction, &default.min_alphabetic_word_fraction, alphabetic);
        keep(&self.stop_words, &default.stop_words, &mut built_in.stop_words);
    }

    fn apply(&mut self, other: &QualityOverrides) {
        fn set<T: Clone>(value: &mut T, other: &Option<T>) {
            if let Some(other) = other {
                value.clone_from(other);
            }
        }
        set(&mut self.min_words, &other.min_words);
        set(&mut self.max_words, &other.max_words);
        set(&mut self.min_mean_word_chars, &other.min_mean_word_chars);
        set(&mut self.max_mean_word_chars, &other.max_mean_word_chars);
        set(&mut self.max_hash_ratio, &other.max_hash_ratio);
        set(&mut self.max_ellipsis_ratio, &other.max_ellipsis_ratio);
        set(&mut self.max_bullet_line_fraction, &other.max_bullet_line_fraction);
        set(&mut self.max_ellipsis_line_fraction, &other.max_ellipsis_line_fraction);
        set(&mut self.min_alphabetic_word_fraction, &other.min_alphabetic_word_fraction);
        set(&mut self.min_stop_words, &other.min_stop_words);
        set(&mut self.stop_words, &other.stop_words);
    }
}

impl Prepared {
    fn measure(&self, text: &str, words: &Words) -> QualityMeasures {
        let counts = count_words(text, words, &self.stop_words);
        let all = words.len();
        let (line_count, bullets, ellipses) = count_lines(text);
        let ratio = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let hashes = memchr::memchr_iter(b'#', text.as_bytes()).count();
        let dots = memchr::memmem::find_iter(text.as_bytes(), "...").count()
            + memchr::memmem::find_iter(text.as_bytes(), "…").count();
        QualityMeasures {
            language: self.language,
            words: counts.words,
            mean_word_chars: ratio(counts.chars, counts.words),
            hash_ratio: ratio(hashes, all),
            ellipsis_ratio: ratio(dots, all),
            bullet_line_fraction: ratio(bullets, line_count),
            ellipsis_line_fraction: ratio(ellipses, line_count),
            alphabetic_word_fraction: ratio(counts.alphabetic, all),
            stop_words: (!self.stop_words.words.is_empty()).then_some(counts.stop_words),
        }
    }

    fn checks(&self, measures: &QualityMeasures) -> impl Iterator<Item = Check> {
        let (own, m) = (&self.thresholds, measures);
        let stop_words =
            m.stop_words.map(|found| Check::at_least("too_few_stop_words", found as f64, own.min_stop_words as f64));
        // No words have no mean.
        let mean = (m.words > 0).then(|| {
            [
                Check::at_least("short_words", m.mean_word_chars, own.min_mean_word_chars),
                Check::at_most("long_words", m.mean_word_chars, own.max_mean_word_chars),
            ]
        });
        let counts = [
            Check::at_least("too_few_words", m.words as f64, own.min_words as f64),
            Check::at_most("too_many_words", m.words as f64, own.max_words as f64),
        ];
        let fractions = [
            Check::at_most("too_many_hashes", m.hash_ratio, own.max_hash_ratio),
            Check::at_most("too_many_ellipses", m.ellipsis_ratio, own.max_ellipsis_ratio),
            Check::at_most("bullet_lines", m.bullet_line_fraction, own.max_bullet_line_fraction),
            Check::at_most("ellipsis_lines", m.ellipsis_line_fraction, own.max_ellipsis_line_fraction),
            Check::at_least("too_few_alphabetic_words", m.alphabetic_word_fraction, own.min_alphabetic_word_fraction),
        ];
        counts.into_iter().chain(mean.into_iter().flatten()).chain(fractions).chain(stop_words)
    }
}

/// Counts of one walk over the words.
#[derive(Default)]
struct WordCounts {
    words: usize,
    chars: usize,
    alphabetic: usize,
    stop_words: usize,
}

fn count_words(text: &str, words: &Words, stop_words: &StopWords) -> WordCounts {
    let classes = Classes::get();
    let mut counts = WordCounts::default();
    let mut seen = vec![false; stop_words.words.len()];
    // Characters that are in no word, or in one of punctuation alone: the rest are the words' characters.
    let mut left_out = 0;
    let mut end = 0;
    for span in words.spans() {
        let range = span.range();
        left_out += match range.start - end {
            gap @ ..2 => gap,
            _ => text[end..range.start].chars().count(),
        };
        end = range.end;
        let bytes = &text.as_bytes()[range.clone()];
        if let Some(found) = stop_words.find(bytes) {
            seen[found] = true;
        }
        // Most words begin with a letter (of ASCII, or Han from U+5000 on), and then that is all to know.
        if bytes[0].is_ascii_alphabetic() || matches!(bytes[0], 0xE5..=0xE9) {
            counts.words += 1;
            counts.alphabetic += 1;
            continue;
        }
        if let [byte] = bytes {
            let is_symbol = usize::from(classes.of_ascii(*byte) & SYMBOL != 0);
            counts.words += 1 - is_symbol;
            left_out += is_symbol;
            continue;
        }
        let (mut chars, mut symbols, mut letter) = (0, 0, false);
        for character in text[range].chars() {
            let bits = classes.of(character);
            chars += 1;
            symbols += usize::from(bits & SYMBOL != 0);
            letter |= bits & LETTER != 0;
        }
        if symbols < chars {
            counts.words += 1;
        } else {
            left_out += chars;
        }
        counts.alphabetic += usize::from(letter);
    }
    left_out += text[end..].chars().count();
    counts.chars = text.chars().count() - left_out;
    counts.stop_words = seen.iter().filter(|seen| **seen).count();
    counts
}

/// Lines, lines that begin with a bullet, lines that end with an ellipsis.
fn count_lines(text: &str) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for line in lines(text) {
        counts.0 += 1;
        counts.1 += usize::from(strip_start(line).starts_with(['•', '-']));
        let end = strip_end(line);
        counts.2 += usize::from(end.ends_with("...") || end.ends_with('…'));
    }
    counts
}

/// Stop words, in order of a hash of their length and ends.
struct StopWords {
    words: Vec<Vec<u8>>,
    /// Where in `words` those of each hash begin; one more for the end.
    starts: [u32; SLOTS + 1],
}

const SLOTS: usize = 64;

impl StopWords {
    fn new(words: &[String]) -> Self {
        let mut own: Vec<Vec<u8>> =
            words.iter().filter(|word| !word.is_empty()).map(|word| word.clone().into_bytes()).collect();
        own.sort_by(|a, b| (Self::slot(a), a).cmp(&(Self::slot(b), b)));
        own.dedup();
        let starts = std::array::from_fn(|slot| own.partition_point(|word| Self::slot(word) < slot) as u32);
        Self { words: own, starts }
    }

    #[inline]
    fn slot(word: &[u8]) -> usize {
        let ends = usize::from(word[0]) ^ usize::from(word[word.len() - 1]).wrapping_mul(5);
        ends.wrapping_add(word.len().wrapping_mul(11)) % SLOTS
    }

    /// Which stop word this is.
    #[inline]
    fn find(&self, word: &[u8]) -> Option<usize> {
        let slot = Self::slot(word);
        (self.starts[slot] as usize..self.starts[slot + 1] as usize).find(|&at| self.words[at] == word)
    }
}

impl Stage for GopherQuality {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut known: Vec<Prepared> = Vec::new();
        batch.judge(|document| {
            let words = self.profile.words(&document);
            let language = self.effective(words.language());
            let at = known.iter().position(|prepared| prepared.language == language).unwrap_or_else(|| {
                known.push(self.prepare(language));
                known.len() - 1
            });
            let prepared = &known[at];
            verdict(prepared.checks(&prepared.measure(document.text(), words)))
        })
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        self.findings(&self.measure(document.text(), self.profile.words(document)))
    }
}
