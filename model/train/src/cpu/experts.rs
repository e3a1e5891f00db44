//! The router and the experts of a layer, there and back.

use yuan_kernels::gemm::{Start, View};
use yuan_kernels::training::{
    Choices, add_rows, attention_router_backward, choose_backward, gate_backward, gate_weighted,
};
use yuan_kernels::{attention_router, top_k};
use yuan_model::config::Router;

use super::multiply::Hands;
use super::weight::{FeedForward, Routing, sized};
use crate::RouterLoad;

/// What the way back needs.
#[derive(Default)]
pub(super) struct Saved {
    /// What leaves the router's matrix, `[rows, experts]`, or three times as much for queries, keys and values.
    raw: Vec<f32>,
    pub logits: Vec<f32>,
    /// `[rows, top_k]`.
    ids: Vec<u32>,
    weights: Vec<f32>,
    /// The assignments of expert e are `offsets[e]..offsets[e + 1]`.
    offsets: Vec<usize>,
    /// The row of each assignment.
    row_of: Vec<u32>,
    /// `[rows, top_k]`: the assignment of each choice.
    place_of: Vec<u32>,
    /// The weight of each assignment.
    sorted: Vec<f32>,
    /// What leaves the first product, `[assignments, inner]`.
    inner: Vec<f32>,
}

/// Arrays used again and again.
#[derive(Default)]
pub(super) struct Room {
    active: Vec<f32>,
    rows: Vec<f32>,
    d_sorted: Vec<f32>,
    d_weights: Vec<f32>,
    d_logits: Vec<f32>,
    d_raw: Vec<f32>,
}

/// Adds what the experts make of m, `[rows, hidden]`, to x; tells how the router spread its tokens.
pub(super) fn forward(
    feed_forward: &mut FeedForward,
    m: &[f32],
    values: &[f32],
    saved: &mut Saved,
    (room, hands): (&mut Room, &mut Hands),
    x: &mut [f32],
) -> Option<RouterLoad> {
    let FeedForward { routing, gate, width, first, second } = feed_forward;
    let hidden = first[0].columns();
    let load = match routing {
        Some(routing) => Some(choose(routing, m, values, saved, hands)),
        None => {
            let rows = (m.len() / hidden) as u32;
            saved.row_of = (0..rows).collect();
            saved.place_of.clone_from(&saved.row_of);
            saved.offsets = vec![0, rows as usize];
            None
        }
    };
    let Saved { offsets, row_of, place_of, sorted, inner, .. } = saved;
    let assignments = row_of.len();
    let inner = sized(inner, assignments * gate.inputs(*width));
    let of = |expert: usize| offsets[expert]..offsets[expert + 1];
    hands.each_forward(|e| View::new(m, hidden).gather(&row_of[of(e)]), first, values, offsets, inner);
    let active = sized(&mut room.active, assignments * *width);
    gate_weighted(inner, *gate, load.as_ref().map(|_| &sorted[..]), *width, active);
    let rows = sized(&mut room.rows, assignments * hidden);
    hands.each_forward(|e| View::new(active, *width).rows(of(e)), second, values, offsets, rows);
    add_rows(rows, hidden, place_of, x);
    load
}

/// Logits, the experts of each row, and the rows of each expert.
fn choose(routing: &mut Routing, m: &[f32], values: &[f32], saved: &mut Saved, hands: &mut Hands) -> RouterLoad {
    let Routing { router, weight, experts, top_k: taken, of } = routing;
    let (experts, taken, hidden) = (*experts, *taken, weight.columns());
    let rows = m.len() / hidden;
    let raw = sized(&mut saved.raw, rows * weight.out());
    hands.forward(View::new(m, hidden), weight, values, Start::Zero, raw);
    let logits = sized(&mut saved.logits, rows * experts);
    match router {
        Router::Attention => attention_router(raw, experts, logits),
        Router::Classic => logits.copy_from_slice(raw),
    }
    saved.ids.resize(rows * taken, 0);
    let weights = sized(&mut saved.weights, rows * taken);
    top_k(logits, experts, taken, *of, &mut saved.ids, weights);
    saved.offsets.clear();
    saved.offsets.resize(experts + 1, 0);
    for id in &saved.ids {
        saved.offsets[*id as usize + 1] += 1;
    }
    let tokens = saved.offsets[1..].iter().map(|count| *count as u64).collect();
    for expert in 0..experts {
        saved.offsets[expert + 1] += saved.offsets[expert];
    }
    let mut next = saved.offsets.clone();
    saved.row_of.resize(rows * taken, 0);
    saved.place_of.resize(rows * taken, 0);
    let sorted = sized(&mut saved.sorted, rows * taken);
    for (choice, id) in saved.ids.iter().enumerate() {
        let place = next[*id as usize];
        next[*id as usize] += 1;
        saved.row_of[place] = (choice / taken) as u32;
        saved.place_of[choice] = place as u32;
        sorted[place] = weights[choice];
    }
    RouterLoad { tokens, entropy: 0.0, routed: rows as u64 }
}

