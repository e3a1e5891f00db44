//! The output layer with its loss: logits exist for a part of the vocabulary at a time, and are computed again for their gradients.

use rayon::prelude::*;
use yuan_kernels::Running;
use yuan_kernels::gemm::{Inputs, Left, Product, Right, Start, View, multiply};
use yuan_kernels::training::cross_entropy_backward;

use super::weight::{Weight, sized};
use crate::loss::Predictions;

/// Tokens of a part of the vocabulary: a multiple of 32.
const PART: usize = 512;
/// Rows whose logits of a part are in memory at once.
const ROWS: usize = 2048;

/// Arrays used again and again.
#[derive(Default)]
pub(super) struct Room {
    logits: Vec<f32>,
    left: Left,
    across: Right,
    d_left: Left,
    d_rows: Vec<f32>,
}

/// Where gradients go: of the rows of x, set for rows that predict; of all parameters, added; and what the loss is multiplied by.
pub(super) struct Gradients<'a> {
    pub scale: f32,
    pub dx: &'a mut [f32],
    pub parameters: &'a mut [f32],
}

/// The weighted sum of the negative logarithms of the probabilities of what x, `[rows, hidden]`, predicts.
pub(super) fn loss(
    x: &[f32],
    head: &mut Weight,
    values: &[f32],
    predictions: &Predictions,
    room: &mut Room,
    mut gradients: Option<Gradients>,
) -> f64 {
    let Predictions { rows, targets, weights } = predictions;
    let (vocab_size, hidden, precision) = (head.out(), head.columns(), head.precision());
    let parts: Vec<_> = (0..vocab_size).step_by(PART).map(|first| first..vocab_size.min(first + PART)).collect();
    let mut sum = 0.0;
    for ((rows, targets), weights) in rows.chunks(ROWS).zip(targets.chunks(ROWS)).zip(weights.chunks(ROWS)) {
        let x = View::new(x, hidden).gather(rows);
        room.left.pack(x, Inputs::Along, precision);
        let mut running = vec![Running::default(); rows.len()];
        for part in &parts {
            let logits = sized(&mut room.logits, rows.len() * part.len());
            let product = (&room.left, head.along(values), part.clone());
            multiply(&mut [Product::of_part(product.0, product.1, product.2, 0, Start::Zero, logits, part.len())]);
            let tasks = logits.par_chunks_exact(part.len()).zip(&mut running).zip(targets).with_min_len(16);
            tasks.for_each(|((logits, running), target)| {
                running.read(logits, (*target as usize).checked_sub(part.start));
            });
        }
        sum -=
            running.iter().zip(weights).map(|(it, weight)| f64::from(*weight) * f64::from(it.log_prob())).sum::<f64>();
        let Some(Gradients { scale, dx, parameters }) = &mut gradients else { continue };
        let scales: Vec<f32> = weights.iter().map(|weight| *scale * weight).collect();
        let log_sums: Vec<f32> = running.iter().map(Running::log_sum).collect();
        room.across.pack(x, Inputs::Across, precision);
        let d_rows = sized(&mut room.d_rows, rows.len() * hidden);
        let place = head.place();
        for part in &parts {
            let logits = sized(&mut room.logits, rows.len() * part.len());
            let along = head.along(values);
            multiply(&mut [Product::of_part(&room.left, along, part.clone(), 0, Start::Zero, logits, part.len())]);
            cross_entropy_backward(logits, part.len(), &log_sums, &scales, |row| {
                (targets[row] as usize).checked_sub(part.start).filter(|target| *target < part.len())
            });
            let logits = View::new(logits, part.len());
            room.d_left.pack(logits, Inputs::Along, precision);
            let start = if part.start == 0 { Start::Zero } else { Start::Accumulate };
            let across = head.across(values);
            multiply(&mut [Product::of_part(&room.d_left, across, 0..hidden, part.start, start, d_rows, hidden)]);
            room.d_left.pack(logits, Inputs::Across, precision);
            let own = &mut parameters[place.start + part.start * hidden..place.start + part.end * hidden];
            multiply(&mut [Product::new(&room.d_left, &room.across, Start::Accumulate, own, hidden)]);
        }
        for (row, d) in rows.iter().zip(d_rows.chunks_exact(hidden)) {
            dx[*row as usize * hidden..][..hidden].copy_from_slice(d);
        }
    }
    sum
}
