//! A tokenizer trained here: its ids, its file, and that nothing but texts and config decides it.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{small_texts, train};
use yuan_tokenizer::{Digits, HanCharacters, ReservedPlace, TokenizeConfig, Tokenizer, TrainTokenizerConfig};

const ENOUGH: u64 = 1 << 30;

fn config(folder: &Path) -> TrainTokenizerConfig {
    TrainTokenizerConfig {
        vocab_size: 900,
        han_characters: HanCharacters::None,
        punctuation: true,
        output: folder.join("tokenizer.json"),
        ..TrainTokenizerConfig::default()
    }
}

fn trained(folder: &Path) -> Tokenizer {
    train(&config(folder), &[&small_texts()], 1, ENOUGH).unwrap();
    Tokenizer::load(folder.join("tokenizer.json")).unwrap()
}

#[test]
fn ids_are_laid_out_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    assert_eq!(tokenizer.vocab_size(), 900);
    let vocabulary = tokenizer.vocabulary();
    assert!((0..).zip(&vocabulary).all(|(id, (_, known))| id == *known), "ids leave no gap");
    for (token, id) in [
        ("<eod>", 0),
        ("<pad>", 1),
        ("<file_sep>", 17),
        ("<|reserved_0|>", 18),
        ("<|reserved_199|>", 217),
        ("<html>", 218),
    ] {
        assert_eq!(tokenizer.token_to_id(token), Some(id), "{token}");
    }
    let first_byte = tokenizer.token_to_id("!").unwrap();
    assert_eq!(tokenizer.id_to_token(first_byte - 1).as_deref(), Some("％"), "the last added token");
    assert_eq!(tokenizer.id_to_token(first_byte + 255).as_deref(), Some("Ń"), "the last byte symbol");
    assert_eq!(tokenizer.special_tokens().len(), 218);
    let file: Value = serde_json::from_slice(&std::fs::read(tokenizer.path()).unwrap()).unwrap();
    let special = |content: &str| {
        let added = file["added_tokens"].as_array().unwrap();
        added.iter().find(|token| token["content"] == content).unwrap()["special"].as_bool().unwrap()
    };
    assert!(special("<eod>") && special("<|reserved_7|>"));
    assert!(!special("<p>") && !special("，"));
}

#[test]
fn marks_are_joined_unless_they_are_tokens_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = |punctuation| {
        let config = TrainTokenizerConfig { punctuation, ..config(folder.path()) };
        train(&config, &[&small_texts()], 1, ENOUGH).unwrap();
        Tokenizer::load(&config.output).unwrap().encode("？”").unwrap().len()
    };
    assert!(!TrainTokenizerConfig::default().punctuation);
    assert_eq!((tokens(true), tokens(false)), (2, 1));
}

#[test]
fn slots_lie_at_the_back_and_fill_up_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainTokenizerConfig {
        vocab_size: 7_900,
        reserved: 10,
        reserved_place: ReservedPlace::Back,
        vocab_multiple: 128,
        han_characters: HanCharacters::Simplified,
        ..config(folder.path())
    };
    train(&config, &[&small_texts()], 1, ENOUGH).unwrap();
    let tokenizer = Tokenizer::load(&config.output).unwrap();
    assert!(tokenizer.is_direct());
    // The texts teach a few hundred merges beside the characters.
    let size = tokenizer.vocab_size();
    assert!(size.is_multiple_of(128) && (4_500..6_500).contains(&size), "{size}");
    assert_eq!(tokenizer.token_to_id("<html>"), Some(18));
    let last = tokenizer.id_to_token(size - 1).unwrap();
    assert!(last.starts_with("<|reserved_"), "{last}");
    let first_slot = tokenizer.token_to_id("<|reserved_0|>").unwrap();
    assert!(first_slot + 10 <= size && first_slot + 138 > size);
    assert_eq!(tokenizer.id_to_token(size - 1).unwrap(), format!("<|reserved_{}|>", size - 1 - first_slot));
    // A character that no text has, and one of the other writing.
    assert_eq!((tokenizer.encode("啊").unwrap().len(), tokenizer.encode("龜").unwrap().len()), (1, 2));
    let text = "啊龜今天<|reserved_3|>";
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
}

#[test]
fn decoding_gives_the_text_back() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    assert!(tokenizer.is_direct());
    let mut texts = small_texts();
    texts.extend(["", " ", "\u{0}\u{1}\u{7f}", "\u{feff}·é", "  leading and trailing  ", "\r\n"].map(String::from));
    texts.extend(('\0'..=char::MAX).step_by(97).map(|char| format!("{char}a {char}中{char}")));
    for text in texts {
        let ids = tokenizer.encode(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
    let error = tokenizer.decode(&[900]).unwrap_err();
    assert!(error.to_string().ends_with("no token has id 900"), "{error}");
}

#[test]
fn a_control_token_in_a_text_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let text = "one<eod>two<|reserved_3|><p>";
    let ids = tokenizer.encode(text).unwrap();
    let special = |ids: &[u32]| ids.iter().copied().filter(|id| *id < 218).collect::<Vec<_>>();
    assert_eq!(special(&ids), [0_u32; 0]);
    assert!(ids.contains(&tokenizer.token_to_id("<p>").unwrap()));
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    let parsing = tokenizer.parsing_special(true);
    let ids = parsing.encode(text).unwrap();
    assert_eq!(special(&ids), [0, 21]);
    assert_eq!(parsing.decode(&ids).unwrap(), text);
}

