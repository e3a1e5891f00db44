//! Tokenizers in other files: the ids are those of the libraries that own these files.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{small_texts, train};
use yuan_tokenizer::edit::{export_huggingface, export_tiktoken, prune};
use yuan_tokenizer::{HanCharacters, Tokenizer, TrainTokenizerConfig};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer_files").join(name)
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ids_of(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Why a file of these bytes cannot be loaded, and what to do.
fn refused(folder: &Path, name: &str, bytes: &[u8]) -> (String, String) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = Tokenizer::load(&path).err().unwrap();
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
fn ranks_give_the_ids_of_tiktoken() {
    let expected = json_of(&fixture("expected.json"));
    let cases = expected["educational.tiktoken"].as_array().unwrap();
    assert!(cases.len() > 10);
    let tokenizer = Tokenizer::load(fixture("educational.tiktoken")).unwrap();
    assert!(tokenizer.is_direct());
    assert_eq!((tokenizer.vocab_size(), tokenizer.token_to_id("<|im_start|>")), (706, Some(705)));
    let parsing = Tokenizer::load(fixture("educational.tiktoken")).unwrap().parsing_special(true);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids, ids_of(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        assert_eq!(parsing.encode(text).unwrap(), ids_of(&case["ids_with_special"]), "{text:?}");
    }
}

#[test]
fn tokens_that_come_before_their_parts_are_made_all_the_same() {
    let expected = json_of(&fixture("expected.json"));
    let tokenizer = Tokenizer::load(fixture("disordered.tiktoken")).unwrap();
    assert!(tokenizer.is_direct());
    let rank = |token: &str| tokenizer.token_to_id(token).unwrap();
    assert!(rank("Ġthe") < rank("Ġt") && rank("tion") < rank("ti"));
    for case in expected["disordered.tiktoken"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids, ids_of(&case["ids"]), "{text:?}");
    }
}

#[test]
fn a_gguf_vocabulary_gives_the_ids_of_its_tokenizer() {
    let expected = json_of(&fixture("expected.json"));
    let tokenizer = Tokenizer::load(fixture("qwen2.gguf")).unwrap();
    assert!(tokenizer.is_direct());
    let end = tokenizer.token_to_id("<|endoftext|>").unwrap();
    assert_eq!(tokenizer.special_tokens(), [("<|endoftext|>".to_owned(), end)]);
    for case in expected["qwen2.gguf"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids_of(&case["ids"]), "{text:?}");
    }
}

#[test]
fn a_gguf_vocabulary_of_pieces_gives_the_ids_of_its_model() {
    let expected = json_of(&fixture("expected.json"));
    let tokenizer = Tokenizer::load(fixture("llama.gguf")).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.token_to_id("</s>")), (640, Some(2)));
    for case in expected["llama.gguf"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids_of(&case["ids"]), "{text:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(fixture("llama.gguf")).unwrap();
    for key in ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
        let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
        let mut other = bytes.clone();
        other[at + key.len() - 1] = b'X';
        let (error, _) = refused(folder.path(), "without.gguf", &other);
        assert!(error.contains(&format!("has no `{key}`")), "{error}");
    }
}

#[test]
fn ranks_that_say_too_little_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ranks = std::fs::read(fixture("educational.tiktoken")).unwrap();
    let (error, hint) = refused(folder, "alone.tiktoken", &ranks);
    assert!(error.contains("it does not say its pattern"), "{error}");
    assert!(hint.contains("alone.tiktoken.json` beside it: {\"pattern\": \"cl100k\""), "{hint}");
    std::fs::write(folder.join("odd.tiktoken.json"), r#"{"pattern": "cl100k", "specials": {}}"#).unwrap();
    assert!(refused(folder, "odd.tiktoken", &ranks).0.contains("unknown field `specials`"));
    std::fs::write(folder.join("taken.tiktoken.json"), r#"{"pattern": "cl100k", "special_tokens": {"<e>": 7}}"#)
        .unwrap();
    assert!(refused(folder, "taken.tiktoken", &ranks).0.contains("gives `<e>` id 7"));
    std::fs::write(folder.join("bad.tiktoken.json"), r#"{"pattern": "("}"#).unwrap();
    assert!(refused(folder, "bad.tiktoken", &ranks).0.contains("bad.tiktoken"));
    let lines: Vec<&[u8]> = ranks.split_inclusive(|byte| *byte == b'\n').collect();
    let (error, _) = refused(folder, "short.tiktoken", &lines[1..].concat());
    assert!(error.contains("has no token for the byte 0x00"), "{error}");
    let twice = [&ranks[..], b"AAAA 3\n"].concat();
    assert!(refused(folder, "twice.tiktoken", &twice).0.contains("has rank 3 twice"));
    let again = [&ranks[..], b"AA== 9000\n"].concat();
    assert!(refused(folder, "again.tiktoken", &again).0.contains("has the token `AA==` twice"));
    let torn = [&ranks[..], b"nonsense\n"].concat();
    assert!(refused(folder, "torn.tiktoken", &torn).0.contains("line 601: no token and rank"));
    let huge = [&ranks[..], b"AAAA 4294967295\n"].concat();
    assert!(refused(folder, "huge.tiktoken", &huge).0.contains("has rank 4294967295, more than"));
}

#[test]
fn headers_that_say_too_little_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("qwen2.gguf")).unwrap();
    let with = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
    };
    // Lengths stay: other words of as many letters.
    let (error, hint) = refused(folder.path(), "pre.gguf", &with("qwen2", "other"));
    assert!(error.contains("cuts texts as `other` (`tokenizer.ggml.pre`), which is not known here"), "{error}");
    assert!(hint.contains("`tokenizer.json`"), "{hint}");
    assert!(refused(folder.path(), "kind.gguf", &with("gpt2", "bert")).0.contains("a vocabulary of the kind `bert`"));
    let (error, _) = refused(folder.path(), "none.gguf", &with("tokenizer.ggml.model", "tokenizer.ggml.mOdel"));
    assert!(error.contains("has no vocabulary in its metadata"), "{error}");
    let (error, _) = refused(folder.path(), "merges.gguf", &with("tokenizer.ggml.merges", "tokenizer.ggml.mErges"));
    assert!(error.contains("has no `tokenizer.ggml.merges`"), "{error}");
    for end in [4, 20, 100, whole.len() / 2] {
        assert!(
            refused(folder.path(), "torn.gguf", &whole[..end]).0.contains("has no header that can be read"),
            "{end}"
        );
    }
}

