//! Every verdict of the published scorers on inputs written by hand (`tests/fixtures/eval/scoring.json`).

use std::path::Path;

use serde_json::Value;
use yuan_eval::scorers::{Version, clean, gsm8k, humaneval, letters, math, mathqa, truthfulqa};

/// The entries by one name; each with what it is to say if it fails.
fn entries(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/eval/scoring.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON");
    all[name].as_array().unwrap_or_else(|| panic!("there are no entries `{name}`")).clone()
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or_else(|| panic!("{entry} has no `{field}`"))
}

/// Holds a scorer against all entries; an exception of the reference counts as wrong.
fn agree(name: &str, count: usize, verdict: impl Fn(&Value) -> bool) {
    let entries = entries(name);
    assert_eq!(entries.len(), count, "{name}");
    let wrong: Vec<&Value> = entries
        .iter()
        .filter(|entry| {
            let expected = entry["correct"].as_bool().unwrap_or_else(|| {
                assert!(entry["correct"].as_str().is_some_and(|text| text.starts_with("exception:")), "{entry}");
                false
            });
            verdict(entry) != expected
        })
        .collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}

#[test]
fn gsm8k_of_both_versions() {
    for (name, version) in [("gsm8k_m32", Version::M32), ("gsm8k_yuan2", Version::Yuan2)] {
        agree(name, 26, |entry| {
            gsm8k::is_correct(version, text(entry, "qa_text"), text(entry, "gold")).unwrap_or(false)
        });
    }
}

#[test]
fn math_of_m32() {
    agree("math_m32", 24, |entry| math::is_correct(text(entry, "qa_text"), text(entry, "gold")).unwrap_or(false));
}

fn agree_on_letters(name: &str, count: usize, found: impl Fn(&str) -> Option<String>) {
    let entries = entries(name);
    assert_eq!(entries.len(), count, "{name}");
    for entry in entries {
        assert_eq!(found(text(&entry, "qa_text")).as_deref(), entry["letter"].as_str(), "{name}: {entry}");
    }
}

#[test]
fn letters_of_options() {
    for name in ["arc_m32", "mmlu_m32"] {
        agree_on_letters(name, 20, |record| letters::letters(record).unwrap_or(None));
    }
    agree_on_letters("agieval_mathqa_yuan2", 16, |record| mathqa::letters(record).unwrap_or(None));
}

#[test]
fn programs_of_humaneval() {
    for entry in entries("humaneval_postprocess_m32") {
        assert_eq!(humaneval::program(text(&entry, "text")), text(&entry, "completion"), "{entry}");
    }
    for entry in entries("humaneval_parse_first_func") {
        assert_eq!(humaneval::first_function(text(&entry, "text")).as_deref(), entry["result"].as_str(), "{entry}");
    }
}

#[test]
fn truthfulqa_in_chinese() {
    for entry in entries("truthfulqa_yuan2") {
        let accuracy = if truthfulqa::is_correct(text(&entry, "gen_ans")) { "1.00" } else { "0.00" };
        assert_eq!(text(&entry, "printed"), format!("MC1 acc: {accuracy}"), "{entry}");
    }
}

#[test]
fn newlines_in_records() {
    for entry in entries("clean_tab") {
        assert_eq!(clean::collapse_newlines(text(&entry, "text")), text(&entry, "result"), "{entry}");
    }
}
