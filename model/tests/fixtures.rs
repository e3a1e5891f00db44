//! Models against what their reference implementations compute.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use yuan_model::check::{Comparison, compare};
use yuan_model::{Description, Model, Options, Place};

/// Greatest difference of an fp32 value from the reference's. Logits are of size 20 to 30, and the reference differs from
/// itself by 3e-5 when it adds up in another order.
const TOLERANCE: f32 = 2e-4;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

fn open(folder: &Path, place: Place) -> Model {
    Model::open(folder, Options { place, ..Options::default() }, &mut |_, _| {}).unwrap()
}

/// Where models run: on a GPU as well if this was built for one and it is there.
#[cfg_attr(feature = "cuda", expect(clippy::print_stderr, reason = "that something is not tested is said"))]
fn places() -> Vec<Place> {
    #[cfg(feature = "cuda")]
    match yuan_model::backend::Nvidia::open(0) {
        Ok(_) => return vec![Place::Cpu, Place::Candle, Place::Cuda(0)],
        Err(error) => eprintln!("nothing is compared on a GPU: {error}"),
    }
    vec![Place::Cpu, Place::Candle]
}

/// Compares the model of a folder with one of its fixtures, on the CPU's kernels, on candle's tensors and on a GPU.
fn check(folder: &Path, fixture: &Path, expected: &[&str]) {
    for place in places() {
        let model = open(folder, place);
        let found = compare(model.engine(), model.config(), fixture).unwrap();
        let wrong: Vec<&Comparison> =
            found.iter().filter(|it| it.max_delta.is_nan() || it.max_delta > TOLERANCE).collect();
        assert!(wrong.is_empty(), "{place:?}: {wrong:#?}");
        for name in expected {
            assert!(found.iter().any(|it| it.name == *name && it.count > 0), "{name} was not compared: {found:#?}");
        }
    }
}

/// A folder with a model and a configuration of another one.
fn with_config(model: &Path, config: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(model.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    fs::copy(config, folder.path().join("config.json")).unwrap();
    folder
}

#[test]
fn yuan_moe() {
    let folder = folder("yuan-moe-tiny");
    check(
        &folder,
        &folder.join("fixtures.safetensors"),
        &[
            "seq0.logits",
            "seq2.logprobs",
            "seq1.final_hidden",
            "seq1.layer0.lfa_out",
            "seq1.layer0.router_logits",
            "seq1.layer0.router_topk_idx",
            "seq1.layer0.router_topk_weight",
            "seq2.layer1.router_logits",
            "batch_right.logits",
            "batch_left.logits",
            "m32cfg.batch_left.logits",
            "bothreset_eodpad.batch_left.logits",
            "reset.seq2.logits",
            "decode.step_logits",
            "decode1.step_logits",
            "decode.layer0.k_cache",
            "decode.layer0.v_cache",
            "decode.layer0.lf_memory",
            "rope.cos",
        ],
    );
}

#[test]
fn yuan_moe_with_another_configuration() {
    let folder = folder("yuan-moe-tiny");
    for variant in ["rope_bf16", "rotary_base_40890", "norm_topk_false"] {
        let changed = with_config(&folder, &folder.join(format!("config_{variant}.json")));
        let fixture = folder.join(format!("fixtures_{variant}.safetensors"));
        check(changed.path(), &fixture, &["seq0.logits", "seq1.logits", "seq2.logits"]);
    }
}

/// The weights of `yuan-moe-tiny` but for the router, which lies in a file of its own.
#[test]
fn yuan_moe_with_a_classic_router() {
    let (base, classic) = (folder("yuan-moe-tiny"), folder("yuan-moe-classic-tiny"));
    let together = tempfile::tempdir().unwrap();
    let mut map = serde_json::Map::new();
    let files = [
        (base.join("model.safetensors"), "model-00001.safetensors"),
        (classic.join("router.safetensors"), "model-00002.safetensors"),
    ];
    for (path, name) in files {
        let bytes = fs::read(&path).unwrap();
        for tensor in safetensors::SafeTensors::deserialize(&bytes).unwrap().names() {
            map.insert(tensor.to_string(), name.into());
        }
        fs::write(together.path().join(name), bytes).unwrap();
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(together.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::copy(classic.join("config.json"), together.path().join("config.json")).unwrap();
    let expected = ["seq2.logits", "seq0.layer0.router_topk_idx", "decode.step_logits", "reset.seq1.logits"];
    check(together.path(), &classic.join("fixtures.safetensors"), &expected);
    let model = open(together.path(), Place::Cpu);
    assert_eq!(model.unexpected().len(), 6, "three parts of the other router in two layers: {:?}", model.unexpected());
}

#[test]
fn yuan_dense() {
    for name in ["yuan-dense-tiny", "yuan-dense-shareqk-tiny"] {
        let folder = folder(name);
        check(&folder, &folder.join("fixtures.safetensors"), &["seq0.logits", "seq2.logprobs"]);
    }
}

#[test]
fn qwen2_moe() {
    let tiny = folder("qwen2moe-tiny");
    let expected = ["seq2.logits", "seq0.layer0.shared_gate_logit", "batch_left.logits_at_real_tokens"];
    check(&tiny, &tiny.join("fixtures.safetensors"), &expected);
    let normed = with_config(&tiny, &tiny.join("config_norm_topk_true.json"));
    check(normed.path(), &tiny.join("fixtures_norm_topk_true.safetensors"), &["seq2.logits"]);
    let yarn = folder("qwen2moe-tiny-yarn");
    check(&yarn, &yarn.join("fixtures.safetensors"), &["seq2.logits", "rope.inv_freq", "rope.attention_scaling"]);
    assert_eq!(Description::read(&yarn).unwrap().warnings, [""; 0]);
}
