//! Gradients of what chooses experts.

use rayon::prelude::*;

use super::sums::BLOCK;
use crate::exp::exp;
use crate::isa::{Isa, force, multiversion};
use crate::router::Weights;
use crate::rows::for_each_row;

/// Of Yuan's Attention Router, with `x` and `logits` as [`attention_router`](crate::attention_router) has them, and the gradient of the
/// logits: that of x, `[rows, 3 * experts]`.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn attention_router_backward(x: &[f32], logits: &[f32], d_logits: &[f32], experts: usize, dx: &mut [f32]) {
    assert!(
        x.len() == 3 * logits.len() && d_logits.len() == logits.len() && dx.len() == x.len(),
        "arrays fit each other"
    );
    for_each_row(dx, 3 * experts, |row, dx| {
        let (x, places) = (&x[row * 3 * experts..][..3 * experts], row * experts..(row + 1) * experts);
        route_row(x, &logits[places.clone()], &d_logits[places], dx);
    });
}

multiversion! {
    fn route_row(x: &[f32], logits: &[f32], d_logits: &[f32], dx: &mut [f32]) {
        let experts = logits.len();
        let (query, rest) = x.split_at(experts);
        let (key, value) = rest.split_at(experts);
        let (d_query, rest) = dx.split_at_mut(experts);
        let (d_key, d_value) = rest.split_at_mut(experts);
        d_key.fill(0.0);
        d_value.fill(0.0);
        for (((query, d_query), logit), d) in query.iter().zip(d_query).zip(logits).zip(d_logits) {
            let max = key.iter().fold(f32::NEG_INFINITY, |max, key| max.max(query * key));
            let mut sum = 0.0;
            for key in key {
                sum += exp(query * key - max);
            }
            *d_query = 0.0;
            for (((key, value), d_key), d_value) in key.iter().zip(value).zip(&mut *d_key).zip(&mut *d_value) {
                let share = exp(query * key - max) / sum;
                *d_value = d.mul_add(share, *d_value);
                let d_product = share * d * (value - logit);
                *d_query = d_product.mul_add(*key, *d_query);
                *d_key = d_product.mul_add(*query, *d_key);
            }
        }
    }
}

/// The experts of each token, as [`top_k`](crate::top_k) chose them.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    /// `[rows, experts]`.
    pub logits: &'a [f32],
    /// Experts there are.
    pub experts: usize,
    /// Experts of a token.
    pub top_k: usize,
    /// What the weights are.
    pub of: Weights,
    /// `[rows, top_k]`.
    pub ids: &'a [u32],
    /// `[rows, top_k]`.
    pub weights: &'a [f32],
}

/// The gradient of the logits, `[rows, experts]`, from that of the weights, `[rows, top_k]`, and from `slopes`, the gradient of each
/// expert's share of a softmax over all logits, the same in every row; no `slopes` are all 0.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn choose_backward(choices: Choices, d_weights: &[f32], slopes: Option<&[f32]>, d_logits: &mut [f32]) {
    let Choices { logits, experts, top_k, of, ids, weights } = choices;
    let rows = logits.len() / experts;
    assert!(d_logits.len() == logits.len() && ids.len() == rows * top_k, "arrays fit each other");
    assert!(weights.len() == ids.len() && d_weights.len() == ids.len(), "arrays fit each other");
    assert!(slopes.is_none_or(|slopes| slopes.len() == experts), "a slope for each expert");
    for_each_row(d_logits, experts, |row, d_logits| {
        let taken = row * top_k..(row + 1) * top_k;
        let (ids, weights, d_weights) = (&ids[taken.clone()], &weights[taken.clone()], &d_weights[taken]);
        let logits = &logits[row * experts..][..experts];
        d_logits.fill(0.0);
        let pull: f32 = weights.iter().zip(d_weights).map(|(weight, d)| weight * d).sum();
        match of {
            Weights::OfTaken => {
                for ((id, weight), d) in ids.iter().zip(weights).zip(d_weights) {
                    d_logits[*id as usize] = weight * (d - pull);
                }
            }
            Weights::OfAll => {
                softmax(logits, d_logits);
                d_logits.iter_mut().for_each(|share| *share *= -pull);
                for ((id, weight), d) in ids.iter().zip(weights).zip(d_weights) {
                    d_logits[*id as usize] += weight * d;
                }
            }
        }
        if let Some(slopes) = slopes {
            let mut shares = vec![0.0; experts];
            softmax(logits, &mut shares);
            let pull: f32 = shares.iter().zip(slopes).map(|(share, slope)| share * slope).sum();
            for ((d, share), slope) in d_logits.iter_mut().zip(&shares).zip(slopes) {
                *d += share * (slope - pull);
            }
        }
    });
}

multiversion! {
    fn softmax(logits: &[f32], shares: &mut [f32]) {
        let max = logits.iter().fold(f32::NEG_INFINITY, |max, logit| max.max(*logit));
        let mut sum = 0.0;
        for (share, logit) in shares.iter_mut().zip(logits) {
            *share = exp(logit - max);
            sum += *share;
        }
        for share in shares {
            *share /= sum;
        }
    }
}

