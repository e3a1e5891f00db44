//! Conversions: Megatron's checkpoints back to the weights they were built from, other formats to safetensors.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use yuan_model::config::Quantization;
use yuan_model::convert::{self, Options};
use yuan_model::weights::quantised::round::Packing;
use yuan_model::weights::{Kind, Weights};
use yuan_model::{Config, DType, Description};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model")
}

fn hash(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

type Golden = BTreeMap<String, (Vec<usize>, String)>;

#[test]
fn megatron_checkpoints_give_back_their_weights_bit_for_bit() {
    for model in ["moe", "dense"] {
        let folder = fixtures().join("megatron").join(model);
        let golden: Golden = serde_json::from_str(&fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap();
        let config = Config::read(&folder).unwrap();
        for (ranks, has_head) in [("t1p1", false), ("t2p1", false), ("t1p2", true), ("t2p3", true)] {
            let out = tempfile::tempdir().unwrap();
            let options = Options { max_shard_bytes: 3000, ..Options::default() };
            let report = convert::megatron(&folder.join(ranks), Some(&config), out.path(), options).unwrap();
            assert_eq!(
                (report.dtype, report.unexpected, report.warnings),
                (DType::BF16, vec![], vec![]),
                "{model} {ranks}"
            );
            assert_eq!(Config::read(out.path()).unwrap(), config);
            let weights = Weights::open(out.path()).unwrap();
            assert_eq!((weights.missing(&config), weights.names().count()), (vec![], report.tensors));
            let mut found = 0;
            for (name, (shape, expected)) in &golden {
                let Some(tensor) = weights.try_get(name, shape).unwrap() else {
                    assert!(name == "lm_head.weight" && !has_head, "{name}");
                    continue;
                };
                assert_eq!(&hash(&tensor.to_vec()), expected, "{model} {ranks} {name}");
                found += 1;
            }
            assert_eq!(found, report.tensors);
        }
    }
}

#[test]
fn the_arguments_of_a_checkpoint_are_a_configuration() {
    let out = tempfile::tempdir().unwrap();
    let from = fixtures().join("megatron/arguments");
    let description = convert::megatron_description(&from).unwrap();
    assert_eq!((Some(description.config), description.dtype), (Config::named("yuan2-m32"), Some(DType::BF16)));
    // There are no weights.
    let error = convert::megatron(&from, None, out.path(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("`language_model.embedding.word_embeddings.weight` is missing among 0 tensors"), "{error}");
    // The arguments of a tiny model say everything but the ids of its tokens.
    let tiny = fixtures().join("megatron/moe/t1p1");
    let error = convert::megatron(&tiny, None, out.path(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("field `eod_token` is 77185, and `vocab_size` is 24"), "{error}");
    assert!(error.contains("a `config.json` can be named instead"), "{error}");
}

#[test]
fn checkpoints_that_are_not_whole_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let config = Config::read(&fixtures().join("megatron/moe")).unwrap();
    let copy = |name: &str| {
        let ranks = fixtures().join("megatron/moe/t2p3/iter_0000007").join(name);
        let target = folder.path().join("iter_0000007").join(name);
        fs::create_dir_all(&target).unwrap();
        fs::copy(ranks.join("model_optim_rng.pt"), target.join("model_optim_rng.pt")).unwrap();
    };
    let told =
        || convert::megatron(folder.path(), Some(&config), out.path(), Options::default()).unwrap_err().to_string();
    assert!(told().contains("latest_checkpointed_iteration.txt"), "{}", told());
    fs::write(folder.path().join("latest_checkpointed_iteration.txt"), "soon").unwrap();
    assert!(told().contains("neither a number nor `release`"), "{}", told());
    fs::write(folder.path().join("latest_checkpointed_iteration.txt"), "7").unwrap();
    ["mp_rank_00_000", "mp_rank_00_001", "mp_rank_00_002", "mp_rank_01_000"].into_iter().for_each(copy);
    assert!(told().contains("it has 4 folders `mp_rank_…`, and 2 tensor ranks by 3 stages would make 6"), "{}", told());
    ["mp_rank_01_001", "mp_rank_01_002"].into_iter().for_each(copy);
    let dense = Config::read(&fixtures().join("megatron/dense")).unwrap();
    let error = convert::megatron(folder.path(), Some(&dense), out.path(), Options::default()).unwrap_err().to_string();
    assert!(error.contains("`model.layers.0.self_attn.v_proj.weight` is [16, 8] in Megatron's checkpoint"), "{error}");
    fs::remove_file(folder.path().join("iter_0000007/mp_rank_01_001/model_optim_rng.pt")).unwrap();
    assert!(told().contains("it has no `model_optim_rng.pt`"), "{}", told());
    // The iteration itself is as good a place to write to as any, but not the checkpoint.
    let error = convert::megatron(folder.path(), Some(&config), folder.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("is where the weights are read from"), "{error}");
}

#[test]
fn any_format_becomes_safetensors() {
    for (name, dtype, expected) in [
        ("torch_single", None, DType::F32),
        ("torch_single", Some(DType::BF16), DType::BF16),
        ("torch_shards", Some(DType::F32), DType::F32),
        ("joined_experts", None, DType::F16),
        ("gguf", None, DType::BF16),
        ("gguf_split", Some(DType::F16), DType::F16),
    ] {
        let (from, out) = (fixtures().join("weights").join(name), tempfile::tempdir().unwrap());
        let options = Options { dtype, ..Options::default() };
        let report = convert::weights(&from, None, out.path(), options).unwrap();
        assert_eq!(report.dtype, expected, "{name}");
        let (source, written) = (Weights::open(&from).unwrap(), Weights::open(out.path()).unwrap());
        for (name, tensor) in written.tensors() {
            let theirs = source.get(name, tensor.shape()).unwrap();
            let mut bytes = Vec::new();
            expected.append(&theirs.to_vec(), &mut bytes);
            assert_eq!(tensor.bytes().unwrap(), bytes);
            assert!(!matches!(tensor.kind(), Kind::Random(_)));
        }
        let description = Description::read(out.path()).unwrap();
        assert_eq!((description.config, description.dtype), (Config::read(&from).unwrap(), Some(expected)));
        assert_eq!(report.unexpected, source.unexpected());
        let again = convert::weights(&from, None, out.path(), options).unwrap_err().to_string();
        assert!(again.contains("has weights already, `model.safetensors`"), "{again}");
    }
}

/// The reader is held against AutoGPTQ's own layers in `gptq_logits.rs`.
#[test]
fn packed_matrices_are_within_half_a_step() {
    let from = fixtures().join("yuan-moe-tiny");
    let whole = Weights::open(&from).unwrap();
    for (bits, group_size, packs_embeddings) in [(8, 32, false), (8, 128, true), (4, 64, true)] {
        let out = tempfile::tempdir().unwrap();
        let packing = Some(Packing { bits, group_size });
        let options = Options { packing, packs_embeddings, max_shard_bytes: 30_000, ..Options::default() };
        let report = convert::weights(&from, None, out.path(), options).unwrap();
        let description = Description::read(out.path()).unwrap();
        assert_eq!(description.config, report.config);
        assert_eq!(description.quantization, Some(Quantization { bits: bits as usize, group_size }));
        let packed = Weights::open(out.path()).unwrap();
        packed.check(&report.config).unwrap();
        let mut found = 0;
        for (name, tensor) in packed.tensors() {
            let (own, theirs) = (tensor.to_vec(), whole.get(name, tensor.shape()).unwrap().to_vec());
            let is_router = name.contains(".mlp.gate.");
            let is_packed =
                tensor.shape().len() == 2 && !is_router && (packs_embeddings || name.starts_with("model.layers."));
            assert_eq!(tensor.kind() == Kind::Gptq { bits }, is_packed, "{name}");
            if !is_packed {
                assert_eq!(own, theirs, "{name}");
                continue;
            }
            found += 1;
            let most = ((1 << (bits - 1)) - 1) as f32;
            for (own, theirs) in own.chunks(tensor.columns()).zip(theirs.chunks(tensor.columns())) {
                for (own, theirs) in own.chunks(group_size).zip(theirs.chunks(group_size)) {
                    let greatest = theirs.iter().fold(0.0_f32, |greatest, it| greatest.max(it.abs()));
                    // The scale is rounded to 11 bits, which the farthest weights feel most.
                    let step = greatest / most * (0.5 + most / 2048.0);
                    assert!(own.iter().zip(theirs).all(|(own, theirs)| (own - theirs).abs() <= step), "{name}");
                }
            }
        }
        assert!(found >= 40, "{found}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_not_packed() {
    let (from, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = fixtures().join("yuan-moe-tiny");
    let mut weights = fs::read(source.join("model.safetensors")).unwrap();
    let config = Config::read(&source).unwrap();
    let name = "model.layers.1.mlp.experts.2.w1.weight";
    let place = {
        let (header, all) = safetensors::SafeTensors::read_metadata(&weights).unwrap();
        8 + header + all.info(name).unwrap().data_offsets.0
    };
    weights[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(from.path().join("model.safetensors"), weights).unwrap();
    let options = Options { packing: Some(Packing { bits: 8, group_size: 128 }), ..Options::default() };
    let error = convert::weights(from.path(), Some(&config), out.path(), options).unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("not finite"), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}
