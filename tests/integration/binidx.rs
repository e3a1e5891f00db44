//! Token sets from the command line: taken out of, looked up, joined, cut, mended, converted, and read by others.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Dir, corpus, files};

fn tokenizer() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer/tokenizer.json");
    path.to_string_lossy().into_owned()
}

/// Tokenizes documents of the bundled corpus into `tokens`, with more flags.
fn tokenize(dir: &Dir, documents: usize, flags: &[&str]) {
    dir.file("corpus.jsonl", corpus(documents));
    let tokenizer = tokenizer();
    let mut arguments = vec!["tokenize", "corpus.jsonl", "--tokenizer", &tokenizer, "--quiet"];
    arguments.extend(["--source-field", "source", "--language-field", "lang"]);
    if !flags.contains(&"-o") {
        arguments.extend(["-o", "tokens"]);
    }
    arguments.extend(flags);
    dir.ok(&arguments);
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// All documents of a set, as `cat` tells them.
fn cat(dir: &Dir, prefix: &str) -> Vec<Value> {
    json_lines(&dir.ok(&["binidx", "cat", prefix, "--limit", "1000000", "--json"]).stdout())
}

#[test]
fn documents_are_taken_down_and_nothing_else_changes() {
    let dir = Dir::new();
    tokenize(&dir, 4_000, &[]);
    let before = cat(&dir, "tokens");
    assert_eq!(before.len(), 3_956);
    let ids: BTreeSet<&str> = before.iter().step_by(79).filter_map(|document| document["id"].as_str()).collect();
    assert!(ids.len() > 40);
    dir.file("ids.txt", ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    let places = json_lines(&dir.ok(&["binidx", "where", "tokens", "--ids", "ids.txt", "--json"]).stdout());
    assert_eq!(places.len(), ids.len());

    let ran = dir.ok(&["binidx", "remove", "tokens", "--ids", "ids.txt"]);
    assert!(ran.stderr().contains(&format!("{} documents", ids.len())), "{}", ran.stderr());
    dir.ok(&["binidx", "verify", "tokens", "--tokenizer", &tokenizer(), "--eod", "<eod>"]);
    let after = cat(&dir, "tokens");
    let kept: Vec<&Value> =
        before.iter().filter(|document| !ids.contains(document["id"].as_str().unwrap_or(""))).collect();
    assert_eq!(after.len(), kept.len());
    for (after, before) in after.iter().zip(kept) {
        for field in ["id", "tokens", "source", "file", "row", "language"] {
            assert_eq!(after[field], before[field]);
        }
    }
    // A second time nothing is there, which is told, and nothing is written.
    let whole = files(&dir.path("."));
    dir.run(&["binidx", "remove", "tokens", "--ids", "ids.txt"]).fails(3, &["not found: "]);
    assert_eq!(files(&dir.path(".")), whole);
}

#[test]
fn a_loss_mask_goes_with_its_set() {
    let dir = Dir::new();
    let text = |number: usize| format!("{{\"id\": \"{number}\", \"text\": \"question {number}<sep>answer\"}}\n");
    dir.file("sft.jsonl", (0..20).map(text).collect::<String>());
    dir.ok(&["tokenize", "sft.jsonl", "-o", "t", "--tokenizer", &tokenizer(), "--loss-mask", "--quiet"]);
    dir.file("ids.txt", "3\n7\n");
    dir.ok(&["binidx", "remove", "t", "--ids", "ids.txt"]);
    dir.ok(&["binidx", "remove", "t", "--documents", "0", "-o", "u"]);
    for (set, left) in [("t", 18), ("u", 17)] {
        let mask = format!("{set}_loss_mask");
        let (tokens, masks) = (cat(&dir, set), cat(&dir, &mask));
        assert_eq!((tokens.len(), masks.len()), (left, left));
        for (tokens, mask) in tokens.iter().zip(&masks) {
            assert_eq!(tokens["id"], mask["id"]);
            let length = |document: &Value| document["tokens"].as_array().map(Vec::len);
            assert_eq!(length(tokens), length(mask));
        }
        dir.ok(&["binidx", "verify", set, &mask]);
    }
    // A number is an id, whatever tokens look like it; a name is one of the tokenizer's.
    dir.run(&["binidx", "verify", "t", "--tokenizer", &tokenizer(), "--eod", "5"]);
    dir.ok(&["binidx", "verify", "t", "--tokenizer", &tokenizer(), "--eod", "0"]);
    dir.run(&["binidx", "verify", "t", "--eod", "<eod>"]).fails(2, &["is no token id", "--tokenizer"]);
}

#[test]
fn a_token_leads_to_its_document_and_the_document_to_its_text() {
    let dir = Dir::new();
    tokenize(&dir, 120, &[]);
    let texts: HashMap<String, String> = json_lines(&corpus(120))
        .into_iter()
        .map(|document| {
            let said = |field: &str| document[field].as_str().expect("a string").to_owned();
            (said("id"), said("text"))
        })
        .collect();
    let info: Value = serde_json::from_str(&dir.ok(&["binidx", "info", "tokens", "--json"]).stdout()).expect("JSON");
    let total = info["tokens"].as_u64().expect("a number");
    assert_eq!(info["known"]["tokens"], total);
    let places: Vec<String> = (0..total).step_by(997).chain([total - 1]).map(|token| token.to_string()).collect();
    let mut arguments = vec!["binidx", "where", "tokens", "--json"];
    arguments.extend(places.iter().map(String::as_str));
    let found = json_lines(&dir.ok(&arguments).stdout());
    assert_eq!(found.len(), places.len());
    for located in found {
        let token = located["token"].as_u64().expect("a number") - located["first_token"].as_u64().expect("a number");
        let document = located["document"].to_string();
        let tokenizer = tokenizer();
        let shown = dir.ok(&[
            "binidx",
            "cat",
            "tokens",
            "--from",
            &document,
            "--limit",
            "1",
            "--json",
            "--tokenizer",
            &tokenizer,
        ]);
        let shown = &json_lines(&shown.stdout())[0];
        assert!(token < shown["tokens"].as_array().expect("a list").len() as u64);
        let id = shown["id"].as_str().expect("an id");
        assert_eq!(located["id"], id);
        assert_eq!(shown["text"], format!("{}<eod>", texts[id]));
    }
    dir.run(&["binidx", "where", "tokens", &total.to_string()]).fails(1, &["there is no token", "counted from 0"]);
    dir.run(&["binidx", "where", "tokens", "--id", "nobody"]).fails(1, &["not found: nobody"]);
    dir.run(&["binidx", "where", "tokens"]).fails(2, &["<TOKEN>"]);
}

#[test]
fn the_same_set_for_any_threads_shards_and_orders_of_work() {
    let dir = Dir::new();
    let of = |name: &str| -> Vec<Vec<u8>> {
        let mut found: Vec<(String, Vec<u8>)> = files(&dir.path(name)).into_iter().collect();
        found.sort();
        found.into_iter().map(|(_, bytes)| bytes).collect()
    };
    for threads in ["1", "2", "8"] {
        let out = format!("shuffled-{threads}/set");
        tokenize(&dir, 300, &["-o", &out, "--shuffle", "7", "--shards", "3", "--threads", threads]);
        dir.ok(&["binidx", "verify", &format!("{out}-00000-of-00003"), &format!("{out}-00002-of-00003")]);
    }
    assert_eq!(of("shuffled-1").len(), 9);
    assert_eq!(of("shuffled-1"), of("shuffled-2"));
    assert_eq!(of("shuffled-1"), of("shuffled-8"));

    tokenize(&dir, 300, &["-o", "one/set", "--shuffle", "7"]);
    let parts: Vec<String> = (0..3).map(|part| format!("shuffled-1/set-{part:05}-of-00003")).collect();
    let mut arguments = vec!["binidx", "concat", "-o", "joined/set"];
    arguments.extend(parts.iter().map(String::as_str));
    dir.ok(&arguments);
    assert_eq!(of("joined"), of("one"));
    // Shuffled later it is the order it has when it is shuffled at once.
    tokenize(&dir, 300, &["-o", "plain/set"]);
    dir.ok(&["binidx", "shuffle", "plain/set", "-o", "later/set", "--seed", "7"]);
    assert_eq!(of("later"), of("one"));
    assert_ne!(of("plain"), of("one"));
}

#[test]
fn forms_are_the_same_at_once_and_converted() {
    let dir = Dir::new();
    tokenize(&dir, 60, &[]);
    for (form, suffix) in [("datatrove", "ds"), ("olmo", "npy"), ("parquet", "parquet")] {
        tokenize(&dir, 60, &["-o", &format!("at-once/{form}"), "--to", form]);
        dir.ok(&["binidx", "convert", "tokens", "-o", &format!("later/{form}.{suffix}")]);
        dir.ok(&["binidx", "convert", &format!("later/{form}.{suffix}"), "-o", &format!("back/{form}.bin")]);
        let tokens = |prefix: &str| std::fs::read(dir.path(prefix)).expect("read");
        assert_eq!(tokens(&format!("at-once/{form}.{suffix}")), tokens(&format!("later/{form}.{suffix}")));
        if form != "parquet" {
            assert_eq!(tokens(&format!("back/{form}.bin")), tokens("tokens.bin"), "{form}");
        }
        let documents =
            |prefix: &str| cat(&dir, prefix).into_iter().map(|document| document["tokens"].clone()).collect::<Vec<_>>();
        assert_eq!(documents(&format!("back/{form}")), documents("tokens"), "{form}");
    }
    dir.run(&["binidx", "convert", "tokens", "-o", "x"]).fails(2, &["does not tell its form", "--to"]);
    dir.run(&["binidx", "convert", "nothing.ds", "-o", "x.bin"]).fails(1, &["cannot read `nothing.ds`"]);
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let dir = Dir::new();
    tokenize(&dir, 40, &["--no-documents"]);
    dir.file("ids.txt", "a\n");
    dir.run(&["binidx", "remove", "tokens", "--ids", "ids.txt"]).fails(1, &["no file of documents", "hint: "]);
    dir.run(&["binidx", "remove", "tokens"]).fails(2, &["--ids"]);
    dir.run(&["binidx", "concat", "tokens", "tokens", "-o", "tokens"])
        .fails(2, &["cannot be written at the same time"]);
    dir.run(&["binidx", "split", "tokens", "-o", "x"]).fails(2, &["--parts"]);
    dir.run(&["binidx", "split", "tokens", "-o", "x", "--parts", "0"]).fails(1, &["cut into nothing"]);
    dir.run(&["binidx", "concat", "none", "-o", "x"]).fails(1, &["cannot read `none.idx`"]);
    dir.run(&["binidx", "cat", "tokens", "--dtype", "i32"]).fails(2, &["--dtype"]);
    let bin = std::fs::read(dir.path("tokens.bin")).expect("read");
    std::fs::write(dir.path("tokens.bin"), &bin[..bin.len() - 101]).expect("written");
    let ran = dir.run(&["binidx", "verify", "tokens"]);
    assert_eq!((ran.status(), ran.stdout().contains("by the lengths")), (1, true), "{}", ran.stdout());
    dir.run(&["binidx", "concat", "tokens", "-o", "x"]).fails(1, &["the index counts", "binidx repair"]);
    dir.run(&["binidx", "repair", "tokens", "-o", "mended"]).fails(3, &["lost: "]);
    dir.ok(&["binidx", "verify", "mended"]);
    assert!(cat(&dir, "mended").len() < 40);
}

#[test]
fn packed_documents_are_told_by_their_pieces() {
    let dir = Dir::new();
    tokenize(&dir, 200, &[]);
    let ran = dir.ok(&["binidx", "pack", "tokens", "-o", "packed", "--length", "512", "--pad", "1"]);
    assert!(ran.stderr().contains("0.00 % of the documents are cut though they fit"), "{}", ran.stderr());
    assert!(dir.path("packed.pieces.parquet").is_file());
    dir.ok(&["binidx", "verify", "packed"]);
    let documents = cat(&dir, "packed");
    assert!(documents.iter().all(|document| document["tokens"].as_array().is_some_and(|tokens| tokens.len() == 512)));
    dir.ok(&["binidx", "pack", "tokens", "-o", "packed.parquet", "--length", "512", "--to", "parquet"]);
}

/// Runs the script that reads sets as others do; `None` if this Python cannot.
fn read_by(python: &str, reader: &str, arguments: &[&str]) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracle/binidx_read.py");
    let output = Command::new(python).arg(script).arg(reader).args(arguments).output().ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("ModuleNotFoundError") {
        return None;
    }
    assert!(output.status.success(), "{stderr}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn others_read_what_is_written_here() {
    let dir = Dir::new();
    tokenize(&dir, 80, &[]);
    tokenize(&dir, 80, &["-o", "wide", "--dtype", "i32"]);
    let python = std::env::var("YUAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    for (name, dtype) in [("tokens", "uint16"), ("wide", "int32")] {
        let prefix: PathBuf = dir.path(name);
        let prefix = prefix.to_string_lossy();
        let Some(spec) = read_by(&python, "spec", &[&prefix]) else {
            eprintln!("skipped: there is no `{python}`");
            return;
        };
        let lengths: Vec<usize> =
            cat(&dir, name).iter().map(|document| document["tokens"].as_array().expect("a list").len()).collect();
        assert_eq!(spec["dtype"], dtype);
        assert_eq!(spec["lengths"], serde_json::json!(lengths));
        assert_eq!(spec["documents"], serde_json::json!((0..=lengths.len()).collect::<Vec<_>>()));
        match read_by(&python, "megatron", &[&prefix, "256"]) {
            None => eprintln!("skipped: `{python}` has no megatron-core (YUAN_PYTHON names one that has)"),
            Some(megatron) => {
                for field in ["dtype", "lengths", "documents", "tokens"] {
                    assert_eq!(megatron[field], spec[field], "{field}");
                }
                let samples = (lengths.iter().sum::<usize>() - 1) / 256;
                assert_eq!(megatron["samples"], samples);
                assert_eq!(megatron["first"].as_array().map(Vec::len), Some(256));
            }
        }
    }
}
