//! Rows of an array, shared out over threads.

use rayon::prelude::*;

use crate::isa::{Isa, force};

/// Values a task should have to be worth a thread.
const TASK: usize = 1 << 14;

/// Calls `work` with the number and the values of every row of `width` values. Rows are independent, so it does not
/// matter which thread works on which.
pub(crate) fn for_each_row(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    let rows = (TASK / width).max(1);
    let isa = Isa::current();
    out.par_chunks_mut(width * rows).enumerate().for_each(|(task, out)| {
        force(isa, || {
            for (row, out) in out.chunks_mut(width).enumerate() {
                work(task * rows + row, out);
            }
        });
    });
}
