//! A matrix whose rows are codes of a product quantiser.

use super::product::ProductQuantiser;
use crate::bytes::Bytes;
use crate::{Error, Result};

/// A quantised matrix, shape `[rows, columns]`: a row is a code of a byte for each of its pieces.
#[derive(Clone, Debug)]
pub struct QuantisedMatrix {
    rows: usize,
    quantiser: ProductQuantiser,
    /// `[rows, pieces]`.
    codes: Bytes,
    norms: Option<QuantisedNorms>,
}

/// The lengths of the rows, which are quantised apart with `-qnorm`; the codes are of rows of length 1 then.
#[derive(Clone, Debug)]
pub struct QuantisedNorms {
    /// A code for each row.
    pub codes: Bytes,
    /// A quantiser of single numbers.
    pub quantiser: ProductQuantiser,
}

impl QuantisedMatrix {
    /// A matrix of `rows` codes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the codes are not `rows × pieces` bytes, the codes of the norms are not `rows` bytes, or
    /// the norms are no single numbers.
    pub fn new(rows: usize, quantiser: ProductQuantiser, codes: Bytes, norms: Option<QuantisedNorms>) -> Result<Self> {
        if rows.checked_mul(quantiser.pieces()) != Some(codes.len()) {
            return Err(Error::mismatch(format!(
                "{} bytes of codes for {rows} rows of {} pieces",
                codes.len(),
                quantiser.pieces()
            )));
        }
        if let Some(norms) = &norms {
            if norms.codes.len() != rows {
                return Err(Error::mismatch(format!("{} norms for {rows} rows", norms.codes.len())));
            }
            if norms.quantiser.dimension() != 1 {
                return Err(Error::mismatch(format!("norms of length {}", norms.quantiser.dimension())));
            }
        }
        Ok(Self { rows, quantiser, codes, norms })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub fn columns(&self) -> usize {
        self.quantiser.dimension()
    }

    /// The quantiser of the rows.
    pub fn quantiser(&self) -> &ProductQuantiser {
        &self.quantiser
    }

    /// The codes of all rows, `[rows, pieces]`.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// The lengths of the rows if they are quantised apart.
    pub fn norms(&self) -> Option<&QuantisedNorms> {
        self.norms.as_ref()
    }

    /// The length that a row's code is multiplied with: 1 if norms are not quantised apart.
    #[inline]
    pub fn norm(&self, row: usize) -> f32 {
        self.norms.as_ref().map_or(1.0, |norms| norms.quantiser.centroids()[usize::from(norms.codes[row])])
    }

    pub(crate) fn into_memory(mut self) -> std::io::Result<Self> {
        self.codes = Bytes::copy_on_huge_pages(&self.codes)?;
        if let Some(norms) = &mut self.norms {
            norms.codes = Bytes::copy_on_huge_pages(&norms.codes)?;
        }
        Ok(self)
    }

    /// Adds a row to `vector`. Panics when the row is not there or the vector has another length.
    pub fn add_row(&self, row: usize, vector: &mut [f32]) {
        assert_eq!(vector.len(), self.columns(), "a vector has the length of a row");
        let norm = self.norm(row);
        let pieces = vector.chunks_mut(self.quantiser.piece_length());
        for (piece, (sums, &code)) in pieces.zip(self.code(row)).enumerate() {
            for (sum, value) in sums.iter_mut().zip(self.quantiser.centroid(piece, code)) {
                *sum += norm * value;
            }
        }
    }

    /// The product of a row with `vector`, summed from the front and multiplied with the norm at the end. Panics like
    /// [`add_row`](Self::add_row).
    pub fn dot_row(&self, row: usize, vector: &[f32]) -> f32 {
        assert_eq!(vector.len(), self.columns(), "a vector has the length of a row");
        let mut sum = 0.0;
        let pieces = vector.chunks(self.quantiser.piece_length());
        for (piece, (factors, &code)) in pieces.zip(self.code(row)).enumerate() {
            for (factor, value) in factors.iter().zip(self.quantiser.centroid(piece, code)) {
                sum += factor * value;
            }
        }
        sum * self.norm(row)
    }

    #[inline]
    fn code(&self, row: usize) -> &[u8] {
        let pieces = self.quantiser.pieces();
        &self.codes[row * pieces..(row + 1) * pieces]
    }
}
