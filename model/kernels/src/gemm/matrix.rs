//! Weights as the kernels read them: panels of outputs, or rows that stay as they are until used.

use crate::gemm::buffer::{Buffer, scratch};
use crate::gemm::{PANEL, STEP};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use std::sync::Arc;

/// How a packed weight is stored. Products read each exactly, as the f32 it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 32 bits.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
}

/// How a product reads x and adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// x as it is; one chain of fused multiply-adds for each output.
    F32,
    /// x rounded to bf16, to nearest, ties to even; sums as Intel's matrix units (AMX) add them, wherever they run:
    ///
    /// Inputs are taken 32 at a time, the last filled up with zeros. The 16 products at even places are one chain of fused
    /// multiply-adds from 0, those at odd places another; the two sums are added, and what they give is added to the output so
    /// far. Subnormal operands count as zeros of their sign, subnormal results become such zeros, also where x or a bias is
    /// subnormal. A NaN is a NaN, of any payload.
    ///
    /// Many times as fast as F32 with these units; without them the same bits are computed in vectors, slower than F32.
    Bf16,
}

/// Rows of weights in a form of their own: quantised, say.
pub trait Rows: Send + Sync {
    /// Outputs: rows of weights.
    fn out(&self) -> usize;
    /// Inputs: weights of a row.
    fn columns(&self) -> usize;
    /// Writes rows `first_row`… as f32, `[rows, columns]`; as many as fit `rows`, which is never too long.
    fn read(&self, first_row: usize, rows: &mut [f32]);
}

/// W of y = x·Wᵀ, `[out, columns]`, prepared once for products of any number of rows.
pub struct Matrix {
    out: usize,
    columns: usize,
    precision: Precision,
    pub(super) panels: Panels,
}

/// Where the weights are: panel p holds outputs 32·p…, the last filled up with zeros.
pub(super) enum Panels {
    /// `[panels, columns, 32]`.
    F32(Buffer),
    /// `[panels, columns, 32]`.
    F16(Buffer),
    /// `[panels, columns / 2, 32, 2]`, columns filled up with zeros to a multiple of 32.
    Bf16(Buffer),
    /// In rows, to be packed when used.
    Lazy(Arc<dyn Rows>),
}

