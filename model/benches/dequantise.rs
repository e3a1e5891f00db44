//! How fast are weights in few bits made f32? `cargo bench -p yuan-model --bench dequantise`
//!
//! MB/s of f32 written, on one core: a tile that stays in the cache, as matrix products take it, and a whole matrix.
//! candle is the peer where it knows the format; `tests/quantised.rs` shows that the weights are the same. Its blocks are
//! all zeros here: no step depends on what they hold.

use std::path::Path;

use candle_core::quantized::GgmlType;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
};
use divan::Bencher;
use divan::counter::BytesCount;
use safetensors::Dtype;
use yuan_model::weights::quantised::ggml::Kind;
use yuan_model::weights::quantised::gptq::{Gptq, Parts, Zeros};

/// Weights of a tile, and of a matrix.
const SIZES: [usize; 2] = [32 << 10, 16 << 20];

fn main() {
    divan::main();
}

/// Random bytes without the exponents of subnormal, infinite and undefined halves.
fn blocks(kind: Kind, weights: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let bytes = weights / kind.block_len() * kind.block_bytes();
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8 & 0x9f | 0x20
        })
        .collect()
}

#[divan::bench(args = SIZES, consts = [0, 1, 30, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 39])]
fn ours<const NUMBER: u32>(bencher: Bencher<'_, '_>, weights: usize) {
    let kind = Kind::from_number(NUMBER).expect("the number of a format");
    let (blocks, mut out) = (blocks(kind, weights), vec![0.0; weights]);
    bencher.counter(BytesCount::of_many::<f32>(weights)).bench_local(|| {
        kind.dequantise(divan::black_box(&blocks), &mut out);
        out[weights / 2]
    });
}

#[divan::bench(args = SIZES, types = [BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1, BlockQ8_0, BlockQ2K, BlockQ3K, BlockQ4K, BlockQ5K, BlockQ6K])]
fn candle<B: GgmlType>(bencher: Bencher<'_, '_>, weights: usize) {
    let blocks: Vec<B> = (0..weights / B::BLCK_SIZE).map(|_| B::zeros()).collect();
    let mut out = vec![0.0; weights];
    bencher.counter(BytesCount::of_many::<f32>(weights)).bench_local(|| {
        B::to_float(divan::black_box(&blocks), &mut out);
        out[weights / 2]
    });
}

/// A layer of Yuan2.0-M32's experts in 4 bits, in runs of so many rows.
#[divan::bench(args = [16, 64, 256])]
fn gptq(bencher: Bencher<'_, '_>, rows: usize) {
    let (in_features, out_features) = (2048, 16384);
    let (groups, scale) = (in_features / 128, half::f16::from_f32(0.01).to_le_bytes());
    let parts = Parts {
        bits: 4,
        group_size: Some(128),
        in_features,
        out_features,
        zeros: Zeros::LessOne,
        qweight: blocks(Kind::F32, in_features / 8 * out_features),
        qzeros: blocks(Kind::F32, groups * out_features / 8),
        scales: scale.repeat(groups * out_features),
        scales_type: Dtype::F16,
        g_idx: None,
    };
    let layer = Gptq::new(parts, Path::new("random"), "w1").expect("tensors of the sizes stated");
    let mut out = vec![0.0; rows * in_features];
    bencher.counter(BytesCount::of_many::<f32>(in_features * out_features)).bench_local(|| {
        for first in (0..out_features).step_by(rows) {
            layer.read_rows(first, divan::black_box(&mut out));
        }
    });
}
