//! What training does to a small network: it learns, to the same bits on any number of threads, and what it has learnt can be run.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use yuan_kernels::isa::{Isa, force};
use yuan_model::backend::Target;
use yuan_model::config::{Rope, Router, Yuan, YuanMoe};
use yuan_model::weights::{Form, Weights, write_safetensors};
use yuan_model::{Config, DType, Description, Model};
use yuan_train::cpu::Options;
use yuan_train::{Batch, Cpu, Error, Network, Precision, State, Update, initial};

/// A mixture of four experts, two layers.
fn small() -> Yuan {
    let Some(Config::Yuan(tiny)) = Config::named("yuan-moe-tiny") else { panic!("there is a tiny model") };
    Yuan {
        vocab_size: 128,
        hidden_size: 32,
        intermediate_size: 48,
        heads: 2,
        attention_width: 64,
        rope: Rope { width: 16, ..tiny.rope },
        max_positions: 64,
        moe: tiny.moe.map(|moe| YuanMoe { experts: 4, width: 40, ..moe }),
        ..tiny
    }
}

fn network(config: &Yuan, options: Options) -> Cpu {
    Cpu::new(config, options, initial(&Config::Yuan(config.clone()), 3, yuan_train::DEVIATION)).unwrap()
}

/// 64 short documents that each begin with a token of their own, so that everything behind it can be known.
fn documents() -> Batch {
    let mut batch = Batch::new();
    let mut seed = 5_u32;
    for number in 0..64 {
        let mut ids = vec![number];
        let length = 10 + number as usize % 9;
        ids.extend((0..length).map(|_| {
            seed = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            64 + (seed >> 20) % 64
        }));
        batch.push(&ids[..length], &ids[1..], &vec![1.0; length]).unwrap();
    }
    batch
}

fn train(network: &mut Cpu, batch: &Batch, steps: u64, rate: f32) -> f64 {
    let scale = 1.0 / batch.weights().iter().sum::<f32>();
    let mut mean = 0.0;
    for step in 0..steps {
        mean = network.accumulate(batch, scale).unwrap().mean();
        let warm = (step as f32 + 1.0) / 20.0;
        network.update(&Update { weight_decay: 0.0, ..Update::new(rate * warm.min(1.0)) }).unwrap();
    }
    mean
}

/// ln 64 = 4.16 nats a token is what can be known without the documents.
#[test]
fn documents_are_learnt_by_heart() {
    let batch = documents();
    for precision in [Precision::F32, Precision::Bf16] {
        let mut network = network(&small(), Options { precision, balance: 0.01 });
        let first = network.evaluate(&batch).unwrap();
        assert!((first.mean() - 128.0_f64.ln()).abs() < 0.1, "{}", first.mean());
        train(&mut network, &batch, 150, 1e-2);
        let last = network.evaluate(&batch).unwrap();
        assert!(last.mean() < 0.1, "{precision:?}: {}", last.mean());
        for router in &last.routers {
            assert_eq!(router.tokens.iter().sum::<u64>(), 2 * batch.len() as u64);
            assert!(router.evenness() > 0.8 && router.busiest() < 2.5, "{router:?}");
            assert!(router.mean_entropy() <= 4.0_f64.ln() + 1e-6);
        }
    }
}

#[test]
fn threads_and_instructions_change_no_bit() {
    let batch = documents();
    let run = |threads: usize, isa: Isa, precision: Precision| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            force(isa, || {
                let mut network = network(&small(), Options { precision, balance: 0.02 });
                let mean = train(&mut network, &batch, 3, 1e-2);
                (mean, network.evaluate(&batch).unwrap(), network.state().unwrap())
            })
        })
    };
    for precision in [Precision::F32, Precision::Bf16] {
        let one = run(1, Isa::best(), precision);
        for (threads, isa) in [(2, Isa::best()), (5, Isa::best()), (2, Isa::Avx2)] {
            assert_eq!(run(threads, isa, precision), one, "{precision:?}, {threads} threads, {isa:?}");
        }
    }
}