impl Matrix {
    /// Packs `out` × `columns` weights that `read` gives as f32: rows from `first_row`, as many as fit the slice.
    ///
    /// `read` is called for 32 rows or fewer, from many threads at once: no copy of the whole in f32 exists. Weights that a
    /// narrower `dtype` cannot hold are rounded to the nearest, ties to even.
    ///
    /// # Errors
    /// The first of `read`'s, by rows.
    ///
    /// # Panics
    /// If `out` or `columns` is 0.
    pub fn pack<E: Send>(
        out: usize,
        columns: usize,
        dtype: DType,
        read: impl Fn(usize, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        assert!(out > 0 && columns > 0, "a matrix of {out} outputs and {columns} inputs has no weights");
        let stride = stride(columns, dtype);
        let len = out.div_ceil(PANEL) * stride;
        let rows = |panel: usize| panel * PANEL..out.min((panel + 1) * PANEL);
        let fetch = |panel: usize, to: &mut dyn FnMut(&[f32])| {
            let rows = rows(panel);
            scratch(rows.len() * columns, |weights: &mut [f32]| read(rows.start, weights).map(|()| to(weights)))
        };
        let panels = match dtype {
            DType::F32 => {
                let mut buffer = Buffer::zeros::<f32>(len);
                buffer.as_mut_slice::<f32>()[..len]
                    .par_chunks_mut(stride)
                    .enumerate()
                    .try_for_each(|(p, panel)| fetch(p, &mut |weights| interleave(weights, columns, panel)))?;
                Panels::F32(buffer)
            }
            DType::F16 | DType::Bf16 => {
                let mut buffer = Buffer::zeros::<u16>(len);
                buffer.as_mut_slice::<u16>()[..len].par_chunks_mut(stride).enumerate().try_for_each(|(p, panel)| {
                    fetch(p, &mut |weights| match dtype {
                        DType::Bf16 => bf16_pairs(weights, columns, panel),
                        _ => halves(weights, columns, panel),
                    })
                })?;
                if dtype == DType::Bf16 { Panels::Bf16(buffer) } else { Panels::F16(buffer) }
            }
        };
        Ok(Self { out, columns, precision: Precision::F32, panels })
    }

    /// Weights that stay in `rows`: 32 of them at a time are read and packed when a product needs them, once for all rows of x
    /// (up to 8 MiB of x). The bits are those of the same rows packed as [`DType::F32`].
    ///
    /// # Panics
    /// If `rows` has no outputs or no inputs.
    pub fn lazy(rows: Arc<dyn Rows>) -> Self {
        let (out, columns) = (rows.out(), rows.columns());
        assert!(out > 0 && columns > 0, "a matrix of {out} outputs and {columns} inputs has no weights");
        Self { out, columns, precision: Precision::F32, panels: Panels::Lazy(rows) }
    }

    /// Asks for products of another precision than [`Precision::F32`], with which matrices are made.
    ///
    /// # Panics
    /// If `precision` is [`Precision::Bf16`] and the weights are not stored as [`DType::Bf16`].
    pub fn with_precision(mut self, precision: Precision) -> Self {
        let rounded = matches!(self.panels, Panels::Bf16(_));
        assert!(rounded || precision == Precision::F32, "{self:?} has no products in bf16: its weights are others");
        self.precision = precision;
        self
    }

    /// How products with this matrix are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Outputs: the length of a row of y.
    pub fn out(&self) -> usize {
        self.out
    }

    /// Inputs: the length of a row of x.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Elements from one panel to the next.
    pub(super) fn stride(&self) -> usize {
        match self.panels {
            Panels::Bf16(_) => stride(self.columns, DType::Bf16),
            _ => self.columns * PANEL,
        }
    }

    /// Packs panel `p` of lazy rows, `[columns, 32]`.
    pub(super) fn fetch(&self, rows: &dyn Rows, p: usize, panel: &mut [f32]) {
        let count = PANEL.min(self.out - p * PANEL);
        scratch(count * self.columns, |weights: &mut [f32]| {
            rows.read(p * PANEL, weights);
            if count < PANEL {
                panel.fill(0.0);
            }
            interleave(weights, self.columns, panel);
        });
    }
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let storage = match self.panels {
            Panels::F32(_) => "F32",
            Panels::F16(_) => "F16",
            Panels::Bf16(_) => "Bf16",
            Panels::Lazy(_) => "lazy",
        };
        write!(f, "Matrix({} × {}, {storage})", self.out, self.columns)
    }
}

fn stride(columns: usize, dtype: DType) -> usize {
    match dtype {
        DType::Bf16 => columns.next_multiple_of(STEP) * PANEL,
        _ => columns * PANEL,
    }
}

/// `[rows, columns]` → `[columns, PANEL]`; columns beyond `rows` stay.
fn interleave(weights: &[f32], columns: usize, panel: &mut [f32]) {
    let rows: [*const f32; PANEL] = std::array::from_fn(|r| weights.as_ptr().wrapping_add(r * columns));
    let rows = &rows[..weights.len() / columns];
    assert!(panel.len() >= columns * PANEL);
    // SAFETY: each row is `columns` long; the panel is as long as asserted.
    unsafe { super::transpose::transpose(rows, columns, PANEL, panel.as_mut_ptr()) }
}

fn halves(weights: &[f32], columns: usize, panel: &mut [u16]) {
    let mut row = vec![f16::ZERO; columns];
    for (r, weights) in weights.chunks_exact(columns).enumerate() {
        row.convert_from_f32_slice(weights);
        for (to, half) in panel[r..].iter_mut().step_by(PANEL).zip(&row) {
            *to = half.to_bits();
        }
    }
}

fn bf16_pairs(weights: &[f32], columns: usize, panel: &mut [u16]) {
    for (r, weights) in weights.chunks_exact(columns).enumerate() {
        for (pair, weights) in panel.chunks_exact_mut(2 * PANEL).zip(weights.chunks(2)) {
            for (to, &weight) in pair[2 * r..].iter_mut().zip(weights) {
                *to = bf16::from_f32(weight).to_bits();
            }
        }
    }
}
