//! A layer, there and back.

use std::ops::Range;

use yuan_kernels::gemm::{Precision, Start, View};
use yuan_kernels::training::{CausalAttention, Into, attend, attend_backward, rms_norm_backward, taps, taps_backward};
use yuan_kernels::{Heads, add, rms_norm, rope};
use yuan_model::Angles;
use yuan_model::config::{FILTER_EPS, Yuan};

use super::experts;
use super::multiply::Hands;
use super::weight::{Layer, add_bias, sized, zeros};
use crate::RouterLoad;

/// What all layers need of a batch.
pub(super) struct Input<'a> {
    pub config: &'a Yuan,
    pub precision: Precision,
    pub sequences: &'a [Range<usize>],
    pub first_keys: &'a [u32],
    pub angles: Angles,
    /// All parameters.
    pub values: &'a [f32],
}

/// What the way back needs of a layer: `[rows, …]` each.
#[derive(Default)]
pub(super) struct Saved {
    x: Vec<f32>,
    normed: Vec<f32>,
    /// Between the convolutions.
    inner: Vec<f32>,
    /// Before the filter's norm.
    sum: Vec<f32>,
    filtered: Vec<f32>,
    queries_and_keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    log_sums: Vec<f32>,
    /// Behind attention.
    middle: Vec<f32>,
    post_normed: Vec<f32>,
    pub experts: experts::Saved,
}

/// Arrays used again and again.
#[derive(Default)]
pub(super) struct Room {
    pub hands: Hands,
    pub experts: experts::Room,
    taps: Vec<f32>,
    d_hidden: Vec<f32>,
    d_normed: Vec<f32>,
    d_sum: Vec<f32>,
    d_attended: Vec<f32>,
    d_queries_and_keys: Vec<f32>,
    d_values: Vec<f32>,
    d_inner: Vec<f32>,
}

impl Input<'_> {
    fn attention<'a>(&'a self, both: &'a [f32], values: &'a [f32]) -> CausalAttention<'a> {
        CausalAttention {
            heads: self.config.heads,
            width: self.config.head_dim(),
            scale: 1.0 / (self.config.head_dim() as f32).sqrt(),
            precision: self.precision,
            queries_and_keys: both,
            values,
            sequences: self.sequences,
            first_keys: self.first_keys,
        }
    }

    /// Turns queries and keys, with `sin` as it is or the other way round.
    fn turn(&self, both: &mut [f32], sin: &[f32]) {
        let (count, width) = (2 * self.config.heads, self.config.head_dim());
        let heads = Heads { first_column: 0, count, width };
        rope(both, count * width, heads, &self.angles.cos, sin, self.angles.half);
    }

    fn of(&self, place: &Range<usize>) -> &[f32] {
        &self.values[place.clone()]
    }
}

/// Replaces x, `[rows, hidden]`, by what the layer makes of it; tells how the router spread its tokens.
pub(super) fn forward(
    layer: &mut Layer,
    input: &Input,
    x: &mut [f32],
    saved: &mut Saved,
    room: &mut Room,
) -> Option<RouterLoad> {
    let Yuan { hidden_size: hidden, attention_width: width, rms_norm_eps, .. } = *input.config;
    let (rows, eps, values) = (x.len() / hidden, rms_norm_eps as f32, input.values);
    let hands = &mut room.hands;
    sized(&mut saved.x, x.len()).copy_from_slice(x);
    let normed = sized(&mut saved.normed, x.len());
    rms_norm(x, input.of(&layer.input_norm), eps, normed);

    let pairs = sized(&mut room.taps, 2 * x.len());
    taps(normed, hidden, input.sequences, pairs);
    let inner = sized(&mut saved.inner, x.len() / 2);
    let bias = Start::Bias(input.of(&layer.first_bias));
    hands.forward(View::new(pairs, 2 * hidden), &mut layer.first, values, bias, inner);
    let pairs = sized(&mut room.taps, x.len());
    taps(inner, hidden / 2, input.sequences, pairs);
    let sum = sized(&mut saved.sum, x.len());
    let bias = Start::Bias(input.of(&layer.second_bias));
    hands.forward(View::new(pairs, hidden), &mut layer.second, values, bias, sum);
    add(sum, normed);
    let filtered = sized(&mut saved.filtered, x.len());
    rms_norm(sum, input.of(&layer.filter_norm), FILTER_EPS, filtered);

    let both = sized(&mut saved.queries_and_keys, 2 * rows * width);
    hands.forward(View::new(filtered, hidden), &mut layer.queries_and_keys, values, Start::Zero, both);
    input.turn(both, &input.angles.sin);
    let own = sized(&mut saved.values, rows * width);
    hands.forward(View::new(normed, hidden), &mut layer.values, values, Start::Zero, own);
    let attended = sized(&mut saved.attended, rows * width);
    attend(input.attention(both, own), attended, sized(&mut saved.log_sums, rows * input.config.heads));
    hands.forward(View::new(attended, width), &mut layer.output, values, Start::Accumulate, x);

    sized(&mut saved.middle, x.len()).copy_from_slice(x);
    let normed = sized(&mut saved.post_normed, x.len());
    rms_norm(x, input.of(&layer.post_norm), eps, normed);
    experts::forward(&mut layer.feed_forward, normed, values, &mut saved.experts, (&mut room.experts, hands), x)
}

