//! Do the Gopher rules agree with datatrove, document by document?
//!
//! `tests/fixtures/gopher/verdicts.jsonl.zst` holds datatrove's verdicts on real documents of the shared
//! corpora, `sample.jsonl.zst` the same for a few documents with their texts. Made by
//! `tests/oracle/gopher_datatrove.py`; what disagrees, and why, is in `tests/fixtures/gopher/CONFORMANCE.md`.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use xxhash_rust::xxh64::xxh64;
use yuan_filters::{EnglishWords, GopherQuality, GopherRepetition, Language, Span, Words};
use yuan_pipeline::{Check, Tunable as _, Verdict};

use crate::support::{corpora, records, root, unpack};

fn verdicts(name: &str) -> Vec<Value> {
    records(&unpack(&root().join("tests/fixtures/gopher").join(name)))
}

/// Our reason for one of datatrove's.
fn ours(reason: &str) -> String {
    let known = [
        ("gopher_short_doc", "too_few_words"),
        ("gopher_long_doc", "too_many_words"),
        ("gopher_below_avg_threshold", "short_words"),
        ("gopher_above_avg_threshold", "long_words"),
        ("gopher_too_many_hashes", "too_many_hashes"),
        ("gopher_too_many_ellipsis", "too_many_ellipses"),
        ("gopher_too_many_bullets", "bullet_lines"),
        ("gopher_too_many_end_ellipsis", "ellipsis_lines"),
        ("gopher_below_alpha_threshold", "too_few_alphabetic_words"),
        ("gopher_enough_stop_words", "too_few_stop_words"),
        ("dup_para_frac", "duplicate_paragraph_fraction"),
        ("dup_para_char_frac", "duplicate_paragraph_char_fraction"),
        ("dup_line_frac", "duplicate_line_fraction"),
        ("dup_line_char_frac", "duplicate_line_char_fraction"),
        ("empty", "empty_text"),
    ];
    match known.iter().find(|(theirs, _)| *theirs == reason) {
        Some((_, ours)) => (*ours).to_owned(),
        None => reason.replace("duplicated_", "duplicate_").replace("_n_grams", "_gram"),
    }
}

fn expected(record: &Value, field: &str) -> Option<String> {
    record[field].as_str().map(ours)
}

/// Every check that fails by itself, in alphabetical order.
fn expected_failures(record: &Value) -> Vec<String> {
    let reasons = record["fails"].as_array().expect("a list").iter();
    let mut reasons: Vec<String> = reasons.map(|reason| ours(reason.as_str().expect("a reason"))).collect();
    reasons.sort();
    reasons
}

fn failures(checks: &[Check], values: &[f64]) -> Vec<String> {
    checks.iter().filter(|check| check.fails(values)).map(|check| check.reason.to_owned()).collect()
}

fn reason(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Keep => None,
        Verdict::Drop(reason) => Some(reason.code.to_owned()),
    }
}

/// datatrove's words, from the letters that the oracle script writes.
fn their_words(record: &Value) -> Vec<Span> {
    let mut letters = record["words"].as_str().expect("letters");
    let (mut spans, mut at) = (Vec::new(), 0);
    while let Some(letter) = letters.bytes().next() {
        letters = &letters[1..];
        let (skipped, length) = match letter {
            b'a'..=b'z' => (0, u32::from(letter - b'a') + 1),
            b'A'..=b'Z' => (1, u32::from(letter - b'A') + 1),
            _ => {
                let (pair, rest) = letters.split_once(')').expect("a bracket is closed");
                letters = rest;
                let (skipped, length) = pair.split_once(',').expect("two numbers");
                (skipped.parse().expect("a number"), length.parse().expect("a number"))
            }
        };
        let start = at + skipped;
        at = start + length;
        spans.push(Span { start, end: at });
    }
    spans
}

#[derive(Default)]
struct Counts {
    documents: usize,
    dropped: usize,
    other_words: usize,
    other_verdicts: usize,
    reasons: BTreeMap<String, [usize; 2]>,
}

