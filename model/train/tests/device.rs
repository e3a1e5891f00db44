//! Networks on candle's tensors beside those on our kernels: the same losses, gradients and steps within what sums of fp32 differ by.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use yuan_model::Config;
use yuan_model::config::{Router, Yuan, YuanMoe};
use yuan_model::perplexity::Resets;
use yuan_train::{Batch, Cpu, Device, Error, Network, Options, Precision, State, Update, initial};

fn tiny() -> Yuan {
    let Some(Config::Yuan(tiny)) = Config::named("yuan-moe-tiny") else { panic!("there is a tiny model") };
    tiny
}

fn state(config: &Yuan) -> State {
    initial(&Config::Yuan(config.clone()), 3, 0.1)
}

/// Sequences of many lengths, one longer than a block of attention, one of packed documents; some rows do not count.
fn batch(lengths: &[usize]) -> Batch {
    let mut batch = Batch::new();
    let mut seed = 5_u32;
    let mut next = || {
        seed = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (seed >> 20) % 500
    };
    for length in lengths {
        let ids: Vec<u32> = (0..=*length).map(|_| next()).collect();
        let weights: Vec<f32> = (0..*length).map(|row| f32::from(row % 5 != 2)).collect();
        batch.push(&ids[..*length], &ids[1..], &weights).unwrap();
    }
    let ids = [3, 4, 9, 5, 6, 7, 9, 9, 8, 2];
    let resets = Resets { eod: 9, positions: true, attention: true };
    batch.push_packed(&ids[..9], &ids[1..], &[1.0; 9], resets).unwrap();
    batch
}

/// The worst difference of two lists of tensors, in units of the root of the mean square of the first's.
fn worst(expected: &[Vec<f32>], found: &[Vec<f32>]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let of = |(expected, found): (&Vec<f32>, &Vec<f32>)| {
        assert_eq!(expected.len(), found.len());
        let squares = expected.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>();
        let unit = (squares / expected.len() as f64).sqrt() + 1e-12;
        expected.iter().zip(found).map(|(a, b)| f64::from((a - b).abs()) / unit).fold(0.0, f64::max)
    };
    expected.iter().zip(found).map(of).fold(0.0, f64::max)
}

#[test]
fn losses_loads_and_gradients_are_those_of_our_kernels() {
    let moe = tiny().moe.unwrap();
    let classic = YuanMoe { router: Router::Classic, gated: false, top_k: 3, ..moe.clone() };
    let shares = YuanMoe { norm_topk_prob: false, ..moe.clone() };
    let of = |moe: Option<YuanMoe>, tied_embeddings: bool| Yuan { moe, tied_embeddings, ..tiny() };
    let batch = batch(&[30, 1, 600, 2, 17, 64]);
    for config in [of(Some(moe), true), of(Some(classic), false), of(Some(shares), true), of(None, true)] {
        let options = Options { balance: if config.moe.is_some() { 0.05 } else { 0.0 }, ..Options::default() };
        let mut ours = Cpu::new(&config, options, state(&config)).unwrap();
        let mut candles = Device::on_cpu(&config, options, state(&config)).unwrap();
        assert_eq!(ours.parameters(), candles.parameters());
        let scale = 0.01;
        let (expected, found) = (ours.accumulate(&batch, scale).unwrap(), candles.accumulate(&batch, scale).unwrap());
        assert_eq!(expected.weight, found.weight);
        assert!((expected.sum / found.sum - 1.0).abs() < 1e-6, "{} {}", expected.sum, found.sum);
        assert!((expected.balance - found.balance).abs() <= 1e-5 * expected.balance);
        assert_eq!(expected.routers.len(), found.routers.len());
        for (expected, found) in expected.routers.iter().zip(&found.routers) {
            assert_eq!((&expected.tokens, expected.routed), (&found.tokens, found.routed));
            assert!((expected.entropy / found.entropy - 1.0).abs() < 1e-5);
        }
        let gradients = ours.gradients().unwrap();
        let difference = worst(&gradients, &candles.gradients().unwrap());
        assert!(difference < 1e-3, "{difference} of {:?}", config.moe);
        // A pass more adds as much again; an evaluation adds nothing.
        let evaluated = candles.evaluate(&batch).unwrap();
        assert!((evaluated.sum / found.sum - 1.0).abs() < 1e-6);
        candles.accumulate(&batch, scale).unwrap();
        let doubled: Vec<Vec<f32>> = gradients.iter().map(|it| it.iter().map(|it| 2.0 * it).collect()).collect();
        assert!(worst(&doubled, &candles.gradients().unwrap()) < 1e-3);
        candles.forget_gradients();
        assert!(candles.gradients().unwrap().iter().flatten().all(|it| *it == 0.0));
    }
}

