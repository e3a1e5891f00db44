//! Repeats as other programs find them, on 4,747 documents: the demo corpus and mixtures of its documents.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::print_stdout, reason = "agreement is told")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::passes::{Left, left_by};
use yuan_dedup::{NgramCompat, RepeatedCompat, RepeatedNgrams, RepeatedText};

const MEMORY: u64 = 1 << 28;

/// A fixture of this folder, decompressed.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dedup").join(name);
    String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap()
}

/// The demo corpus, and mixtures of its documents, as `tests/oracle/repeats_mixtures.py` makes them.
fn mixtures() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo/corpus.jsonl.zst");
    let lines = String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
    let text =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    let mut texts: Vec<String> = lines.lines().map(text).collect();
    for number in (5..texts.len()).step_by(5) {
        let (one, other): (Vec<&str>, Vec<&str>) =
            (texts[number].split('\n').collect(), texts[number - 2].split('\n').collect());
        let runs = (0..one.len().max(other.len())).step_by(9).flat_map(|at| {
            let run = |lines: &[&str]| lines.iter().skip(at).take(9).map(|line| (*line).to_owned()).collect::<Vec<_>>();
            [run(&one), run(&other)].concat()
        });
        texts.push(runs.collect::<Vec<_>>().join("\n"));
    }
    texts
}

fn with_ids(texts: &[String]) -> Vec<(u64, &str)> {
    (0..).zip(texts.iter().map(String::as_str)).collect()
}

fn rows(name: &str) -> Vec<Value> {
    fixture(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether what is left hashes to what a peer's row says.
fn agrees(left: &Left, hash: &Value) -> bool {
    match left {
        Left::Kept(text) => {
            hash.as_str() == Some(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())).as_str())
        }
        Left::Dropped(_) => hash.is_null(),
    }
}

#[test]
fn lines_are_cut_as_cc_net_cuts_them() {
    let folder = tempfile::tempdir().unwrap();
    let texts = mixtures();
    let documents = with_ids(&texts);
    let rows = rows("repeats_ccnet.jsonl.zst");
    assert_eq!(rows.len(), documents.len());
    for (keep_first, name) in [(1, "one"), (0, "none")] {
        let config = RepeatedText { compat: RepeatedCompat::Ccnet, keep_first, ..RepeatedText::default() };
        let left = left_by(&config, &documents, 5, MEMORY, 2, folder.path());
        for ((left, row), (number, text)) in left.iter().zip(&rows).zip(&documents) {
            assert!(agrees(left, &row[name]), "document {number}, {name} kept:\n{text}\n→\n{left:?}");
        }
    }
}

#[test]
fn spans_are_cut_as_datatrove_cuts_them() {
    let folder = tempfile::tempdir().unwrap();
    let texts = mixtures();
    let documents = with_ids(&texts);
    let rows = rows("repeats_datatrove.jsonl.zst");
    assert_eq!(rows.len(), documents.len());
    let config = RepeatedText { compat: RepeatedCompat::Datatrove, ..RepeatedText::default() };
    let left = left_by(&config, &documents, 5, MEMORY, 2, folder.path());
    let (mut same, mut changed, mut changed_same) = (0, 0, 0);
    for ((left, row), text) in left.iter().zip(&rows).zip(&texts) {
        let is_changed = !agrees(&Left::Kept(text.clone()), &row["left"]);
        let is_same = agrees(left, &row["left"]);
        same += usize::from(is_same);
        changed += usize::from(is_changed);
        changed_same += usize::from(is_changed && is_same);
    }
    let total = rows.len();
    println!(
        "of {total} documents {same} have the same text left; of {changed} that datatrove changes or drops {changed_same}"
    );
    assert!(changed > 1000 && changed_same + 5 > changed && same + 5 > total);
}

#[test]
fn paragraphs_are_found_as_dolma_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let texts = mixtures();
    let documents = with_ids(&texts);
    let rows = rows("repeats_dolma.jsonl.zst");
    for (kind, (ngram, stride, threshold)) in [(13, 1, 0.8), (5, 3, 0.5), (13, 1, 1.0)].into_iter().enumerate() {
        let config = RepeatedNgrams {
            ngram,
            stride,
            threshold,
            false_positive_rate: 1e-9,
            compat: NgramCompat::Dolma,
            ..RepeatedNgrams::default()
        };
        let left = left_by(&config, &documents, 5, MEMORY, 2, folder.path());
        let mut found = 0;
        for ((left, row), text) in left.iter().zip(&rows[kind * texts.len()..]).zip(&texts) {
            let cut: Vec<u64> = row.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
            found += cut.len();
            let kept = text.split_inclusive('\n').zip(0_u64..).filter(|(_, at)| cut.binary_search(at).is_err());
            let expected: String = kept.map(|(line, _)| line).collect();
            match left {
                Left::Kept(left) => assert_eq!(*left, expected),
                Left::Dropped(_) => assert_eq!(expected.trim(), ""),
            }
        }
        assert!(found > 1000, "{found}");
    }
}
