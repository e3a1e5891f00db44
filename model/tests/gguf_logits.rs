//! Models in GGUF against transformers on the weights that ggml's own Python package reads back.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::path::{Path, PathBuf};

use yuan_model::check::{Comparison, compare};
use yuan_model::weights::{Kind, Weights};
use yuan_model::{Config, Model, Options, Place};

/// Greatest difference of a logit.
const TOLERANCE: f32 = 2e-4;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/gguf_logits").join(name)
}

fn assert_same_logits(name: &str) {
    let (path, fixture) = (file(&format!("{name}.gguf")), file(&format!("{name}.safetensors")));
    let all = Options::default();
    let ways = [
        Options { place: Place::Cpu, widen: Some(false), ..all },
        Options { place: Place::Cpu, widen: Some(true), ..all },
        Options { place: Place::Cpu, dtype: Some(yuan_model::DType::F32), ..all },
        Options { place: Place::Candle, dtype: Some(yuan_model::DType::F32), ..all },
    ];
    for options in ways {
        let model = Model::open(&path, options, &mut |_, _| {}).unwrap();
        assert!(model.unexpected().is_empty(), "{:?}", model.unexpected());
        let found = compare(model.engine(), model.config(), &fixture).unwrap();
        let compared: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(compared, ["seq0.logits", "seq0.logprobs", "seq1.logits", "seq1.logprobs"]);
        let wrong: Vec<&Comparison> =
            found.iter().filter(|it| it.max_delta.is_nan() || it.max_delta > TOLERANCE).collect();
        assert!(wrong.is_empty(), "{name}, {options:?}: {wrong:#?}");
    }
}

/// The kinds of the weights of a file, each once.
fn kinds(name: &str) -> Vec<String> {
    let weights = Weights::open(&file(&format!("{name}.gguf"))).unwrap();
    let mut kinds: Vec<String> = weights.tensors().map(|(_, tensor)| tensor.kind().to_string()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn weights_in_f32() {
    assert_same_logits("float");
    assert_eq!(kinds("float"), [Kind::F32.to_string()]);
}

#[test]
fn weights_in_blocks_of_32() {
    assert_eq!(kinds("legacy"), ["MXFP4", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "bfloat16", "float16", "float32"]);
    assert_same_logits("legacy");
}

#[test]
fn weights_in_blocks_of_256() {
    assert_eq!(kinds("k"), ["IQ4_NL", "IQ4_XS", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "float32"]);
    assert_same_logits("k");
}

#[test]
fn weights_are_not_renormalised_over_the_chosen_experts() {
    let Config::Qwen2Moe(config) = Config::read(&file("legacy.gguf")).unwrap() else { panic!("another model") };
    assert!(!config.norm_topk_prob);
}
