//! Faults of other tools on Chinese and Japanese text that we do not have.
//!
//! `tests/fixtures/rules/cjk_faults.jsonl` holds the texts and what the tools made of them.

use serde_json::Value;
use yuan_filters::{
    C4, ChineseWebText, Code, DataJuicer, FineWeb, GopherQuality, PolyLm, RefinedWebLines, Roots, Yayi2,
};
use yuan_pipeline::{Batch, Rules, Stage};

use crate::documents::fixture;
use crate::judged::ask;
use crate::support::records;

fn faults() -> Vec<Value> {
    records(&std::fs::read_to_string(fixture("cjk_faults.jsonl")).expect("the faults"))
}

/// The text of a fault, and that the tool falls for it.
fn fault(name: &str) -> String {
    let faults = faults();
    let fault = faults.iter().find(|fault| fault["name"] == name).expect("a fault of that name");
    assert_ne!(fault["verdict"], "kept", "{name}");
    fault["text"].as_str().map(str::to_owned).expect("a text")
}

/// A stage keeps the text as it is.
fn keeps<R: Rules>(rules: &R, name: &str) {
    let text = fault(name);
    let (values, reason, made) = ask(rules, &text);
    assert_eq!((reason, made.as_str()), (None, text.as_str()), "{name}: {values:?}");
}

#[test]
fn a_chinese_full_stop_ends_a_line() {
    keeps(&C4::default(), "datatrove_c4_full_stop");
}

#[test]
fn a_chinese_line_has_more_than_one_word() {
    keeps(&C4::default(), "datatrove_c4_words_per_line");
    keeps(&RefinedWebLines::default(), "dclm_two_words");
}

#[test]
fn dialogue_ends_its_sentences() {
    keeps(&FineWeb::default(), "datatrove_closing_quote");
}

#[test]
fn thirty_characters_are_no_short_line() {
    keeps(&FineWeb::default(), "datatrove_short_lines");
}

#[test]
fn one_traditional_character_drops_nothing() {
    keeps(&ChineseWebText::default(), "chinesewebtext_traditional");
}

#[test]
fn chinese_prose_passes_the_gopher_rules() {
    let names = [
        "datatrove_gopher_english",
        "dclm_word_length",
        "dclm_words",
        "dolma_median_word_length",
        "dolma_required_words",
    ];
    for name in names {
        keeps(&GopherQuality::default(), name);
    }
}

#[test]
fn every_fault_tells_what_it_is() {
    for fault in faults() {
        assert!(fault["why"].as_str().is_some_and(|why| !why.is_empty()), "{fault}");
        assert!(!matches!(fault["peer"], Value::Null));
    }
}

/// Text that says the same over and over, which NeMo Curator's rule for it does not see in Chinese.
const REPETITIVE: &str = "nemo_repeating_top_ngrams";

#[test]
fn chinese_is_judged_by_what_it_says_and_not_by_its_script() {
    let stages: [(&str, Box<dyn Stage>); 5] = [
        ("roots", Box::new(Roots::default())),
        ("data_juicer", Box::new(DataJuicer::default())),
        ("polylm", Box::new(PolyLm::default())),
        ("yayi2", Box::new(Yayi2::default())),
        ("code", Box::new(Code::default())),
    ];
    let mut pages = 0;
    for fault in faults() {
        let (name, text) = (fault["name"].as_str().expect("a name"), fault["text"].as_str().expect("a text"));
        let reason = |stage: &dyn Stage| {
            let batch = stage.process(Batch::of_texts(&[text])).expect("judged");
            batch.reason(0).map(|reason| reason.code)
        };
        if name == REPETITIVE {
            let repeats = |reason: Option<&str>| reason.is_some_and(|reason| reason.starts_with("repeated_"));
            assert!(repeats(reason(stages[0].1.as_ref())) && repeats(reason(stages[1].1.as_ref())));
            continue;
        }
        // A line or two are too short for rules about documents.
        if fault["verdict"] == "dropped" && text.chars().count() >= 100 {
            pages += 1;
            for (stage, rules) in &stages {
                assert_eq!(reason(rules.as_ref()), None, "{stage} on {name}");
            }
        }
    }
    assert!(pages >= 5, "only {pages} pages");
}

/// 上 and 士 are no special characters, and words are no lines.
#[test]
fn shanghais_ladies_are_no_symbols() {
    let text = "上海的女士上午上班，晚上上课，周末上山上香。男士也上网上学，士兵上岗，博士上台。";
    let value = |config: &str, rule: &str| {
        let stage: DataJuicer = toml::from_str(config).expect("settings");
        let findings = stage.explain(&Batch::of_texts(&[text]).document(0));
        findings.iter().find(|finding| finding.rule == rule).expect("a finding").value
    };
    assert_eq!(value("compat = 'data-juicer'", "too_many_special_chars"), 0.525);
    assert_eq!(value("", "too_many_special_chars"), 6.0 / 40.0);
    assert_eq!(value("compat = 'data-juicer'", "too_few_words"), 1.0);
    assert!(value("", "too_few_words") > 15.0);
}
