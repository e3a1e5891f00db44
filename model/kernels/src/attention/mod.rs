//! Causal attention by blocks of keys, without a matrix of all scores (Dao 2023, arXiv:2307.08691).
//!
//! Blocks of keys begin at multiples of 128 of a sequence's own keys, and what a row does not see adds nothing: a row
//! gets the same bits alone, in a batch, in prefill and in decoding.

mod keys;

use std::ops::Range;

use rayon::prelude::*;

pub use keys::Keys;

use crate::exp::exp;
use crate::isa::{Isa, force, multiversion};
use crate::norm::{LANES, total};

/// Keys of a block.
const BLOCK: usize = 128;
/// Rows of queries of a task.
const ROWS: usize = 32;
/// Rows that share what is loaded of keys and values.
const TOGETHER: usize = 8;

/// What is the same for all rows.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Heads of queries, a multiple of the keys' heads: neighbours share keys and values.
    pub heads: usize,
    /// What products of query and key are multiplied by.
    pub scale: f32,
    /// Keys a row sees at most, its own among them.
    pub window: Option<usize>,
}

/// Columns of an array, from `first_column` on, of rows of `columns` values.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The whole array.
    pub data: &'a [f32],
    /// Values of a row.
    pub columns: usize,
    /// The first column meant.
    pub first_column: usize,
}

/// A sequence of queries with the keys and values they may see.
#[derive(Clone, Debug)]
pub struct Sequence<'a> {
    /// Its rows in the array of queries.
    pub rows: Range<usize>,
    /// Its keys; those of its rows are the last ones.
    pub keys: &'a Keys,
    /// Its values, a row for each key.
    pub values: Columns<'a>,
    /// For each of its rows the first key it sees; all up to its own follow. A row for which that is behind its own key
    /// sees none and gets the mean of all values, as a softmax over nothing but the lowest numbers gives it.
    pub first_keys: &'a [u32],
}

/// Softmax of queries times keys, applied to the values: `[rows, heads * width]`. Sequences lie end to end and cover
/// all rows. Cost: twice `heads * width` multiply-adds for each pair of a row and a key it sees.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn attention(shape: Attention, queries: Columns<'_>, sequences: &[Sequence<'_>], out: &mut [f32]) {
    let Some(first) = sequences.first() else { return };
    let width = first.keys.width();
    let kv_heads = first.keys.heads();
    assert!(shape.heads.is_multiple_of(kv_heads), "heads share keys evenly");
    let row_values = shape.heads * width;
    let per_task = row_values / kv_heads;
    let mut tasks = Vec::new();
    let mut results = vec![0.0; out.len()];
    let mut rest = &mut results[..];
    for sequence in sequences {
        assert!(sequence.first_keys.len() == sequence.rows.len() && sequence.keys.len() >= sequence.rows.len());
        for start in sequence.rows.clone().step_by(ROWS) {
            for kv_head in 0..kv_heads {
                let rows = start..(start + ROWS).min(sequence.rows.end);
                let (own, others) = rest.split_at_mut(rows.len() * per_task);
                rest = others;
                tasks.push((Task { shape, queries, sequence, rows, kv_head }, own));
            }
        }
    }
    let isa = Isa::current();
    tasks.par_iter_mut().for_each(|(task, out)| force(isa, || run(task, out)));
    // From one part for each task to rows.
    for (task, part) in &tasks {
        for (row, values) in task.rows.clone().zip(part.chunks_exact(per_task)) {
            out[row * row_values + task.kv_head * per_task..][..per_task].copy_from_slice(values);
        }
    }
}

/// Some rows of a sequence, and the heads that share one head of keys.
struct Task<'a> {
    shape: Attention,
    queries: Columns<'a>,
    sequence: &'a Sequence<'a>,
    rows: Range<usize>,
    kv_head: usize,
}

impl Task<'_> {
    /// The keys a row sees.
    fn seen(&self, row: usize) -> Range<usize> {
        let Sequence { rows, keys, first_keys, .. } = self.sequence;
        let end = keys.len() - (rows.end - row) + 1;
        let from = self.shape.window.map_or(0, |window| end.saturating_sub(window));
        (first_keys[row - rows.start] as usize).max(from)..end
    }

    /// A row of values of the head.
    #[inline(always)]
    fn value(&self, key: usize) -> &[f32] {
        let Columns { data, columns, first_column } = self.sequence.values;
        let width = self.sequence.keys.width();
        &data[key * columns + first_column + self.kv_head * width..][..width]
    }
}

/// One row between blocks of keys.
#[derive(Clone, Copy)]
struct Running {
    max: f32,
    sum: f32,
}

