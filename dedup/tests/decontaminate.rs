//! Text of evaluation sets in documents, against a naive comparison of n-grams (`tests/oracle/decontaminate.py`).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use yuan_dedup::{Action, CutAt, DecontaminateConfig};
use yuan_pipeline::{Context, Detail, Pass};

fn fixtures() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dedup")).into()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn documents() -> Vec<String> {
    let rows = lines(&fixtures().join("decontaminate_documents.jsonl"));
    rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

fn config() -> DecontaminateConfig {
    DecontaminateConfig { eval_files: vec![fixtures().join("decontaminate_evals")], ..DecontaminateConfig::default() }
}

type Tallies = BTreeMap<(&'static str, String), (u64, u64)>;

/// Scans in so many units and reduces; the outcome folder and the counts.
fn run(pass: &dyn Pass, texts: &[String], units: usize, folder: &Path) -> (PathBuf, Tallies) {
    let ids: Vec<(u64, &str)> = texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
    let partials: Vec<_> = ids
        .chunks(texts.len().div_ceil(units))
        .enumerate()
        .map(|(unit, documents)| {
            let partial = folder.join(format!("partial-{units}-{unit}"));
            let mut scan = pass.scan(&partial).unwrap();
            documents.chunks(7).for_each(|documents| scan.batch(&support::batch(documents)).unwrap());
            scan.finish().unwrap();
            partial
        })
        .collect();
    let cancelled = AtomicBool::new(false);
    let context = Context::new(1 << 28, 2, folder.into(), &cancelled);
    let outcome = folder.join(format!("outcome-{units}"));
    pass.reduce(&partials, &outcome, &context).unwrap();
    let tallies = context.into_tallies().into_iter();
    (outcome, tallies.map(|(key, tally)| (key, (tally.documents, tally.bytes))).collect())
}

fn table(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

/// Document, file of the set, item, n-grams found, of so many.
type Match = (u64, String, u64, u32, u32);

fn matches(outcome: &Path) -> BTreeSet<Match> {
    let mut all = BTreeSet::new();
    for batch in table(&outcome.join("matches.parquet")) {
        let number = |column: usize, row: usize| batch.column(column).as_primitive::<UInt64Type>().value(row);
        let count = |column: usize, row: usize| batch.column(column).as_primitive::<UInt32Type>().value(row);
        for row in 0..batch.num_rows() {
            let set = batch.column(1).as_string::<i32>().value(row);
            assert!(batch.column(2).as_string::<i32>().value(row).contains("decontaminate_evals"));
            let overlap = batch.column(4).as_primitive::<Float32Type>().value(row);
            assert!((overlap - count(5, row) as f32 / count(6, row) as f32).abs() < 1e-6);
            assert!(!batch.column(7).as_string::<i32>().value(row).is_empty());
            let set = set.strip_prefix("decontaminate_evals/").unwrap().to_owned();
            all.insert((number(0, row), set, number(3, row), count(5, row), count(6, row)));
        }
    }
    all
}

fn expected() -> BTreeSet<Match> {
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
    lines(&fixtures().join("decontaminate_matches.jsonl"))
        .iter()
        .map(|row| {
            let set = row["set"].as_str().unwrap().to_owned();
            (number(row, "doc"), set, number(row, "item"), number(row, "found") as u32, number(row, "ngrams") as u32)
        })
        .collect()
}

#[test]
fn what_is_found_is_what_sets_of_ngrams_say() {
    let folder = tempfile::tempdir().unwrap();
    let texts = documents();
    let pass = config().build().unwrap();
    let (outcome, tallies) = run(&pass, &texts, 3, folder.path());
    let expected = expected();
    assert!(expected.len() > 30);
    assert_eq!(matches(&outcome), expected);

    // Each document goes for the item that it has most of.
    let mut best: BTreeMap<u64, &Match> = BTreeMap::new();
    let overlap = |found: &Match| f64::from(found.3) / f64::from(found.4);
    for found in &expected {
        let known = best.entry(found.0).or_insert(found);
        if overlap(found) > overlap(known) {
            *known = found;
        }
    }
    let stage = pass.stage(&outcome).unwrap().unwrap();
    let ids: Vec<(u64, &str)> = texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
    let batch = stage.process(support::batch(&ids)).unwrap();
    for (doc_id, _) in ids {
        let reason = batch.reason(doc_id as usize).map(|reason| (reason.code, reason.detail.clone()));
        let expected = best.get(&doc_id).map(|found| {
            let detail = format!("decontaminate_evals/{} {} ({:.0} %)", found.1, found.2, 100.0 * overlap(found));
            ("contaminated", Detail::Text(detail))
        });
        assert_eq!(reason, expected, "{doc_id}");
    }
    // And each set says how many of its items are somewhere.
    let items =
        |set: &str| expected.iter().filter(|found| found.1 == set).map(|found| found.2).collect::<BTreeSet<_>>();
    for (set, count) in [("gsm8k", 30), ("gaokao", 20)] {
        let key = ("contaminated_items", format!("decontaminate_evals/{set}"));
        assert_eq!(tallies[&key], (items(set).len() as u64, count));
    }
    assert_eq!(tallies[&("contaminated", "documents".into())].0, best.len() as u64);
    let rows: usize = table(&outcome.join("items.parquet")).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, items("gsm8k").len() + items("gaokao").len());
}

#[test]
fn the_outcome_does_not_depend_on_units() {
    let folder = tempfile::tempdir().unwrap();
    let texts = documents();
    let pass = config().build().unwrap();
    let bytes = |units| {
        let (outcome, _) = run(&pass, &texts, units, folder.path());
        ["documents", "spans", "matches.parquet", "items.parquet"]
            .map(|file| std::fs::read(outcome.join(file)).unwrap())
    };
    let expected = bytes(1);
    assert!(expected.iter().all(|file| file.len() > 100));
    assert!(bytes(17) == expected && bytes(110) == expected);
}

#[test]
fn sentences_with_text_of_an_item_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let items = lines(&fixtures().join("decontaminate_evals/gsm8k.jsonl"));
    let question = items[0]["question"].as_str().unwrap();
    let texts = vec![
        format!("Before it. {question} Behind it."),
        "Nothing of the kind.".to_owned(),
        question.to_owned(),
        format!("Cafe\u{301}. {question} Behind it."),
    ];
    let cut = |cut_at| {
        let pass = DecontaminateConfig { action: Action::Cut, cut_at, ..config() }.build().unwrap();
        let (outcome, _) = run(&pass, &texts, 1, folder.path());
        let ids: Vec<(u64, &str)> = texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
        let batch = pass.stage(&outcome).unwrap().unwrap().process(support::batch(&ids)).unwrap();
        let left = |row| batch.reason(row).is_none().then(|| batch.document(row).text().to_owned());
        (0..4).map(left).collect::<Vec<_>>()
    };
    let own = |text: &str| Some(text.to_owned());
    let nothing = own("Nothing of the kind.");
    assert_eq!(
        cut(CutAt::Sentence),
        [own("Before it. Behind it."), nothing.clone(), None, own("Caf\u{e9}. Behind it.")]
    );
    // The last character of the question is no part of its last token.
    let rest = &question[question.len() - 1..];
    let left = [format!("Before it. {rest} Behind it."), format!("Caf\u{e9}. {rest} Behind it.")];
    assert_eq!(cut(CutAt::Character), [own(&left[0]), nothing, None, own(&left[1])]);
}

