//! The ratios that ROOTS brought up and Data-Juicer took over: repetition of characters and words, special
//! characters, stop words, flagged words. What the two share is counted here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Check, Document};

use super::repeats::{HashSet, Repeats, mix};
use crate::lists::{Entry, Matching, WordList, bad_words, words_in_entries};
use crate::shape::{Kind, Kinds, Shape, is_letter};
use crate::words::{Language, Words};

/// Words that a ratio counts, by hash of their lower-case form.
#[derive(Clone, Debug)]
struct WordSet {
    hashes: HashSet,
}

impl WordSet {
    /// A set of these words; `None` if there are none.
    fn new<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Option<Self> {
        let words: Vec<u64> = words.into_iter().map(|word| xxh3_64(word.as_ref().as_bytes())).collect();
        let mut hashes = HashSet::with_room(words.len().max(1));
        words.iter().for_each(|&hash| {
            hashes.insert(hash);
        });
        (!words.is_empty()).then_some(Self { hashes })
    }

    /// A set of these words as they stand or, if they are to be looked up by our definition, without vowel marks.
    fn of<T: AsRef<str>>(words: impl IntoIterator<Item = T>, is_literal: bool) -> Option<Self> {
        if is_literal {
            return Self::new(words);
        }
        let unpointed = words.into_iter().map(|word| word.as_ref().replace(is_vowel_mark, ""));
        Self::new(unpointed.filter(|word| !word.is_empty()))
    }
}

/// The stop words built in for a language: stopwords-iso's; none for a language outside the eighteen.
fn stop_words(code: &str) -> impl Iterator<Item = &'static str> {
    static LISTS: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
        let lists = include_str!("../../data/stop_words.tsv").lines();
        lists.filter_map(|line| line.split_once('\t')).collect()
    });
    LISTS.get(code).into_iter().flat_map(|words| words.split('\t'))
}

/// The flagged words given, else those built in for a language: LDNOOBW's; none where it has no list.
fn flagged_words(given: &[String], code: &str) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let lines = bad_words(code).into_iter().flat_map(str::lines);
    lines.map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect()
}

/// Flagged words as a list that is matched in any script, whatever the segmenter makes of them. Built once.
fn flagged_list(given: &[String], code: &str) -> Option<Arc<WordList>> {
    static LISTS: Mutex<BTreeMap<u64, Arc<WordList>>> = Mutex::new(BTreeMap::new());
    let words = flagged_words(given, code);
    if words.is_empty() {
        return None;
    }
    let key = xxh3_64(words.join("\n").as_bytes());
    let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    let built = lists.entry(key).or_insert_with(|| {
        let entries: Vec<Entry> = words.into_iter().map(|text| Entry { text, weight: 1.0, category: 0 }).collect();
        let matching = Matching { disguised: false, check_words_chars: 2 };
        Arc::new(WordList::new(&entries, matching).expect("a list of words is short"))
    });
    Some(Arc::clone(built))
}

/// What joins two words that a list may know as one: nothing in Chinese, where the segmenter may have parted them,
/// a space in Vietnamese, which writes syllables apart.
pub(super) fn joint(code: &str) -> Option<&'static str> {
    match code {
        "zh" | "ja" | "th" => Some(""),
        "vi" => Some(" "),
        _ => None,
    }
}

/// The settings that ratios are counted by.
pub(super) struct RatioSettings<'s> {
    /// Stop words; if none, those built in.
    pub(super) stop_words: &'s [String],
    /// Flagged words; if none, those built in.
    pub(super) flagged_words: &'s [String],
    /// Characters of the runs whose repetition is measured.
    pub(super) run_chars: usize,
    /// Words of the runs whose repetition is measured.
    pub(super) run_words: usize,
    /// Whether the peers' definitions are followed.
    pub(super) is_literal: bool,
    /// What joins two neighbouring words, which are looked up as well; `None` for no such pairs.
    pub(super) joint: Option<&'static str>,
}

