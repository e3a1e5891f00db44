//! Weights in few bits are what ggml's Python package, AutoGPTQ and candle make of them, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use yuan_model::weights::quantised::ggml::Kind;
use yuan_model::weights::quantised::gptq::{Gptq, Parts, Zeros};

fn fixture(name: &str) -> (PathBuf, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/quantised").join(name);
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn dequantised(kind: Kind, bytes: &[u8]) -> Vec<f32> {
    let mut out = vec![f32::NAN; bytes.len() / kind.block_bytes() * kind.block_len()];
    kind.dequantise(bytes, &mut out);
    out
}

fn assert_same_bits(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.to_bits(), theirs.to_bits(), "{what}, weight {at}: {ours} and {theirs}");
    }
}

#[test]
fn blocks_are_what_gguf_makes_of_them() {
    let (_, bytes) = fixture("ggml.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for kind in Kind::ALL {
        let [blocks, weights] =
            ["blocks", "weights"].map(|part| tensors.tensor(&format!("{}.{part}", kind.name())).unwrap());
        assert_same_bits(kind.name(), &dequantised(kind, blocks.data()), &floats(weights.data()));
    }
}

#[test]
fn blocks_are_what_candle_makes_of_them() {
    let kinds = [
        (Kind::F16, GgmlDType::F16),
        (Kind::BF16, GgmlDType::BF16),
        (Kind::Q4_0, GgmlDType::Q4_0),
        (Kind::Q4_1, GgmlDType::Q4_1),
        (Kind::Q5_0, GgmlDType::Q5_0),
        (Kind::Q5_1, GgmlDType::Q5_1),
        (Kind::Q8_0, GgmlDType::Q8_0),
        (Kind::Q2_K, GgmlDType::Q2K),
        (Kind::Q3_K, GgmlDType::Q3K),
        (Kind::Q4_K, GgmlDType::Q4K),
        (Kind::Q5_K, GgmlDType::Q5K),
        (Kind::Q6_K, GgmlDType::Q6K),
    ];
    let weights: Vec<f32> = (0..512 * 64).map(|i| ((i * i % 9973) as f32 / 9973.0 - 0.5).powi(3)).collect();
    let weights = Tensor::from_vec(weights, (64, 512), &Device::Cpu).unwrap();
    for (kind, theirs) in kinds {
        let quantised = QTensor::quantize(&weights, theirs).unwrap();
        let expected = quantised.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_same_bits(kind.name(), &dequantised(kind, &quantised.data().unwrap()), &expected);
    }
    let (_, bytes) = fixture("ggml.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (kind, theirs) in kinds {
        let blocks = tensors.tensor(&format!("{}.blocks", kind.name())).unwrap();
        let ours = dequantised(kind, blocks.data());
        let storage = QStorage::from_data(Cow::Borrowed(blocks.data()), &Device::Cpu, theirs).unwrap();
        let expected = QTensor::new(storage, ours.len()).unwrap().dequantize(&Device::Cpu).unwrap();
        assert_same_bits(kind.name(), &ours, &expected.to_vec1::<f32>().unwrap());
    }
}

/// The layer `name` of the fixture, and its weights as AutoGPTQ reads them.
fn layer<'a>(path: &Path, tensors: &SafeTensors<'a>, name: &str) -> (Parts<&'a [u8]>, Vec<f32>) {
    let [qweight, qzeros, scales, g_idx, weight] = ["qweight", "qzeros", "scales", "g_idx", "weight"]
        .map(|part| tensors.tensor(&format!("{name}.{part}")).unwrap_or_else(|_| panic!("{path:?}, {name}.{part}")));
    let (in_features, out_features) = (g_idx.shape()[0], scales.shape()[1]);
    let parts = Parts {
        bits: (qweight.shape()[0] * 32 / in_features) as u32,
        group_size: Some(in_features / scales.shape()[0]),
        in_features,
        out_features,
        zeros: Zeros::LessOne,
        qweight: qweight.data(),
        qzeros: qzeros.data(),
        scales: scales.data(),
        scales_type: scales.dtype(),
        g_idx: Some(g_idx.data()),
    };
    (parts, floats(weight.data()))
}

#[test]
fn layers_are_what_auto_gptq_makes_of_them() {
    let (path, bytes) = fixture("gptq.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["plain4", "plain4_one_group", "plain8", "order4", "order8"] {
        let (parts, expected) = layer(&path, &tensors, name);
        let inputs = parts.in_features;
        let check = |layer: &Gptq<_>| {
            // All rows, and runs that begin and end anywhere.
            for (first, rows) in [(0, layer.out_features()), (1, 1), (7, 17), (13, layer.out_features() - 13), (32, 0)]
            {
                let mut out = vec![f32::NAN; rows * inputs];
                layer.read_rows(first, &mut out);
                // By value: a product with the identity loses the sign of zero.
                assert!(
                    out == expected[first * inputs..(first + rows) * inputs],
                    "{name}, {rows} rows from {first} on"
                );
            }
        };
        check(&Gptq::new(parts.clone(), &path, name).unwrap());
        if name.starts_with("plain") {
            check(&Gptq::new(Parts { g_idx: None, ..parts.clone() }, &path, name).unwrap());
        }
        // The second format stores the zeros that the first stands for.
        let zeros: Vec<u8> = match parts.bits {
            4 => parts.qzeros.iter().map(|two| two.wrapping_add(1) & 15 | (two & 0xf0).wrapping_add(16)).collect(),
            _ => parts.qzeros.iter().map(|one| one.wrapping_add(1)).collect(),
        };
        check(&Gptq::new(Parts { zeros: Zeros::Plain, qzeros: &zeros[..], ..parts }, &path, name).unwrap());
    }
}