/// Checks one document: everything with datatrove's words, and counts what differs with ours.
fn check(record: &Value, text: &str, counts: &mut BTreeMap<String, Counts>) {
    let code = record["language"].as_str().expect("a language");
    let language = Language::of_name(code).expect("a language");
    let (quality, repetition) = (GopherQuality::default(), GopherRepetition::default());
    let judge = |words: &Words| {
        let (q, r) = (quality.values(text, words), repetition.values(text, words));
        let (of_quality, of_repetition) = (quality.checks_of(code), repetition.checks_of(code));
        let mut failing = failures(&of_quality, &q);
        failing.extend(failures(&of_repetition, &r));
        failing.sort();
        (reason(yuan_pipeline::judge(&of_quality, &q)), reason(yuan_pipeline::judge(&of_repetition, &r)), failing)
    };
    let name = format!("{} {} {}", record["file"], record["id"], record["start"]);

    let theirs = Words::of_spans(their_words(record), language);
    let (q, r, all) = judge(&theirs);
    assert_eq!((&q, &r), (&expected(record, "quality"), &expected(record, "repetition")), "{name}");
    // Without any word datatrove divides by zero in most checks.
    // Hashes and ellipses share a threshold there, so where both are too many only hashes are named.
    if !theirs.is_empty() {
        let expected = expected_failures(record);
        let hashes = expected.iter().any(|reason| reason == "too_many_hashes");
        let mut all = all;
        all.retain(|reason| !(hashes && reason == "too_many_ellipses"));
        assert_eq!(all, expected, "{name}");
    }

    let strict = match code {
        "en" => EnglishWords::of_text(text).0,
        _ => Words::of_text(text, language),
    };
    for (kind, words) in [("datatrove's definition", strict), ("default", Words::of_text(text, language))] {
        let counts = counts.entry(format!("{code}, {kind}")).or_default();
        let (ours, theirs_reasons) = (judge(&words), (q.clone(), r.clone()));
        counts.documents += 1;
        counts.dropped += usize::from(q.is_some() || r.is_some());
        for reason in [&q, &r].into_iter().flatten() {
            counts.reasons.entry(reason.clone()).or_default()[0] += 1;
        }
        if words.spans() != theirs.spans() {
            counts.other_words += 1;
            if std::env::var_os("SHOW_WORDS").is_some() {
                let (a, b): (Vec<_>, Vec<_>) = (words.iter(text).collect(), theirs.iter(text).collect());
                let at = (0..a.len().min(b.len())).find(|&at| a[at] != b[at]).unwrap_or(0);
                let near = |words: &[&str]| words[at.saturating_sub(2)..words.len().min(at + 5)].join(" ");
                println!("{kind} {name}: ours {:?}, theirs {:?}", near(&a), near(&b));
            }
        }
        if (ours.0.clone(), ours.1.clone()) != theirs_reasons {
            counts.other_verdicts += 1;
            println!("{kind} {name}: ours {:?} {:?}, theirs {theirs_reasons:?}", ours.0, ours.1);
            for reason in [ours.0, ours.1].into_iter().flatten() {
                counts.reasons.entry(reason).or_default()[1] += 1;
            }
        }
    }
}

fn report(counts: &BTreeMap<String, Counts>) {
    for (kind, counts) in counts {
        println!(
            "{kind}: {} documents, {} dropped by datatrove; other words in {}, another verdict in {}",
            counts.documents, counts.dropped, counts.other_words, counts.other_verdicts
        );
        println!("  datatrove's reasons: {:?}", counts.reasons.iter().map(|(r, n)| (r, n[0])).collect::<Vec<_>>());
    }
}

#[test]
fn the_sample_is_judged_as_datatrove_judges_it() {
    let mut counts = BTreeMap::new();
    for record in verdicts("sample.jsonl.zst") {
        let text = record["text"].as_str().expect("a text").to_owned();
        check(&record, &text, &mut counts);
    }
    report(&counts);
    assert!(counts.values().all(|counts| counts.documents >= 80 && counts.other_verdicts == 0));
}

#[test]
fn shared_documents_are_judged_as_datatrove_judges_them() {
    let Some(shared) = corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let mut counts = BTreeMap::new();
    let verdicts = verdicts("verdicts.jsonl.zst");
    for of_file in verdicts.chunk_by(|a, b| a["file"] == b["file"]) {
        let name = of_file[0]["file"].as_str().expect("a file");
        let rows = unpack(&shared.join(format!("{name}.jsonl.zst")));
        let wanted: HashMap<&str, ()> = of_file.iter().filter_map(|row| Some((row["id"].as_str()?, ()))).collect();
        let mut texts: HashMap<String, Value> = HashMap::new();
        for row in records(&rows) {
            let id = row["id"].as_str().expect("an id").to_owned();
            if wanted.contains_key(id.as_str()) {
                texts.insert(id, row);
            }
        }
        for record in of_file {
            let row = &texts[record["id"].as_str().expect("an id")];
            let whole = row[record["field"].as_str().expect("a field")].as_str().expect("a text");
            let place = |end: &str| record[end].as_u64().expect("a place") as usize;
            let text = &whole[place("start")..place("end")];
            assert_eq!(format!("{:016x}", xxh64(text.as_bytes(), 0)), record["hash"], "{name}");
            check(record, text, &mut counts);
        }
    }
    report(&counts);
    for (kind, at_least, other_words, other_verdicts) in
        [("en, datatrove's definition", 5000, 1, 0), ("en, default", 5000, 12, 2), ("zh, default", 2000, 0, 0)]
    {
        let counts = &counts[kind];
        assert!(counts.documents >= at_least, "{kind}");
        assert!(counts.other_words <= other_words && counts.other_verdicts <= other_verdicts, "{kind}");
    }
}
