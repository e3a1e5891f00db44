//! Which experts see a token.

use crate::exp::exp;
use crate::isa::multiversion;
use crate::norm::{LANES, total};
use crate::rows::for_each_row;

/// Yuan's Attention Router (arXiv:2405.17976, section 3.2): of `x`, `[rows, 3 * experts]` with query, key and value of
/// every expert, `out[r, e] = Σ_j softmax_j(query_e · key_j) · value_j`, `[rows, experts]`. No scaling.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn attention_router(x: &[f32], experts: usize, out: &mut [f32]) {
    assert_eq!(x.len(), 3 * out.len(), "there are query, key and value");
    for_each_row(out, experts, |row, out| route_row(&x[row * 3 * experts..][..3 * experts], out));
}

multiversion! {
    fn route_row(x: &[f32], out: &mut [f32]) {
        let experts = out.len();
        let (query, rest) = x.split_at(experts);
        let (key, value) = rest.split_at(experts);
        for (out, query) in out.iter_mut().zip(query) {
            let max = key.iter().fold(f32::NEG_INFINITY, |max, key| max.max(query * key));
            let (mut sums, mut weighted) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for (keys, values) in key.chunks(LANES).zip(value.chunks(LANES)) {
                let mut powers = [0.0_f32; LANES];
                for (power, key) in powers.iter_mut().zip(keys) {
                    *power = exp(query * key - max);
                }
                for (sum, power) in sums.iter_mut().zip(powers) {
                    *sum += power;
                }
                for ((weighted, power), value) in weighted.iter_mut().zip(powers).zip(values) {
                    *weighted = power.mul_add(*value, *weighted);
                }
            }
            *out = total(weighted) / total(sums);
        }
    }
}

/// What the weights of the experts taken are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// A softmax over the logits of those taken: they sum to 1.
    OfTaken,
    /// Their share of a softmax over all logits.
    OfAll,
}

/// The `top_k` largest logits of each row of `experts`, the largest first and of equal ones the first, with their
/// weights: `ids` and `weights` are `[rows, top_k]`.
///
/// # Panics
/// If the arrays do not fit each other, or `top_k` is 0 or more than `experts`.
pub fn top_k(logits: &[f32], experts: usize, top_k: usize, of: Weights, ids: &mut [u32], weights: &mut [f32]) {
    assert!((1..=experts).contains(&top_k), "from 1 to all experts are taken");
    assert!(ids.len() == weights.len() && logits.len() / experts * top_k == ids.len(), "results are [rows, top_k]");
    for ((logits, ids), weights) in
        logits.chunks_exact(experts).zip(ids.chunks_exact_mut(top_k)).zip(weights.chunks_exact_mut(top_k))
    {
        take(logits, ids);
        // A logit that is no number is never taken before one that is; all of them can be none.
        let max = logits[ids[0] as usize];
        for (weight, id) in weights.iter_mut().zip(ids.iter()) {
            *weight = exp(logits[*id as usize] - max);
        }
        let sum: f32 = match of {
            Weights::OfTaken => weights.iter().sum(),
            Weights::OfAll => logits.iter().map(|logit| exp(logit - max)).sum(),
        };
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
}

/// Fills `ids` with the places of the largest logits, by insertion: there are few.
fn take(logits: &[f32], ids: &mut [u32]) {
    let is_less = |a: f32, b: f32| a < b || (a.is_nan() && !b.is_nan());
    let mut taken = 0;
    for (number, logit) in logits.iter().enumerate() {
        let mut place = taken;
        while place > 0 && is_less(logits[ids[place - 1] as usize], *logit) {
            place -= 1;
        }
        if place < ids.len() {
            taken = (taken + 1).min(ids.len());
            ids[place..taken].rotate_right(1);
            ids[place] = number as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_are_taken_in_their_order() {
        let (mut ids, mut weights) = ([0; 6], [0.0; 6]);
        let logits = [1.0, 3.0, 3.0, 2.0, f32::NAN, 0.0, 0.0, 0.0];
        top_k(&logits, 4, 3, Weights::OfTaken, &mut ids, &mut weights);
        assert_eq!(ids, [1, 2, 3, 1, 2, 3]);
        assert!((weights[..3].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(weights[0], weights[1]);
    }

    #[test]
    fn weights_of_all_leave_a_rest_to_those_not_taken() {
        let (mut ids, mut weights) = ([0; 2], [0.0; 2]);
        top_k(&[0.0, 1.0, 2.0], 3, 2, Weights::OfAll, &mut ids, &mut weights);
        let sum = 1.0 + 1.0_f64.exp() + 2.0_f64.exp();
        assert_eq!(ids, [2, 1]);
        assert!((f64::from(weights[0]) - 2.0_f64.exp() / sum).abs() < 1e-6);
        assert!((f64::from(weights[1]) - 1.0_f64.exp() / sum).abs() < 1e-6);
    }

    #[test]
    fn the_attention_router_is_a_softmax_over_keys() {
        let (query, key, value) = ([0.5, -1.0, 2.0], [0.3, 0.7, -0.2], [1.0, -2.0, 4.0]);
        let x: Vec<f32> = [query, key, value].concat().iter().map(|value| *value as f32).collect();
        let mut out = [0.0; 3];
        attention_router(&x, 3, &mut out);
        for (out, query) in out.iter().zip(query) {
            let powers = key.map(|key: f64| (query * key).exp());
            let sum: f64 = powers.iter().sum();
            let expected: f64 = powers.iter().zip(value).map(|(power, value)| power / sum * value).sum();
            assert!((f64::from(*out) - expected).abs() < 1e-6, "{out} {expected}");
        }
    }
}
