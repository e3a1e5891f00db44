//! The left side of a product: rows of x, gathered and cut into tiles.

use crate::exp::silu;
use crate::gemm::buffer::scratch;
use crate::isa::multiversion;

/// What is done to gate and up projections between the two products of an MLP. F is the width of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Rows of 2·F: silu(first half) · second half, SwiGLU as most checkpoints lay it out.
    First,
    /// Rows of 2·F: first half · silu(second half).
    Second,
    /// Rows of F: silu of each.
    None,
}

impl Gate {
    /// The length of a row before, for one of `width` after.
    pub fn inputs(self, width: usize) -> usize {
        if self == Self::None { width } else { 2 * width }
    }
}

/// Where rows of x come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// `[rows, stride]`.
    pub x: &'a [f32],
    /// The row of `x` for each row of the product; all of them, in order, if none.
    pub row_of: Option<&'a [u32]>,
    /// How a row of the product is made of one of `x`; as it is, if none.
    pub gate: Option<Gate>,
}

impl Source<'_> {
    /// What row `i` of the product, `columns` wide, is made of.
    fn row(&self, i: usize, columns: usize) -> &[f32] {
        let i = self.row_of.map_or(i, |row_of| row_of[i] as usize);
        let stride = self.gate.map_or(columns, |gate| gate.inputs(columns));
        &self.x[i * stride..][..stride]
    }

    /// Gives `f` row `i` of the product; `room` is as long and may be used.
    pub fn with_row<R>(&self, i: usize, room: &mut [f32], f: impl FnOnce(&[f32]) -> R) -> R {
        let row = self.row(i, room.len());
        match self.gate {
            None => f(row),
            Some(gate) => {
                activate(gate, row, room);
                f(room)
            }
        }
    }

    /// Packs rows `first`…`first + rows` as `[columns, rows]`.
    pub fn pack(&self, first: usize, rows: usize, columns: usize, to: &mut [f32]) {
        assert_eq!(to.len(), rows * columns);
        let row = |i: usize| self.row(first + i, columns);
        match self.gate {
            None => {
                let mut pointers = [std::ptr::null(); super::tile::MAX_ROWS];
                for (i, pointer) in pointers[..rows].iter_mut().enumerate() {
                    *pointer = row(i).as_ptr();
                }
                // SAFETY: each row is `columns` long, `to` as long as asserted.
                unsafe { super::transpose::transpose(&pointers[..rows], columns, rows, to.as_mut_ptr()) }
            }
            Some(gate) => scratch(rows * columns, |active: &mut [f32]| {
                let mut pointers = [std::ptr::null(); super::tile::MAX_ROWS];
                for (i, active) in active.chunks_exact_mut(columns).enumerate() {
                    activate(gate, row(i), active);
                    pointers[i] = active.as_ptr();
                }
                // SAFETY: as above.
                unsafe { super::transpose::transpose(&pointers[..rows], columns, rows, to.as_mut_ptr()) }
            }),
        }
    }
}

multiversion! {
    /// One row: `[gate.inputs(F)]` → `[F]`.
    ///
    /// # Panics
    /// If the lengths do not belong together.
    pub fn activate(gate: Gate, row: &[f32], to: &mut [f32]) {
        assert_eq!(row.len(), gate.inputs(to.len()), "a row of another width than the activation takes");
        match gate {
            Gate::None => {
                for (to, &x) in to.iter_mut().zip(row) {
                    *to = silu(x);
                }
            }
            Gate::First | Gate::Second => {
                let (first, second) = row.split_at(to.len());
                let (gates, ups) = if gate == Gate::First { (first, second) } else { (second, first) };
                for ((to, &x), up) in to.iter_mut().zip(gates).zip(ups) {
                    *to = silu(x) * up;
                }
            }
        }
    }
}
