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

#[test]
fn a_sentencepiece_model_is_a_tokenizer_everywhere() {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(200));
    for kind in ["sentencepiece_bpe", "unigram"] {
        let model = format!("{kind}/tokenizer.model");
        dir.ok(&[
            "train-tokenizer",
            "corpus.jsonl",
            "-o",
            &model,
            "--kind",
            kind,
            "--vocab-size",
            "5000",
            "--reserved",
            "20",
            "--quiet",
        ]);
        let info: Value = serde_json::from_str(&dir.ok(&["info", &model, "--json"]).stdout()).expect("JSON");
        assert_eq!(info["reserved_slots"].as_array().map(Vec::len), Some(20));
        assert_eq!(info["special_tokens"][1]["name"], "<eod>");
        let prefix = format!("{kind}/tokens");
        dir.ok(&["tokenize", "corpus.jsonl", "-o", &prefix, "--tokenizer", &model, "--quiet"]);
        let text = dir.ok(&["binidx", "cat", &prefix, "--tokenizer", &model, "--limit", "1"]).stdout();
        let first: Value = serde_json::from_str(corpus(1).lines().next().expect("a line")).expect("JSON");
        assert!(text.contains(first["text"].as_str().expect("a text")), "{text}");
        dir.ok(&["binidx", "verify", &prefix, "--tokenizer", &model, "--eod", "<eod>"]);
        // The same ids through the library of Hugging Face, and the same figures.
        let json = format!("{kind}/tokenizer.json");
        let count = |path: &str| -> Value {
            let printed = dir.ok(&["count", "corpus.jsonl", "--tokenizer", path, "--json"]).stdout();
            serde_json::from_str::<Value>(&printed).expect("JSON")["total"]["tokens"].clone()
        };
        assert_eq!(count(&model), count(&json), "{kind}");
        let report =
            dir.ok(&["compression", "corpus.jsonl", "-t", &format!("a={model}"), "-t", &format!("b={json}")]).stdout();
        assert!(report.contains("a ") && report.contains("b "), "{report}");
    }
    dir.run(&["train-tokenizer", "corpus.jsonl", "--kind", "bpe"])
        .fails(2, &["byte_level_bpe, sentencepiece_bpe, unigram"]);
    let join = [
        "tokenizer",
        "join",
        "sentencepiece_bpe/tokenizer.model",
        "unigram/tokenizer.model",
        "-o",
        "all.model",
        "--vocab-multiple",
        "128",
    ];
    let said = dir.ok(&join).stderr();
    assert!(said.contains("5000 of sentencepiece_bpe/tokenizer.model"), "{said}");
    let info: Value = serde_json::from_str(&dir.ok(&["info", "all.model", "--json"]).stdout()).expect("JSON");
    let size = info["vocab_size"].as_u64().expect("a number");
    assert!(size > 5000 && size.is_multiple_of(128), "{size}");
    dir.run(&["tokenizer", "join", "all.model", "corpus.jsonl", "-o", "x.model"]).fails(1, &["corpus.jsonl"]);
}

/// The recipes of `recipes/tokenizer`, on their own corpus cut short.
#[test]
fn published_tokenizers_are_trained() {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(1200));
    let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/tokenizer");
    for (name, check) in [("polylm", "<s> 1, </s> 2, <pad> 3"), ("yuan", "<eod>")] {
        let recipe = recipes.join(format!("{name}.toml")).display().to_string();
        let input = format!("input.paths=[\"{}\"]", dir.path("corpus.jsonl").display());
        dir.ok(&["run", &recipe, "-o", name, "--set", &input, "--quiet"]);
        let model = format!("{name}/tokenizer.model");
        let info = dir.ok(&["info", &model]).stdout();
        assert!(info.contains(check), "{info}");
        let count = dir.ok(&["count", "corpus.jsonl", "--tokenizer", &model]).stdout();
        assert!(count.contains("corpus.jsonl"), "{count}");
    }
    let info: Value =
        serde_json::from_str(&dir.ok(&["info", "yuan/tokenizer.model", "--json"]).stdout()).expect("JSON");
    let vocab = info["vocab_size"].as_u64().expect("a number");
    assert!(vocab.is_multiple_of(128) && vocab > 1000, "{vocab}");
    // LLaMA's part keeps its ids.
    let lines = |path: &str| std::fs::read_to_string(dir.path(path)).expect("read");
    let (latin, all) = (lines("yuan/latin.vocab"), lines("yuan/tokenizer.vocab"));
    assert!(all.starts_with(&latin), "the first {} pieces", latin.lines().count());
}
