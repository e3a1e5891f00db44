//! What a causal convolution of two taps sees, in the order of its stored weights: `[out, in, 2]`.

use std::ops::Range;

use crate::rows::for_each_row;

/// `out[t] = [x[t − 1, 0], x[t, 0], x[t − 1, 1], x[t, 1], …]`, `[rows, 2 · width]`; before the first row of each sequence lie zeros.
/// Sequences lie end to end.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn taps(x: &[f32], width: usize, sequences: &[Range<usize>], out: &mut [f32]) {
    assert_eq!(out.len(), 2 * x.len(), "there are two taps");
    for_each_row(out, 2 * width, |row, out| {
        let own = &x[row * width..][..width];
        if is_first(sequences, row) {
            for (out, own) in out.chunks_exact_mut(2).zip(own) {
                (out[0], out[1]) = (0.0, *own);
            }
        } else {
            let previous = &x[(row - 1) * width..][..width];
            for ((out, own), previous) in out.chunks_exact_mut(2).zip(own).zip(previous) {
                (out[0], out[1]) = (*previous, *own);
            }
        }
    });
}

/// Adds to the gradient of x what that of its taps says.
///
/// # Panics
/// If the arrays do not fit each other.
pub fn taps_backward(d_taps: &[f32], width: usize, sequences: &[Range<usize>], dx: &mut [f32]) {
    assert_eq!(d_taps.len(), 2 * dx.len(), "there are two taps");
    let rows = dx.len() / width;
    for_each_row(dx, width, |row, dx| {
        let own = &d_taps[2 * row * width..][..2 * width];
        if row + 1 == rows || is_first(sequences, row + 1) {
            for (dx, own) in dx.iter_mut().zip(own.chunks_exact(2)) {
                *dx += own[1];
            }
        } else {
            let next = &d_taps[2 * (row + 1) * width..][..2 * width];
            for ((dx, own), next) in dx.iter_mut().zip(own.chunks_exact(2)).zip(next.chunks_exact(2)) {
                *dx += own[1] + next[0];
            }
        }
    });
}

/// Whether a sequence begins with a row.
fn is_first(sequences: &[Range<usize>], row: usize) -> bool {
    let number = sequences.partition_point(|sequence| sequence.end <= row);
    sequences[number].start == row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_stay_within_their_sequence() {
        let x = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        let mut out = [0.0; 12];
        taps(&x, 2, &[0..2, 2..3], &mut out);
        assert_eq!(out, [0.0, 1.0, 0.0, 10.0, 1.0, 2.0, 10.0, 20.0, 0.0, 3.0, 0.0, 30.0]);
        let mut dx = [0.0; 6];
        let d_taps: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        taps_backward(&d_taps, 2, &[0..2, 2..3], &mut dx);
        assert_eq!(dx, [2.0 + 5.0, 4.0 + 7.0, 6.0, 8.0, 10.0, 12.0]);
    }
}
