//! `binidx samples`: what a trainer reads, against what Megatron-Core does.

use serde_json::Value;

use crate::support::{Dir, corpus};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/binidx/gpt/");

/// A folder with Megatron's corpora in it.
fn corpora() -> Dir {
    let dir = Dir::new();
    for name in ["corpusA.bin", "corpusA.idx", "corpusB.bin", "corpusB.idx"] {
        dir.file(name, std::fs::read(format!("{FIXTURES}{name}")).expect("a fixture"));
    }
    dir
}

fn json(dir: &Dir, arguments: &[&str]) -> Value {
    let arguments = [&["binidx", "samples", "--json"], arguments].concat();
    serde_json::from_str(&dir.ok(&arguments).stdout()).expect("JSON")
}

#[test]
fn a_step_reads_what_megatron_reads() {
    let dir = corpora();
    let expected = std::fs::read(format!("{FIXTURES}gpt_dataset.json")).expect("a fixture");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let case = &expected["cases"][2];
    assert_eq!(case["name"], "two_epochs_separate_final");
    let flags = ["-L", "16", "--samples", "88", "--eod", "77185", "--reset-position-ids", "--eod-mask-loss"];
    let said = json(&dir, &[&["corpusA", "-B", "2", "--step", "1", "--sample", "136"], &flags[..]].concat());
    let dataset = &said["datasets"][0];
    assert_eq!(dataset["built_epochs"], case["num_epochs"]);
    assert_eq!(dataset["tokens"], case["tokens_per_epoch"]);
    assert_eq!(dataset["separate_final_epoch"], true);
    assert_eq!((&said["built_samples"], &said["samples"], &said["steps"]), (&case["length"], &88.into(), &44.into()));
    for (read, at) in [(0, 0), (1, 1), (2, 3)] {
        let (read, theirs) = (&said["read"][read], &case["samples"][at]);
        assert_eq!(read["place"], theirs["index"]);
        for field in ["tokens", "labels", "position_ids"] {
            assert_eq!(read["sample"][field], theirs[field], "{field}");
        }
        let counts = read["sample"]["loss_mask"].as_array().expect("a list").iter();
        let counts: Vec<Value> = counts.map(|counts| f64::from(u8::from(*counts == true)).into()).collect();
        assert_eq!(Value::from(counts), theirs["loss_mask"]);
    }
    let shown = dir.ok(&[&["binidx", "samples", "corpusA", "--sample", "1"], &flags[..]].concat()).stdout();
    assert!(shown.starts_with("── sample 1: sample 1 of `corpusA`\n"), "{shown}");
    let theirs = case["samples"][1]["tokens"].as_array().expect("a list").iter();
    let theirs: Vec<String> = theirs.map(Value::to_string).collect();
    assert!(shown.contains(&format!("no loss on labels 7 to 7\n{}\n", theirs.join(" "))), "{shown}");
}

#[test]
fn a_blend_says_what_is_read_too_often() {
    let dir = corpora();
    let said =
        dir.ok(&["binidx", "samples", "--blend", "3 corpusA 7 corpusB", "-L", "16", "--samples", "400"]).stdout();
    assert!(said.starts_with("train: 400 samples of 16 tokens, 6,400 tokens\n"), "{said}");
    assert!(said.contains("warning: `corpusB` is read 22.4 times"), "{said}");
    assert!(!said.contains("`corpusA` is read"), "{said}");
}

#[test]
fn the_cache_is_the_one_megatron_looks_for() {
    let dir = corpora();
    // What Megatron says of another run with the same tokenizer.
    let identity =
        r#"{"class": "GPTDataset", "tokenizer": {"class": "GPT2BPETokenizer", "tokenizer_path": ["语料/vocab.json"]}}"#;
    dir.file("description.txt", identity);
    let data = ["0.3", "corpusA", "0.7", "corpusB", "-L", "16", "--samples", "100", "--split", "969, 30, 1"];
    let cache = ["--cache", "cache", "--tokenizer-identity", "description.txt"];
    let said = json(&dir, &[&data[..], &cache[..]].concat());
    assert_eq!(said["cached"].as_array().map(Vec::len), Some(11));
    // Names and contents as megatron-core 0.16.1 wrote them: the hash of a description is in its name.
    for (name, sha256) in MEGATRONS {
        let bytes = std::fs::read(dir.path("cache").join(name)).expect(name);
        let digest: String =
            <sha2::Sha256 as sha2::Digest>::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, *sha256, "{name}");
    }
    dir.run(&[&["binidx", "samples"], &data[..], &["--cache", "cache", "--tokenizer-identity", "no"]].concat())
        .fails(2, &["`no` is neither JSON nor a file of it", "hint: give a description.txt"]);
}

