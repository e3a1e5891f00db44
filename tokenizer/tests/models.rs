//! A SentencePiece `.model` as a tokenizer: with the files beside it, and as text that spells control tokens.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test may fail so, and says when it is skipped")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_tokenizer::{Scratch, TokenizeConfig, Tokenizer};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sentencepiece")
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A folder with a model and files beside it.
fn folder(model: &Path, files: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(model, folder.path().join("tokenizer.model")).unwrap();
    for (name, content) in files.as_object().unwrap() {
        std::fs::write(folder.path().join(name), content.to_string()).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir) -> Tokenizer {
    Tokenizer::load(folder.path().join("tokenizer.model")).unwrap()
}

/// Ids, count, offsets and a stream in parts agree, and decode to the text if it is to come back.
fn check(tokenizer: &Tokenizer, text: &str, expected: &[u32], comes_back: bool) {
    let mut scratch = Scratch::default();
    assert_eq!(tokenizer.encode(text).unwrap(), expected, "{text:?}");
    assert_eq!(tokenizer.count(text, &mut scratch).unwrap(), expected.len() as u64, "{text:?}");
    let (mut found, mut offsets) = (vec![7], vec![]);
    tokenizer.encode_with_offsets(text, &mut scratch, &mut found, &mut offsets).unwrap();
    assert_eq!(&found[1..], expected, "{text:?}");
    assert_eq!(offsets.len(), expected.len(), "{text:?}");
    let mut covered = 0;
    for (start, end) in &offsets {
        assert!(*start <= *end && *start == covered, "{text:?}: {offsets:?}");
        covered = *end;
    }
    assert_eq!(covered, text.len(), "{text:?}: {offsets:?}");
    let mut streamed = Vec::new();
    let mut stream = tokenizer.stream();
    text.char_indices().for_each(|(at, char)| stream.push(&text[at..at + char.len_utf8()], &mut streamed).unwrap());
    stream.finish(&mut streamed).unwrap();
    assert_eq!(streamed, expected, "{text:?}");
    if comes_back {
        assert_eq!(tokenizer.decode(expected).unwrap(), text);
    }
}

#[test]
fn tokens_are_added_as_by_transformers() {
    let cases: Value = serde_json::from_slice(&std::fs::read(fixtures().join("companions.json")).unwrap()).unwrap();
    let texts: Vec<&str> = cases["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    for (name, set) in cases["sets"].as_object().unwrap() {
        let folder = folder(&fixtures().join("bpe_symbols.model"), &set["files"]);
        let tokenizer = load(&folder).parsing_special(true);
        for (text, expected) in texts.iter().zip(set["ids"].as_array().unwrap()) {
            // Tokens that take spaces along do not give them back.
            let comes_back = name != "decoder" && !text.contains("<unk>");
            eprintln!("{name}: {text:?}");
            check(&tokenizer, text, &ids(expected), comes_back);
        }
    }
}

#[test]
fn control_tokens_in_a_text_are_text() {
    let model = fixtures().join("bpe_symbols.model");
    // A user-defined piece and a token that is no piece are control tokens by the file beside the model.
    let folder = folder(&model, &json!({ "special_tokens_map.json": { "eos_token": "<sep>", "pad_token": "<fill>" } }));
    let tokenizer = load(&folder);
    let special = tokenizer.special_tokens();
    let id = |token: &str| special.iter().find(|(name, _)| name == token).unwrap().1;
    let (sep, fill) = (id("<sep>"), id("<fill>"));
    assert_eq!(fill, tokenizer.vocab_size() - 1);
    for text in ["a<sep>b", "<sep><sep>", "<fill> x <sep>", "宝玉<sep>道"] {
        let found = tokenizer.encode(text).unwrap();
        assert!(!found.contains(&sep) && !found.contains(&fill), "{text}: {found:?}");
        check(&tokenizer, text, &found, true);
    }
    let parsing = load(&folder).parsing_special(true);
    assert!(parsing.encode("a<sep>b").unwrap().contains(&sep));
    // Ends of documents are written by name.
    assert_eq!(tokenizer.decode(&[tokenizer.encode("a b").unwrap(), vec![sep]].concat()).unwrap(), "a b<sep>");
    assert!(tokenizer.decode(&[1 << 20]).unwrap_err().to_string().contains("no token has id 1048576"));
    let config =
        TokenizeConfig { tokenizer: tokenizer.path().into(), eod: "<sep>".into(), ..TokenizeConfig::default() };
    assert_eq!(config.build().unwrap().tokenizer().fingerprint(), tokenizer.fingerprint());
    let bare = Tokenizer::load(&model).unwrap();
    assert_ne!(bare.fingerprint(), tokenizer.fingerprint(), "what is added changes ids");
    assert!(bare.special_tokens().iter().any(|(name, _)| name == "<s>"));
}

#[test]
fn what_is_wrong_beside_a_model_is_named() {
    let model = fixtures().join("bpe_symbols.model");
    let refused = |files: Value| {
        let folder = folder(&model, &files);
        Tokenizer::load(folder.path().join("tokenizer.model")).err().unwrap().to_string()
    };
    let error = refused(json!({ "added_tokens.json": { "<x>": 5 } }));
    assert!(error.contains("`<x>`, added to it, has the id 5, which is that of"), "{error}");
    let error = refused(json!({ "added_tokens.json": { "<x>": 5000, "<y>": 5000 } }));
    assert!(error.contains("which is that of `<x>`"), "{error}");
    let error = refused(json!({ "added_tokens.json": [] }));
    assert!(error.contains("added_tokens.json`, which lies beside a `.model`, is no JSON object"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.model");
    std::fs::write(&path, b"\x0a\x05ab").unwrap();
    let error = Tokenizer::load(&path).err().unwrap();
    assert!(error.to_string().contains("broken.model` is no tokenizer: byte 2"), "{error}");
    assert!(error.hint().unwrap().contains(".model"));
}

/// The Yuan tokenizer with the tokens that its programs add, where the shared fixtures are.
#[test]
fn the_yuan_tokenizer() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/yuan-tokenizer");
    if !shared.exists() {
        eprintln!("skipped: no {}", shared.display());
        return;
    }
    let vectors: Value = serde_json::from_slice(&std::fs::read(shared.join("vectors.json")).unwrap()).unwrap();
    let added = [
        "<sep>",
        "<pad>",
        "<mask>",
        "<predict>",
        "<FIM_SUFFIX>",
        "<FIM_PREFIX>",
        "<FIM_MIDDLE>",
        "<commit_before>",
        "<commit_msg>",
        "<commit_after>",
        "<jupyter_start>",
        "<jupyter_text>",
        "<jupyter_code>",
        "<jupyter_output>",
        "<empty_output>",
    ];
    let map =
        json!({ "bos_token": "<s>", "eos_token": "<eod>", "unk_token": "<unk>", "additional_special_tokens": added });
    let folder = folder(&shared.join("model/tokenizer.model"), &json!({ "special_tokens_map.json": map }));
    let tokenizer = load(&folder).parsing_special(true);
    assert_eq!(u64::from(tokenizer.vocab_size()), vectors["len_with_15_added"].as_u64().unwrap());
    for (token, id) in vectors["special_ids"].as_object().unwrap() {
        if *id != json!(134_958) && *id != json!(134_959) {
            assert_eq!(tokenizer.token_to_id(token), Some(id.as_u64().unwrap() as u32), "{token}");
        }
    }
    let cases = vectors["hf_slow_llama_tokenizer_legacy"].as_array().unwrap();
    assert_eq!(cases.len(), 58);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        check(&tokenizer, text, &ids(&case["ids"]), !text.contains('▁') && !text.contains("<unk>"));
    }
    let plain = load(&folder);
    for text in ["a<eod>b", "<eod>", "x <jupyter_start><sep>", "<mask>"] {
        let found = plain.encode(text).unwrap();
        assert!(
            !found.iter().any(|id| plain.special_tokens().iter().any(|(_, special)| special == id)),
            "{text}: {found:?}"
        );
        check(&plain, text, &found, true);
    }
}