/// What documents of one language are measured with, and the checks they are held to.
pub struct PreparedRatios {
    pub(super) checks: Vec<Check>,
    run_chars: usize,
    run_words: usize,
    is_literal: bool,
    joint: Option<&'static str>,
    stop_words: Option<WordSet>,
    /// The flagged words as the peers look them up, each word by itself.
    flagged_set: Option<WordSet>,
    /// The flagged words as we look them up.
    flagged_list: Option<Arc<WordList>>,
}

/// The ratios of one text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ratios {
    pub(super) words: usize,
    pub(super) char_repetition: f64,
    pub(super) word_repetition: f64,
    pub(super) special: f64,
    /// NaN without a list.
    pub(super) stop_words: f64,
    /// NaN without a list.
    pub(super) flagged_words: f64,
}

#[derive(Default)]
struct Scratch {
    repeats: Repeats,
    chars: Vec<u64>,
    words: Vec<u64>,
    pairs: Vec<u64>,
    last: String,
    lower: String,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl PreparedRatios {
    /// Looks up the word lists of a language. Checks with a threshold of 0 are off.
    pub(super) fn new(
        checks: impl IntoIterator<Item = Check>,
        language: Language,
        settings: &RatioSettings<'_>,
    ) -> Self {
        let &RatioSettings { run_chars, run_words, is_literal, joint, .. } = settings;
        let code = language.code();
        let own = WordSet::of(settings.stop_words.iter(), is_literal);
        let flagged = settings.flagged_words;
        Self {
            checks: checks.into_iter().filter(|check| check.threshold != 0.0).collect(),
            run_chars,
            run_words,
            is_literal,
            joint,
            stop_words: own.or_else(|| WordSet::of(stop_words(code), is_literal)),
            flagged_set: if is_literal { WordSet::new(flagged_words(flagged, code)) } else { None },
            flagged_list: if is_literal { None } else { flagged_list(flagged, code) },
        }
    }

    /// The ratios of a document.
    pub(super) fn measure(&self, document: &Document<'_>) -> Ratios {
        let (text, shape) = (document.text(), document.measure::<Shape>());
        if self.is_literal { self.theirs(text, shape) } else { self.ours(text, shape, document.measure::<Words>()) }
    }

    /// The ratios by the words of the document's language. Special is what is neither letter nor the mark of one.
    fn ours(&self, text: &str, shape: &Shape, words: &Words) -> Ratios {
        let kinds = Kinds::get();
        let special = shape.chars - shape.letters() - shape.count_of(&[Kind::Mark, Kind::Joiner]);
        let is_special = |character| {
            let kind = kinds.of(character);
            !is_letter(kind) && kind != Kind::Mark as u8 && kind != Kind::Joiner as u8
        };
        let mut ratios = self.count(text, shape.share(special), words.iter(text), is_special);
        ratios.flagged_words = self.flagged_list.as_ref().map_or(f64::NAN, |list| {
            let flagged = words_in_entries(list, text, words, |word| !word.chars().all(is_special));
            flagged as f64 / ratios.words.max(1) as f64
        });
        ratios
    }

    /// The ratios as the peers define them: words between white space, special characters from their list.
    fn theirs(&self, text: &str, shape: &Shape) -> Ratios {
        let kinds = Kinds::get();
        let words = text.split([' ', '\n', '\t']);
        self.count(text, shape.share(shape.special()), words, |character| kinds.is_special(character))
    }

    fn count<'t>(
        &self,
        text: &str,
        special: f64,
        words: impl Iterator<Item = &'t str>,
        is_special: impl Fn(char) -> bool,
    ) -> Ratios {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.chars.clear();
            scratch.chars.extend(text.chars().map(|character| mix(u64::from(character))));
            scratch.repeats.read_runs(scratch.chars.iter().copied(), self.run_chars);
            let char_repetition = scratch.repeats.top_fraction();
            let count = scratch.read_words(words, is_special, self.joint, !self.is_literal);
            let Scratch { repeats, words, pairs, .. } = scratch;
            repeats.read_runs(words.iter().copied(), self.run_words);
            let word_repetition = repeats.repeated_fraction();
            let part = |list: Option<&WordSet>| {
                let Some(list) = list else { return f64::NAN };
                let found = words.iter().chain(pairs.iter()).filter(|&&hash| list.hashes.contains(hash)).count();
                if words.is_empty() { 0.0 } else { (found as f64 / words.len() as f64).min(1.0) }
            };
            Ratios {
                words: count,
                char_repetition,
                word_repetition,
                special,
                stop_words: part(self.stop_words.as_ref()),
                flagged_words: part(self.flagged_set.as_ref()),
            }
        })
    }
}

