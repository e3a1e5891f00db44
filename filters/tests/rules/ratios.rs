//! Do Data-Juicer's and ROOTS' ratios come out as from their own code, document by document?
//!
//! `tests/fixtures/rules/{data_juicer,roots}.jsonl.zst` hold theirs; what they mean is in `DEFINITIONS.md`, what
//! disagrees in `CONFORMANCE_RATIOS.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use yuan_filters::{DataJuicer, Roots};
use yuan_pipeline::Rules;

use crate::documents::{Answers, Known, all, sample};
use crate::judged::Judge;
use crate::support::corpora;

/// The word lists that the peers were given, by language: stop words and flagged words.
fn lists() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let folder = corpora().expect("asked where they are").join("web/wordlists");
    let stop = std::fs::read_to_string(folder.join("stopwords_iso/stopwords-iso.json")).expect("the shared corpora");
    let stop: BTreeMap<String, Vec<String>> = serde_json::from_str(&stop).expect("lists by language");
    let mut lists: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (code, words) in stop {
        lists.entry(code).or_default().0 = words;
    }
    for file in std::fs::read_dir(folder.join("ldnoobw")).expect("the folder").map(|file| file.expect("a file")) {
        let words = std::fs::read_to_string(file.path()).expect("a list");
        let words = words.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        lists.entry(file.file_name().into_string().expect("UTF-8")).or_default().1 = words;
    }
    lists
}

/// What a stage measures on documents of one language, by reason (the first of those that share one).
fn measured<R: Rules + serde::de::DeserializeOwned>(
    config: &dyn Fn(&str) -> Value,
    documents: &[&Known],
) -> Vec<BTreeMap<&'static str, (f64, bool)>> {
    let mut stages: BTreeMap<String, Judge<R>> = BTreeMap::new();
    let measure = |known: &&Known| {
        let code = known.language.split('-').next().expect("a code").to_owned();
        let stage = stages
            .entry(code.clone())
            .or_insert_with(|| Judge::new(serde_json::from_value(config(&code)).expect("a configuration")));
        let findings = stage.findings(&known.text, &code);
        findings.into_iter().rev().map(|finding| (finding.rule, (finding.value, finding.drops))).collect()
    };
    documents.iter().map(measure).collect()
}

struct Comparison {
    documents: Vec<Known>,
    theirs: Answers,
    lists: BTreeMap<String, (Vec<String>, Vec<String>)>,
}

impl Comparison {
    fn new(peer: &str) -> Self {
        let theirs = Answers::of(peer);
        match all() {
            Some(documents) => Self { documents, theirs, lists: lists() },
            None => Self { documents: sample(), theirs, lists: BTreeMap::new() },
        }
    }

    /// The configuration of a literal stage with the lists of a language.
    fn config(&self, compat: &str, code: &str) -> Value {
        let (stop, flagged) = self.lists.get(code).cloned().unwrap_or_default();
        // A list of nothing would give way to ours.
        let or_none = |words: Vec<String>| if words.is_empty() { vec!["\u{0}".to_owned()] } else { words };
        json!({ "compat": compat, "stop_words": or_none(stop), "flagged_words": or_none(flagged) })
    }

    /// In how many documents a column and our reason's value differ by more than rounding, with the first few.
    fn differing(&self, column: &str, reason: &str, ours: &[BTreeMap<&'static str, (f64, bool)>]) -> usize {
        let mut count = 0;
        for (place, known) in self.documents.iter().enumerate() {
            let Some(theirs) = self.theirs.number(place, column) else { continue };
            let needs_lists = column.contains("stop") || column.contains("flagged");
            if needs_lists && self.lists.is_empty() {
                continue;
            }
            let own = ours[place].get(reason).map_or(f64::NAN, |value| value.0);
            if (own - theirs).abs() > 6e-6 || own.is_nan() {
                count += 1;
                if count <= 3 {
                    println!("{column} of {} ({}): ours {own}, theirs {theirs}", known.file, known.language);
                }
            }
        }
        println!("{column}: {count} of {} differ", self.documents.len());
        count
    }
}

#[test]
fn data_juicers_filters_give_the_same_numbers() {
    let comparison = Comparison::new("data_juicer");
    let documents: Vec<&Known> = comparison.documents.iter().collect();
    let config = |code: &str| comparison.config("data-juicer", code);
    let ours = measured::<DataJuicer>(&config, &documents);
    let columns = [
        ("text_len", "too_few_chars"),
        ("num_words", "too_few_words"),
        ("alnum_ratio", "too_few_alphanumeric_chars"),
        ("special_char_ratio", "too_many_special_chars"),
        ("char_rep_ratio", "repeated_chars"),
        ("word_rep_ratio", "repeated_words"),
        ("avg_line_length", "short_lines"),
        ("max_line_length", "no_long_line"),
        ("stopwords_ratio", "too_few_stop_words"),
        ("flagged_words_ratio", "too_many_flagged_words"),
    ];
    for (column, reason) in columns {
        assert_eq!(comparison.differing(column, reason, &ours), 0, "{column}");
    }
    for (place, ours) in ours.iter().enumerate() {
        let theirs = comparison.theirs.get(place, "drops").as_u64().expect("bits");
        for (bit, (column, reason)) in columns.iter().enumerate() {
            let known = !comparison.theirs.get(place, column).is_null() && (bit < 8 || !comparison.lists.is_empty());
            assert!(!known || ours[reason].1 == (theirs >> bit & 1 == 1), "{column} of document {place}");
        }
    }
}

#[test]
fn roots_ratios_give_the_same_numbers() {
    let comparison = Comparison::new("roots");
    let documents: Vec<&Known> = comparison.documents.iter().collect();
    let runs = [(10, 5, ""), (3, 10, "again")];
    for (chars, words, again) in runs {
        let config = |code: &str| {
            let mut config = comparison.config("roots", code);
            config["languages"] = json!({ code: {
                "char_repetition_chars": chars, "word_repetition_words": words, "min_words": 1,
                "min_stop_word_fraction": 0.1,
            } });
            config
        };
        let ours = measured::<Roots>(&config, &documents);
        let mut columns = vec![
            (format!("character_repetition_{chars}"), "repeated_chars"),
            (format!("word_repetition_{words}"), "repeated_words"),
        ];
        if again.is_empty() {
            columns.extend([
                ("words".to_owned(), "too_few_words"),
                ("special_characters".to_owned(), "too_many_special_chars"),
                ("stop_words".to_owned(), "too_few_stop_words"),
                ("flagged_words".to_owned(), "too_many_flagged_words"),
            ]);
        }
        for (column, reason) in columns {
            assert_eq!(comparison.differing(&column, reason, &ours), 0, "{column}");
        }
    }
}