#[test]
fn what_is_learnt_can_be_run() {
    let (config, batch) = (small(), documents());
    let untied = Yuan { tied_embeddings: false, ..config.clone() };
    let dense = Yuan { moe: None, ..config.clone() };
    for config in [config, untied, dense] {
        let mut network = network(&config, Options::default());
        train(&mut network, &batch, 10, 1e-2);
        let evaluated = network.evaluate(&batch).unwrap();
        let targets: Vec<Target> = (0..).zip(batch.targets()).map(|(row, id)| Target { row, id: *id }).collect();
        let score = |weights: &Weights| {
            let description = Description::of(Config::Yuan(config.clone()));
            let options = yuan_model::Options { place: yuan_model::Place::Cpu, ..Default::default() };
            let model = Model::load(description, weights, options, &mut |_, _| {}).unwrap();
            assert!(model.unexpected().is_empty());
            let scored = model.engine().score(batch.inputs(), &targets).unwrap();
            -scored.iter().map(|scored| f64::from(scored.log_prob)).sum::<f64>() / scored.len() as f64
        };
        let tensors = || network.state().unwrap().into_tensors();
        let mean = score(&Weights::of(tensors()));
        assert!((mean - evaluated.mean()).abs() < 1e-5, "{mean} {}", evaluated.mean());
        let folder = tempfile::tempdir().unwrap();
        let plain = tensors().map(|(name, tensor)| (name, tensor, Form::Plain(DType::F32)));
        write_safetensors(folder.path(), plain, u64::MAX).unwrap();
        assert_eq!(score(&Weights::open(&folder.path().join("model.safetensors")).unwrap()), mean);
    }
}

#[test]
fn training_goes_on_to_the_bit() {
    let (config, batch) = (small(), documents());
    let mut whole = network(&config, Options::default());
    train(&mut whole, &batch, 4, 1e-2);
    let state = whole.state().unwrap();
    assert_eq!(state.step, 4);
    train(&mut whole, &batch, 3, 1e-2);
    let mut turned = state.clone();
    turned.tensors.reverse();
    let mut again = network(&config, Options::default());
    again.accumulate(&batch, 1.0).unwrap();
    again.restore(turned).unwrap();
    train(&mut again, &batch, 3, 1e-2);
    assert_eq!(again.state().unwrap(), whole.state().unwrap());

    let refused = |change: &dyn Fn(&mut State)| {
        let (mut changed, mut network) = (state.clone(), network(&config, Options::default()));
        change(&mut changed);
        let before = network.state().unwrap();
        let error = network.restore(changed).unwrap_err().to_string();
        assert_eq!(network.state().unwrap(), before);
        error
    };
    assert!(
        refused(&|state| drop(state.tensors.remove(0))).starts_with("tensor `model.embed_tokens.weight` is missing")
    );
    assert!(refused(&|state| state.tensors.push(state.tensors[1].clone())).ends_with("is there twice"));
    assert!(refused(&|state| state.tensors[0].shape = vec![1]).contains("is [1], and the network's is [128, 32]"));
    assert!(refused(&|state| state.tensors[0].first_moment = vec![1.0]).contains("moments are not of 4096 numbers"));
    let stranger = |state: &mut State| {
        let mut tensor = state.tensors[0].clone();
        tensor.name = "lm_head.weight".into();
        state.tensors.push(tensor);
    };
    assert_eq!(refused(&stranger), "tensor `lm_head.weight` is none of the network's");
}

