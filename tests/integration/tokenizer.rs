//! Tokenizers that are changed by the binary.

use serde_json::Value;

use super::support::{Dir, corpus};

/// A folder with a corpus and a tokenizer of 1,200 tokens, of which 20 are slots from id 18 on.
fn trained() -> Dir {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(200));
    dir.ok(&[
        "train-tokenizer",
        "corpus.jsonl",
        "-o",
        "t/tokenizer.json",
        "--vocab-size",
        "1200",
        "--reserved",
        "20",
        "--quiet",
    ]);
    dir
}

#[test]
fn slots_get_names_unless_texts_have_them() {
    let dir = trained();
    let info = dir.ok(&["info", "t/tokenizer.json"]).stdout();
    assert!(info.contains("<eod> 0") && info.contains("20 slots, <|reserved_0|> 18 to <|reserved_19|> 37"), "{info}");
    // A text whose control tokens are taken for what they are.
    let text = "{\"text\": \"a<|reserved_3|>b\"}\n";
    dir.file("slots.jsonl", text);
    dir.file(
        "slots.toml",
        "[input]\npaths = [\"slots.jsonl\"]\n[output]\ndocuments = false\n\
         [[stage]]\ntokenize = { tokenizer = \"t/tokenizer.json\", parse_special = true }\n\
         [[stage]]\nwrite_binidx = { prefix = \"slots\" }\n",
    );
    dir.ok(&["run", "slots.toml", "-o", "run", "--quiet"]);
    let taken = ["tokenizer", "assign-reserved", "t/tokenizer.json", "<|im_start|>=21", "--unless-in", "run/out/slots"];
    dir.run(&taken).fails(2, &["token 21, to be named `<|im_start|>`, stands in document 0"]);
    assert!(dir.ok(&["info", "t/tokenizer.json"]).stdout().contains("20 slots"), "nothing is changed");
    let free = [
        "tokenizer",
        "assign-reserved",
        "t/tokenizer.json",
        "<|im_start|>=22",
        "<|im_end|>=23",
        "--unless-in",
        "run/out/slots",
    ];
    dir.ok(&free);
    let info: Value = serde_json::from_str(&dir.ok(&["info", "t/tokenizer.json", "--json"]).stdout()).expect("JSON");
    assert_eq!(info["reserved_slots"].as_array().map(Vec::len), Some(18));
    assert_eq!(info["special_tokens"][23]["name"], "<|im_end|>");
    dir.run(&["tokenizer", "assign-reserved", "t/tokenizer.json", "<x>=0"]).fails(1, &["has no reserved slot of id 0"]);
    dir.run(&["tokenizer", "assign-reserved", "t/tokenizer.json", "nonsense"]).fails(2, &["is not NAME=ID"]);
}

#[test]
fn tokens_are_counted_by_file_and_by_field() {
    let dir = trained();
    dir.file("more.jsonl", "{\"text\": \"今天天气\", \"language\": \"zh\"}\n{\"text\": \"\", \"language\": \"en\"}\n");
    let count = |arguments: &[&str]| -> Value {
        let command =
            [&["count", "corpus.jsonl", "more.jsonl", "--tokenizer", "t/tokenizer.json", "--json"], arguments].concat();
        serde_json::from_str(&dir.ok(&command).stdout()).expect("JSON")
    };
    let counted = count(&["--threads", "1"]);
    assert_eq!(counted, count(&["--threads", "3"]));
    // As many as are written, without the ends of documents.
    dir.ok(&[
        "tokenize",
        "corpus.jsonl",
        "more.jsonl",
        "-o",
        "tokens",
        "--tokenizer",
        "t/tokenizer.json",
        "--no-eod",
        "--quiet",
    ]);
    let info: Value = serde_json::from_str(&dir.ok(&["binidx", "info", "tokens", "--json"]).stdout()).expect("JSON");
    assert_eq!((&counted["total"]["documents"], &counted["total"]["tokens"]), (&info["documents"], &info["tokens"]));
    assert_eq!(counted["counted"][1]["bytes"], 12);
    let by_language = count(&["--by", "language"]);
    assert_eq!(by_language["total"]["tokens"], info["tokens"]);
    let of = |name: &str| {
        let rows = by_language["counted"].as_array().expect("rows");
        rows.iter().find(|row| row["language"] == name).map(|row| row["documents"].clone())
    };
    assert_eq!(of("en"), Some(1.into()));
    dir.file("bad.jsonl", "{\"text\": \"今天\"}\n{\"text\": 5}\n{broken\n");
    let bad = ["count", "bad.jsonl", "--tokenizer", "t/tokenizer.json"];
    dir.run(&bad).fails(1, &["document 1 of `bad.jsonl`"]);
    let set_aside = [&bad[..], &["--on-bad-record", "set-aside"]].concat();
    dir.run(&set_aside).fails(3, &["2 records are no documents and were passed over"]);
    let compression = ["compression", "bad.jsonl", "-t", "t/tokenizer.json", "--on-bad-record", "set-aside"];
    dir.run(&compression).fails(3, &["2 records are no documents and were passed over"]);
    let show = ["show", "bad.jsonl", "-n", "9", "--on-bad-record", "set-aside"];
    dir.run(&show).fails(3, &["2 records are no documents and were passed over"]);
    dir.run(&["count", "corpus.jsonl", "--tokenizer", "none.json"]).fails(1, &["none.json` is not there"]);
}

#[test]
fn a_vocabulary_gets_smaller_for_any_number_of_threads() {
    let dir = trained();
    let prune = |out: &str, threads: &str| {
        dir.ok(&[
            "tokenizer",
            "prune",
            "corpus.jsonl",
            "--tokenizer",
            "t/tokenizer.json",
            "-o",
            out,
            "--vocab-size",
            "900",
            "--threads",
            threads,
            "--quiet",
        ]);
        (
            std::fs::read(dir.path(out)).expect("read"),
            std::fs::read(dir.path(&format!("{out}.old_ids.json"))).expect("read"),
        )
    };
    let one = prune("one.json", "1");
    assert!(one == prune("three.json", "3"), "the same bytes");
    let old_ids: Vec<u32> = serde_json::from_slice(&one.1).expect("ids");
    assert_eq!(old_ids.len(), 900);
    assert!(old_ids.is_sorted() && old_ids[..38] == (0..38).collect::<Vec<_>>()[..]);
    dir.ok(&["tokenize", "corpus.jsonl", "-o", "tokens", "--tokenizer", "one.json", "--quiet"]);
    let text = dir.ok(&["binidx", "cat", "tokens", "--tokenizer", "one.json", "--limit", "1"]).stdout();
    let first: Value = serde_json::from_str(corpus(1).lines().next().expect("a line")).expect("JSON");
    assert!(text.contains(first["text"].as_str().expect("a text")), "{text}");
    let more = ["tokenizer", "prune", "corpus.jsonl", "--tokenizer", "one.json", "-o", "x.json", "--vocab-size", "901"];
    dir.run(&more).fails(2, &["has only 900 tokens"]);
}
