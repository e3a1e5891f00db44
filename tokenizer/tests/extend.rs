//! Tokenizers that are gone on with: what stays, and that going on is as good as learning at once.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{corpus, small_texts, train};
use yuan_tokenizer::{HanCharacters, ReservedPlace, Tokenizer, TrainTokenizerConfig};

const ENOUGH: u64 = 1 << 30;

fn config(folder: &Path, vocab_size: u32) -> TrainTokenizerConfig {
    TrainTokenizerConfig { vocab_size, output: folder.join("tokenizer.json"), ..TrainTokenizerConfig::default() }
}

fn new(folder: &Path, vocab_size: u32) -> TrainTokenizerConfig {
    TrainTokenizerConfig { reserved: 8, han_characters: HanCharacters::None, ..config(folder, vocab_size) }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn merges(path: &Path) -> Vec<Value> {
    json_of(path)["model"]["merges"].as_array().unwrap().clone()
}

/// Learns `first` tokens and goes on up to `all`; the merges of that, and of learning `all` at once.
fn both_ways(texts: &[String], first: u32, all: u32, change: impl Fn(&mut TrainTokenizerConfig)) -> [Vec<Value>; 2] {
    let folders = [0; 3].map(|_| tempfile::tempdir().unwrap());
    let [first_folder, second_folder, whole_folder] = folders.each_ref().map(|folder| folder.path());
    let mut begin = new(first_folder, first);
    change(&mut begin);
    train(&begin, &[texts], 1, ENOUGH).unwrap();
    let go_on = TrainTokenizerConfig { extend: begin.output.clone(), ..config(second_folder, all) };
    train(&go_on, &[texts], 1, ENOUGH).unwrap();
    let mut whole = new(whole_folder, all);
    change(&mut whole);
    train(&whole, &[texts], 1, ENOUGH).unwrap();
    let (old, new) = (Tokenizer::load(&begin.output).unwrap(), Tokenizer::load(&go_on.output).unwrap());
    assert!(new.is_direct());
    assert_eq!(new.vocabulary()[..old.vocabulary().len()], old.vocabulary(), "every old token keeps its id");
    assert_eq!(new.vocab_size(), all);
    [merges(&go_on.output), merges(&whole.output)]
}

#[test]
fn going_on_is_learning_at_once() {
    for pattern in ["yuan", "gpt2", "deepseek3"] {
        let change = |config: &mut TrainTokenizerConfig| config.pattern = pattern.into();
        let [continued, at_once] = both_ways(&small_texts(), 560, 720, change);
        assert_eq!(continued, at_once, "{pattern}");
    }
}

#[test]
fn going_on_is_learning_at_once_on_real_texts() {
    for name in ["docs/zh_oiwiki.jsonl.zst", "docs/en_peps.jsonl.zst", "docs/multi_yii2.jsonl.zst"] {
        let Some(texts) = corpus(name, 3 << 20) else { return };
        let [continued, at_once] = both_ways(&texts, 6_000, 12_000, |_| {});
        let first = continued.iter().zip(&at_once).position(|(one, other)| one != other);
        assert_eq!((first, continued.len()), (None, at_once.len()), "{name}");
    }
}

#[test]
fn tokens_behind_slots_at_the_back_fill_up_to_a_multiple() {
    let folders = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let begin = TrainTokenizerConfig {
        reserved_place: ReservedPlace::Back,
        vocab_multiple: 128,
        ..new(folders[0].path(), 640)
    };
    train(&begin, &[&small_texts()], 1, ENOUGH).unwrap();
    let old = Tokenizer::load(&begin.output).unwrap();
    let more =
        TrainTokenizerConfig { extend: begin.output.clone(), vocab_multiple: 128, ..config(folders[1].path(), 9_999) };
    let outcome = train(&more, &[&small_texts()], 1, ENOUGH).unwrap();
    let new = Tokenizer::load(&more.output).unwrap();
    assert_eq!(new.vocabulary()[..640], old.vocabulary());
    let size = new.vocab_size();
    assert!(size.is_multiple_of(128) && size > 640 && size < 9_000, "{size}: the texts teach no more");
    assert_eq!(outcome["vocab_size"], size);
    let special = |tokenizer: &Tokenizer| tokenizer.special_tokens().len();
    let fill = special(&new) - special(&old);
    assert!(fill > 0 && fill < 128, "{fill}");
    assert_eq!(new.id_to_token(size - 1).unwrap(), format!("<|reserved_{}|>", 8 + fill - 1), "numbers go on");
    // The companions say the same.
    let map = json_of(&more.output.with_file_name("special_tokens_map.json"));
    assert_eq!(map["eos_token"], "<eod>");
    assert_eq!(map["additional_special_tokens"].as_array().unwrap().len(), special(&new) - 4);
}

#[test]
fn files_of_others_are_gone_on_with_in_their_own_form() {
    let folders = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let begin = TrainTokenizerConfig {
        special_tokens: Vec::new(),
        reserved: 0,
        html_tags: false,
        punctuation: false,
        pattern: "qwen2".into(),
        ..new(folders[0].path(), 420)
    };
    train(&begin, &[&small_texts()], 1, ENOUGH).unwrap();
    // As Qwen's: merges are strings, added tokens lie behind the model's vocabulary and are not in it.
    let mut file = json_of(&begin.output);
    for merge in file["model"]["merges"].as_array_mut().unwrap() {
        *merge = json!(format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()));
    }
    let token = |id: u32, content: &str, special: bool| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special,
        })
    };
    file["added_tokens"] = json!([token(420, "<|endoftext|>", true), token(421, "<tool_call>", false)]);
    file["normalizer"] = json!({ "type": "NFC" });
    std::fs::write(&begin.output, serde_json::to_vec(&file).unwrap()).unwrap();
    let qwen = json!({
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>",
        "added_tokens_decoder": { "420": { "content": "<|endoftext|>" } },
    });
    std::fs::write(begin.output.with_file_name("tokenizer_config.json"), qwen.to_string()).unwrap();
    std::fs::remove_file(begin.output.with_file_name("special_tokens_map.json")).unwrap();
    let old = Tokenizer::load(&begin.output).unwrap();
    let more = TrainTokenizerConfig { extend: begin.output.clone(), ..config(folders[1].path(), 580) };
    train(&more, &[&small_texts()], 1, ENOUGH).unwrap();
    let new = Tokenizer::load(&more.output).unwrap();
    assert!(new.is_direct());
    assert_eq!((old.vocab_size(), new.vocab_size()), (422, 580));
    assert_eq!(new.vocabulary()[..422], old.vocabulary());
    let written = json_of(&more.output);
    let merges = written["model"]["merges"].as_array().unwrap();
    assert!(merges.len() > 300 && merges.iter().all(Value::is_string));
    assert_eq!(merges[..164], file["model"]["merges"].as_array().unwrap()[..]);
    let (mut before, mut after) = (0, 0);
    for text in small_texts() {
        let (old_ids, new_ids) = (old.encode(&text).unwrap(), new.encode(&text).unwrap());
        assert!(new_ids.len() <= old_ids.len());
        (before, after) = (before + old_ids.len(), after + new_ids.len());
        // Whatever an id meant it means.
        assert_eq!(new.decode(&new_ids).unwrap(), old.decode(&old_ids).unwrap());
    }
    assert!(after * 10 < before * 9, "{after} of {before}");
    assert_eq!(new.parsing_special(true).encode("<|endoftext|><tool_call>").unwrap(), [420, 421]);
    let config = json_of(&more.output.with_file_name("tokenizer_config.json"));
    assert_eq!(config["tokenizer_class"], "Qwen2Tokenizer");
    assert_eq!(config["added_tokens_decoder"]["421"]["content"], "<tool_call>");
    let map = json_of(&more.output.with_file_name("special_tokens_map.json"));
    assert_eq!(map, json!({ "eos_token": "<|endoftext|>", "additional_special_tokens": [] }));
}