/// Differences of the loss along each tensor's gradient; all experts are taken, so that no choice turns over on the way.
#[test]
fn gradients_are_those_of_differences() {
    let config = small();
    let classic = YuanMoe { router: Router::Classic, gated: false, top_k: 4, ..config.moe.clone().unwrap() };
    let attention = YuanMoe { top_k: 4, ..config.moe.clone().unwrap() };
    let shares = YuanMoe { norm_topk_prob: false, ..attention.clone() };
    let batch = documents();
    for moe in [None, Some(attention), Some(classic), Some(shares)] {
        let config = Yuan { moe, tied_embeddings: false, ..config.clone() };
        let mut network = network(&config, Options::default());
        train(&mut network, &batch, 30, 1e-2);
        let state = network.state().unwrap();
        network.accumulate(&batch, 1.0).unwrap();
        let gradients = network.gradients().unwrap();
        for (number, gradient) in gradients.iter().enumerate() {
            let norm = gradient.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
            let values = &state.tensors[number].values;
            let size = values.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt().max(1.0);
            let step = 3e-3 * size;
            let mut loss = |by: f64| {
                let mut moved = state.clone();
                for (value, gradient) in moved.tensors[number].values.iter_mut().zip(gradient) {
                    *value += (by * f64::from(*gradient) / norm) as f32;
                }
                network.restore(moved).unwrap();
                network.evaluate(&batch).unwrap().sum
            };
            let slope = (loss(step) - loss(-step)) / (2.0 * step);
            let name = &state.tensors[number].name;
            assert!((slope - norm).abs() < 0.02 * norm + 0.02, "{name}: {slope} {norm}");
        }
    }
}

#[test]
fn parts_of_a_batch_add_up() {
    let (config, all) = (small(), documents());
    let (mut whole, mut parts) = (network(&config, Options::default()), network(&config, Options::default()));
    let loss = whole.accumulate(&all, 0.25).unwrap();
    let mut sum = yuan_train::Loss::default();
    for rows in all.inputs().sequences().chunks(10) {
        let mut part = Batch::new();
        for rows in rows {
            let own = rows.clone();
            part.push(&all.inputs().ids()[own.clone()], &all.targets()[own.clone()], &all.weights()[own]).unwrap();
        }
        sum.add(&parts.accumulate(&part, 0.25).unwrap());
    }
    assert_eq!(sum.weight, loss.weight);
    assert!(
        (sum.sum / loss.sum - 1.0).abs() < 1e-6
            && (sum.routers[1].entropy / loss.routers[1].entropy - 1.0).abs() < 1e-6
    );
    assert_eq!(sum.routers[0].tokens, loss.routers[0].tokens);
    for (whole, part) in whole.gradients().unwrap().iter().zip(parts.gradients().unwrap()) {
        let most = whole.iter().fold(0.0_f32, |most, it| most.max(it.abs()));
        assert!(whole.iter().zip(&part).all(|(whole, part)| (whole - part).abs() <= 1e-4 * most));
    }
}

#[test]
fn what_is_masked_teaches_nothing() {
    let mut network = network(&small(), Options::default());
    let mut batch = Batch::new();
    assert_eq!(network.accumulate(&batch, 1.0).unwrap().mean(), 0.0);
    batch.push(&[1, 2, 3], &[2, 3, 4], &[0.0; 3]).unwrap();
    let loss = network.accumulate(&batch, 1.0).unwrap();
    assert_eq!((loss.sum, loss.weight), (0.0, 0.0));
    assert!(network.gradients().unwrap().iter().flatten().all(|it| *it == 0.0));
    batch.push(&[1], &[128], &[1.0]).unwrap();
    let error = network.accumulate(&batch, 1.0).unwrap_err().to_string();
    assert_eq!(error, "row 3 of the batch is to predict the token 128: the vocabulary has 128");
}

#[test]
fn a_step_to_nowhere_is_not_taken() {
    let (config, batch) = (small(), documents());
    let mut network = network(&config, Options::default());
    network.accumulate(&batch, f32::MAX).unwrap();
    let before = network.state().unwrap();
    let error = network.update(&Update::new(1e-3)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 1, .. }), "{error}");
    assert_eq!(network.state().unwrap(), before);
    assert!(network.gradients().unwrap().iter().flatten().all(|it| *it == 0.0));
    assert!(Cpu::new(&config, Options { balance: -1.0, ..Options::default() }, before).is_err());
}
