//! Whole models by the kernels of GPUs, against what their reference implementations compute.

mod kernels;

use std::path::{Path, PathBuf};

use super::driver::Driver;
use super::emulated::{self, Emulated};
use super::*;
use crate::backend::Device;
use crate::check::compare;
use crate::config::{Config, Description};
use crate::engine::Engine;
use crate::model::transformer;
use crate::weights::Weights;

/// Greatest difference of an fp32 value from the reference's, as in `tests/fixtures.rs`.
const TOLERANCE: f32 = 2e-4;
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

fn engine<B: Backend>(folder: &Path, backend: B) -> (Config, Box<dyn Engine>) {
    let config = Description::read(folder).unwrap().config;
    let weights = Weights::open(folder).unwrap();
    let engine = transformer(&config, &weights, backend, &mut |_, _| {}).unwrap();
    (config, engine)
}

/// Compares a model with its fixture.
fn check<D: Driver>(driver: impl Fn() -> D, name: &str) {
    let folder = folder(name);
    let (config, exact) = engine(&folder, Cuda::new(driver(), DType::F32));
    let found = compare(&*exact, &config, &folder.join("fixtures.safetensors")).unwrap();
    assert!(found.len() > 5);
    let wrong: Vec<_> = found.iter().filter(|it| it.max_delta.is_nan() || it.max_delta > TOLERANCE).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    // Texts longer than a block of attention, in one batch.
    let mut batch = Batch::new();
    for length in [90, 1, 70] {
        batch.push(&(0..length).map(|place| (place * place + 7 * place) % 500).collect::<Vec<u32>>());
    }
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    let expected = exact.logits(&batch, &rows).unwrap();
    // In 16 bits another expert is taken where router logits are nearly equal: most logits are as near to the exact ones as
    // candle's operations come.
    for (dtype, candle) in [(DType::F16, candle_core::DType::F16), (DType::BF16, candle_core::DType::BF16)] {
        let candle = Device::new(candle_core::Device::Cpu, candle);
        let found = [engine(&folder, Cuda::new(driver(), dtype)).1, engine(&folder, candle).1].map(|coarse| {
            let logits = coarse.logits(&batch, &rows).unwrap();
            let mut deltas: Vec<f32> = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).collect();
            deltas.sort_by(f32::total_cmp);
            [deltas[deltas.len() / 2], deltas[deltas.len() * 9 / 10]]
        });
        let [own, other] = found;
        assert!(own[0] <= 1.5 * other[0] && own[1] <= 1.5 * other[1], "{dtype:?}: {own:?} is more than {other:?}");
    }
}

/// A sequence that goes on where another is knows what that does.
fn copy<D: Driver>(driver: D, name: &str) {
    let (_, model) = engine(&folder(name), Cuda::new(driver, DType::F32));
    let (prompt, rest) = ([5, 6, 7, 8, 9], [10, 11]);
    let mut session = model.session(2);
    session.read(&[&prompt, &[]]).unwrap();
    session.remove(1);
    session.add(7);
    session.copy(0, 1).unwrap();
    let logits = session.read(&[&rest[..], &rest[..]]).unwrap();
    let (one, other) = logits.split_at(logits.len() / 2);
    assert_eq!((session.tokens(1), one), (7, other));
    for layer in 0..2 {
        assert_eq!(session.memory(0, layer).unwrap(), session.memory(1, layer).unwrap());
    }
}

#[test]
fn sequences_are_copied() {
    for name in ["yuan-moe-tiny", "qwen2moe-tiny"].into_iter().filter(|_| emulated::is_there()) {
        copy(Emulated::default(), name);
    }
}

#[cfg(feature = "cuda")]
#[test]
fn sequences_are_copied_on_a_gpu() {
    for name in ["yuan-moe-tiny", "qwen2moe-tiny"] {
        if let Some(gpu) = gpu() {
            assert!(gpu.free().unwrap() > 0);
            copy(gpu, name);
        }
    }
}

fn check_emulated(name: &str) {
    if emulated::is_there() {
        check(Emulated::default, name);
    }
}

/// A GPU, if there is one. Where the driver is loaded there has to be.
#[cfg(feature = "cuda")]
#[expect(clippy::print_stderr, reason = "that something is not tested is said")]
fn gpu() -> Option<Nvidia> {
    match Nvidia::open(0) {
        Ok(gpu) => Some(gpu),
        Err(error) if Path::new("/dev/nvidiactl").exists() => panic!("{error}"),
        Err(error) => {
            eprintln!("nothing is tested on a GPU: {error}");
            None
        }
    }
}

/// NVIDIA's compiler takes all kernels; it needs no GPU.
#[cfg(feature = "cuda")]
#[test]
#[expect(clippy::print_stderr, reason = "that something is not tested is said")]
fn kernels_compile_for_gpus() {
    use super::driver::Module;
    // SAFETY: loading the library runs its initialisers.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        eprintln!("kernels are not compiled for GPUs: libnvrtc was not found");
        return;
    }
    for architecture in ["compute_80", "compute_90", "compute_100"] {
        for dtype in DType::ALL {
            let attention = [16, 64, 128, 256].map(|width| Module::Attention(dtype, width));
            for module in attention.into_iter().chain([Module::Rows(dtype)]) {
                let ptx = nvidia::compile(module, architecture).unwrap_or_else(|error| panic!("{module:?}: {error}"));
                assert!(ptx.to_src().contains(".entry"));
            }
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