#[test]
fn what_cannot_be_gone_on_with_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let begin = new(folder.path(), 640);
    train(&begin, &[&small_texts()], 1, ENOUGH).unwrap();
    let refused = |config: TrainTokenizerConfig| {
        let error = config.build().err().unwrap();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let more = |vocab_size| TrainTokenizerConfig { extend: begin.output.clone(), ..config(folder.path(), vocab_size) };
    let (error, hint) = refused(more(640));
    assert!(error.contains("`vocab_size` is 640") && error.contains("has 640 tokens already"), "{error}");
    assert!(hint.contains("more than 640"), "{hint}");
    let (error, hint) = refused(TrainTokenizerConfig { pattern: "gpt2".into(), ..more(700) });
    assert!(error.contains("`pattern` and `extend` are both given"), "{error}");
    assert_eq!(hint, "leave out `pattern`");
    let mut unigram = json_of(&begin.output);
    unigram["model"] = json!({ "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]] });
    let path = folder.path().join("unigram.json");
    std::fs::write(&path, unigram.to_string()).unwrap();
    let (error, hint) = refused(TrainTokenizerConfig { extend: path, ..more(700) });
    assert!(error.contains("no byte-level BPE tokenizer"), "{error}");
    assert!(hint.contains("byte-level BPE"), "{hint}");
}
