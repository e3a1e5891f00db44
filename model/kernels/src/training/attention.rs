//! Causal attention and its gradients, by blocks of queries; of scores, only those of a block exist (Dao 2023, arXiv:2307.08691).

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use crate::exp::exp;
use crate::gemm::{Inputs, Left, Precision, Product, Right, Start, View};
use crate::isa::{Isa, force, multiversion};
use crate::norm::{LANES, total};
use crate::rows::for_each_row;

/// Queries of a block.
const BLOCK: usize = 128;
/// Where a block's first key may lie: what parts of products begin at.
const KEYS: usize = 32;

/// Queries with their keys and values, as Yuan lays them out: a head's query lies before its key.
#[derive(Clone, Copy, Debug)]
pub struct CausalAttention<'a> {
    /// Heads.
    pub heads: usize,
    /// Values of a head's query, key or value.
    pub width: usize,
    /// What products of query and key are multiplied by.
    pub scale: f32,
    /// Of products.
    pub precision: Precision,
    /// `[rows, heads, 2, width]`: query and key of each head.
    pub queries_and_keys: &'a [f32],
    /// `[rows, heads, width]`.
    pub values: &'a [f32],
    /// The rows of each sequence; they lie end to end and cover all.
    pub sequences: &'a [Range<usize>],
    /// For each row the first key it sees, from its sequence's first; it never falls within a sequence, and none lies behind its own
    /// row.
    pub first_keys: &'a [u32],
}

impl<'a> CausalAttention<'a> {
    fn tasks(&self) -> Vec<Task<'a>> {
        let rows = self.first_keys.len();
        let covers = self.sequences.last().map_or(0, |last| last.end) == rows;
        assert!(covers && self.values.len() == rows * self.heads * self.width, "arrays fit each other");
        assert_eq!(self.queries_and_keys.len(), 2 * self.values.len(), "arrays fit each other");
        let heads = |rows: &Range<usize>| {
            let rows = rows.clone();
            (0..self.heads).map(move |head| Task { all: *self, rows: rows.clone(), head })
        };
        self.sequences.iter().flat_map(heads).collect()
    }
}

/// One head of one sequence.
struct Task<'a> {
    all: CausalAttention<'a>,
    rows: Range<usize>,
    head: usize,
}

/// A block of queries and the keys that one of them sees, from a sequence's first.
struct Block {
    queries: Range<usize>,
    keys: Range<usize>,
}

impl<'a> Task<'a> {
    fn view(&self, values: &'a [f32], columns: usize, first: usize) -> View<'a> {
        View::new(values, columns).rows(self.rows.clone()).columns(first..first + self.all.width)
    }

    fn queries(&self) -> View<'a> {
        let CausalAttention { heads, width, queries_and_keys, .. } = self.all;
        self.view(queries_and_keys, 2 * heads * width, 2 * self.head * width)
    }

    fn keys(&self) -> View<'a> {
        let CausalAttention { heads, width, queries_and_keys, .. } = self.all;
        self.view(queries_and_keys, 2 * heads * width, (2 * self.head + 1) * width)
    }

    /// This head of `values`, or of an array like them.
    fn of(&self, values: &'a [f32]) -> View<'a> {
        self.view(values, self.all.heads * self.all.width, self.head * self.all.width)
    }

    fn blocks(&self) -> impl Iterator<Item = Block> {
        let first_keys = &self.all.first_keys[self.rows.clone()];
        (0..self.rows.len()).step_by(BLOCK).map(|first| {
            let queries = first..self.rows.len().min(first + BLOCK);
            Block { keys: first_keys[first] as usize / KEYS * KEYS..queries.end, queries }
        })
    }

    /// The keys that a query sees, from the block's first.
    fn seen(&self, block: &Block, query: usize) -> Range<usize> {
        let first = self.all.first_keys[self.rows.start + query] as usize;
        first - block.keys.start..query + 1 - block.keys.start
    }
}

/// Attention: `[rows, heads, width]`; and for the way back the logarithm of the sum of each row's powers, `[heads, rows]`.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn attend(attention: CausalAttention, out: &mut [f32], log_sums: &mut [f32]) {
    let CausalAttention { heads, width, .. } = attention;
    let tasks = attention.tasks();
    let rows = attention.first_keys.len();
    assert!(out.len() == attention.values.len() && log_sums.len() == heads * rows, "arrays fit each other");
    let isa = Isa::current();
    let parts: Vec<(Vec<f32>, Vec<f32>)> =
        tasks.par_iter().with_max_len(1).map(|task| force(isa, || with_room(|room| forward(task, room)))).collect();
    gather(&attention, out, heads * width, &|head, row, out| {
        let (values, _) = &parts[row.0 * heads + head];
        out[head * width..][..width].copy_from_slice(&values[row.1 * width..][..width]);
    });
    for (task, (_, sums)) in tasks.iter().zip(&parts) {
        log_sums[task.head * rows..][task.rows.clone()].copy_from_slice(sums);
    }
}