multiversion! {
    fn run(task: &Task<'_>, out: &mut [f32]) {
        let width = task.sequence.keys.width();
        let group = task.shape.heads / task.sequence.keys.heads();
        let rows = task.rows.len();
        let seen: Vec<Range<usize>> = task.rows.clone().map(|row| task.seen(row)).collect();
        let first = seen.iter().map(|seen| seen.start.min(seen.end)).min().unwrap_or(0) / BLOCK * BLOCK;
        let last = seen.iter().map(|seen| seen.end).max().unwrap_or(0);
        let mut queries = vec![0.0; TOGETHER * width];
        let mut sums = vec![0.0; TOGETHER * width];
        let mut scores = [[0.0_f32; BLOCK]; TOGETHER];
        for head in 0..group {
            for start in (0..rows).step_by(TOGETHER) {
                let together = start..(start + TOGETHER).min(rows);
                for (row, query) in together.clone().zip(queries.chunks_exact_mut(width)) {
                    let Columns { data, columns, first_column } = task.queries;
                    let column = first_column + (task.kv_head * group + head) * width;
                    query.copy_from_slice(&data[(task.rows.start + row) * columns + column..][..width]);
                }
                sums.fill(0.0);
                let mut running = [Running { max: f32::NEG_INFINITY, sum: 0.0 }; TOGETHER];
                for block in (first..last).step_by(BLOCK) {
                    let keys = block..(block + BLOCK).min(last);
                    products(task, &queries, keys.clone(), &mut scores);
                    for (place, row) in together.clone().enumerate() {
                        let seen = clip(&seen[row], &keys);
                        let sums = &mut sums[place * width..][..width];
                        weigh(&mut scores[place], seen, task.shape.scale, &mut running[place], sums);
                    }
                    gather(task, keys, &scores, &mut sums);
                }
                for (place, row) in together.clone().enumerate() {
                    let out = &mut out[(row * group + head) * width..][..width];
                    let sums = &sums[place * width..][..width];
                    if seen[row].is_empty() {
                        mean(task, out);
                    } else {
                        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum / running[place].sum);
                    }
                }
            }
        }
    }
}

/// The part of `seen` in `block`, counted from the block's first key.
#[inline(always)]
fn clip(seen: &Range<usize>, block: &Range<usize>) -> Range<usize> {
    let place = |key: usize| key.clamp(block.start, block.end) - block.start;
    place(seen.start)..place(seen.end)
}

/// `scores[row, key] = query · key`, each one chain of multiply-adds over the values of a head.
#[inline(always)]
fn products(task: &Task<'_>, queries: &[f32], keys: Range<usize>, scores: &mut [[f32; BLOCK]; TOGETHER]) {
    let width = task.sequence.keys.width();
    for (number, panel) in (keys.start / LANES..keys.end.div_ceil(LANES)).enumerate() {
        let mut sums = [[0.0_f32; LANES]; TOGETHER];
        let panel = task.sequence.keys.panel(panel, task.kv_head);
        for (place, keys) in panel.as_chunks::<LANES>().0.iter().enumerate() {
            for (row, sums) in sums.iter_mut().enumerate() {
                let query = queries[row * width + place];
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = query.mul_add(*key, *sum);
                }
            }
        }
        for (scores, sums) in scores.iter_mut().zip(sums) {
            scores[number * LANES..][..LANES].copy_from_slice(&sums);
        }
    }
}

/// Scores of a row become its weights of the block's keys, 0 for those it does not see; what it has so far is scaled
/// to the new largest score.
#[inline(always)]
fn weigh(scores: &mut [f32; BLOCK], seen: Range<usize>, scale: f32, running: &mut Running, sums: &mut [f32]) {
    if seen.is_empty() {
        scores.fill(0.0);
        return;
    }
    scores[..seen.start].fill(f32::NEG_INFINITY);
    scores[seen.end..].fill(f32::NEG_INFINITY);
    let mut maxima = [f32::NEG_INFINITY; LANES];
    for scores in scores.as_chunks_mut::<LANES>().0 {
        for (max, score) in maxima.iter_mut().zip(scores) {
            *score *= scale;
            *max = if *score > *max { *score } else { *max };
        }
    }
    let max = maxima.iter().fold(running.max, |max, lane| if *lane > max { *lane } else { max });
    let shrink = if running.max == max { 1.0 } else { exp(running.max - max) };
    let mut total_of = [0.0_f32; LANES];
    for scores in scores.as_chunks_mut::<LANES>().0 {
        for (sum, score) in total_of.iter_mut().zip(scores) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    running.sum = running.sum.mul_add(shrink, total(total_of));
    running.max = max;
    if shrink != 1.0 {
        sums.iter_mut().for_each(|sum| *sum *= shrink);
    }
}

/// `sums[row] += Σ weight · value`, each one chain of multiply-adds over the block's keys.
#[inline(always)]
fn gather(task: &Task<'_>, keys: Range<usize>, weights: &[[f32; BLOCK]; TOGETHER], sums: &mut [f32]) {
    let width = task.sequence.keys.width();
    for column in (0..width).step_by(LANES) {
        let lanes = LANES.min(width - column);
        let mut own = [[0.0_f32; LANES]; TOGETHER];
        for (row, own) in own.iter_mut().enumerate() {
            own[..lanes].copy_from_slice(&sums[row * width + column..][..lanes]);
        }
        for (number, key) in keys.clone().enumerate() {
            let value = task.value(key);
            let mut values = [0.0_f32; LANES];
            match value.get(column..column + LANES) {
                Some(whole) => values.copy_from_slice(whole),
                None => values[..lanes].copy_from_slice(&value[column..]),
            }
            for (own, weights) in own.iter_mut().zip(weights) {
                let weight = weights[number];
                for (sum, value) in own.iter_mut().zip(&values) {
                    *sum = weight.mul_add(*value, *sum);
                }
            }
        }
        for (row, own) in own.iter().enumerate() {
            sums[row * width + column..][..lanes].copy_from_slice(&own[..lanes]);
        }
    }
}

/// The mean of all values.
fn mean(task: &Task<'_>, out: &mut [f32]) {
    out.fill(0.0);
    for key in 0..task.sequence.keys.len() {
        out.iter_mut().zip(task.value(key)).for_each(|(out, value)| *out += value);
    }
    out.iter_mut().for_each(|out| *out /= task.sequence.keys.len() as f32);
}

#[cfg(test)]
mod tests;
