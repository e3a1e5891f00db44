//! What a GPU computes in 16 bits, and whether it computes it again. `tests/fixtures.rs` compares it in fp32.
//!
//! Without a GPU nothing is tested; that is said.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]
#![cfg(feature = "cuda")]

use std::path::{Path, PathBuf};

use yuan_model::backend::{Nvidia, Target};
use yuan_model::{Batch, DType, Model, Options, Place};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

fn logits(name: &str, place: Place, dtype: DType) -> Vec<f32> {
    let (batch, rows) = texts();
    open(name, place, dtype).engine().logits(&batch, &rows).expect("logits of a fixture")
}

fn open(name: &str, place: Place, dtype: DType) -> Model {
    let options = Options { place, dtype: Some(dtype), ..Options::default() };
    Model::open(&folder(name), options, &mut |_, _| {}).expect("a fixture opens")
}

/// Whether there is a GPU. Where its driver is loaded there has to be.
#[expect(clippy::print_stderr, reason = "that something is not tested is said")]
fn is_there() -> bool {
    match Nvidia::open(0) {
        Ok(_) => true,
        Err(error) if Path::new("/dev/nvidiactl").exists() => panic!("{error}"),
        Err(error) => {
            eprintln!("nothing is tested on a GPU: {error}");
            false
        }
    }
}

/// Texts longer than a block of attention.
fn texts() -> (Batch, Vec<u32>) {
    let mut batch = Batch::new();
    for length in [100, 1, 70] {
        batch.push(&(0..length).map(|place| (place * place + 7 * place) % 500).collect::<Vec<u32>>());
    }
    let rows = (0..batch.len() as u32).collect();
    (batch, rows)
}

/// In 16 bits another expert is taken where router logits are nearly equal: of all differences from fp32, the middle one and
/// that of nine in ten are at most one and a half times what candle's operations give in the same type.
#[test]
fn sixteen_bits_are_as_near_as_candles() {
    if !is_there() {
        return;
    }
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        let expected = logits(name, Place::Cpu, DType::F32);
        for dtype in [DType::F16, DType::BF16] {
            let [own, other] = [Place::Cuda(0), Place::Candle].map(|place| {
                let found = logits(name, place, dtype);
                let mut deltas: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).collect();
                deltas.sort_by(f32::total_cmp);
                [deltas[deltas.len() / 2], deltas[deltas.len() * 9 / 10]]
            });
            let is_near = own[0] <= 1.5 * other[0] && own[1] <= 1.5 * other[1];
            assert!(is_near, "{name} in {}: {own:?}, candle {other:?}", dtype.name());
        }
    }
}

#[test]
fn the_same_bits_come_out_again() {
    if !is_there() {
        return;
    }
    let (batch, rows) = texts();
    let targets: Vec<Target> = rows.iter().map(|row| Target { row: *row, id: (row * 3) % 500 }).collect();
    for dtype in DType::ALL {
        let model = open("yuan-moe-tiny", Place::Cuda(0), dtype);
        let scored = model.engine().score(&batch, &targets).unwrap();
        for _ in 0..20 {
            assert_eq!(model.engine().score(&batch, &targets).unwrap(), scored);
        }
    }
}

#[test]
fn a_gpu_that_is_not_there_is_an_error() {
    let options = Options { place: Place::Cuda(4096), ..Options::default() };
    let error = Model::open(&folder("yuan-dense-tiny"), options, &mut |_, _| {}).err().unwrap().to_string();
    assert!(error.starts_with("`cuda:4096` cannot be used: "), "{error}");
}
