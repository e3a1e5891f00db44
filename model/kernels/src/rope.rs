//! Rotary position embeddings (Su et al. 2021, arXiv:2104.09864), in the half-rotation of GPT-NeoX.

use crate::isa::multiversion;
use crate::rows::for_each_row;

/// Heads that lie side by side in the columns of an array.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// The first column of the first head.
    pub first_column: usize,
    /// How many there are.
    pub count: usize,
    /// Values of one head.
    pub width: usize,
}

/// Turns the first `2 * half` values of every head of every row: with `cos` and `sin` of a row, `[rows, half]`,
/// `(a, b) -> (a cos - b sin, b cos + a sin)` for values `a` in the first and `b` in the second half.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn rope(x: &mut [f32], columns: usize, heads: Heads, cos: &[f32], sin: &[f32], half: usize) {
    assert!(2 * half <= heads.width && heads.first_column + heads.count * heads.width <= columns, "heads lie in rows");
    assert!(cos.len() == sin.len() && x.len() / columns * half == cos.len(), "angles are [rows, half]");
    for_each_row(x, columns, |row, x| {
        let angles = row * half..(row + 1) * half;
        for head in x[heads.first_column..].chunks_exact_mut(heads.width).take(heads.count) {
            let (first, second) = head.split_at_mut(half);
            turn(first, &mut second[..half], &cos[angles.clone()], &sin[angles.clone()]);
        }
    });
}

multiversion! {
    fn turn(first: &mut [f32], second: &mut [f32], cos: &[f32], sin: &[f32]) {
        for (((first, second), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
            let (a, b) = (*first, *second);
            *first = a * cos - b * sin;
            *second = b * cos + a * sin;
        }
    }
}