/// Replaces the gradient of what the layer made by that of what it was given, and adds those of its parameters; `balance` is what the
/// auxiliary loss counts. What was saved is used up.
pub(super) fn backward(
    layer: &mut Layer,
    input: &Input,
    dx: &mut [f32],
    saved: &mut Saved,
    room: &mut Room,
    balance: f32,
    gradients: &mut [f32],
) {
    let Yuan { hidden_size: hidden, attention_width: width, rms_norm_eps, .. } = *input.config;
    let (rows, eps, values) = (dx.len() / hidden, rms_norm_eps as f32, input.values);
    let hands = &mut room.hands;
    let d_hidden = sized(&mut room.d_hidden, dx.len());
    experts::backward(
        &mut layer.feed_forward,
        &saved.post_normed,
        dx,
        values,
        &mut saved.experts,
        (&mut room.experts, hands),
        balance,
        gradients,
        d_hidden,
    );
    let d_weight = &mut gradients[layer.post_norm.clone()];
    rms_norm_backward(&saved.middle, input.of(&layer.post_norm), eps, d_hidden, Into::Add, dx, d_weight);

    hands.weight_gradient(View::new(dx, hidden), View::new(&saved.attended, width), &layer.output, gradients);
    let d_attended = sized(&mut room.d_attended, rows * width);
    hands.input_gradient(View::new(dx, hidden), &mut layer.output, values, Start::Zero, d_attended);
    let attention = input.attention(&saved.queries_and_keys, &saved.values);
    let d_both = sized(&mut room.d_queries_and_keys, 2 * rows * width);
    let d_values = sized(&mut room.d_values, rows * width);
    attend_backward(attention, &saved.attended, &saved.log_sums, d_attended, d_both, d_values);
    let back: Vec<f32> = input.angles.sin.iter().map(|sin| -sin).collect();
    input.turn(d_both, &back);
    let (d_both, filtered) = (View::new(d_both, 2 * width), View::new(&saved.filtered, hidden));
    hands.weight_gradient(d_both, filtered, &layer.queries_and_keys, gradients);
    hands.input_gradient(d_both, &mut layer.queries_and_keys, values, Start::Zero, d_hidden);
    let d_normed = sized(&mut room.d_normed, dx.len());
    hands.weight_gradient(View::new(d_values, width), View::new(&saved.normed, hidden), &layer.values, gradients);
    hands.input_gradient(View::new(d_values, width), &mut layer.values, values, Start::Zero, d_normed);

    let d_sum = sized(&mut room.d_sum, dx.len());
    let d_weight = &mut gradients[layer.filter_norm.clone()];
    rms_norm_backward(&saved.sum, input.of(&layer.filter_norm), FILTER_EPS, d_hidden, Into::Set, d_sum, d_weight);
    add(d_normed, d_sum);
    let pairs = sized(&mut room.taps, dx.len());
    taps(&saved.inner, hidden / 2, input.sequences, pairs);
    hands.weight_gradient(View::new(d_sum, hidden), View::new(pairs, hidden), &layer.second, gradients);
    add_bias(d_sum, &layer.second_bias, gradients);
    hands.input_gradient(View::new(d_sum, hidden), &mut layer.second, values, Start::Zero, pairs);
    let d_inner = zeros(&mut room.d_inner, dx.len() / 2);
    taps_backward(pairs, hidden / 2, input.sequences, d_inner);
    let pairs = sized(&mut room.taps, 2 * dx.len());
    taps(&saved.normed, hidden, input.sequences, pairs);
    hands.weight_gradient(View::new(d_inner, hidden / 2), View::new(pairs, 2 * hidden), &layer.first, gradients);
    add_bias(d_inner, &layer.first_bias, gradients);
    hands.input_gradient(View::new(d_inner, hidden / 2), &mut layer.first, values, Start::Zero, pairs);
    taps_backward(pairs, hidden, input.sequences, d_normed);
    let d_weight = &mut gradients[layer.input_norm.clone()];
    rms_norm_backward(&saved.x, input.of(&layer.input_norm), eps, d_normed, Into::Add, dx, d_weight);
}
