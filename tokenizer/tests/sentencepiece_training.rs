//! SentencePiece models trained here: their layout, their files, and that nothing but texts and config decides them.
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test may fail so, and says when it is skipped")]

mod support;

use std::path::Path;

use support::{small_texts, train};
use yuan_sentencepiece::{ModelFile, PieceKind};
use yuan_tokenizer::{Digits, HanCharacters, Tokenizer, TokenizerKind, TrainTokenizerConfig};

const ENOUGH: u64 = 1 << 30;

fn config(folder: &Path, kind: TokenizerKind) -> TrainTokenizerConfig {
    TrainTokenizerConfig {
        kind,
        vocab_size: 900,
        reserved: 10,
        character_coverage: 1.0,
        han_characters: HanCharacters::None,
        output: folder.join("tokenizer.model"),
        ..TrainTokenizerConfig::default()
    }
}

fn trained(config: &TrainTokenizerConfig) -> (Tokenizer, ModelFile) {
    train(config, &[&small_texts()], 1, ENOUGH).unwrap();
    (Tokenizer::load(&config.output).unwrap(), ModelFile::open(&config.output).unwrap())
}

#[test]
fn pieces_are_laid_out_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), TokenizerKind::SentencepieceBpe);
    let (tokenizer, file) = trained(&config);
    let kinds = |from: usize, to: usize| file.pieces[from..to].iter().map(|piece| piece.kind);
    assert_eq!(file.pieces[0].text, "<unk>");
    assert_eq!(file.pieces[0].kind, PieceKind::Unknown);
    assert_eq!(tokenizer.token_to_id("<eod>"), Some(1));
    assert_eq!(tokenizer.token_to_id("<|reserved_0|>"), Some(19));
    assert!(kinds(1, 29).all(|kind| kind == PieceKind::Control));
    let bytes = tokenizer.token_to_id("<0x00>").unwrap() as usize;
    assert!(kinds(29, bytes).all(|kind| kind == PieceKind::UserDefined));
    assert!(file.pieces[29..bytes].iter().any(|piece| piece.text == "<br▁/>"));
    assert!(kinds(bytes, bytes + 256).all(|kind| kind == PieceKind::Byte));
    let learnt = &file.pieces[bytes + 256..];
    assert!(
        learnt
            .iter()
            .zip(0_u16..)
            .all(|(piece, rank)| piece.kind == PieceKind::Normal && piece.score == -f32::from(rank))
    );
    assert!(learnt[0].text.chars().count() > 1, "merges come first: {:?}", learnt[0]);
    assert!(learnt.last().unwrap().text.chars().count() == 1, "characters last");
    let lines = std::fs::read_to_string(folder.path().join("tokenizer.vocab")).unwrap();
    assert_eq!(lines.lines().count(), file.pieces.len());
    assert!(!folder.path().join("tokenizer_config.json").exists() || folder.path().join("tokenizer.json").exists());
}

#[test]
fn no_piece_is_of_several_scripts_or_digits() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, file) = trained(&config(folder.path(), TokenizerKind::SentencepieceBpe));
    for piece in file.pieces.iter().filter(|piece| piece.kind == PieceKind::Normal) {
        let text = &piece.text;
        let inside = text.trim_start_matches('▁');
        assert!(inside.is_empty() || text.len() - inside.len() <= 3, "{text}");
        assert!(!inside.contains('▁'), "{text}");
        assert!(inside.len() <= 1 || !inside.contains(|char: char| char.is_ascii_digit()), "{text}");
        let han = |char: char| ('\u{4e00}'..='\u{9fff}').contains(&char);
        assert!(!(inside.contains(han) && inside.contains(|char: char| char.is_ascii_alphanumeric())), "{text}");
    }
    // Texts come back, whatever is in them.
    for text in small_texts().iter().map(String::as_str).chain(["", " ", "罕\u{10ffff}\n\t  é", "2024 <eod><br />"]) {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
    }
}

#[test]
fn neither_threads_nor_units_change_a_byte() {
    for kind in [TokenizerKind::SentencepieceBpe, TokenizerKind::Unigram] {
        let texts = small_texts();
        let files = |units: &[&[String]], threads: usize, sample_bytes: u64| {
            let folder = tempfile::tempdir().unwrap();
            let config = TrainTokenizerConfig { sample_bytes, ..config(folder.path(), kind) };
            train(&config, units, threads, ENOUGH).unwrap();
            ["model", "vocab", "json"].map(|suffix| std::fs::read(config.output.with_extension(suffix)).unwrap())
        };
        let one = files(&[&texts], 1, 0);
        let units: Vec<&[String]> = texts.chunks(7).collect();
        assert!(files(&units, 8, 0) == one, "{kind:?}");
        assert!(files(&units, 2, 1 << 20) == one, "{kind:?}: a sample of all");
    }
}

#[test]
fn what_cannot_be_trained_is_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let plain = config(folder.path(), TokenizerKind::SentencepieceBpe);
    let refused = |config: TrainTokenizerConfig| train(&config, &[&small_texts()], 1, ENOUGH).unwrap_err().to_string();
    let error = refused(TrainTokenizerConfig { pattern: "gpt2".into(), ..plain.clone() });
    assert!(error.contains("`pattern` is for byte-level BPE"), "{error}");
    let error = refused(TrainTokenizerConfig { digits: Digits::Groups, ..plain.clone() });
    assert!(error.contains("`digits` is `groups`"), "{error}");
    let error = refused(TrainTokenizerConfig { character_coverage: 0.0, ..plain.clone() });
    assert!(error.contains("`character_coverage` is 0"), "{error}");
    let error = refused(TrainTokenizerConfig { added_tokens: vec!["a▁b".into()], ..plain.clone() });
    assert!(error.contains("`a▁b` cannot be an added token"), "{error}");
    let error = refused(TrainTokenizerConfig { vocab_size: 500, ..plain });
    assert!(error.contains("`vocab_size` is 500") && error.contains("characters need"), "{error}");
    assert!(!folder.path().join("tokenizer.model").exists());
}
