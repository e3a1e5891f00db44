//! Small products in registers: `c += a · b`, each value one chain of multiply-adds over the inputs.

#![expect(clippy::needless_range_loop, reason = "counted loops over registers")]

use crate::gemm::vector::Vector;

/// The operands, by rows. Strides are in values.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// `[rows, inputs]`.
    pub a: *const f32,
    pub a_stride: usize,
    /// `[inputs, columns]`.
    pub b: *const f32,
    pub b_stride: usize,
    /// Products of a sum.
    pub inputs: usize,
    /// `[rows, columns]`.
    pub c: *mut f32,
    pub c_stride: usize,
}

impl Product {
    /// All rows and columns; `R` rows at a time, as many as leave their sums in registers with two vectors of columns.
    ///
    /// # Safety
    /// The operands are valid for these shapes, `c` is written by nobody else; the caller is compiled for V.
    #[inline(always)]
    pub unsafe fn run<V: Vector, const R: usize>(&self, rows: usize, columns: usize) {
        let mut row = 0;
        // SAFETY: rows and columns are within the shapes.
        unsafe {
            while row + R <= rows {
                self.rows_of::<V, R>(row, columns);
                row += R;
            }
            while row < rows {
                self.rows_of::<V, 1>(row, columns);
                row += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn rows_of<V: Vector, const R: usize>(&self, row: usize, columns: usize) {
        let mut column = 0;
        // SAFETY: as of `run`.
        unsafe {
            if R == 1 {
                // One row has few sums: more columns keep the multipliers busy.
                while column + 8 * V::LANES <= columns {
                    self.tile::<V, R, 8>(row, column);
                    column += 8 * V::LANES;
                }
            }
            while column + 2 * V::LANES <= columns {
                self.tile::<V, R, 2>(row, column);
                column += 2 * V::LANES;
            }
            while column + V::LANES <= columns {
                self.tile::<V, R, 1>(row, column);
                column += V::LANES;
            }
            for row in row..row + R {
                for column in column..columns {
                    let c = self.c.add(row * self.c_stride + column);
                    let mut sum = *c;
                    for input in 0..self.inputs {
                        let a = *self.a.add(row * self.a_stride + input);
                        sum = a.mul_add(*self.b.add(input * self.b_stride + column), sum);
                    }
                    *c = sum;
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize, const U: usize>(&self, row: usize, column: usize) {
        // SAFETY: as of `run`.
        unsafe {
            let (a, b) = (self.a.add(row * self.a_stride), self.b.add(column));
            let c = self.c.add(row * self.c_stride + column);
            let mut sums = [[V::load(c); U]; R];
            for r in 0..R {
                for u in 0..U {
                    sums[r][u] = V::load(c.add(r * self.c_stride + u * V::LANES));
                }
            }
            for input in 0..self.inputs {
                let b = b.add(input * self.b_stride);
                let mut values = [V::load(b); U];
                for u in 1..U {
                    values[u] = V::load(b.add(u * V::LANES));
                }
                for r in 0..R {
                    let a = V::splat(a.add(r * self.a_stride + input));
                    for u in 0..U {
                        sums[r][u] = a.mul_add(values[u], sums[r][u]);
                    }
                }
            }
            for r in 0..R {
                for u in 0..U {
                    sums[r][u].store(c.add(r * self.c_stride + u * V::LANES));
                }
            }
        }
    }
}
