//! A Yuan model in GPTQ's packing computes what it computes with the weights that the packing stands for, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use yuan_model::weights::Weights;
use yuan_model::{Batch, Config, DType, Model, Options, Place};

const GROUP: usize = 32;

/// The modules that Yuan's GPTQ checkpoints have packed.
const PACKED: [&str; 9] = [
    "q_proj.weight",
    "k_proj.weight",
    "v_proj.weight",
    "o_proj.weight",
    "gate.query.weight",
    "gate.key.weight",
    "gate.value.weight",
    "w1.weight",
    "w2.weight",
];

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/yuan-moe-tiny")
}

struct Part {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn words(shape: [usize; 2], words: &[u32]) -> Part {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Part { dtype: Dtype::I32, shape: shape.to_vec(), bytes }
}

/// Rounds a matrix `[out, in]` to integers of `bits` bits around a zero in the middle: AutoGPTQ's tensors, and what
/// `scale * (q - zero)` makes of them.
fn packed(weight: &[f32], outputs: usize, bits: usize) -> (Vec<(&'static str, Part)>, Vec<f32>) {
    let inputs = weight.len() / outputs;
    let (groups, in_word) = (inputs / GROUP, 32 / bits);
    let zero = 1_u32 << (bits - 1);
    let mut qweight = vec![0_u32; inputs / in_word * outputs];
    let mut scales = vec![f16::ZERO; groups * outputs];
    let mut rounded = vec![0.0; weight.len()];
    for output in 0..outputs {
        for group in 0..groups {
            let own = output * inputs + group * GROUP..output * inputs + (group + 1) * GROUP;
            let greatest = weight[own.clone()].iter().fold(0.0_f32, |greatest, weight| greatest.max(weight.abs()));
            let scale = f16::from_f32(greatest / (zero - 1) as f32);
            scales[group * outputs + output] = scale;
            for (input, at) in (group * GROUP..).zip(own) {
                let q = (weight[at] / scale.to_f32()).round() + zero as f32;
                let q = q.clamp(0.0, (2 * zero - 1) as f32) as u32;
                rounded[at] = scale.to_f32() * (q as f32 - zero as f32);
                qweight[input / in_word * outputs + output] |= q << (input % in_word * bits);
            }
        }
    }
    // Zeros are stored less one.
    let zeros = (0..in_word).fold(0, |word, place| word | (zero - 1) << (place * bits));
    let g_idx: Vec<u32> = (0..inputs as u32).map(|input| input / GROUP as u32).collect();
    let scales: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let mut g_idx = words([inputs, 1], &g_idx);
    g_idx.shape.pop();
    let parts = vec![
        ("qweight", words([inputs / in_word, outputs], &qweight)),
        ("qzeros", words([groups, outputs / in_word], &vec![zeros; groups * outputs / in_word])),
        ("scales", Part { dtype: Dtype::F16, shape: vec![groups, outputs], bytes: scales }),
        ("g_idx", g_idx),
    ];
    (parts, rounded)
}

fn write(folder: &Path, name: &str, tensors: &BTreeMap<String, Part>, config: &serde_json::Value) {
    fs::create_dir_all(folder).unwrap();
    let views = tensors
        .iter()
        .map(|(name, part)| (name.as_str(), TensorView::new(part.dtype, part.shape.clone(), &part.bytes).unwrap()));
    fs::write(folder.join(name), safetensors::serialize(views, None).unwrap()).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// The tiny model as GPTQ leaves it, and as a plain one with the weights that stands for.
fn folders(bits: usize) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (gptq, plain) = (folder.path().join("gptq"), folder.path().join("plain"));
    let bytes = fs::read(tiny().join("model.safetensors")).unwrap();
    let (mut as_gptq, mut as_plain) = (BTreeMap::new(), BTreeMap::new());
    for (name, tensor) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
        let part = |bytes: &[u8]| Part { dtype: Dtype::F32, shape: tensor.shape().to_vec(), bytes: bytes.to_vec() };
        if PACKED.iter().any(|packed| name.ends_with(packed)) {
            let (parts, rounded) = packed(&floats(tensor.data()), tensor.shape()[0], bits);
            let rounded: Vec<u8> = rounded.iter().flat_map(|weight| weight.to_le_bytes()).collect();
            as_plain.insert(name.clone(), part(&rounded));
            let module = name.trim_end_matches(".weight");
            as_gptq.extend(parts.into_iter().map(|(end, part)| (format!("{module}.{end}"), part)));
        } else {
            as_plain.insert(name.clone(), part(tensor.data()));
            as_gptq.insert(name, part(tensor.data()));
        }
    }
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(tiny().join("config.json")).unwrap()).unwrap();
    write(&plain, "model.safetensors", &as_plain, &config);
    config["quantization_config"] = serde_json::json!({
        "bits": bits, "group_size": GROUP, "damp_percent": 0.01, "desc_act": false, "static_groups": false,
        "sym": true, "true_sequential": true, "model_file_base_name": null, "model_name_or_path": null,
        "quant_method": "gptq", "checkpoint_format": "gptq",
    });
    write(&gptq, &format!("gptq_model-{bits}bit-{GROUP}g.safetensors"), &as_gptq, &config);
    (folder, gptq, plain)
}

fn logits(folder: &Path, options: Options) -> Vec<u32> {
    let model = Model::open(folder, options, &mut |_, _| {}).unwrap();
    assert!(model.unexpected().is_empty(), "{:?}", model.unexpected());
    let mut batch = Batch::new();
    for text in ["Some words of one text, and", "another: 1, 2, 3."] {
        batch.push(&text.bytes().map(u32::from).collect::<Vec<_>>());
    }
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    let logits = model.engine().logits(&batch, &rows).unwrap();
    assert!(logits.iter().all(|logit| logit.is_finite()) && logits.iter().any(|logit| logit.abs() > 1.0));
    logits.iter().map(|logit| logit.to_bits()).collect()
}

fn assert_same(bits: usize) {
    let (_folder, gptq, plain) = folders(bits);
    let Config::Yuan(config) = Config::read(&gptq).unwrap() else { panic!("another model") };
    assert!(config.moe.is_some());
    let packed = Weights::open(&gptq).unwrap();
    let count = packed.tensors().filter(|(_, tensor)| tensor.kind().to_string() == format!("GPTQ int{bits}")).count();
    assert_eq!(count, 2 * (4 + 3 + 2 * 8));
    let of = |place, widen, dtype| Options { place, widen, dtype, ..Options::default() };
    for place in [Place::Cpu, Place::Candle] {
        let expected = logits(&plain, of(place, None, Some(DType::F32)));
        for widen in [None, Some(false), Some(true)] {
            let found = logits(&gptq, of(place, widen, Some(DType::F32)));
            assert!(found == expected, "{bits} bits, {place:?}, widened: {widen:?}");
        }
    }
    assert!(logits(&plain, of(Place::Cpu, None, None)) != logits(&tiny(), of(Place::Cpu, None, None)));
}

#[test]
fn integers_of_four_bits() {
    assert_same(4);
}

#[test]
fn integers_of_eight_bits() {
    assert_same(8);
}