#[test]
fn a_least_overlap_leaves_documents_with_less() {
    let folder = tempfile::tempdir().unwrap();
    let pass = DecontaminateConfig { min_overlap: 0.5, ..config() }.build().unwrap();
    let (outcome, _) = run(&pass, &documents(), 2, folder.path());
    let expected: BTreeSet<Match> = expected().into_iter().filter(|found| 2 * found.3 >= found.4).collect();
    assert!(!expected.is_empty());
    assert_eq!(matches(&outcome), expected);
}

#[test]
fn a_report_leaves_documents_alone() {
    let report = DecontaminateConfig { action: Action::Report, ..config() }.build().unwrap();
    assert!(!report.ends_in_stage());
    assert!(config().build().unwrap().ends_in_stage());
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let message = |config: DecontaminateConfig| config.build().map(|_| ()).unwrap_err().to_string();
    assert!(
        message(DecontaminateConfig { words: 0, ..config() })
            .contains("`min_words` is 8, it must be from 1 to `words` (0)")
    );
    assert!(message(DecontaminateConfig { min_overlap: 1.5, ..config() }).contains("`min_overlap` is 1.5"));
    assert!(message(DecontaminateConfig::default()).contains("no evaluation set is named"));
    let labels = DecontaminateConfig { fields: vec!["label".into()], ..config() };
    let error = labels.build().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no item") && error.hint().unwrap().contains("`fields`"), "{error}");
}

#[test]
fn what_is_in_the_sets_counts_and_not_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, _) = run(&config().build().unwrap(), &documents(), 2, folder.path());
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for entry in std::fs::read_dir(fixtures().join("decontaminate_evals")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), elsewhere.join(entry.file_name())).unwrap();
    }
    let opened = || {
        let moved = DecontaminateConfig { eval_files: vec![elsewhere.clone()], ..config() };
        moved.build().unwrap().stage(&outcome).map(|stage| stage.is_some())
    };
    assert!(opened().unwrap());
    let gsm8k = elsewhere.join("gsm8k.jsonl");
    let fewer: String =
        std::fs::read_to_string(&gsm8k).unwrap().lines().skip(1).map(|line| line.to_owned() + "\n").collect();
    std::fs::write(&gsm8k, fewer).unwrap();
    assert!(opened().unwrap_err().to_string().ends_with("was made with other parameters"));
}

#[test]
fn all_shared_evaluation_sets_are_read() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/evals"));
    if !shared.exists() {
        return;
    }
    let pass =
        DecontaminateConfig { eval_files: vec![shared.into()], ..DecontaminateConfig::default() }.build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, tallies) = run(&pass, &["nothing".into()], 1, folder.path());
    let items = |set: &str| tallies[&("contaminated_items", set.to_owned())].1;
    // As their publishers say.
    for (set, count) in [
        ("gsm8k/test", 1319),
        ("gsm8k/train", 7473),
        ("math/math500_oai", 500),
        ("humaneval/HumanEval", 164),
        ("truthfulqa/TruthfulQA", 817),
        ("arc_c/ARC_challenge", 2344),
        ("mmlu/astronomy", 152),
        ("agieval/lsat-ar", 230),
    ] {
        assert_eq!(items(set), count, "{set}");
    }
    assert!(tallies.keys().all(|(_, key)| !key.to_lowercase().contains("license")));
}
