//! Causal attention by blocks of keys, without a matrix of all scores (Dao 2023, arXiv:2307.08691).
//!
//! Blocks of keys begin at multiples of 128 of a sequence's own keys, and what a row does not see adds nothing: a row
//! gets the same bits alone, in a batch, in prefill and in decoding.
//!
//! This is so while all values are finite. A key that a row does not see may hold anything, and its values are multiplied by 0:
//! where they are infinite or no numbers, so is the row's result, if the key lies in a block that the row or one of the 31
//! computed beside it sees anything of; in any other block nobody looks at them.

mod keys;
mod product;

use std::ops::Range;

use rayon::prelude::*;

pub use keys::Keys;

use self::keys::PANEL;
use self::product::Product;
use crate::exp::exp;
use crate::gemm::vector::{Eight, Vector};
use crate::isa::{Isa, force};
use crate::norm::{LANES, total};

/// Keys of a block.
const BLOCK: usize = 128;
/// Rows of queries of a task.
const ROWS: usize = 32;

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
    /// Its values, a row for each key; finite, even where a row does not see them (see the module).
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

/// What a task writes to, used again for each of its heads.
struct Scratch {
    queries: Vec<f32>,
    sums: Vec<f32>,
    scores: Vec<[f32; BLOCK]>,
    running: Vec<Running>,
}

fn run(task: &Task<'_>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256, __m512};

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn avx512(task: &Task<'_>, out: &mut [f32]) {
            run_with::<__m512, 8>(task, out);
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2(task: &Task<'_>, out: &mut [f32]) {
            run_with::<__m256, 4>(task, out);
        }
        match Isa::current() {
            // SAFETY: `Isa::current` names only paths whose instructions this CPU has.
            Isa::Avx512 | Isa::Amx => return unsafe { avx512(task, out) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(task, out) },
            Isa::Portable => {}
        }
    }
    run_with::<Eight, 4>(task, out);
}

/// With vectors `V`, and `R` rows of queries at a time.
#[inline(always)]
fn run_with<V: Vector, const R: usize>(task: &Task<'_>, out: &mut [f32]) {
    let width = task.sequence.keys.width();
    let group = task.shape.heads / task.sequence.keys.heads();
    let rows = task.rows.len();
    let mut seen = Vec::with_capacity(rows);
    for row in task.rows.clone() {
        seen.push(task.seen(row));
    }
    let first = seen.iter().map(|seen| seen.start.min(seen.end)).min().unwrap_or(0) / BLOCK * BLOCK;
    let last = seen.iter().map(|seen| seen.end).max().unwrap_or(0);
    let mut scratch = Scratch {
        queries: vec![0.0; rows * width],
        sums: vec![0.0; rows * width],
        scores: vec![[0.0; BLOCK]; rows],
        running: vec![Running { max: 0.0, sum: 0.0 }; rows],
    };
    for head in 0..group {
        for (row, query) in scratch.queries.chunks_exact_mut(width).enumerate() {
            let Columns { data, columns, first_column } = task.queries;
            let column = first_column + (task.kv_head * group + head) * width;
            query.copy_from_slice(&data[(task.rows.start + row) * columns + column..][..width]);
        }
        scratch.sums.fill(0.0);
        scratch.running.fill(Running { max: f32::NEG_INFINITY, sum: 0.0 });
        for block in (first..last).step_by(BLOCK) {
            let keys = block..(block + BLOCK).min(last);
            products::<V, R>(task, &mut scratch, keys.clone());
            for (row, seen) in seen.iter().enumerate() {
                let sums = &mut scratch.sums[row * width..][..width];
                let seen = clip(seen, &keys);
                weigh(&mut scratch.scores[row], seen, task.shape.scale, &mut scratch.running[row], sums);
            }
            gather::<V, R>(task, &mut scratch, keys);
        }
        for (row, seen) in seen.iter().enumerate() {
            let out = &mut out[(row * group + head) * width..][..width];
            if seen.is_empty() {
                mean(task, out);
            } else {
                let sum = scratch.running[row].sum;
                for (out, value) in out.iter_mut().zip(&scratch.sums[row * width..][..width]) {
                    *out = value / sum;
                }
            }
        }
    }
}

/// The part of `seen` in `block`, counted from the block's first key.
#[inline(always)]
fn clip(seen: &Range<usize>, block: &Range<usize>) -> Range<usize> {
    let (start, end) = (seen.start.clamp(block.start, block.end), seen.end.clamp(block.start, block.end));
    start - block.start..end - block.start
}

/// `scores[row, key] = query · key`, each one chain of multiply-adds over the values of a head.
#[inline(always)]
fn products<V: Vector, const R: usize>(task: &Task<'_>, scratch: &mut Scratch, keys: Range<usize>) {
    let (width, rows) = (task.sequence.keys.width(), scratch.running.len());
    for scores in &mut scratch.scores {
        scores.fill(0.0);
    }
    for (number, panel) in (keys.start / PANEL..keys.end.div_ceil(PANEL)).enumerate() {
        let panel = task.sequence.keys.panel(panel, task.kv_head);
        debug_assert!(
            panel.len() == width * PANEL && scratch.queries.len() == rows * width && (number + 1) * PANEL <= BLOCK
        );
        let scores = scratch.scores.as_flattened_mut();
        let product = Product {
            a: scratch.queries.as_ptr(),
            a_stride: width,
            b: panel.as_ptr(),
            b_stride: PANEL,
            inputs: width,
            c: scores[number * PANEL..].as_mut_ptr(),
            c_stride: BLOCK,
        };
        // SAFETY: queries are [rows, width], a panel [width, PANEL], and the panel's columns lie in scores, [rows, BLOCK]. The
        // caller is compiled for V.
        unsafe { product.run::<V, R>(rows, PANEL) };
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
    let mut max = running.max;
    for lane in maxima {
        max = if lane > max { lane } else { max };
    }
    let shrink = if running.max == max { 1.0 } else { exp(running.max - max) };
    let mut powers = [0.0_f32; LANES];
    for scores in scores.as_chunks_mut::<LANES>().0 {
        for (sum, score) in powers.iter_mut().zip(scores) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    running.sum = running.sum.mul_add(shrink, total(powers));
    running.max = max;
    if shrink != 1.0 {
        for sum in sums {
            *sum *= shrink;
        }
    }
}

/// `sums[row] += Σ weight · value`, each one chain of multiply-adds over the block's keys.
#[inline(always)]
fn gather<V: Vector, const R: usize>(task: &Task<'_>, scratch: &mut Scratch, keys: Range<usize>) {
    let (width, rows) = (task.sequence.keys.width(), scratch.running.len());
    let Columns { data, columns, first_column } = task.sequence.values;
    let first = keys.start * columns + first_column + task.kv_head * width;
    let last = (keys.end - 1) * columns + first_column + task.kv_head * width;
    assert!(last + width <= data.len() && scratch.sums.len() == rows * width && keys.len() <= BLOCK);
    let product = Product {
        a: scratch.scores.as_flattened().as_ptr(),
        a_stride: BLOCK,
        b: data[first..].as_ptr(),
        b_stride: columns,
        inputs: keys.len(),
        c: scratch.sums.as_mut_ptr(),
        c_stride: width,
    };
    // SAFETY: weights are [rows, BLOCK], the block's values end within `data` as asserted, sums are [rows, width]. The caller is
    // compiled for V.
    unsafe { product.run::<V, R>(rows, width) };
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