/// Sums over all rows of each expert's share of a softmax over the logits, and of the entropy of those shares in nats.
pub fn probabilities(logits: &[f32], experts: usize) -> (Vec<f64>, f64) {
    let isa = Isa::current();
    let block = |logits: &[f32]| {
        let (mut sums, mut entropy, mut shares) = (vec![0.0; experts], 0.0, vec![0.0; experts]);
        for logits in logits.chunks_exact(experts) {
            softmax(logits, &mut shares);
            for (sum, share) in sums.iter_mut().zip(&shares) {
                let share = f64::from(*share);
                *sum += share;
                entropy -= if share > 0.0 { share * libm::log(share) } else { 0.0 };
            }
        }
        (sums, entropy)
    };
    let parts: Vec<(Vec<f64>, f64)> =
        logits.par_chunks(BLOCK * experts).map(|logits| force(isa, || block(logits))).collect();
    parts.into_iter().fold((vec![0.0; experts], 0.0), |(mut sums, entropy), (part, more)| {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        (sums, entropy + more)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(place: usize) -> f32 {
        ((place * 7919 % 97) as f32 - 48.0) / 30.0
    }

    /// Compares a gradient with differences of a function in f64.
    fn check(x: &[f32], found: &[f32], loss: impl Fn(&[f64]) -> f64) {
        let wide: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        for (place, found) in found.iter().enumerate() {
            let shifted = |by: f64| {
                let mut x = wide.clone();
                x[place] += by;
                loss(&x)
            };
            let expected = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((f64::from(*found) - expected).abs() < 3e-6, "{place}: {found} {expected}");
        }
    }

    fn shares(logits: &[f64]) -> Vec<f64> {
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| logit.exp() / sum).collect()
    }

    #[test]
    fn the_attention_router_has_the_gradients_of_differences() {
        let experts = 7;
        let x: Vec<f32> = (0..3 * experts).map(number).collect();
        let d: Vec<f32> = (0..experts).map(|place| number(place + 40)).collect();
        for isa in Isa::all() {
            let (mut logits, mut dx) = (vec![0.0; experts], vec![9.0; 3 * experts]);
            force(isa, || {
                crate::attention_router(&x, experts, &mut logits);
                attention_router_backward(&x, &logits, &d, experts, &mut dx);
            });
            check(&x, &dx, |x| {
                let (query, key, value) = (&x[..experts], &x[experts..2 * experts], &x[2 * experts..]);
                let logit = |query: &f64| {
                    let products: Vec<f64> = key.iter().map(|key| query * key).collect();
                    shares(&products).iter().zip(value).map(|(share, value)| share * value).sum::<f64>()
                };
                query.iter().zip(&d).map(|(query, d)| logit(query) * f64::from(*d)).sum()
            });
        }
    }

    #[test]
    fn choices_have_the_gradients_of_differences() {
        let (experts, top_k) = (6, 2);
        let logits: Vec<f32> = (0..experts).map(|place| number(place + 7)).collect();
        let d_weights = [0.7, -0.4];
        let slopes: Vec<f32> = (0..experts).map(|place| number(place + 60)).collect();
        for of in [Weights::OfTaken, Weights::OfAll] {
            let (mut ids, mut weights, mut d_logits) = ([0; 2], [0.0; 2], vec![9.0; experts]);
            crate::top_k(&logits, experts, top_k, of, &mut ids, &mut weights);
            let choices = Choices { logits: &logits, experts, top_k, of, ids: &ids, weights: &weights };
            choose_backward(choices, &d_weights, Some(&slopes), &mut d_logits);
            check(&logits, &d_logits, |logits| {
                let all = shares(logits);
                let taken: Vec<f64> = ids.iter().map(|id| logits[*id as usize]).collect();
                let weights = match of {
                    Weights::OfTaken => shares(&taken),
                    Weights::OfAll => ids.iter().map(|id| all[*id as usize]).collect(),
                };
                let sloped: f64 = all.iter().zip(&slopes).map(|(share, slope)| share * f64::from(*slope)).sum();
                weights.iter().zip(d_weights).map(|(weight, d)| weight * f64::from(d)).sum::<f64>() + sloped
            });
        }
    }

    #[test]
    fn shares_of_all_rows_sum_to_their_number() {
        let logits: Vec<f32> = (0..300 * 5).map(number).collect();
        let (sums, entropy) = probabilities(&logits, 5);
        assert!((sums.iter().sum::<f64>() - 300.0).abs() < 1e-4);
        assert!(entropy > 0.0 && entropy < 300.0 * 5.0_f64.ln());
        let (sums, entropy) = probabilities(&[2.0; 8], 4);
        assert!(sums.iter().all(|sum| (sum - 0.5).abs() < 1e-6) && (entropy - 2.0 * 4.0_f64.ln()).abs() < 1e-6);
    }
}
