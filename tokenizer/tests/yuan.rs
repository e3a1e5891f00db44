//! Filling in the middle and Yuan's tokens, as Yuan 2.0's programs have them.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use serde_json::Value;
use yuan_pipeline::{Batch, Stage};
use yuan_random_state::RandomState;
use yuan_tokenizer::{Fim, TokenizeCompat, TokenizeConfig, Tokenizer};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(root().join("tests/fixtures/yuan").join(path)).unwrap()).unwrap()
}

/// Yuan's model where the shared fixtures are; the tokens that its program adds are not in the files beside it.
fn yuan_model() -> Option<PathBuf> {
    let model = root().join("../shared/fixtures/yuan-tokenizer/model/tokenizer.model");
    if !model.exists() {
        eprintln!("skipped: no {}", model.display());
        return None;
    }
    Some(model)
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn fim(tokenizer: &Tokenizer, rate: f64, spm_rate: f64) -> Fim {
    let id = |token: &str| tokenizer.token_to_id(token).unwrap();
    Fim { rate, spm_rate, prefix: id("<FIM_PREFIX>"), suffix: id("<FIM_SUFFIX>"), middle: id("<FIM_MIDDLE>") }
}

#[test]
fn yuans_model_has_yuans_tokens_whatever_lies_beside_it() {
    let Some(model) = yuan_model() else { return };
    let path = root().join("../shared/fixtures/yuan-tokenizer/vectors.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tokenizer = Tokenizer::load_yuan(model).unwrap();
    assert_eq!(u64::from(tokenizer.vocab_size()), vectors["len_with_15_added"].as_u64().unwrap());
    for (token, id) in vectors["special_ids"].as_object().unwrap() {
        let id = id.as_u64().unwrap() as u32;
        if id < tokenizer.vocab_size() {
            assert_eq!(tokenizer.token_to_id(token), Some(id), "{token}");
        }
    }
    for case in vectors["hf_slow_llama_tokenizer_legacy"].as_array().unwrap() {
        assert_eq!(tokenizer.encode(case["text"].as_str().unwrap()).unwrap(), ids(&case["ids"]), "{}", case["text"]);
    }
}

/// One generator carried through the steps, as the dataset of Yuan's fork does.
#[test]
fn samples_are_turned_round_as_yuan_does() {
    let Some(model) = yuan_model() else { return };
    let expected = json("fim.json");
    let tokenizer = Tokenizer::load_yuan(model).unwrap();
    let fim = fim(&tokenizer, expected["fim_rate"].as_f64().unwrap(), expected["fim_spm_rate"].as_f64().unwrap());
    for (name, id) in [("prefix", fim.prefix), ("suffix", fim.suffix), ("middle", fim.middle)] {
        assert_eq!(expected["ids"][name], id);
    }
    let mut random = RandomState::new(expected["seed"].as_u64().unwrap() as u32);
    for step in expected["steps"].as_array().unwrap() {
        let out = fim.transform(&tokenizer, &mut random, &ids(&step["sample"])).unwrap();
        assert_eq!(out, ids(&step["out"]), "{}", step["text"]);
    }
}

/// The number of ids and their FNV-1a hash.
fn told(ids: &[u32]) -> (usize, String) {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = ids.iter().flat_map(|id| id.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, fnv);
    (ids.len(), format!("{hash:016x}"))
}

fn texts(count: usize) -> Vec<String> {
    let bytes = zstd::decode_all(std::fs::File::open(root().join("cli/demo/corpus.jsonl.zst")).unwrap()).unwrap();
    let documents = String::from_utf8(bytes).unwrap();
    let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    documents.lines().take(count).map(text).collect()
}

/// Real documents, alone, to their length, and in samples of many; `tests/oracle/yuan_preprocess.py golden` made what is expected.
fn golden(expected: &str, model: &Path) {
    let expected = json(expected);
    let tokenizer = Tokenizer::load_yuan(model).unwrap();
    for (token, id) in expected["ids"].as_object().unwrap() {
        assert_eq!(tokenizer.token_to_id(token).map(Value::from).as_ref(), Some(id), "{token}");
    }
    let fim = fim(&tokenizer, expected["rate"].as_f64().unwrap(), expected["spm_rate"].as_f64().unwrap());
    let random = || RandomState::new(expected["seed"].as_u64().unwrap() as u32);
    let id = |token: &str| tokenizer.token_to_id(token).unwrap();
    let (eod, pad) = (id("<eod>"), id("<pad>"));
    // What stands in a sample is what a step of training decodes: control tokens in texts are none.
    let plain = Tokenizer::load(model).unwrap();
    let encoded: Vec<Vec<u32>> = texts(300).iter().map(|text| plain.encode(text).unwrap()).collect();
    let of = |name: &str| -> Vec<(usize, String)> { serde_json::from_value(expected[name].clone()).unwrap() };
    let mut draws = random();
    for (document, (ids, expected)) in encoded.iter().zip(of("free")).enumerate() {
        assert_eq!(told(&fim.transform(&tokenizer, &mut draws, ids).unwrap()), expected, "document {document}");
    }
    let mut draws = random();
    for (document, (ids, expected)) in encoded.iter().zip(of("to_length")).enumerate() {
        let out = fim.transform_to_length(&tokenizer, &mut draws, ids, pad).unwrap();
        assert_eq!((out.len(), told(&out)), (ids.len(), expected), "document {document}");
    }
    let mut packed = vec![eod];
    packed.extend(encoded.iter().flat_map(|ids| ids.iter().copied().chain([eod])));
    let samples = of("samples");
    let length = expected["sample_tokens"].as_u64().unwrap() as usize;
    assert_eq!(samples.len(), packed.len().div_ceil(length));
    let mut draws = random();
    for (number, (sample, expected)) in packed.chunks(length).zip(samples).enumerate() {
        let out = fim.transform_sample(&tokenizer, &mut draws, sample, eod, pad).unwrap();
        assert_eq!(told(&out), expected, "sample {number}");
    }
}

#[test]
fn real_documents_are_turned_round_as_numpy_draws() {
    golden("fim_bpe.json", &root().join("tests/fixtures/sentencepiece/bpe.model"));
    if let Some(model) = yuan_model() {
        golden("fim_yuan.json", &model);
    }
}

fn tokens(stage: &impl Stage, texts: &[String]) -> Vec<Vec<u32>> {
    let batch = stage.process(Batch::of_texts(texts)).unwrap();
    let column = batch.column("tokens").unwrap().as_list::<i64>();
    (0..texts.len()).map(|row| column.value(row).as_primitive::<UInt32Type>().values().to_vec()).collect()
}

#[test]
fn documents_are_turned_round_whatever_stands_beside_them() {
    let config = TokenizeConfig {
        tokenizer: root().join("tests/fixtures/sentencepiece/bpe.model"),
        compat: Some(TokenizeCompat::Yuan),
        fim_rate: 0.5,
        ..TokenizeConfig::default()
    };
    let stage = config.build().unwrap();
    let id = |token: &str| stage.tokenizer().token_to_id(token).unwrap();
    let mut texts = texts(40);
    texts[7].clear();
    let found = tokens(&stage, &texts);
    let first = found.iter().filter(|ids| ids.first() == Some(&id("<FIM_PREFIX>"))).count();
    assert!((8..32).contains(&first), "{first} of 40");
    assert!(found[7].is_empty(), "no text, no tokens");
    assert!(found.iter().enumerate().all(|(row, ids)| row == 7 || ids.last() == Some(&id("<eod>"))));
    // A document's draws are its own: others may go or change.
    let mut others = vec![String::from("x"); 40];
    others[3].clone_from(&texts[3]);
    others[21].clone_from(&texts[21]);
    let again = tokens(&stage, &others);
    assert_eq!((&again[3], &again[21]), (&found[3], &found[21]));
    let seeded = TokenizeConfig { fim_seed: 5, ..config.clone() }.build().unwrap();
    assert_ne!(tokens(&seeded, &texts), found);
    // All parts of a text are there, the suffix first.
    let texts: Vec<String> = (0..30).map(|n| format!("the {n} words of a plain text that goes on")).collect();
    let all = TokenizeConfig { fim_rate: 1.0, fim_spm_rate: 1.0, ..config.clone() }.build().unwrap();
    for (text, ids) in texts.iter().zip(tokens(&all, &texts)) {
        let decode = |ids: &[u32]| stage.tokenizer().decode(ids).unwrap().replace(' ', "");
        assert_eq!(ids[..2], [id("<FIM_PREFIX>"), id("<FIM_SUFFIX>")]);
        let middle = ids.iter().position(|found| *found == id("<FIM_MIDDLE>")).unwrap();
        let (suffix, rest) = (decode(&ids[2..middle]), decode(&ids[middle + 1..ids.len() - 1]));
        assert_eq!(rest + &suffix, text.replace(' ', ""));
    }
    let refused = |config: TokenizeConfig| config.build().err().unwrap();
    let error = refused(TokenizeConfig { compat: None, eod: "</s>".into(), ..config.clone() });
    assert!(error.to_string().contains("has no token `<FIM_PREFIX>`, which `fim_rate` needs"), "{error}");
    let error = refused(TokenizeConfig { fim_spm_rate: f64::NAN, ..config.clone() });
    assert!(error.to_string().contains("`fim_spm_rate` must be in [0, 1]"), "{error}");
    let error = refused(TokenizeConfig { fim_middle: "<fim_middle>".into(), ..config });
    assert!(error.hint().unwrap().contains("set `fim_middle`"), "{error}");
}
