//! y = x·Wᵀ for language models on a CPU: fast, and the same bits always.
//!
//! Every element of y is one chain of fused multiply-adds, `sum = fma(x[k], w[k], sum)` for k = 0, 1, … from 0, the bias, or
//! what y held ([`Start`]). Vectors lie across outputs, never along k, and a sum is carried unbroken from block to block: no bit
//! depends on the number of threads, on how many rows are computed together, on how the work is cut or on the CPU's
//! instructions ([`crate::isa`]). Weights of 16 bits stand for the f32 they are. [`Precision::Bf16`] is another order of sums, as
//! exactly kept.
//!
//! Work runs on the current rayon pool.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) mod amx;
mod buffer;
mod drive;
mod emulate;
mod experts;
mod matrix;
mod narrow;
mod product;
mod rounded;
mod side;
mod tile;
mod transpose;
pub(crate) mod vector;
mod view;
mod widen;
mod x;

pub use drive::Start;
pub use experts::{Chosen, experts, grouped};
pub use matrix::{DType, Matrix, Precision, Rows};
pub use product::{Product, multiply};
pub use side::{Inputs, Left, Right};
pub use view::View;
pub use x::{Gate, activate};

use drive::{Segment, products};
use x::Source;

/// Outputs of a panel of packed weights.
pub(crate) const PANEL: usize = 32;

/// Inputs whose products are added up before they meet the sum in [`Precision::Bf16`].
pub(crate) const STEP: usize = 32;

/// y `[rows, out]` from x `[rows, columns]` and W.
///
/// # Panics
/// If x, y or the bias are of another length than W and the number of rows give.
pub fn matmul(x: &[f32], w: &Matrix, start: Start, y: &mut [f32]) {
    let rows = x.len() / w.columns();
    assert_eq!(x.len(), rows * w.columns(), "{} values of x for rows of {}", x.len(), w.columns());
    assert_eq!(y.len(), rows * w.out(), "{} values of y for {rows} rows of {}", y.len(), w.out());
    products(Source { x, row_of: None, gate: None }, &[Segment { matrix: w, rows: 0..rows }], start, y);
}

/// The second product of an MLP: y `[rows, out]` from rows of x, `[gate.inputs(columns)]` each, that go through `gate` first.
///
/// # Panics
/// If x or y are of another length than W and the number of rows give.
pub fn matmul_gated(x: &[f32], gate: Gate, w: &Matrix, y: &mut [f32]) {
    let inputs = gate.inputs(w.columns());
    let rows = x.len() / inputs;
    assert_eq!(x.len(), rows * inputs, "{} values of x for rows of {inputs}", x.len());
    assert_eq!(y.len(), rows * w.out(), "{} values of y for {rows} rows of {}", y.len(), w.out());
    products(Source { x, row_of: None, gate: Some(gate) }, &[Segment { matrix: w, rows: 0..rows }], Start::Zero, y);
}