#[test]
fn a_run_is_near_and_goes_on_where_it_stopped() {
    let (config, batch) = (tiny(), batch(&[40, 20, 5]));
    let options = Options { balance: 0.01, ..Options::default() };
    let scale = 1.0 / batch.weights().iter().sum::<f32>();
    let steps = |network: &mut dyn Network, count: u64| -> Vec<f64> {
        let step = |_| {
            let loss = network.accumulate(&batch, scale).unwrap().mean();
            network.update(&Update { epsilon: 1e-5, ..Update::new(3e-3) }).unwrap();
            loss
        };
        (0..count).map(step).collect()
    };
    let mut ours = Cpu::new(&config, options, state(&config)).unwrap();
    let mut candles = Device::on_cpu(&config, options, state(&config)).unwrap();
    let expected = steps(&mut ours, 12);
    let found = steps(&mut candles, 12);
    assert!(expected[11] < 0.9 * expected[0], "{expected:?}");
    for (expected, found) in expected.iter().zip(&found) {
        assert!((expected / found - 1.0).abs() < 2e-3, "{expected} {found}");
    }
    // From the state after five steps on: on the same device, and on the other one.
    let mut first = Device::on_cpu(&config, options, state(&config)).unwrap();
    steps(&mut first, 5);
    let kept = first.state().unwrap();
    assert_eq!(kept.step, 5);
    let mut again = Device::on_cpu(&config, options, kept.clone()).unwrap();
    assert_eq!(again.state().unwrap(), kept);
    assert_eq!(steps(&mut again, 7), found[5..]);
    let mut elsewhere = Cpu::new(&config, options, kept).unwrap();
    for (found, elsewhere) in found[5..].iter().zip(steps(&mut elsewhere, 7)) {
        assert!((found / elsewhere - 1.0).abs() < 2e-3, "{found} {elsewhere}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_as_elsewhere() {
    let config = tiny();
    let mut network = Device::on_cpu(&config, Options::default(), state(&config)).unwrap();
    let mut wrong = Batch::new();
    wrong.push(&[1, 512], &[2, 3], &[1.0; 2]).unwrap();
    assert!(network.accumulate(&wrong, 1.0).unwrap_err().to_string().contains("holds the token 512"));
    assert_eq!(network.accumulate(&Batch::new(), 1.0).unwrap().mean(), 0.0);
    let mut masked = Batch::new();
    masked.push(&[1, 2], &[2, 3], &[0.0; 2]).unwrap();
    assert_eq!(network.accumulate(&masked, 1.0).unwrap().sum, 0.0);
    assert!(network.gradients().unwrap().iter().flatten().all(|it| *it == 0.0));
    let before = network.state().unwrap();
    network.accumulate(&batch(&[9]), f32::MAX).unwrap();
    assert!(matches!(network.update(&Update::new(1e-3)), Err(Error::NotFinite { step: 1, .. })));
    assert_eq!(network.state().unwrap(), before);
    let wide = Options { balance: -1.0, ..Options::default() };
    assert!(Device::on_cpu(&config, wide, before.clone()).is_err());
    let mut other = before.clone();
    other.tensors[0].shape = vec![1];
    assert!(network.restore(other).unwrap_err().to_string().contains("is [1], and the network's is [512, 64]"));
    if !cfg!(feature = "candle-cuda") {
        let error = Device::on_cuda(0, &config, Options::default(), before).err().unwrap().to_string();
        assert!(error.contains("without the feature `candle-cuda`"), "{error}");
    }
}

#[test]
fn products_of_bf16_are_near() {
    let config = Yuan { moe: None, ..tiny() };
    let batch = batch(&[40, 20, 5]);
    let of = |precision: Precision| {
        let options = Options { precision, ..Options::default() };
        let mut network = Device::on_cpu(&config, options, state(&config)).unwrap();
        (network.accumulate(&batch, 0.01).unwrap().mean(), network.gradients().unwrap())
    };
    let (exact, near) = (of(Precision::F32), of(Precision::Bf16));
    assert!((near.0 / exact.0 - 1.0).abs() < 1e-2 && near.0 != exact.0, "{} {}", near.0, exact.0);
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for (exact, near) in exact.1.iter().zip(&near.1) {
        assert!(cosine(exact, near) > 0.99, "{}", cosine(exact, near));
    }
}
