//! Gated units (Shazeer 2020, arXiv:2002.05202).

use crate::exp::{exp, silu};
use crate::isa::multiversion;
use crate::rows::for_each_row;

/// Which half of a gated unit goes through the activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// `silu(first) * second`.
    First,
    /// `first * silu(second)`.
    Second,
}

/// Of `x`, `[rows, 2 * width]`, one half times the SiLU of the other: `[rows, width]`.
///
/// # Panics
/// If `x` is not twice as long as `out`.
pub fn swiglu(x: &[f32], width: usize, activated: Activated, out: &mut [f32]) {
    assert_eq!(x.len(), 2 * out.len(), "there are two halves");
    for_each_row(out, width, |row, out| {
        let (first, second) = x[row * 2 * width..][..2 * width].split_at(width);
        match activated {
            Activated::First => gate_row(first, second, out),
            Activated::Second => gate_row(second, first, out),
        }
    });
}

/// `x[r] *= sigmoid(gate[r])`, for rows of `width` values: the gate of Qwen2-MoE's shared expert.
///
/// # Panics
/// If there is not one gate for each row.
pub fn sigmoid_gate(x: &mut [f32], width: usize, gate: &[f32]) {
    assert_eq!(x.len(), gate.len() * width, "there is a gate for each row");
    for_each_row(x, width, |row, x| {
        let gate = 1.0 / (1.0 + exp(-gate[row]));
        x.iter_mut().for_each(|value| *value *= gate);
    });
}

multiversion! {
    fn gate_row(activated: &[f32], other: &[f32], out: &mut [f32]) {
        for ((out, activated), other) in out.iter_mut().zip(activated).zip(other) {
            *out = silu(*activated) * other;
        }
    }
}
