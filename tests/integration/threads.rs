//! The result depends on the documents and the recipe alone.

use crate::support::{Dir, corpus, halves, recipe, results};

const CHAIN: [&str; 12] = [
    "normalize = {}",
    "language_id = {}",
    "exact = {}",
    "minhash = {}",
    "repeated_text = { unit = \"paragraph\", matching = \"similar\" }",
    "repeated_text = { unit = \"sentence\" }",
    "repeated_ngrams = {}",
    "gopher_repetition = {}",
    "gopher_quality = {}",
    "train_tokenizer = { vocab_size = 2000, reserved = 20, sample_bytes = 400000 }",
    "tokenize = {}",
    "write_binidx = {}",
];

#[test]
fn one_two_and_eight_threads_write_the_same_bytes() {
    let dir = Dir::new();
    let text = corpus(700);
    let (first, second) = halves(&text, text.len() / 3);
    let plain = dir.file("a.jsonl", first);
    let packed = dir.file("b.jsonl.zst", zstd::encode_all(second.as_bytes(), 1).expect("zstd"));
    dir.file("r.toml", recipe(&[&plain, &packed], 60_000, &CHAIN));
    let mut known = None;
    for threads in ["1", "2", "8"] {
        let run = format!("run-{threads}");
        dir.ok(&["run", "r.toml", "-o", &run, "--threads", threads, "--quiet"]);
        let now = results(&dir.path(&run));
        assert!(now.len() > 5, "documents, dropped documents, tokens and a tokenizer: {:?}", now.keys());
        match &known {
            None => known = Some(now),
            Some(known) => {
                assert!(now.keys().eq(known.keys()), "{:?} and {:?}", now.keys(), known.keys());
                for (name, bytes) in &now {
                    assert!(known[name] == *bytes, "`{name}` differs with {threads} threads");
                }
            }
        }
    }
}

#[test]
fn a_small_memory_budget_changes_nothing_but_time() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(400));
    dir.file("r.toml", recipe(&[&input], 60_000, &CHAIN[..9]));
    dir.ok(&["run", "r.toml", "-o", "wide", "--quiet"]);
    dir.ok(&["run", "r.toml", "-o", "narrow", "--quiet", "--memory", "64MiB", "--threads", "4"]);
    assert!(results(&dir.path("wide")) == results(&dir.path("narrow")));
}

#[test]
fn documents_come_out_in_the_order_they_went_in() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(500));
    dir.file("r.toml", recipe(&[&input], 20_000, &["normalize = {}"]));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet", "--threads", "4"]);
    let ids = |documents: Vec<serde_json::Value>| {
        documents.into_iter().map(|document| document["id"].clone()).collect::<Vec<_>>()
    };
    let read: Vec<serde_json::Value> =
        corpus(500).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(ids(dir.documents("run/out")), ids(read));
}
