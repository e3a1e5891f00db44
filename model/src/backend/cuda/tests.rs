//! Whole models by the kernels of GPUs, against what their reference implementations compute.

mod kernels;

use std::path::{Path, PathBuf};

use super::driver::Driver;
use super::emulated::{self, Emulated};
use super::*;
use crate::check::compare;
use crate::config::Description;
use crate::model::transformer;
use crate::weights::Weights;

/// Greatest differences from the reference: what `tests/fixtures.rs` allows in fp32, and what few bits make of logits of
/// size 20 to 30 otherwise.
const TOLERANCES: [(DType, f32); 3] = [(DType::F32, 2e-4), (DType::F16, 0.15), (DType::BF16, 1.2)];

/// What 16 bits can turn around: of nearly equal logits another expert is taken.
const DISCRETE: [&str; 2] = ["router_topk_idx", "router_topk_weight"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

/// Compares a model with its fixture.
fn check<D: Driver>(driver: D, name: &str, dtype: DType, tolerance: f32) {
    let folder = folder(name);
    let description = Description::read(&folder).unwrap();
    let weights = Weights::open(&folder).unwrap();
    let engine = transformer(&description.config, &weights, Cuda::new(driver, dtype), &mut |_, _| {}).unwrap();
    let found = compare(&*engine, &description.config, &folder.join("fixtures.safetensors")).unwrap();
    assert!(found.len() > 5);
    let is_exact = |name: &str| dtype == DType::F32 || !DISCRETE.iter().any(|end| name.ends_with(end));
    let wrong: Vec<_> = found
        .iter()
        .filter(|it| is_exact(&it.name) && (it.max_delta.is_nan() || it.max_delta > tolerance))
        .collect();
    assert!(wrong.is_empty(), "{dtype:?}: {wrong:#?}");
}

fn check_emulated(name: &str) {
    for (number, (dtype, tolerance)) in TOLERANCES.into_iter().enumerate() {
        if emulated::is_there() {
            check(Emulated { is_reversed: number == 1 }, name, dtype, tolerance);
        }
    }
}

#[test]
fn yuan_moe() {
    check_emulated("yuan-moe-tiny");
}

#[test]
fn yuan_dense() {
    check_emulated("yuan-dense-tiny");
    check_emulated("yuan-dense-shareqk-tiny");
}

#[test]
fn qwen2_moe() {
    check_emulated("qwen2moe-tiny");
    check_emulated("qwen2moe-tiny-yarn");
}
