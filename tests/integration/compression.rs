//! `compression`: its figures beside a slow computation with ids that other programs give, its errors, threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Dir, corpus};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn named(name: &str, file: &str) -> String {
    format!("{name}={}", fixture(file).display())
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

/// One text's tokens: ids, how many are bytes of longer characters, how many are unknown.
struct Tokens {
    ids: Vec<u64>,
    bytes: u64,
    unknown: u64,
}

/// The texts that the C++ library was asked about.
fn texts() -> Vec<String> {
    let cases = read_json(&fixture("sentencepiece/cases.json"));
    cases["texts"].as_array().expect("texts").iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

/// What the C++ library says of them.
fn of_sentencepiece(model: &str) -> Vec<Tokens> {
    let cases = read_json(&fixture("sentencepiece/cases.json"));
    let answers = &cases["answers"];
    let unknown = answers[format!("{model} special")][0].as_u64().expect("the unknown id");
    let of_text = |answer: &Value| {
        let pieces = answer["pieces"].as_array().expect("pieces").iter().map(|piece| piece.as_str().expect("piece"));
        let ids: Vec<u64> = answer["ids"].as_array().expect("ids").iter().map(|id| id.as_u64().expect("id")).collect();
        let high = |piece: &str| piece.len() == 6 && piece.starts_with("<0x") && piece.as_bytes()[3] >= b'8';
        Tokens {
            bytes: pieces.filter(|piece| high(piece)).count() as u64,
            unknown: ids.iter().filter(|id| **id == unknown).count() as u64,
            ids,
        }
    };
    answers[model].as_array().expect("answers").iter().map(of_text).collect()
}

/// What the `tokenizers` crate says of them.
fn of_tokenizers(path: &Path, texts: &[String]) -> Vec<Tokens> {
    let mut tokenizer = tokenizers::Tokenizer::from_file(path).expect("a tokenizer");
    tokenizer.set_encode_special_tokens(true);
    let of_text = |text: &String| {
        let encoding = tokenizer.encode(text.as_str(), false).expect("encoded");
        let names = encoding.get_tokens().iter().zip(encoding.get_ids());
        // A single symbol that is no text by itself.
        let high = names.filter(|(name, id)| {
            name.chars().count() == 1 && tokenizer.decode(&[**id], false).expect("decoded") == "\u{fffd}"
        });
        Tokens {
            bytes: high.count() as u64,
            unknown: 0,
            ids: encoding.get_ids().iter().map(|id| u64::from(*id)).collect(),
        }
    };
    texts.iter().map(of_text).collect()
}

fn near(found: &Value, expected: Option<f64>, what: &str) {
    match (found.as_f64(), expected) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {found}, expected {expected}")
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

/// Mean and deviation as a textbook has them.
fn mean_and_deviation(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    ((count > 0.0).then_some(mean), (count > 1.0).then(|| (squares / (count - 1.0)).sqrt()))
}

/// Holds what the report says of some documents against their sums.
fn check(found: &Value, documents: &[(&String, &Tokens)], baseline: u64, sample_tokens: u64) {
    let group = found["group"].as_str().expect("a group");
    let bytes: usize = documents.iter().map(|(text, _)| text.len()).sum();
    let characters: usize = documents.iter().map(|(text, _)| text.chars().count()).sum();
    let tokens: usize = documents.iter().map(|(_, tokens)| tokens.ids.len()).sum();
    let sum = |count: fn(&Tokens) -> u64| documents.iter().map(|(_, tokens)| count(tokens)).sum::<u64>();
    let (fallback, unknown) = (sum(|tokens| tokens.bytes), sum(|tokens| tokens.unknown));
    for (field, expected) in [
        ("documents", documents.len() as u64),
        ("bytes", bytes as u64),
        ("characters", characters as u64),
        ("tokens", tokens as u64),
        ("fallback_tokens", fallback),
        ("unknown_tokens", unknown),
    ] {
        assert_eq!(found[field].as_u64(), Some(expected), "{group}: {field}");
    }
    let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let (bytes, characters, tokens) = (bytes as f64, characters as f64, tokens as f64);
    near(&found["bytes_per_token"], ratio(bytes, tokens), group);
    near(&found["characters_per_token"], ratio(characters, tokens), group);
    near(&found["relative_tokens"], ratio(tokens, baseline as f64), group);
    near(&found["fallback_fraction"], ratio(fallback as f64, tokens), group);
    near(&found["unknown_fraction"], ratio(unknown as f64, tokens), group);
    for (field, length) in [
        ("tokens_per_character", (|text: &str| text.chars().count()) as fn(&str) -> usize),
        ("tokens_per_byte", |text: &str| text.len()),
    ] {
        let mut samples: Vec<(usize, usize)> = vec![(0, 0)];
        for (text, tokens) in documents {
            let last = samples.last_mut().expect("one");
            last.0 += tokens.ids.len();
            last.1 += length(text);
            if last.0 as u64 >= sample_tokens {
                samples.push((0, 0));
            }
        }
        let rest = samples.pop().expect("one");
        if samples.is_empty() && rest.1 > 0 {
            samples.push(rest);
        }
        let values: Vec<f64> = samples.iter().map(|(tokens, length)| *tokens as f64 / *length as f64).collect();
        let (mean, deviation) = mean_and_deviation(&values);
        assert_eq!(found[field]["samples"], json!(values.len()), "{group}: {field}");
        near(&found[field]["mean"], mean, group);
        near(&found[field]["standard_deviation"], deviation, group);
        let length = documents.iter().map(|(text, _)| length(text)).sum::<usize>() as f64;
        near(&found[field]["total"], ratio(tokens, length), group);
    }
}

#[test]
fn figures_are_those_of_a_slow_computation_with_other_programs_ids() {
    let dir = Dir::new();
    let texts = texts();
    let languages = [Some("zh"), None, Some("en")];
    let language = |place: usize| languages[place % 3];
    let lines: String = texts
        .iter()
        .enumerate()
        .map(|(place, text)| match language(place) {
            Some(language) => json!({ "text": text, "language": language }).to_string() + "\n",
            None => json!({ "text": text }).to_string() + "\n",
        })
        .collect();
    dir.file("a.jsonl", lines);
    let ours = fixture("tokenizer/tokenizer.json");
    let tokenizers = [
        ("bpe", of_sentencepiece("bpe")),
        ("ours", of_tokenizers(&ours, &texts)),
        ("bytes", of_sentencepiece("bpe_symbols")),
        ("unigram", of_sentencepiece("unigram")),
    ];
    assert!(tokenizers[0].1.iter().any(|tokens| tokens.unknown > 0), "unknown pieces are tried");
    assert!(tokenizers[1].1.iter().any(|tokens| tokens.bytes > 0), "single bytes are tried");
    assert!(tokenizers[2].1.iter().any(|tokens| tokens.bytes > 0), "byte pieces are tried");
    let arguments = [
        named("bpe", "sentencepiece/bpe.model"),
        named("ours", "tokenizer/tokenizer.json"),
        named("bytes", "sentencepiece/bpe_symbols.model"),
        named("unigram", "sentencepiece/unigram.model"),
    ];
    let mut command =
        vec!["compression", "a.jsonl", "--baseline", "ours", "--sample-tokens", "100", "--json", "r.json"];
    arguments.iter().for_each(|argument| command.extend(["--tokenizer", argument]));
    let table = dir.ok(&command).stdout();
    let report = read_json(&dir.path("r.json"));
    assert_eq!((&report["group_by"], &report["baseline"]), (&json!("language"), &json!("ours")));
    let of_group = |all: &'_ [Tokens], wanted: Option<&str>| -> u64 {
        let there = all.iter().enumerate().filter(|(place, _)| language(*place) == wanted);
        there.map(|(_, tokens)| tokens.ids.len() as u64).sum()
    };
    for ((name, tokens), found) in tokenizers.iter().zip(report["tokenizers"].as_array().expect("tokenizers")) {
        assert_eq!(found["name"], json!(name));
        let documents: Vec<(&String, &Tokens)> = texts.iter().zip(tokens).collect();
        let baseline = tokenizers[1].1.iter().map(|tokens| tokens.ids.len() as u64).sum();
        check(&found["overall"], &documents, baseline, 100);
        let groups = found["groups"].as_array().expect("groups");
        assert_eq!(groups.len(), 3);
        let sizes: Vec<u64> = groups.iter().map(|group| group["bytes"].as_u64().expect("bytes")).collect();
        assert!(sizes.is_sorted_by(|one, other| one >= other), "{sizes:?}");
        for (wanted, name) in [(Some("zh"), "zh"), (None, "(none)"), (Some("en"), "en")] {
            let group = groups.iter().find(|group| group["group"] == name).expect("the group");
            let documents: Vec<(&String, &Tokens)> = documents
                .iter()
                .enumerate()
                .filter(|(place, _)| language(*place) == wanted)
                .map(|(_, document)| *document)
                .collect();
            check(group, &documents, of_group(&tokenizers[1].1, wanted), 100);
        }
        // The table says it rounded.
        let count = with_commas(found["overall"]["tokens"].as_u64().expect("tokens"));
        assert!(table.lines().any(|line| line.contains(name) && line.contains(&count)), "{name}: {count}\n{table}");
    }
    vocabulary_of_ours(&report["tokenizers"][1]["vocabulary"], &ours, &tokenizers[1].1);
    let ids: BTreeSet<u64> = tokenizers[2].1.iter().flat_map(|tokens| tokens.ids.iter().copied()).collect();
    let vocabulary = &report["tokenizers"][2]["vocabulary"];
    assert_eq!(vocabulary["byte_tokens"], json!(256));
    let used = vocabulary["text_tokens"].as_u64().expect("count")
        - vocabulary["unused_text_tokens"].as_u64().expect("count")
        + 256
        - vocabulary["unused_byte_tokens"].as_u64().expect("count");
    assert_eq!(used, ids.len() as u64, "no text becomes a control piece");
}

/// `1234567` as `1,234,567`.
fn with_commas(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Holds counts of the vocabulary against its file.
fn vocabulary_of_ours(found: &Value, path: &Path, tokens: &[Tokens]) {
    let file = read_json(path);
    let vocabulary = file["model"]["vocab"].as_object().expect("a vocabulary");
    let special: BTreeSet<&str> = file["added_tokens"]
        .as_array()
        .expect("added tokens")
        .iter()
        .filter(|token| token["special"] == true)
        .map(|token| token["content"].as_str().expect("a name"))
        .collect();
    let reserved = special.iter().filter(|name| name.contains("reserved")).count();
    let used: BTreeMap<u64, u64> =
        tokens.iter().flat_map(|tokens| &tokens.ids).fold(BTreeMap::new(), |mut used, id| {
            *used.entry(*id).or_default() += 1;
            used
        });
    // 128 of the 256 byte symbols are beyond ASCII; everything else that is not special is text.
    let text = vocabulary.len() - special.len() - 128;
    let decoder = tokenizers::Tokenizer::from_file(path).expect("a tokenizer");
    let is_high =
        |name: &str, id: u32| name.chars().count() == 1 && decoder.decode(&[id], false).expect("decoded") == "\u{fffd}";
    let unused = vocabulary.iter().filter(|(name, id)| {
        let id = id.as_u64().expect("an id");
        !special.contains(name.as_str()) && !is_high(name, id as u32) && !used.contains_key(&id)
    });
    for (field, expected) in [
        ("size", vocabulary.len()),
        ("special_tokens", special.len() - reserved),
        ("reserved_tokens", reserved),
        ("byte_tokens", 128),
        ("text_tokens", text),
        ("missing_ids", 0),
        ("unused_text_tokens", unused.count()),
    ] {
        assert_eq!(found[field], json!(expected), "{field}");
    }
    for token in found["longest_used"].as_array().expect("tokens") {
        let id = token["id"].as_u64().expect("an id");
        assert_eq!(token["count"].as_u64(), used.get(&id).copied(), "{token}");
        let text = decoder.decode(&[id as u32], false).expect("decoded");
        assert_eq!((token["text"].as_str(), &token["characters"]), (Some(&*text), &json!(text.chars().count())));
    }
}

#[test]
fn tokens_that_nothing_becomes_are_found() {
    let dir = Dir::new();
    let mut file = read_json(&fixture("tokenizer/tokenizer.json"));
    let vocabulary = file["model"]["vocab"].as_object_mut().expect("a vocabulary");
    let size = vocabulary.len();
    // No rule makes them; the second is `卡OK` in byte symbols. A slot, and a gap in the ids before it.
    vocabulary.insert("ĠSolidGold".into(), json!(size));
    vocabulary.insert("åį¡OK".into(), json!(size + 1));
    vocabulary.insert("<|reserved_99|>".into(), json!(size + 4));
    dir.file("glitch.json", file.to_string());
    dir.file("a.jsonl", "{\"text\": \"The quick brown fox\", \"n\": 1}\n");
    dir.ok(&["compression", "a.jsonl", "-t", "glitch.json", "--json", "r.json", "--html", "r.html", "--quiet"]);
    let report = read_json(&dir.path("r.json"));
    let vocabulary = &report["tokenizers"][0]["vocabulary"];
    let plain = {
        let tokenizer = named("plain", "tokenizer/tokenizer.json");
        dir.ok(&["compression", "a.jsonl", "-t", &tokenizer, "--json", "p.json", "--quiet"]);
        read_json(&dir.path("p.json"))["tokenizers"][0]["vocabulary"].clone()
    };
    let texts = |candidates: &Value| -> Vec<String> {
        let examples = candidates["examples"].as_array().expect("examples").iter();
        examples.map(|token| token["text"].as_str().expect("a text").to_owned()).collect()
    };
    let found: Vec<String> = texts(&vocabulary["unreachable"]);
    let known: Vec<String> = texts(&plain["unreachable"]);
    let new: Vec<&String> = found.iter().filter(|text| !known.contains(text)).collect();
    assert_eq!(new, [" SolidGold", "卡OK"]);
    // What is found in the plain file does not become itself by Hugging Face's encoder either.
    let mut tokenizer = tokenizers::Tokenizer::from_file(fixture("tokenizer/tokenizer.json")).expect("a tokenizer");
    tokenizer.set_encode_special_tokens(true);
    for token in plain["unreachable"]["examples"].as_array().expect("examples") {
        let id = token["id"].as_u64().expect("an id") as u32;
        let text = tokenizer.decode(&[id], false).expect("decoded");
        assert_ne!(tokenizer.encode(text, false).expect("encoded").get_ids(), [id], "{token}");
    }
    let mixed = vocabulary["cross_script"].as_array().expect("mixes").iter();
    let mixed = mixed.filter(|mixed| mixed["kinds"] == "Han + Latin").map(|mixed| mixed["tokens"].as_u64());
    assert_eq!(mixed.collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(vocabulary["missing_ids"], json!(2));
    let count = |vocabulary: &Value, field: &str| vocabulary[field].as_u64().expect("a count");
    assert_eq!(count(vocabulary, "reserved_tokens"), count(&plain, "reserved_tokens") + 1);
    assert_eq!(count(vocabulary, "text_tokens"), count(&plain, "text_tokens") + 2);
    assert_eq!(report["group_by"], "file");
    assert_eq!(report["tokenizers"][0]["groups"][0]["group"], "a");
    let page = std::fs::read_to_string(dir.path("r.html")).expect("a page");
    for wanted in ["␣SolidGold", "<svg role=\"img\"", "prefers-color-scheme:dark", "卡OK"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(
        !page.contains("src=") && !page.contains("href=") && !page.contains("<script"),
        "nothing is fetched or run"
    );
}

#[test]
fn any_number_of_threads_writes_the_same_json() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(2500));
    let (one, two) = (named("ours", "tokenizer/tokenizer.json"), named("sp", "sentencepiece/unigram_bytes.model"));
    let mut known = None;
    for threads in ["1", "3"] {
        let file = format!("{threads}.json");
        let table = dir
            .ok(&[
                "compression",
                "a.jsonl",
                "-t",
                &one,
                "-t",
                &two,
                "--group-by",
                "lang",
                "--sample-tokens",
                "2000",
                "--threads",
                threads,
                "--memory",
                "64MiB",
                "--json",
                &file,
                "--quiet",
            ])
            .stdout();
        let now = (table, std::fs::read_to_string(dir.path(&file)).expect("JSON"));
        let report: Value = serde_json::from_str(&now.1).expect("JSON");
        assert_eq!(report["tokenizers"][0]["overall"]["documents"], json!(2500));
        let languages = report["tokenizers"][1]["groups"].as_array().expect("groups").len();
        assert!(languages > 3, "{languages} languages");
        assert!(known.get_or_insert_with(|| now.clone()) == &now, "{threads} threads");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let dir = Dir::new();
    dir.file("a.jsonl", "{\"text\": \"one\"}\n");
    dir.file("empty.jsonl", "");
    dir.file("bad.model", "no model");
    let ours = named("ours", "tokenizer/tokenizer.json");
    let run = |more: &[&str]| dir.run(&[&["compression", "a.jsonl"], more].concat());
    run(&["-t", "x=gone.json"]).fails(1, &["`gone.json` is not there", "SentencePiece `.model`"]);
    run(&["-t", "bad.model"]).fails(1, &["`bad.model` is no tokenizer", "hint: name a `tokenizer.json`"]);
    run(&["-t", &ours, "--baseline", "xlmr"])
        .fails(2, &["the baseline `xlmr` is none of the tokenizers", "hint: there are `ours`"]);
    run(&["-t", &ours, "-t", &ours]).fails(2, &["two tokenizers are called `ours`", "--tokenizer small="]);
    run(&["-t", &ours, "--group-by", "domain"]).fails(2, &["no document has a field `domain`", "--group-by"]);
    run(&["-t", &ours, "--sample-tokens", "0"]).fails(2, &["at least 1 token"]);
    run(&["-t", "=x"]).fails(2, &["`--tokenizer =x` is not NAME=PATH"]);
    run(&[]).fails(2, &["--tokenizer"]);
    dir.run(&["compression", "empty.jsonl", "-t", &ours]).fails(2, &["there is no document in empty.jsonl"]);
    dir.run(&["compression", "gone.jsonl", "-t", &ours]).fails(1, &["cannot read `gone.jsonl`"]);
    let mut file = read_json(&fixture("tokenizer/tokenizer.json"));
    file["truncation"] = json!({ "direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0 });
    dir.file("short.json", file.to_string());
    run(&["-t", "short.json"]).fails(1, &["`short.json` has `truncation`", "set `truncation` to null"]);
    assert!(!dir.path("r.json").exists());
}
