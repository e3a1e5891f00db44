//! A matrix of `f32`, its own or lying in a model file.

use crate::bytes::Bytes;
use crate::{Error, Result};

#[cfg(target_endian = "big")]
compile_error!("model files are little-endian and are used as they lie in memory");

/// A dense matrix in row order, shape `[rows, columns]`.
///
/// Numbers of a mapped file lie at any address, as the words before them have any length; so they are read from bytes,
/// which costs nothing on the processors that we build for.
#[derive(Clone, Debug)]
pub struct DenseMatrix {
    rows: usize,
    columns: usize,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    Owned(Vec<f32>),
    Shared(Bytes),
}

impl DenseMatrix {
    /// A matrix of numbers in row order.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when there are not `rows × columns` of them.
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Result<Self> {
        if rows.checked_mul(columns) != Some(values.len()) {
            return Err(Error::mismatch(format!("a matrix of {rows} × {columns} with {} numbers", values.len())));
        }
        Ok(Self { rows, columns, values: Values::Owned(values) })
    }

    /// A matrix of little-endian numbers in row order.
    pub(crate) fn from_bytes(rows: usize, columns: usize, values: Bytes) -> Result<Self> {
        if rows.checked_mul(columns).and_then(|numbers| numbers.checked_mul(4)) != Some(values.len()) {
            return Err(Error::mismatch(format!("a matrix of {rows} × {columns} with {} bytes", values.len())));
        }
        Ok(Self { rows, columns, values: Values::Shared(values) })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers as little-endian bytes in row order.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match &self.values {
            // SAFETY: a slice of `f32` is initialised memory without padding, and bytes need no alignment.
            Values::Owned(values) => unsafe {
                std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), std::mem::size_of_val(values.as_slice()))
            },
            Values::Shared(bytes) => bytes,
        }
    }

    /// The numbers of a row. Panics when it is not there.
    #[inline]
    pub fn row(&self, row: usize) -> impl ExactSizeIterator<Item = f32> + '_ {
        self.row_bytes(row).as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
    }

    /// All numbers in row order, copied unless they are owned.
    pub fn into_values(self) -> Vec<f32> {
        match self.values {
            Values::Owned(values) => values,
            Values::Shared(bytes) => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        }
    }

    pub(crate) fn into_memory(self) -> std::io::Result<Self> {
        let values = Values::Shared(Bytes::copy_on_huge_pages(self.bytes())?);
        Ok(Self { values, ..self })
    }

    /// Adds a row to `vector`. Panics when the row is not there or the vector has another length.
    pub fn add_row(&self, row: usize, vector: &mut [f32]) {
        assert_eq!(vector.len(), self.columns, "a vector has the length of a row");
        for (sum, value) in vector.iter_mut().zip(self.row(row)) {
            *sum += value;
        }
    }

    /// The product of a row with `vector`, summed from the front. Panics like [`add_row`](Self::add_row).
    pub fn dot_row(&self, row: usize, vector: &[f32]) -> f32 {
        assert_eq!(vector.len(), self.columns, "a vector has the length of a row");
        self.row(row).zip(vector).fold(0.0, |sum, (value, factor)| sum + value * factor)
    }

    #[inline]
    fn row_bytes(&self, row: usize) -> &[u8] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        &self.bytes()[row * self.columns * 4..(row + 1) * self.columns * 4]
    }
}