#[test]
fn threads_and_units_do_not_change_the_file() {
    let texts = small_texts();
    let run = |units: &[&[String]], threads, sample_bytes| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainTokenizerConfig { sample_bytes, ..config(folder.path()) };
        let mut outcome = train(&config, units, threads, ENOUGH).unwrap();
        outcome["tokenizer"] = Value::Null;
        (std::fs::read(&config.output).unwrap(), outcome)
    };
    for sample_bytes in [5_000, 1 << 28, 0] {
        let expected = run(&[&texts], 1, sample_bytes);
        let units: Vec<&[String]> = texts.chunks(11).collect();
        assert_eq!(run(&units, 2, sample_bytes), expected);
        assert_eq!(run(&units, 8, sample_bytes), expected);
    }
    assert_ne!(run(&[&texts], 1, 5_000).0, run(&[&texts], 1, 1 << 28).0);
    assert_eq!(run(&[&texts], 1, 0).0, run(&[&texts], 1, 1 << 28).0);
}

#[test]
fn digits_are_one_token_each_unless_kept() {
    let folder = tempfile::tempdir().unwrap();
    let texts = vec!["2024 2024 2024 2024".to_owned(); 50];
    let tokens = |digits| {
        let config = TrainTokenizerConfig { digits, ..config(folder.path()) };
        train(&config, &[&texts], 1, ENOUGH).unwrap();
        Tokenizer::load(&config.output).unwrap().encode("2024").unwrap().len()
    };
    assert_eq!((tokens(Digits::Split), tokens(Digits::Keep)), (4, 1));
}

#[test]
fn what_cannot_be_trained_is_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |config: TrainTokenizerConfig, memory| {
        let error = train(&config, &[&small_texts()], 1, memory).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let small = TrainTokenizerConfig { vocab_size: 600, ..config(folder.path()) };
    let (error, hint) = refused(small, ENOUGH);
    assert_eq!(
        error,
        "`train_tokenizer`: `vocab_size` is 600, but 218 special tokens and reserved slots, 174 added tokens, 256 bytes and 0 for Han characters need 648"
    );
    assert!(hint.starts_with("set `vocab_size` to more than 648"), "{hint}");
    let dot = TrainTokenizerConfig { added_tokens: vec!["·".into()], ..config(folder.path()) };
    assert!(refused(dot, ENOUGH).0.contains("`·` cannot be an added token"));
    let alpha = TrainTokenizerConfig { alpha: 1.5, ..config(folder.path()) };
    assert!(refused(alpha, ENOUGH).0.contains("`alpha` is 1.5"));
    let weights = [("xx".to_owned(), 2.0)].into();
    let weights = TrainTokenizerConfig { balance_by: "language".into(), weights, ..config(folder.path()) };
    assert!(refused(weights, ENOUGH).0.contains("`weights` name `xx`, which no document has in `language`"));
    assert!(!config(folder.path()).output.exists());
}

#[test]
fn a_tokenizer_that_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let build = |path: PathBuf, eod: &str| {
        let config = TokenizeConfig { tokenizer: path, eod: eod.into(), ..TokenizeConfig::default() };
        config.build().err().unwrap()
    };
    let missing = build(folder.path().join("none.json"), "<eod>");
    assert!(missing.to_string().ends_with("none.json` is not there"), "{missing}");
    assert!(missing.hint().unwrap().contains("train-tokenizer"));
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{}").unwrap();
    let error = build(broken, "<eod>");
    assert!(error.to_string().contains("broken.json` is no tokenizer"), "{error}");
    assert!(error.hint().unwrap().contains("train-tokenizer"));
    let tokenizer = trained(folder.path());
    let error = build(tokenizer.path().into(), "</s>");
    assert!(error.to_string().ends_with("has no token `</s>`"), "{error}");
    assert!(error.hint().unwrap().contains("`<eod>`, `<pad>`"), "{:?}", error.hint());
}

/// After it, `tests/oracle/huggingface_tokens.py` writes what Hugging Face makes of it.
#[test]
#[ignore = "writes tests/fixtures/tokenizer/tokenizer.json and tokenizer_config.json"]
fn write_the_fixture() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer");
    let config = TrainTokenizerConfig { vocab_size: 700, reserved: 8, ..config(&fixtures) };
    train(&config, &[&small_texts()], 1, ENOUGH).unwrap();
}
