//! Gates between 0 and 1.

use crate::exp::exp;
use crate::rows::for_each_row;

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
