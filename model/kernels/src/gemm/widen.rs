//! 16-bit panels as f32, for tiles of many rows.

use crate::gemm::PANEL;
use crate::isa::multiversion;

multiversion! {
    /// `[inputs / 2, PANEL, 2]` of bf16 → `[inputs, PANEL]`.
    pub(super) fn pairs(from: &[u16], to: &mut [f32]) {
        for (from, to) in from.chunks_exact(2 * PANEL).zip(to.chunks_exact_mut(2 * PANEL)) {
            let (even, odd) = to.split_at_mut(PANEL);
            for ((pair, even), odd) in from.chunks_exact(2).zip(even).zip(odd) {
                *even = f32::from_bits((pair[0] as u32) << 16);
                *odd = f32::from_bits((pair[1] as u32) << 16);
            }
        }
    }
}

/// `[inputs, PANEL]` of IEEE halves → `[inputs, PANEL]`.
pub(super) fn halves(from: &[u16], to: &mut [f32]) {
    use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
    from.reinterpret_cast::<half::f16>().convert_to_f32_slice(to);
}