impl Scratch {
    /// Takes in hashes of the words: in lower case, without special characters at their ends, without vowel marks if
    /// asked, and none that consists of these alone. Gives how many words there are in the case they are written in,
    /// in which a letter may be special whose small form is not.
    fn read_words<'t>(
        &mut self,
        words: impl Iterator<Item = &'t str>,
        is_special: impl Fn(char) -> bool,
        joint: Option<&str>,
        unpointed: bool,
    ) -> usize {
        let mut count = 0;
        self.words.clear();
        self.pairs.clear();
        self.last.clear();
        for word in words {
            count += usize::from(word.chars().any(|character| !is_special(character)));
            lower_case(word, &mut self.lower);
            if unpointed && self.lower.contains(is_vowel_mark) {
                self.lower.retain(|character| !is_vowel_mark(character));
            }
            let word = self.lower.trim_matches(&is_special);
            if word.is_empty() {
                continue;
            }
            if let Some(joint) = joint {
                if !self.words.is_empty() {
                    self.last.push_str(joint);
                    self.last.push_str(word);
                    self.pairs.push(xxh3_64(self.last.as_bytes()));
                }
                self.last.clear();
                self.last.push_str(word);
            }
            self.words.push(xxh3_64(word.as_bytes()));
        }
        count
    }
}

/// Whether a character is a point, accent or lengthened stroke of Arabic or Hebrew, which most texts leave out.
fn is_vowel_mark(character: char) -> bool {
    matches!(character, '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{652}' | '\u{670}')
        && !matches!(character, '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5c6}')
}

/// Python's `str.lower`, into memory that is there already.
fn lower_case(word: &str, lower: &mut String) {
    lower.clear();
    // Kana, Han and Hangul have no case.
    if word.bytes().all(|byte| matches!(byte, 0..0xC0 | 0xE3..=0xE9 | 0xEB..=0xED)) {
        lower.push_str(word);
        lower.make_ascii_lowercase();
        return;
    }
    if word.contains('Σ') {
        lower.push_str(&word.to_lowercase());
        return;
    }
    word.chars().for_each(|character| lower.extend(character.to_lowercase()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_is_that_of_whole_strings() {
        let mut lower = String::new();
        for word in ["Hello", "ÉCOLE", "你好Ａ", "ＡＢ", "ΟΔΟΣ", "İstanbul", "1", "한국", "𐐀", "ꓐ", "ẞ"]
        {
            lower_case(word, &mut lower);
            assert_eq!(lower, word.to_lowercase());
        }
    }

    #[test]
    fn every_built_in_list_has_words_of_its_language() {
        for code in
            ["zh", "en", "ru", "es", "fr", "pt", "de", "it", "nl", "pl", "ar", "tr", "he", "ja", "ko", "th", "vi", "id"]
        {
            assert!(stop_words(code).count() > 30, "{code}");
            assert!(stop_words(code).all(|word| word == word.to_lowercase() && !word.is_empty()), "{code}");
        }
        assert!(stop_words("zh").any(|word| word == "的") && stop_words("th").any(|word| word == "และ"));
        assert_eq!(stop_words("tlh").count(), 0);
    }
}
