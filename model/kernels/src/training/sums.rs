//! Sums over rows.

use rayon::prelude::*;

use crate::isa::{Isa, force, multiversion};
use crate::rows::for_each_row;

/// Rows whose sum is taken by one task.
pub(super) const BLOCK: usize = 128;

/// `to[c] += Σᵣ parts[r, c]`, in the order of the rows.
pub(super) fn add_up(parts: &[f32], to: &mut [f32]) {
    for part in parts.chunks_exact(to.len()) {
        for (to, part) in to.iter_mut().zip(part) {
            *to += part;
        }
    }
}

/// `to[c] += Σᵣ x[r, c]`: the gradient of a bias.
///
/// # Panics
/// If x is not whole rows as long as `to`.
pub fn add_columns(x: &[f32], to: &mut [f32]) {
    let width = to.len();
    assert!(x.len().is_multiple_of(width), "{} values for rows of {width}", x.len());
    let mut parts = vec![0.0; x.len().div_ceil(BLOCK * width) * width];
    let isa = Isa::current();
    parts.par_chunks_exact_mut(width).zip(x.par_chunks(BLOCK * width)).for_each(|(part, x)| {
        force(isa, || block(x, part));
    });
    add_up(&parts, to);
}

multiversion! {
    fn block(x: &[f32], to: &mut [f32]) {
        for x in x.chunks_exact(to.len()) {
            for (to, x) in to.iter_mut().zip(x) {
                *to += x;
            }
        }
    }
}

/// `out[r] += Σⱼ x[rows[r, j]]`, in the order of j: what experts made of each token, or its gradients.
///
/// # Panics
/// If the arrays do not fit each other or a row is not in x.
pub fn add_rows(x: &[f32], width: usize, rows: &[u32], out: &mut [f32]) {
    let count = out.len() / width;
    assert!(out.len() == count * width && (count == 0 || rows.len().is_multiple_of(count)), "as many rows for each");
    let each = rows.len().checked_div(count).unwrap_or(0);
    for_each_row(out, width, |row, out| {
        for from in &rows[row * each..][..each] {
            for (out, x) in out.iter_mut().zip(&x[*from as usize * width..][..width]) {
                *out += x;
            }
        }
    });
}

/// `out[rows[r]] += x[r]`, in the order of r: the gradient of an embedding.
///
/// # Panics
/// If the arrays do not fit each other or a row is not in `out`.
pub fn scatter_rows(x: &[f32], width: usize, rows: &[u32], out: &mut [f32]) {
    assert_eq!(x.len(), rows.len() * width, "a row for each");
    for (x, row) in x.chunks_exact(width).zip(rows) {
        for (out, x) in out[*row as usize * width..][..width].iter_mut().zip(x) {
            *out += x;
        }
    }
}
