//! Each row beside the one before it: what a causal convolution of two taps sees.

use std::ops::Range;

use crate::rows::for_each_row;

/// Of `x`, `[rows, width]`, every row behind its predecessor: `out` is `[rows, 2 * width]`. The predecessor of the first
/// row of each sequence is its part of `before`, `[sequences, width]`. Sequences lie end to end.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn pairs(x: &[f32], width: usize, sequences: &[Range<usize>], before: &[f32], out: &mut [f32]) {
    assert!(out.len() == 2 * x.len() && before.len() == sequences.len() * width, "arrays fit each other");
    for_each_row(out, 2 * width, |row, out| {
        let (previous, own) = out.split_at_mut(width);
        own.copy_from_slice(&x[row * width..][..width]);
        let number = sequences.partition_point(|sequence| sequence.end <= row);
        previous.copy_from_slice(if sequences[number].start == row {
            &before[number * width..][..width]
        } else {
            &x[(row - 1) * width..][..width]
        });
    });
}
