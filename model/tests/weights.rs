//! Weights in the files of transformers and torch, read bit for bit; and files that must be refused.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use yuan_model::weights::quantised::ggml;
use yuan_model::weights::{Form, Kind, Tensor, Weights, write_safetensors};
use yuan_model::{Config, DType};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/weights")
}

fn hash(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn golden(folder: &Path) -> BTreeMap<String, (Vec<usize>, String)> {
    serde_json::from_str(&fs::read_to_string(folder.join("golden.json")).unwrap()).unwrap()
}

/// Everything the oracle noted is there, and nothing else.
fn assert_golden(folder: &Path, weights: &Weights) {
    let golden = golden(folder);
    for (name, (shape, expected)) in &golden {
        if shape.contains(&0) {
            assert!(weights.try_get(name, shape).unwrap_err().to_string().contains("holds integers"));
            continue;
        }
        let tensor = weights.get(name, shape).unwrap();
        assert_eq!(&hash(&tensor.to_vec()), expected, "{name} of {folder:?}");
        // Rows one by one are the same.
        let mut row = vec![0.0; tensor.columns()];
        let numbers = tensor.to_vec();
        for (number, expected) in numbers.chunks(tensor.columns()).enumerate() {
            tensor.read_rows(number, &mut row);
            assert_eq!(row, expected);
        }
        if tensor.rows() > 3 {
            let mut rows = vec![0.0; 2 * tensor.columns()];
            tensor.read_rows(1, &mut rows);
            assert_eq!(rows, numbers[tensor.columns()..3 * tensor.columns()]);
        }
        let half = tensor.rows() / 2;
        assert_eq!(tensor.slice_rows(half..tensor.rows()).to_vec(), numbers[half * tensor.columns()..]);
    }
    assert_eq!(weights.unexpected(), Vec::<&str>::new());
}

#[test]
fn files_of_transformers_and_torch_are_read_bit_for_bit() {
    for (name, config, kind) in [
        ("transformers_shards", true, Kind::BF16),
        ("joined_experts", true, Kind::F16),
        ("torch_single", true, Kind::F32),
        ("torch_shards", true, Kind::F16),
        ("stages", false, Kind::F32),
        ("zip64", false, Kind::F32),
        ("gguf", true, Kind::Ggml(ggml::Kind::Q4_0)),
        ("gguf_split", true, Kind::Ggml(ggml::Kind::Q8_0)),
    ] {
        let folder = fixtures().join(name);
        let weights = Weights::open(&folder).unwrap();
        if config {
            let config = Config::read(&folder).unwrap();
            assert_eq!(weights.missing(&config), []);
            config.tensors().for_each(|(name, shape)| drop(weights.get(&name, &shape).unwrap()));
        }
        assert_eq!(weights.tensors().next().unwrap().1.kind(), kind);
        assert_golden(&folder, &weights);
    }
}

#[test]
fn metadata_of_gguf_is_a_configuration() {
    let read = |folder: &str| match Config::read(&fixtures().join(folder)).unwrap() {
        Config::Qwen2Moe(config) => config,
        other => panic!("{other:?}"),
    };
    let config = read("gguf");
    let sizes = [config.vocab_size, config.hidden_size, config.layers, config.heads, config.kv_heads, config.head_dim];
    assert_eq!(sizes, [40, 64, 2, 4, 2, 16]);
    let experts = [config.experts, config.top_k, config.expert_width, config.shared_expert_width];
    assert_eq!(experts, [3, 2, 32, 96]);
    assert_eq!((config.rms_norm_eps, config.rope.base, config.max_positions), (1e-6, 1e6, 256));
    assert_eq!((config.tied_embeddings, config.qkv_bias, config.norm_topk_prob), (false, true, false));
    assert_eq!((config.bos, config.eos, config.rope.yarn), (Some(38), Some(39), None));
    let split = read("gguf_split");
    let yarn = split.rope.yarn.unwrap();
    assert_eq!((yarn.factor, yarn.original_positions, split.tied_embeddings), (4.0, 64, true));
}

/// A layer of 32 inputs, 8 outputs and 4 bits, in groups of 16: integers 9, zeros 7, scales 0.5.
fn gptq_layer(scales: [usize; 2]) -> Vec<u8> {
    let part = |name: &str, dtype: &str, shape: [usize; 2], data: [usize; 2]| {
        format!(r#""m.{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":{data:?}}}"#)
    };
    let parts = [
        part("qweight", "I32", [4, 8], [0, 128]),
        part("qzeros", "I32", [2, 1], [128, 136]),
        part("scales", "F16", scales, [136, 168]),
        r#""n.weight":{"dtype":"F16","shape":[1],"data_offsets":[168,170]}"#.to_owned(),
    ];
    let mut bytes = file(&format!("{{{}}}", parts.join(",")), 0);
    bytes.extend([0x99; 128]);
    bytes.extend([0x77; 8]);
    bytes.extend([0x00, 0x38].repeat(17));
    bytes
}

#[test]
fn the_tensors_of_gptq_are_one_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gptq_model-4bit-128g.safetensors");
    fs::write(&path, gptq_layer([2, 8])).unwrap();
    let weights = Weights::open(folder.path()).unwrap();
    assert!(weights.names().eq(["m.weight", "n.weight"]));
    let tensor = weights.get("m.weight", &[8, 32]).unwrap();
    // Zeros are stored less 1: 0.5 (9 - 8).
    assert_eq!((tensor.to_vec(), tensor.kind()), (vec![0.5; 256], Kind::Gptq { bits: 4 }));
    fs::write(&path, gptq_layer([4, 4])).unwrap();
    let error = Weights::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tensor `m.scales` is [4, 4], and there are 2 groups and 8 outputs"), "{error}");
}

#[test]
fn layers_of_gptq_are_what_auto_gptq_makes_of_them() {
    let bytes = fs::read(fixtures().join("../quantised/gptq.safetensors")).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let is_packed = |name: &str| !name.ends_with(".weight");
    let folder = tempfile::tempdir().unwrap();
    let packed = whole.tensors().into_iter().filter(|(name, _)| is_packed(name));
    safetensors::serialize_to_file(packed, None, &folder.path().join("model.safetensors")).unwrap();
    let weights = Weights::open(folder.path()).unwrap();
    for (name, expected) in whole.tensors().into_iter().filter(|(name, _)| !is_packed(name)) {
        let numbers = expected.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        assert!(weights.get(&name, expected.shape()).unwrap().to_vec().into_iter().eq(numbers), "{name}");
    }
    assert_eq!(weights.unexpected(), Vec::<&str>::new());
}

#[test]
fn bytes_are_those_of_the_file() {
    let weights = Weights::open(&fixtures().join("joined_experts")).unwrap();
    let (_, expert) = weights.tensors().find(|(name, _)| name.contains("experts.2.up_proj")).unwrap();
    let halves = expert.bytes().unwrap().chunks_exact(2);
    let numbers: Vec<f32> = halves.map(|it| half::f16::from_le_bytes([it[0], it[1]]).to_f32()).collect();
    assert_eq!(numbers, expert.to_vec());
}

#[test]
fn what_is_written_is_read_again() {
    let weights = Weights::open(&fixtures().join("torch_single")).unwrap();
    for (dtype, shard) in [(DType::F32, u64::MAX), (DType::BF16, 4000), (DType::F16, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let tensors = weights.tensors().map(|(name, tensor)| (name.to_owned(), tensor.clone(), Form::Plain(dtype)));
        write_safetensors(folder.path(), tensors, shard).unwrap();
        let written = Weights::open(folder.path()).unwrap();
        assert!(written.names().eq(weights.names()));
        for ((_, theirs), (_, own)) in weights.tensors().zip(written.tensors()) {
            let mut bytes = Vec::new();
            dtype.append(&theirs.to_vec(), &mut bytes);
            assert_eq!((own.shape(), own.bytes().unwrap()), (theirs.shape(), &bytes[..]));
        }
        assert_eq!(folder.path().join("model.safetensors.index.json").exists(), shard < u64::MAX);
        // The reference's own reader takes every file.
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().unwrap() == "safetensors" {
                SafeTensors::deserialize(&fs::read(path).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let weights = Weights::open(&fixtures().join("torch_single")).unwrap();
    let told = |result: yuan_model::Result<Tensor>| result.unwrap_err().to_string();
    let missing = told(weights.get("model.layers.1.mlp.gates.weight", &[3, 16]));
    assert!(missing.contains("is missing; there is `model.layers.1.mlp.gate.weight`"), "{missing}");
    let shape = told(weights.get("model.norm.weight", &[17]));
    assert!(
        shape.ends_with("pytorch_model.bin`: tensor `model.norm.weight` is [16], and the configuration asks for [17]"),
        "{shape}"
    );
    assert!(weights.try_get("no such", &[1]).unwrap().is_none());
    assert!(weights.unexpected().contains(&"position_ids"));
    assert!(!weights.unexpected().iter().any(|name| name.contains("rotary")));
}

#[test]
fn random_weights_have_what_a_configuration_asks_for() {
    for name in Config::NAMES {
        let config = Config::named(name).unwrap();
        let weights = Weights::random(&config, 1, DType::BF16);
        assert_eq!(weights.missing(&config), []);
        let head = weights.get("model.embed_tokens.weight", &[config.vocab_size(), config.hidden_size()]).unwrap();
        let mut row = vec![0.0; config.hidden_size()];
        head.read_rows(config.vocab_size() - 1, &mut row);
        assert!(row.iter().any(|number| *number != 0.0) && matches!(head.kind(), Kind::Random(_)));
    }
}

/// A file of safetensors with a header as given and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn damaged_safetensors_are_refused_with_file_and_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let one = r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let two = |second: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}},"b":{{"dtype":"BF16","shape":[2],"data_offsets":{second}}}}}"#
        )
    };
    let huge = u64::MAX;
    for (bytes, said) in [
        (file(one, 15), "`a` needs 16 bytes from byte 65 on, and the file has 80 (is it cut off?)"),
        (file(one, 17), "its tensors have 16 bytes, and there are 17"),
        (file(&two("[16,20]"), 19), "`b` needs 4 bytes"),
        (file(&two("[12,16]"), 16), "`b` overlaps the tensor before it"),
        (file(&two("[20,24]"), 24), "`b` leaves a hole before it"),
        (file(&two("[16,24]"), 24), "`b` is [2] of BF16, which is not bytes 16 to 24 of the data"),
        (file(&two(&format!("[{huge},3]")), 20), "`b`"),
        (file(&one.replace("F32", "F8_E4M3"), 16), "`a` is of type F8_E4M3, which is not read"),
        (
            file(&one.replace("[2,2]", "[9223372036854775807,4]"), 16),
            "`a` is [9223372036854775807, 4], more than can be",
        ),
        (file("[]", 0), "its header cannot be read: invalid type: sequence, expected an object of tensors"),
        (vec![1, 0, 0], "it has 3 bytes, and its header's length 8"),
        (vec![], "it has 0 bytes"),
        (file(one, 16)[..40].to_vec(), "its header has 57 bytes, and the file 40 (is it cut off?)"),
        (vec![0xff; 64], "it is no file of safetensors"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let error = Weights::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("model.safetensors"), "{said}: {error}");
    }
}

#[test]
fn damaged_indices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |index: &str| {
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        Weights::open(folder.path()).unwrap_err().to_string()
    };
    fs::write(folder.path().join("a.safetensors"), file(r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#, 4))
        .unwrap();
    fs::write(folder.path().join("b.safetensors"), file(r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#, 4))
        .unwrap();
    for (index, said) in [
        ("{}", "it has no object `weight_map`"),
        (r#"{"weight_map":{"a":"../a.safetensors"}}"#, "which is no plain name of a file"),
        (r#"{"weight_map":{"a":"model.safetensors.index.json"}}"#, "which holds no weights"),
        (r#"{"weight_map":{"a":"c.safetensors"}}"#, "cannot read `"),
        (r#"{"weight_map":{"b":"a.safetensors"}}"#, "tensor `b` is said to be in `a.safetensors`, and is not"),
        (r#"{"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}"#, "and is not"),
    ] {
        let error = open(index);
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn damaged_gguf_is_refused_with_the_files_own_names() {
    let whole = fs::read(fixtures().join("gguf/tiny.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Weights::open(folder.path()).unwrap_err().to_string()
    };
    let place = |name: &str| whole.windows(name.len()).position(|bytes| bytes == name.as_bytes()).unwrap() + name.len();
    // Behind a name: axes, two of 8 bytes, type, offset.
    let (name, other) = ("blk.0.attn_q.weight", "blk.1.attn_q.weight");
    let patched = |at: usize, number: &[u8]| {
        let mut bytes = whole.clone();
        bytes[place(name) + at..place(name) + at + number.len()].copy_from_slice(number);
        bytes
    };
    let offset = &whole[place(other) + 24..place(other) + 32];
    for (bytes, said) in [
        (patched(24, &1_u64.to_le_bytes()), "`blk.0.attn_q.weight` begins at byte 1 of the data, no multiple of 32"),
        (patched(24, &(1_u64 << 40).to_le_bytes()), "and the file has 167008 (is it cut off?)"),
        (patched(24, offset), "overlaps `blk."),
        (patched(20, &99_u32.to_le_bytes()), "`blk.0.attn_q.weight` is of ggml's type 99, which is not read"),
        (patched(20, &12_u32.to_le_bytes()), "no whole number of blocks of 256"),
        (patched(4, &u64::MAX.to_le_bytes()), "tensor `"),
        (whole[..whole.len() - 1].to_vec(), "(is it cut off?)"),
        (whole[..1000].to_vec(), "cannot be read: failed to fill whole buffer"),
    ] {
        let error = open(&bytes);
        assert!(error.contains(said) && error.contains("tiny.gguf"), "{said}: {error}");
    }
    let second = fixtures().join("gguf_split/tiny-00002-of-00002.gguf");
    assert!(Weights::open(&second).unwrap_err().to_string().contains("it is one part of a model; name the first"));
    let architecture = patched_text(&whole, "qwen2moe", "deepseek");
    fs::write(&path, architecture).unwrap();
    let error = Config::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("`general.architecture` is `deepseek`"), "{error}");
    let missing = patched_text(&whole, "qwen2moe.expert_count", "qwen2moe.expert_bound");
    fs::write(&path, missing).unwrap();
    let error = Config::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("field `qwen2moe.expert_count` is missing"), "{error}");
}

/// The first place of a text with another of the same length.
fn patched_text(whole: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = whole.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
    [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
}

#[test]
fn truncated_torch_files_are_refused() {
    let whole = fs::read(fixtures().join("torch_single/pytorch_model.bin")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    for length in [0, 1, 4, 100, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Weights::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is the file cut off?"), "{length}: {error}");
    }
    fs::write(&path, [0x80, 2, 0x8a, 10, 0x6c, 0xfc]).unwrap();
    let error = Weights::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("load it and save it again with torch.save"), "{error}");
}