/// The gradient of m, set, and those of the weights, added; `balance` is what the auxiliary loss counts.
#[expect(clippy::too_many_arguments, reason = "what goes in and comes out of a layer, once")]
pub(super) fn backward(
    feed_forward: &mut FeedForward,
    m: &[f32],
    dy: &[f32],
    values: &[f32],
    saved: &mut Saved,
    (room, hands): (&mut Room, &mut Hands),
    balance: f32,
    gradients: &mut [f32],
    dm: &mut [f32],
) {
    let FeedForward { routing, gate, width, first, second } = feed_forward;
    let (width, hidden) = (*width, first[0].columns());
    let inner_width = gate.inputs(width);
    let Saved { offsets, row_of, place_of, sorted, inner, .. } = saved;
    let assignments = row_of.len();
    let of = |expert: usize| offsets[expert]..offsets[expert + 1];
    let dy_of = |e: usize| View::new(dy, hidden).gather(&row_of[of(e)]);
    let active = sized(&mut room.active, assignments * width);
    hands.each_input_gradient(dy_of, second, values, offsets, active);
    let weights = routing.is_some().then_some(&sorted[..]);
    let d_sorted = routing.is_some().then(|| sized(&mut room.d_sorted, assignments));
    gate_backward(inner, *gate, weights, width, active, d_sorted);
    hands.each_weight_gradient(dy_of, |e| View::new(active, width).rows(of(e)), second, gradients);
    let d_inner = |e: usize| View::new(inner, inner_width).rows(of(e));
    hands.each_weight_gradient(d_inner, |e| View::new(m, hidden).gather(&row_of[of(e)]), first, gradients);
    let rows = sized(&mut room.rows, assignments * hidden);
    hands.each_input_gradient(d_inner, first, values, offsets, rows);
    dm.fill(0.0);
    add_rows(rows, hidden, place_of, dm);
    if let Some(routing) = routing {
        route_backward(routing, m, values, saved, (room, hands), balance, gradients, dm);
    }
}

/// Adds the gradient of m that comes by the router.
#[expect(clippy::too_many_arguments, reason = "as above")]
fn route_backward(
    routing: &mut Routing,
    m: &[f32],
    values: &[f32],
    saved: &Saved,
    (room, hands): (&mut Room, &mut Hands),
    balance: f32,
    gradients: &mut [f32],
    dm: &mut [f32],
) {
    let Routing { router, weight, experts, top_k, of } = routing;
    let Saved { raw, logits, ids, weights, offsets, place_of, .. } = saved;
    let (experts, rows) = (*experts, logits.len() / *experts);
    let d_weights = sized(&mut room.d_weights, place_of.len());
    for (d, place) in d_weights.iter_mut().zip(place_of) {
        *d = room.d_sorted[*place as usize];
    }
    let slope = |tokens: &[usize]| {
        let share = (tokens[1] - tokens[0]) as f64 / (rows * *top_k) as f64;
        (f64::from(balance) * experts as f64 * share / rows as f64) as f32
    };
    let slopes: Vec<f32> = offsets.windows(2).map(slope).collect();
    let choices = Choices { logits, experts, top_k: *top_k, of: *of, ids, weights };
    let d_logits = sized(&mut room.d_logits, logits.len());
    choose_backward(choices, d_weights, (balance != 0.0).then_some(&slopes), d_logits);
    let d_raw = match router {
        Router::Classic => d_logits,
        Router::Attention => {
            let d_raw = sized(&mut room.d_raw, raw.len());
            attention_router_backward(raw, logits, d_logits, experts, d_raw);
            d_raw
        }
    };
    let (columns, hidden) = (weight.out(), weight.columns());
    hands.weight_gradient(View::new(d_raw, columns), View::new(m, hidden), weight, gradients);
    hands.input_gradient(View::new(d_raw, columns), weight, values, Start::Accumulate, dm);
}