const MEGATRONS: &[(&str, &str)] = &[
    (
        "0e7deaf4a425d3e2a902779b4be420ae-BlendedDataset-train-dataset_index.npy",
        "d0fd86f1016a562b91be72ed45dfcbde2ab36d29f7ab2b71ed90877523b69b84",
    ),
    (
        "0e7deaf4a425d3e2a902779b4be420ae-BlendedDataset-train-dataset_sample_index.npy",
        "bb62550982dd0a94101c0cc773aeb038fa5f27d442d4f48ccba11b3db64ec376",
    ),
    (
        "0e7deaf4a425d3e2a902779b4be420ae-BlendedDataset-train-description.txt",
        "3f9a0fa4fd63c7428e020aecabfb16ee90608846fb30f4cccab54421eb1809e5",
    ),
    (
        "87532355d35c3197c9c1169df67fb43a-GPTDataset-train-description.txt",
        "637b4c79a271ceaad4e4cb141e74fba8fda75a38dffeef51f0a6821655cd9136",
    ),
    (
        "87532355d35c3197c9c1169df67fb43a-GPTDataset-train-document_index.npy",
        "12596d6ee540280518e7288cd9afc079df71967812dcb8b55d7335d7e4d4dac2",
    ),
    (
        "87532355d35c3197c9c1169df67fb43a-GPTDataset-train-sample_index.npy",
        "33bd77c940f795b00210037bd9080ca4438fb164524d52a09f2f1e40db9e0496",
    ),
    (
        "87532355d35c3197c9c1169df67fb43a-GPTDataset-train-shuffle_index.npy",
        "923720f14cfa09155279cfc21471100f2bdff37c92f9befb286613edb8ae2507",
    ),
    (
        "b545a1e4b44e8f7c2a22d0dce7fcc771-GPTDataset-train-description.txt",
        "c9dd9081721b09a61fa71ca8098f94e6f593e447ca0fd1b7c5012f4837283d7b",
    ),
    (
        "b545a1e4b44e8f7c2a22d0dce7fcc771-GPTDataset-train-document_index.npy",
        "a42172ce91550aba02aabb784bf15d5465ffac372c76aba867ca752bb95c91c4",
    ),
    (
        "b545a1e4b44e8f7c2a22d0dce7fcc771-GPTDataset-train-sample_index.npy",
        "975c722aeee3676d9802b44321015adda3d081c0c6d29a2d540db212782be717",
    ),
    (
        "b545a1e4b44e8f7c2a22d0dce7fcc771-GPTDataset-train-shuffle_index.npy",
        "e1cb5c93f7afb0c5d8ed29f49f1339f917848fb9dac46a0257ce5066e63f2f1f",
    ),
];

#[test]
fn samples_are_decoded() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(60));
    dir.ok(&["train-tokenizer", "a.jsonl", "-o", "tokenizer.json", "--vocab-size", "900", "--quiet"]);
    dir.ok(&["tokenize", "a.jsonl", "-o", "tokens", "--tokenizer", "tokenizer.json", "--quiet"]);
    let arguments = [
        "tokens",
        "-L",
        "512",
        "--sample",
        "3",
        "--tokenizer",
        "tokenizer.json",
        "--eod",
        "<eod>",
        "--reset-attention-mask",
    ];
    let said = json(&dir, &arguments);
    let text = said["read"][0]["text"].as_str().expect("a text");
    let starts = said["read"][0]["sample"]["segment_starts"].as_array().expect("a list").len();
    assert_eq!(text.matches("<eod>").count() + 1, starts, "{text}");
    let shown = dir.ok(&[&["binidx", "samples"], &arguments[..]].concat()).stdout();
    assert!(shown.contains(text), "{shown}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = corpora();
    let run = |arguments: &[&str]| dir.run(&[&["binidx", "samples", "-L", "16"], arguments].concat());
    run(&["corpusA", "-B", "8", "--step", "9"])
        .fails(2, &["68 samples make 8 steps of 8", "hint: steps are counted from 1"]);
    run(&["corpusA", "--sample", "68"]).fails(2, &["no sample 68"]);
    run(&["corpusA", "--split", "1,2,3,4"]).fails(2, &["more than three numbers"]);
    run(&["1", "corpusA", "x", "corpusB"]).fails(2, &["`x` is no weight"]);
    run(&["1", "corpusA", "2", "corpusB"]).fails(1, &["weights need a number of samples"]);
    run(&["corpusA", "--eod", "<eod>", "--reset-position-ids"])
        .fails(2, &["`<eod>` is no token id", "--tokenizer FILE"]);
    run(&["corpusA", "corpusB", "--yuan", "--samples", "9"]).fails(1, &["needs a weight for each"]);
    run(&["corpusA", "--split", "1", "--part", "test"]).fails(1, &["leaves none of its 37 sequences to `test`"]);
    run(&["corpusA", "--samples", "99999999999999999"]).fails(1, &["`corpusA.idx`"]);
    run(&["nothing"]).fails(1, &["cannot read `nothing.idx`"]);
}