/// The gradients of `queries_and_keys` and `values` from that of the attention, all of the shapes they have; `out` and `log_sums` are what
/// [`attend`] gave.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn attend_backward(
    attention: CausalAttention,
    out: &[f32],
    log_sums: &[f32],
    d_out: &[f32],
    d_queries_and_keys: &mut [f32],
    d_values: &mut [f32],
) {
    let CausalAttention { heads, width, values, .. } = attention;
    let tasks = attention.tasks();
    assert!(out.len() == values.len() && d_out.len() == values.len() && d_values.len() == values.len(), "arrays fit");
    assert!(d_queries_and_keys.len() == 2 * values.len(), "arrays fit each other");
    assert_eq!(log_sums.len(), heads * attention.first_keys.len(), "a sum for each row of a head");
    let isa = Isa::current();
    let run = |task: &Task| force(isa, || with_room(|room| backward(task, out, log_sums, d_out, room)));
    let parts: Vec<Gradients> = tasks.par_iter().with_max_len(1).map(run).collect();
    gather(&attention, d_values, heads * width, &|head, row, to| {
        let part = &parts[row.0 * heads + head];
        to[head * width..][..width].copy_from_slice(&part.values[row.1 * width..][..width]);
    });
    gather(&attention, d_queries_and_keys, 2 * heads * width, &|head, row, to| {
        let (part, from) = (&parts[row.0 * heads + head], row.1 * width..(row.1 + 1) * width);
        let (query, key) = to[2 * head * width..][..2 * width].split_at_mut(width);
        query.copy_from_slice(&part.queries[from.clone()]);
        key.copy_from_slice(&part.keys[from]);
    });
}

/// What takes a head's values of a row, named by its sequence and its place in it, to where they belong in the whole row.
type Copy<'a> = dyn Fn(usize, (usize, usize), &mut [f32]) + Sync + 'a;

/// Copies what the tasks made to the rows it belongs to.
fn gather(attention: &CausalAttention, to: &mut [f32], columns: usize, copy: &Copy) {
    for_each_row(to, columns, |row, to| {
        let sequence = attention.sequences.partition_point(|sequence| sequence.end <= row);
        let place = row - attention.sequences[sequence].start;
        (0..attention.heads).for_each(|head| copy(head, (sequence, place), to));
    });
}

/// What a task works in.
#[derive(Default)]
struct Room {
    left: Left,
    rights: [Right; 4],
    scores: Vec<f32>,
    d_scores: Vec<f32>,
}

