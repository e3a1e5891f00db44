//! Models of every kind say about texts what the C++ library says: `tests/fixtures/sentencepiece`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail so, and says what it skips")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use yuan_sentencepiece::{Error, Model, ModelKind, PieceKind, Scratch};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sentencepiece")
}

fn cases() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

/// The models by name.
fn models() -> Vec<(String, Model)> {
    let cases = cases();
    let names = cases["answers"].as_object().unwrap().keys().filter(|name| !name.contains(' ')).cloned();
    let models: Vec<_> =
        names.map(|name| (name.clone(), Model::open(folder().join(format!("{name}.model"))).unwrap())).collect();
    assert_eq!(models.len(), 9);
    models
}

#[test]
fn texts_are_cut_and_put_together_as_the_library_does() {
    let cases = cases();
    let texts: Vec<&str> = cases["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    // One scratch for all models, as a program may do.
    let mut scratch = Scratch::default();
    for (name, model) in models() {
        let answers = cases["answers"][&name].as_array().unwrap();
        assert_eq!(answers.len(), texts.len());
        // Twice, as results are remembered.
        for (text, answer) in texts.iter().zip(answers).chain(texts.iter().zip(answers)) {
            let mut ids = Vec::new();
            model.encode_ids(text, &mut scratch, &mut ids);
            let expected: Vec<u32> = numbers(&answer["ids"]).into_iter().map(|id| id as u32).collect();
            assert_eq!(ids, expected, "{name}: {text:?}");
            assert_eq!(model.encode(text), expected, "{name}: {text:?}");

            let mut pieces = Vec::new();
            model.encode_pieces(text, &mut scratch, |piece| pieces.push(Value::from(piece)));
            assert_eq!(Value::from(pieces.clone()), answer["pieces"], "{name}: {text:?}");

            let (mut placed, mut places) = (Vec::new(), Vec::new());
            model.encode_places(text, &mut scratch, |piece| {
                placed.push((piece.id, Value::from(piece.piece)));
                places.extend([piece.place.start as i64, piece.place.end as i64]);
            });
            assert_eq!(places, numbers(&answer["places"]), "{name}: {text:?}");
            assert_eq!(placed, expected.iter().copied().zip(pieces).collect::<Vec<_>>(), "{name}: {text:?}");

            assert_eq!(model.normalize(text), answer["normalized"].as_str().unwrap(), "{name}: {text:?}");
            let (normalized, places) = model.normalize_with_places(text);
            assert_eq!(normalized, answer["normalized"].as_str().unwrap());
            if !normalized.is_empty() {
                assert_eq!(places.len(), normalized.len() + 1, "{name}: {text:?}");
                assert!(
                    places.is_sorted() && places.iter().all(|&place| text.is_char_boundary(place)),
                    "{name}: {text:?}"
                );
            }
            assert_eq!(model.decode(&ids).unwrap(), answer["decoded"].as_str().unwrap(), "{name}: {text:?}");
        }
    }
}

#[test]
fn any_ids_decode_as_in_the_library() {
    let cases = cases();
    for (name, model) in models() {
        for sequence in cases["answers"][format!("{name} random")].as_array().unwrap() {
            let ids: Vec<u32> = numbers(&sequence[0]).into_iter().map(|id| id as u32).collect();
            assert_eq!(model.decode(&ids).unwrap(), sequence[1].as_str().unwrap(), "{name}: {ids:?}");
        }
    }
}

#[test]
fn special_pieces_have_the_ids_of_the_library() {
    let cases = cases();
    for (name, model) in models() {
        let ids = [model.unknown_id(), model.bos_id(), model.eos_id(), model.pad_id()];
        let ids = ids.map(|id| id.map_or(-1, i64::from));
        assert_eq!(ids.to_vec(), numbers(&cases["answers"][format!("{name} special")]), "{name}");
    }
}

#[test]
fn models_say_what_they_are() {
    let model = Model::open(folder().join("unigram_symbols.model")).unwrap();
    assert_eq!((model.kind(), model.vocab_size(), model.has_byte_fallback()), (ModelKind::Unigram, 2400, false));
    let symbol = model.id("宝玉道").unwrap();
    assert_eq!(model.piece_kind(symbol), Some(PieceKind::UserDefined));
    assert_eq!((model.piece(symbol), model.score(symbol)), (Some("宝玉道"), Some(0.0)));
    assert_eq!(model.piece_kind(model.bos_id().unwrap()), Some(PieceKind::Control));
    assert_eq!((model.id("no such piece"), model.piece(2400)), (None, None));
    let error = model.decode(&[5, 2400]).unwrap_err();
    assert!(matches!(error, Error::UnknownId { id: 2400, vocab_size: 2400 }));

    let model = Model::open(folder().join("bpe_symbols.model")).unwrap();
    assert_eq!((model.kind(), model.normalizer_name()), (ModelKind::Bpe, "identity"));
    assert_eq!(model.piece_kind(model.id("<0x41>").unwrap()), Some(PieceKind::Byte));
    assert_eq!(Model::open(folder().join("unigram.model")).unwrap().normalizer_name(), "nmt_nfkc");
}

#[test]
fn long_texts_too() {
    // What short texts do not go through: sums that are brought back to 0, long segments, a cache that is full.
    let cases = cases();
    let texts: Vec<&str> = cases["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let lines: Vec<String> = (0..3000).map(|at| format!("{}{at}", texts[at % texts.len()])).collect();
    for (name, model) in models() {
        let ids = model.encode(&lines.join(" "));
        let hash = ids
            .iter()
            .flat_map(|id| id.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let expected = &cases["answers"][format!("{name} long")];
        assert_eq!(ids.len() as u64, expected[0].as_u64().unwrap(), "{name}");
        assert_eq!(format!("{hash:016x}"), expected[1].as_str().unwrap(), "{name}");
    }
}

/// The Yuan tokenizer, where the shared fixtures are.
#[test]
fn the_yuan_tokenizer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/yuan-tokenizer");
    if !folder.exists() {
        eprintln!("skipped: no {}", folder.display());
        return;
    }
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("vectors.json")).unwrap()).unwrap();
    let model = Model::open(folder.join("model/tokenizer.model")).unwrap();
    assert_eq!(model.vocab_size() as i64, vectors["base_vocab"].as_i64().unwrap());
    let cases = vectors["raw_sentencepiece"].as_array().unwrap();
    assert_eq!(cases.len(), 58);
    let mut scratch = Scratch::default();
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let expected: Vec<u32> = numbers(&case["ids"]).into_iter().map(|id| id as u32).collect();
        assert_eq!(model.encode(text), expected, "{text:?}");
        let mut pieces = Vec::new();
        model.encode_pieces(text, &mut scratch, |piece| pieces.push(Value::from(piece)));
        assert_eq!(Value::from(pieces), case["pieces"], "{text:?}");
        assert_eq!(model.decode(&expected).unwrap(), case["decoded"].as_str().unwrap(), "{text:?}");
    }
}