fn trained(folder: &Path, change: impl Fn(&mut TrainTokenizerConfig)) -> PathBuf {
    let mut config = TrainTokenizerConfig {
        vocab_size: 1000,
        reserved: 20,
        han_characters: HanCharacters::None,
        punctuation: false,
        output: folder.join("tokenizer.json"),
        ..TrainTokenizerConfig::default()
    };
    change(&mut config);
    train(&config, &[&small_texts()], 1, 1 << 30).unwrap();
    config.output
}

#[test]
fn ranks_that_are_written_are_the_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    for pattern in ["yuan", "gpt2", "o200k"] {
        let from = trained(folder.path(), |config| config.pattern = pattern.into());
        let to = folder.path().join(format!("{pattern}.tiktoken"));
        let exported = export_tiktoken(&from, &to).unwrap();
        let (before, after) = (Tokenizer::load(&from).unwrap(), Tokenizer::load(&to).unwrap());
        assert!(after.is_direct() && !exported.nfc);
        assert_eq!(after.vocabulary(), before.vocabulary());
        assert_eq!(after.special_tokens(), before.special_tokens());
        for text in small_texts() {
            assert_eq!(after.encode(&text).unwrap(), before.encode(&text).unwrap(), "{pattern}");
        }
        // And as the other form again.
        let back = folder.path().join("back").join("tokenizer.json");
        assert_eq!(export_huggingface(&to, &back).unwrap().len(), 3);
        assert_eq!(json_of(&back)["model"], json_of(&from)["model"]);
    }
    // A vocabulary of ranks can be made smaller, and gone on with.
    let to = folder.path().join("smaller.json");
    let uses = vec![1; 1000];
    prune(&folder.path().join("yuan.tiktoken"), &to, &uses, 740).unwrap();
    assert_eq!(Tokenizer::load(&to).unwrap().vocab_size(), 740);
}

#[test]
fn what_ranks_cannot_express_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.tiktoken");
    let refusal = |from: &Path| {
        let error = export_tiktoken(from, &to).unwrap_err();
        assert!(!to.exists());
        error.to_string()
    };
    let steps = trained(folder.path(), |config| config.pattern = "deepseek3".into());
    assert!(refusal(&steps).contains("in several steps, and tiktoken has one pattern"));
    let marks = trained(folder.path(), |config| config.punctuation = true);
    let error = refusal(&marks);
    assert!(error.contains("added token `——` begins with added token `—`"), "{error}");
    let path = trained(folder.path(), |_| {});
    let file = json_of(&path);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = file.clone();
        change(&mut file);
        std::fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
        refusal(&path)
    };
    let error = with(&|file| {
        let merges = file["model"]["merges"].as_array_mut().unwrap();
        let last = merges.pop().unwrap();
        merges.insert(0, last);
    });
    assert!(
        error.contains("tiktoken merges in the order of ids") || error.contains("the order of ids would make"),
        "{error}"
    );
    let error = with(&|file| drop(file["model"]["merges"].as_array_mut().unwrap().pop()));
    assert!(error.contains("no text becomes token"), "{error}");
    let error = with(&|file| file["added_tokens"][0]["lstrip"] = true.into());
    assert!(error.contains("is found by `lstrip`"), "{error}");
    let error = with(&|file| file["normalizer"] = serde_json::json!({ "type": "Lowercase" }));
    assert!(error.contains("no byte-level BPE tokenizer without other steps"), "{error}");
}
