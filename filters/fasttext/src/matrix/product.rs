//! A product quantiser: pieces of a vector, each replaced by the nearest of 256 centroids.

use crate::{Error, Result};

/// Centroids of a piece: a code is a byte.
pub const CENTROIDS: usize = 256;

/// The centroids of each piece of a vector (Jégou, Douze, Schmid: "Product quantization for nearest neighbor search", 2011).
///
/// All pieces have `piece_length` elements but the last, which has what remains of the vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductQuantiser {
    dimension: usize,
    piece_length: usize,
    /// `[pieces, 256, piece_length]`; the last piece `[256, last_piece_length]`.
    centroids: Vec<f32>,
}

impl ProductQuantiser {
    /// A quantiser of vectors of length `dimension` in pieces of `piece_length`.
    ///
    /// `centroids` are those of each piece one after the other: `[256, piece_length]` for all but the last,
    /// `[256, last_piece_length]` for the last.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for lengths of 0 and when there are not `256 × dimension` numbers.
    pub fn new(dimension: usize, piece_length: usize, centroids: Vec<f32>) -> Result<Self> {
        if dimension == 0 || piece_length == 0 {
            return Err(Error::mismatch(format!("vectors of length {dimension} in pieces of {piece_length}")));
        }
        if dimension.checked_mul(CENTROIDS) != Some(centroids.len()) {
            return Err(Error::mismatch(format!(
                "{} numbers in the centroids of vectors of length {dimension}, not {CENTROIDS} times as many",
                centroids.len()
            )));
        }
        Ok(Self { dimension, piece_length, centroids })
    }

    /// Length of the vectors.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Length of every piece but the last.
    pub fn piece_length(&self) -> usize {
        self.piece_length
    }

    /// Pieces of a vector, and bytes of its code.
    pub fn pieces(&self) -> usize {
        self.dimension.div_ceil(self.piece_length)
    }

    /// Length of the last piece.
    pub fn last_piece_length(&self) -> usize {
        match self.dimension % self.piece_length {
            0 => self.piece_length,
            rest => rest,
        }
    }

    /// All centroids, see [`new`](Self::new).
    pub fn centroids(&self) -> &[f32] {
        &self.centroids
    }

    /// The centroid that `code` stands for in piece `piece`.
    #[inline]
    pub fn centroid(&self, piece: usize, code: u8) -> &[f32] {
        let start = piece * CENTROIDS * self.piece_length;
        let length = self.piece_length.min(self.dimension - piece * self.piece_length);
        &self.centroids[start + usize::from(code) * length..][..length]
    }
}