thread_local! {
    static KEPT: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// Gives `f` a room that this thread keeps for its next task: fresh memory costs more than what is done in it.
fn with_room<R>(f: impl FnOnce(&mut Room) -> R) -> R {
    let mut room = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = f(&mut room);
    KEPT.with_borrow_mut(|kept| kept.push(room));
    result
}

/// As many numbers of a vector that grows as need be.
fn sized(values: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if values.len() < len {
        values.resize(len, 0.0);
    }
    &mut values[..len]
}

/// Attention of a head, `[rows, width]`, and the logarithms of the sums, `[rows]`.
fn forward(task: &Task, room: &mut Room) -> (Vec<f32>, Vec<f32>) {
    let CausalAttention { width, scale, precision, .. } = task.all;
    let rows = task.rows.len();
    let Room { left, rights: [keys, values, ..], scores: room, .. } = room;
    keys.pack_here(task.keys(), Inputs::Along, precision);
    values.pack_here(task.of(task.all.values), Inputs::Across, precision);
    let (mut out, mut log_sums) = (vec![0.0; rows * width], vec![0.0; rows]);
    for block in task.blocks() {
        let (count, first) = (block.keys.len(), block.keys.start);
        let scores = sized(room, block.queries.len() * count);
        left.pack_here(task.queries().rows(block.queries.clone()), Inputs::Along, precision);
        Product::of_part(left, keys, block.keys.clone(), 0, Start::Zero, scores, count).run();
        let out = &mut out[block.queries.start * width..block.queries.end * width];
        let mut sums = [0.0; BLOCK];
        for ((query, scores), sum) in block.queries.clone().zip(scores.chunks_exact_mut(count)).zip(&mut sums) {
            let max;
            (max, *sum) = powers(scores, task.seen(&block, query), scale);
            log_sums[query] = max + libm::logf(*sum);
        }
        left.pack_here(View::new(scores, count), Inputs::Along, precision);
        Product::of_part(left, values, 0..width, first, Start::Zero, out, width).run();
        for (out, sum) in out.chunks_exact_mut(width).zip(&sums) {
            out.iter_mut().for_each(|out| *out /= sum);
        }
    }
    (out, log_sums)
}

/// Gradients of a head, `[rows, width]` each.
struct Gradients {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

fn backward<'a>(task: &Task<'a>, out: &'a [f32], log_sums: &[f32], d_out: &'a [f32], room: &mut Room) -> Gradients {
    let CausalAttention { width, scale, precision, first_keys, .. } = task.all;
    let rows = task.rows.len();
    let log_sums = &log_sums[task.head * first_keys.len()..][task.rows.clone()];
    let (out, d_out) = (task.of(out), task.of(d_out));
    let Room { left, rights: [keys, keys_across, values, right], scores, d_scores } = room;
    keys.pack_here(task.keys(), Inputs::Along, precision);
    keys_across.pack_here(task.keys(), Inputs::Across, precision);
    values.pack_here(task.of(task.all.values), Inputs::Along, precision);
    let zeros = || vec![0.0; rows * width];
    let mut d = Gradients { queries: zeros(), keys: zeros(), values: zeros() };
    for block in task.blocks() {
        let (count, first) = (block.keys.len(), block.keys.start);
        let shares = sized(scores, block.queries.len() * count);
        let d_shares = sized(d_scores, block.queries.len() * count);
        let queries = task.queries().rows(block.queries.clone());
        let d_rows = d_out.rows(block.queries.clone());
        left.pack_here(queries, Inputs::Along, precision);
        Product::of_part(left, keys, block.keys.clone(), 0, Start::Zero, shares, count).run();
        left.pack_here(d_rows, Inputs::Along, precision);
        Product::of_part(left, values, block.keys.clone(), 0, Start::Zero, d_shares, count).run();
        let both = shares.chunks_exact_mut(count).zip(d_shares.chunks_exact_mut(count));
        for (query, (shares, d_scores)) in block.queries.clone().zip(both) {
            let pull = dot(out.row(query), d_out.row(query));
            weigh(shares, d_scores, task.seen(&block, query), scale, log_sums[query], pull);
        }
        let span = first * width..block.keys.end * width;
        left.pack_here(View::new(shares, count), Inputs::Across, precision);
        right.pack_here(d_rows, Inputs::Across, precision);
        Product::new(left, right, Start::Accumulate, &mut d.values[span.clone()], width).run();
        left.pack_here(View::new(d_shares, count), Inputs::Across, precision);
        right.pack_here(queries, Inputs::Across, precision);
        Product::new(left, right, Start::Accumulate, &mut d.keys[span], width).run();
        left.pack_here(View::new(d_shares, count), Inputs::Along, precision);
        let d_queries = &mut d.queries[block.queries.start * width..block.queries.end * width];
        Product::of_part(left, keys_across, 0..width, first, Start::Zero, d_queries, width).run();
    }
    d
}

multiversion! {
    /// Replaces the scores that are seen by powers of e, the others by 0; the largest score, scaled, and the sum.
    fn powers(scores: &mut [f32], seen: Range<usize>, scale: f32) -> (f32, f32) {
        scores[..seen.start].fill(0.0);
        scores[seen.end..].fill(0.0);
        let scores = &mut scores[seen];
        let mut maxima = [f32::NEG_INFINITY; LANES];
        for scores in scores.chunks(LANES) {
            for (max, score) in maxima.iter_mut().zip(scores) {
                *max = if *score > *max { *score } else { *max };
            }
        }
        let max = scale * maxima.iter().fold(f32::NEG_INFINITY, |max, other| if *other > max { *other } else { max });
        let mut sums = [0.0_f32; LANES];
        let (whole, rest) = scores.as_chunks_mut::<LANES>();
        for scores in whole {
            for (sum, score) in sums.iter_mut().zip(scores) {
                *score = exp(scale * *score - max);
                *sum += *score;
            }
        }
        for (sum, score) in sums.iter_mut().zip(rest) {
            *score = exp(scale * *score - max);
            *sum += *score;
        }
        (max, total(sums))
    }

    /// Replaces scores by their shares, and the shares' gradients by those of the scores; both by 0 where nothing is seen.
    fn weigh(scores: &mut [f32], d: &mut [f32], seen: Range<usize>, scale: f32, log_sum: f32, pull: f32) {
        for values in [&mut *scores, &mut *d] {
            values[..seen.start].fill(0.0);
            values[seen.end..].fill(0.0);
        }
        for (score, d) in scores[seen.clone()].iter_mut().zip(&mut d[seen]) {
            *score = exp(scale * *score - log_sum);
            *d = *score * (*d - pull) * scale;
        }
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum = a.mul_add(*b, *sum);
            }
        }
        total(sums)
    }
}

#[cfg(test)]
mod tests;
