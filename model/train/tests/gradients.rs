//! Losses, gradients and steps against torch's autograd in float64 (`tests/oracle/model_gradients.py`).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use yuan_model::config::Yuan;
use yuan_model::weights::Weights;
use yuan_model::{Config, Description};
use yuan_train::{Batch, Cpu, Device, Network, Options, Precision, State, Update};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/model")
}

/// A model's shape and weights; the classic router's lie in a file of their own.
fn model(name: &str) -> (Yuan, State) {
    let folder = fixtures().join(name);
    let description = Description::read(&folder).unwrap();
    let Config::Yuan(config) = &description.config else { panic!("Yuan is trained") };
    let opened = match name {
        "yuan-moe-classic-tiny" => {
            let parts = [fixtures().join("yuan-moe-tiny"), folder.join("router.safetensors")];
            let parts = parts.map(|path| Weights::open(&path).unwrap());
            let tensors = parts.iter().flat_map(Weights::tensors);
            Weights::of(tensors.map(|(name, tensor)| (name.to_owned(), tensor.clone())))
        }
        _ => Weights::open(&folder).unwrap(),
    };
    (config.clone(), State::of(&description.config, &opened).unwrap())
}

/// The numbers of a fixture by name.
struct Golden(BTreeMap<String, Vec<f32>>);

impl Golden {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(fixtures().join("gradients").join(format!("{name}.safetensors"))).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |view: safetensors::tensor::TensorView<'_>| match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            _ => view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect(),
        };
        Self(file.tensors().into_iter().map(|(name, view)| (name, numbers(view))).collect())
    }

    fn get(&self, name: &str) -> &[f32] {
        &self.0[name]
    }

    fn batch(&self, case: &str) -> Batch {
        let ids = |field: &str| self.get(&format!("{case}.{field}")).iter().map(|id| *id as u32).collect::<Vec<_>>();
        let (tokens, targets, positions, keys) = (ids("ids"), ids("targets"), ids("positions"), ids("first_keys"));
        let weights = self.get(&format!("{case}.weights"));
        let (mut batch, mut first) = (Batch::new(), 0);
        for length in ids("lengths") {
            let own = first..first + length as usize;
            first = own.end;
            let (tokens, targets) = (&tokens[own.clone()], &targets[own.clone()]);
            batch.push_with(tokens, targets, &weights[own.clone()], &positions[own.clone()], &keys[own]).unwrap();
        }
        batch
    }

    /// The worst difference of tensors from their samples, in units of the mean size of a tensor's numbers; their names.
    fn compare(&self, prefix: &str, network: &dyn Network, tensors: &[Vec<f32>]) -> (f64, String) {
        let mut worst = (0.0, String::new());
        for (parameter, found) in network.parameters().iter().zip(tensors) {
            let golden = self.get(&format!("{prefix}.{}", parameter.name));
            // As the oracle takes them.
            let skip = (found.len() / 24).max(1) | 1;
            let norm = found.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
            let unit = f64::from(golden[0]) / (found.len() as f64).sqrt() + 1e-9;
            assert_eq!(golden.len() - 1, found.len().div_ceil(skip));
            let samples = found.iter().step_by(skip).zip(&golden[1..]);
            let differences = samples.map(|(found, golden)| (f64::from(*found) - f64::from(*golden)).abs() / unit);
            let norms = (norm - f64::from(golden[0])).abs() / (f64::from(golden[0]) + 1e-9);
            let most = differences.fold(norms, f64::max);
            // A number that is none is worse than any.
            if most.is_nan() || most > worst.0 {
                worst = (most, parameter.name.clone());
            }
        }
        worst
    }
}

/// A network of our kernels, or of candle's operations.
type Make = fn(&Yuan, Options, State) -> Box<dyn Network>;

const CPU: Make = |config, options, state| Box::new(Cpu::new(config, options, state).unwrap());
const CANDLE: Make = |config, options, state| Box::new(Device::on_cpu(config, options, state).unwrap());

/// Loss and gradients of all cases; a tolerance for the loss, relative, and for gradients, in units of a tensor's root of the mean square.
fn check(make: Make, name: &str, precision: Precision, tolerances: (f64, f64)) {
    let (mut config, state) = model(name.trim_end_matches("-shares"));
    if let (Some(moe), true) = (&mut config.moe, name.ends_with("-shares")) {
        moe.norm_topk_prob = false;
    }
    let golden = Golden::read(name);
    for case in ["sequences", "documents", "balanced"] {
        let balance = golden.get(&format!("{case}.balance"))[0];
        let mut network = make(&config, Options { precision, balance }, state.clone());
        let batch = golden.batch(case);
        let weight: f32 = batch.weights().iter().sum();
        let loss = network.accumulate(&batch, 1.0 / weight).unwrap();
        let evaluated = network.evaluate(&batch).unwrap();
        assert_eq!(loss, evaluated, "{name} {case}");
        let expected = f64::from(golden.get(&format!("{case}.loss"))[0]);
        assert!((loss.sum / expected - 1.0).abs() < tolerances.0, "{name} {case}: {} {expected}", loss.sum);
        if balance > 0.0 {
            let found = loss.mean_balance() / f64::from(balance);
            let expected = f64::from(golden.get(&format!("{case}.auxiliary"))[0]);
            assert!((found / expected - 1.0).abs() < tolerances.0, "{name} {case}: {found} {expected}");
        }
        let worst = golden.compare(&format!("{case}.gradient"), &*network, &network.gradients().unwrap());
        assert!(worst.0 < tolerances.1, "{name} {case} {precision:?}: {worst:?}");
    }
}

#[test]
fn gradients_are_torchs() {
    for name in ["yuan-moe-tiny", "yuan-moe-classic-tiny", "yuan-dense-tiny", "yuan-moe-tiny-shares"] {
        check(CPU, name, Precision::F32, (1e-6, 1e-4));
    }
}

#[test]
fn gradients_by_candle_are_torchs() {
    for name in ["yuan-moe-tiny", "yuan-moe-classic-tiny", "yuan-dense-tiny", "yuan-moe-tiny-shares"] {
        check(CANDLE, name, Precision::F32, (1e-6, 1e-4));
    }
}

/// Weights of these models are large, and a choice of experts that is close falls otherwise with rounded activations: the dense model
/// shows what rounding alone does.
#[test]
fn gradients_in_bf16_are_near() {
    check(CPU, "yuan-dense-tiny", Precision::Bf16, (2e-3, 0.3));
}

#[test]
fn three_steps_are_torchs() {
    let (config, state) = model("yuan-moe-tiny");
    let golden = Golden::read("yuan-moe-tiny");
    let batch = golden.batch("sequences");
    let weight: f32 = batch.weights().iter().sum();
    let update = Update { epsilon: 1e-4, max_gradient_norm: Some(2.0), ..Update::new(2e-3) };
    for make in [CPU, CANDLE] {
        let mut network = make(&config, Options::default(), state.clone());
        for (step, expected) in (1..).zip(golden.get("steps.norms")) {
            network.accumulate(&batch, 1.0 / weight).unwrap();
            let updated = network.update(&update).unwrap();
            assert!((updated.gradient_norm / f64::from(*expected) - 1.0).abs() < 1e-3, "{updated:?} {expected}");
            assert!(updated.is_clipped && updated.step == step);
        }
        let tensors: Vec<Vec<f32>> = network.state().unwrap().tensors.into_iter().map(|it| it.values).collect();
        let worst = golden.compare("steps.parameter", &*network, &tensors);
        assert!(worst.0 < 1e-5, "{worst:?}");
    }
}
