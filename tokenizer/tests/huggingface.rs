//! Hugging Face's library is the oracle: our tokens and our merges are its own.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{corpus, small_texts, train};
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::{AddedToken, Tokenizer as Library, models::TrainerWrapper};
use yuan_tokenizer::{Digits, Scratch, Tokenizer, TrainTokenizerConfig, TrainerCompat};

/// Texts of several kinds, `bytes` of each, or small ones where the corpora are not there.
fn texts(bytes: usize) -> Vec<String> {
    let names =
        ["docs/zh_lctt", "docs/zh_novels", "docs/en_peps", "docs/multi_otel", "docs/en_books", "docs/zh_wikiqa"];
    let texts: Option<Vec<Vec<String>>> =
        names.iter().map(|name| corpus(&format!("{name}.jsonl.zst"), bytes)).collect();
    texts.map_or_else(small_texts, |texts| texts.concat())
}

/// The first documents of the bundled corpus: real text that is always there.
fn bundled_texts(count: usize) -> Vec<String> {
    let packed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo/corpus.jsonl.zst")).unwrap();
    let lines = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    let texts = lines.lines().take(count).map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].take());
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn assert_same_tokens(path: &Path, texts: &[String]) {
    let mut library = Library::from_file(path).unwrap();
    for parse_special in [false, true] {
        library.set_encode_special_tokens(!parse_special);
        let ours = Tokenizer::load(path).unwrap().parsing_special(parse_special);
        assert!(ours.is_direct());
        let mut scratch = Scratch::default();
        for text in texts {
            let mut ids = Vec::new();
            ours.encode_into(text, &mut scratch, &mut ids).unwrap();
            let theirs = library.encode_fast(&**text, false).unwrap();
            assert!(ids == theirs.get_ids(), "{:?}", text.chars().take(200).collect::<String>());
        }
    }
}

#[test]
fn our_tokens_are_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts(4 << 20);
    for digits in [Digits::Split, Digits::Keep] {
        let config = TrainTokenizerConfig {
            vocab_size: 8_000,
            sample_bytes: 4 << 20,
            digits,
            output: folder.path().join("tokenizer.json"),
            ..TrainTokenizerConfig::default()
        };
        train(&config, &[&texts], 2, 4 << 30).unwrap();
        // Half of them for the second.
        let count = if digits == Digits::Split { texts.len() } else { texts.len() / 8 };
        assert_same_tokens(&config.output, &texts[..count]);
        assert_same_tokens(&config.output, &small_texts());
    }
}

#[test]
fn our_merges_are_its_merges() {
    for pattern in ["yuan", "gpt2", "qwen2"] {
        our_merges_by(pattern);
    }
}

fn our_merges_by(pattern: &str) {
    let folder = tempfile::tempdir().unwrap();
    let texts = bundled_texts(300);
    let config = TrainTokenizerConfig {
        vocab_size: 4_000,
        pattern: pattern.into(),
        // The library learns from added tokens as if they were words, and guarantees no Han characters.
        compat: TrainerCompat::Huggingface,
        html_tags: true,
        output: folder.path().join("tokenizer.json"),
        ..TrainTokenizerConfig::default()
    };
    train(&config, &[&texts], 2, 4 << 30).unwrap();
    let mut file: Value = serde_json::from_slice(&std::fs::read(&config.output).unwrap()).unwrap();
    let ours = file["model"]["merges"].take();
    let added: Vec<AddedToken> = serde_json::from_value(file["added_tokens"].clone()).unwrap();
    // The library learns from the same pieces: an untrained tokenizer that finds the same added tokens.
    file["model"]["merges"] = Value::Array(Vec::new());
    let mut library: Library = serde_json::from_value(file).unwrap();
    let mut trainer = TrainerWrapper::from(
        BpeTrainer::builder()
            .show_progress(false)
            .min_frequency(config.min_frequency)
            .vocab_size(config.vocab_size as usize)
            .special_tokens(added)
            .initial_alphabet(tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect())
            .build(),
    );
    library.train(&mut trainer, texts.iter()).unwrap();
    let theirs: Value = serde_json::to_value(library.get_model()).unwrap();
    let (ours, theirs) = (ours.as_array().unwrap(), theirs["merges"].as_array().unwrap());
    let differing = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    let near = differing.map(|at| (&ours[at..(at + 4).min(ours.len())], &theirs[at..(at + 4).min(theirs.len())]));
    assert_eq!(near, None, "{pattern}: at {differing:?} of {} and {} merges", ours.len(), theirs.len());
    assert_eq!(ours.len(), theirs.len());
}

/// A tokenizer of another kind: WordPiece-like, through the library, its unknown token among the special.
#[test]
fn other_tokenizers_work_as_in_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let word_level = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": { "type": "Lowercase" },
        "added_tokens": [
            { "id": 0, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true },
            { "id": 1, "content": "eod", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true },
        ],
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "[UNK]", "vocab": { "[UNK]": 0, "eod": 1, "hello": 2, "e": 3, "od": 4 } },
    });
    std::fs::write(&path, word_level.to_string()).unwrap();
    let tokenizer = Tokenizer::load(&path).unwrap();
    assert!(!tokenizer.is_direct());
    assert_eq!(tokenizer.encode("Hello there").unwrap(), [2, 0]);
    assert_eq!(tokenizer.encode("hello eod hello").unwrap(), [2, 3, 4, 2], "no document can end itself");
    assert_eq!(tokenizer.parsing_special(true).encode("hello eod").unwrap(), [2, 1]);
}

/// Tokens that Python's `tokenizers` gave, kept as a file.
#[test]
fn the_python_library_gave_the_same() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer");
    let expected: Value = serde_json::from_slice(&std::fs::read(fixtures.join("expected.json")).unwrap()).unwrap();
    let tokenizer = Tokenizer::load(fixtures.join("tokenizer.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}
