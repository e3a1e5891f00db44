//! The two kinds of matrices that a model has: dense and quantised.

mod dense;
mod product;
mod quantised;
mod sums;

use crate::fetch::{fetch_at, fetch_range};

pub use dense::DenseMatrix;
pub use product::{CENTROIDS, ProductQuantiser};
pub use quantised::{QuantisedMatrix, QuantisedNorms};

/// A matrix of a model: a row for each feature (input) or for each label or word (output).
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Numbers as they are.
    Dense(DenseMatrix),
    /// A code for each piece of a row.
    Quantised(QuantisedMatrix),
}

impl Matrix {
    /// Rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.rows(),
            Self::Quantised(matrix) => matrix.rows(),
        }
    }

    /// Length of a row.
    pub fn columns(&self) -> usize {
        match self {
            Self::Dense(matrix) => matrix.columns(),
            Self::Quantised(matrix) => matrix.columns(),
        }
    }

    /// Adds a row to `vector`, element by element.
    ///
    /// # Panics
    /// When the row is not there or the vector has another length.
    pub fn add_row(&self, row: usize, vector: &mut [f32]) {
        match self {
            Self::Dense(matrix) => matrix.add_row(row, vector),
            Self::Quantised(matrix) => matrix.add_row(row, vector),
        }
    }

    /// The mean of rows, summed in their order: fills `vector`.
    ///
    /// # Panics
    /// When a row is not there or the vector has another length.
    pub fn average_rows(&self, rows: &[u32], vector: &mut [f32]) {
        vector.fill(0.0);
        self.add_rows(rows, vector);
        divide(vector, rows.len());
    }

    /// Adds rows to `vector` in their order.
    ///
    /// # Panics
    /// When a row is not there or the vector has another length.
    pub fn add_rows(&self, rows: &[u32], vector: &mut [f32]) {
        assert_eq!(vector.len(), self.columns(), "a vector has the length of a row");
        match self {
            Self::Dense(matrix) => sums::sum_dense(matrix.bytes(), rows, vector),
            Self::Quantised(matrix) => {
                let norms = matrix.norms().map(|norms| (&norms.codes[..], norms.quantiser.centroids()));
                sums::sum_codes(matrix.quantiser(), matrix.codes(), norms, rows, vector);
            }
        }
    }

    /// What asks for rows ahead of time.
    pub(crate) fn fetcher(&self) -> RowFetcher<'_> {
        match self {
            Self::Dense(matrix) => RowFetcher { bytes: matrix.bytes(), row: matrix.columns() * 4, norms: None },
            Self::Quantised(matrix) => RowFetcher {
                bytes: matrix.codes(),
                row: matrix.quantiser().pieces(),
                norms: matrix.norms().map(|norms| &norms.codes[..]),
            },
        }
    }

    /// The matrix in memory of its own, aligned, on huge pages where the system has them.
    pub(crate) fn into_memory(self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Dense(matrix) => Self::Dense(matrix.into_memory()?),
            Self::Quantised(matrix) => Self::Quantised(matrix.into_memory()?),
        })
    }

    /// The product of a row with `vector`, summed from the front.
    ///
    /// # Panics
    /// When the row is not there or the vector has another length.
    pub fn dot_row(&self, row: usize, vector: &[f32]) -> f32 {
        match self {
            Self::Dense(matrix) => matrix.dot_row(row, vector),
            Self::Quantised(matrix) => matrix.dot_row(row, vector),
        }
    }
}

/// Asks for rows of a matrix, so that they are there when they are needed.
pub(crate) struct RowFetcher<'a> {
    bytes: &'a [u8],
    /// Bytes of a row.
    row: usize,
    norms: Option<&'a [u8]>,
}

impl RowFetcher<'_> {
    /// Asks for a row, if it is there.
    #[inline(always)]
    pub fn fetch(&self, row: u32) {
        fetch_range(self.bytes.as_ptr().wrapping_add(row as usize * self.row), self.row);
        if let Some(norms) = self.norms {
            fetch_at(norms.as_ptr().wrapping_add(row as usize));
        }
    }
}

/// Makes a mean of a sum, rounding as the C++ library does.
pub(crate) fn divide(sum: &mut [f32], count: usize) {
    let factor = (1.0 / count as f64) as f32;
    sum.iter_mut().for_each(|value| *value *= factor);
}

impl From<DenseMatrix> for Matrix {
    fn from(matrix: DenseMatrix) -> Self {
        Self::Dense(matrix)
    }
}

impl From<QuantisedMatrix> for Matrix {
    fn from(matrix: QuantisedMatrix) -> Self {
        Self::Quantised(matrix)
    }
}
