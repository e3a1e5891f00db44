//! Experts of a mixture: every row meets the matrices of the experts chosen for it, in one call.

use crate::gemm::buffer::scratch;
use crate::gemm::drive::{Segment, Start, products};
use crate::gemm::matrix::Matrix;
use crate::gemm::x::{Gate, Source};
use crate::isa::{Isa, force, multiversion};
use rayon::prelude::*;

/// Most elements of an intermediate array: longer batches are computed in blocks of tokens.
const BLOCK: usize = 8 << 20;

/// y `[assignments, out]`: the rows of x given to expert e times the eᵗʰ matrix, for all experts.
///
/// Expert e has assignments `offsets[e]..offsets[e + 1]`; assignment a is row `row_of[a]` of x, or row a if there is no
/// `row_of`. Tasks are cut from the rows that exist: an expert without any costs nothing.
///
/// # Panics
/// If the matrices differ in shape, `offsets` does not count up from 0 to the number of assignments with one more entry than there
/// are matrices, a row lies beyond x, or x or y are of another length than all that gives.
pub fn grouped(x: &[f32], row_of: Option<&[u32]>, offsets: &[usize], w: &[Matrix], y: &mut [f32]) {
    let Some(first) = w.first() else {
        assert!(y.is_empty() && offsets.iter().all(|&offset| offset == 0), "assignments to none of no experts");
        return;
    };
    let rows = x.len() / first.columns();
    assert_eq!(x.len(), rows * first.columns(), "{} values of x for rows of {}", x.len(), first.columns());
    let assignments = row_of.map_or(rows, <[u32]>::len);
    if let Some(row) = row_of.and_then(|row_of| row_of.iter().max()) {
        assert!((*row as usize) < rows, "an assignment of row {row} of {rows}");
    }
    assert_eq!(offsets.len(), w.len() + 1, "{} offsets for {} experts", offsets.len(), w.len());
    assert_eq!(offsets[w.len()], assignments, "offsets end before or beyond {assignments} assignments");
    assert_eq!(y.len(), assignments * first.out(), "{} values of y for {assignments} rows of {}", y.len(), first.out());
    products(Source { x, row_of, gate: None }, &segments(offsets, w), Start::Zero, y);
}

fn segments<'a>(offsets: &[usize], w: &'a [Matrix]) -> Vec<Segment<'a>> {
    let (out, columns) = (w[0].out(), w[0].columns());
    assert!(w.iter().all(|w| (w.out(), w.columns()) == (out, columns)), "experts differ in shape");
    assert!(offsets[0] == 0 && offsets.is_sorted(), "offsets do not count up from 0");
    let segment = |(rows, matrix): (&[usize], &'a Matrix)| Segment { matrix, rows: rows[0]..rows[1] };
    offsets.windows(2).zip(w).map(segment).collect()
}

/// The experts of each token, in the order their results are added.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// `[tokens, top_k]`: numbers of experts.
    pub experts: &'a [u32],
    /// `[tokens, top_k]`: what each result is multiplied by.
    pub weights: &'a [f32],
    /// Experts of a token.
    pub top_k: usize,
}

/// A mixture of MLPs: `out[t] = Σⱼ weight[t, j] · down[e](gate(gate_up[e](x[t])))`, e = experts[t, j].
///
/// x and out are `[tokens, H]`, `gate_up` `[F', H]` and `down` `[H, F]` with F' as `gate` takes it. The sum is a chain of fused
/// multiply-adds from 0 in the order of j: no bit depends on which tokens share an expert or a call. Tokens are sorted by expert
/// and multiplied with one grouped product a projection, in blocks of tokens that keep each intermediate array under 32 MiB
/// (or one token's).
///
/// # Panics
/// If shapes do not belong together or an expert's number is too large.
pub fn experts(x: &[f32], chosen: Chosen, gate_up: &[Matrix], gate: Gate, down: &[Matrix], out: &mut [f32]) {
    let Chosen { experts, weights, top_k } = chosen;
    assert_eq!(gate_up.len(), down.len(), "{} first and {} second matrices", gate_up.len(), down.len());
    assert!(!down.is_empty() && top_k > 0, "a mixture of no experts");
    let (hidden, width) = (down[0].out(), down[0].columns());
    let inner = gate.inputs(width);
    assert_eq!((gate_up[0].out(), gate_up[0].columns()), (inner, hidden), "the first matrix against {:?}", down[0]);
    let tokens = x.len() / hidden;
    assert!(x.len() == tokens * hidden && out.len() == x.len(), "{} values of x, {} of out", x.len(), out.len());
    assert!(experts.len() == tokens * top_k && weights.len() == experts.len(), "{tokens} tokens of {top_k} experts");
    if let Some(expert) = experts.iter().max() {
        assert!((*expert as usize) < down.len(), "expert {expert} of {}", down.len());
    }
    let block = (BLOCK / (top_k * inner.max(hidden))).max(1);
    let chunks = x.chunks(block * hidden).zip(out.chunks_mut(block * hidden));
    for ((x, out), (experts, weights)) in chunks.zip(experts.chunks(block * top_k).zip(weights.chunks(block * top_k))) {
        let sorted = Sorted::new(experts, top_k, down.len());
        let assignments = experts.len();
        scratch(assignments * inner, |h: &mut [f32]| {
            let source = Source { x, row_of: Some(&sorted.row_of), gate: None };
            products(source, &segments(&sorted.offsets, gate_up), Start::Zero, h);
            scratch(assignments * hidden, |y: &mut [f32]| {
                let source = Source { x: h, row_of: None, gate: Some(gate) };
                products(source, &segments(&sorted.offsets, down), Start::Zero, y);
                let isa = Isa::current();
                let places = sorted.place_of.par_chunks(top_k).zip(weights.par_chunks(top_k));
                out.par_chunks_mut(hidden)
                    .zip(places)
                    .with_min_len((1 << 15) / (hidden * top_k) + 1)
                    .for_each(|(out, (places, weights))| force(isa, || add_up(y, places, weights, out)));
            });
        });
    }
}

multiversion! {
    /// Adds weighted rows of y.
    fn add_up(y: &[f32], places: &[u32], weights: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for (&place, &weight) in places.iter().zip(weights) {
            let y = &y[place as usize * out.len()..][..out.len()];
            for (out, y) in out.iter_mut().zip(y) {
                *out = weight.mul_add(*y, *out);
            }
        }
    }
}

/// Assignments sorted by expert, and within an expert by token.
struct Sorted {
    /// The assignments of expert e are `offsets[e]..offsets[e + 1]`.
    offsets: Vec<usize>,
    /// The token of each assignment.
    row_of: Vec<u32>,
    /// `[tokens, top_k]`: where each choice went.
    place_of: Vec<u32>,
}

impl Sorted {
    fn new(experts: &[u32], top_k: usize, count: usize) -> Self {
        let mut offsets = vec![0; count + 1];
        for &expert in experts {
            offsets[expert as usize + 1] += 1;
        }
        for e in 0..count {
            offsets[e + 1] += offsets[e];
        }
        let mut next = offsets.clone();
        let mut row_of = vec![0; experts.len()];
        let mut place_of = Vec::with_capacity(experts.len());
        for (i, &expert) in experts.iter().enumerate() {
            let place = next[expert as usize];
            next[expert as usize] += 1;
            row_of[place] = (i / top_k) as u32;
            place_of.push(place as u32);
        }
        Self { offsets, row_of, place_of }
    }
}
