//! The matrices while they are trained.

use std::sync::atomic::AtomicU32;

use crate::bytes::Bytes;
use crate::libstdcxx::random::MinStdRand;
use crate::{DenseMatrix, Error, Result};

/// A matrix of `f32` in row order on memory of its own pages: rows of 64 bytes lie on one cache line, and large pages spare the
/// look-ups of addresses that scattered rows cost.
pub(crate) struct Weights {
    map: memmap2::MmapMut,
    rows: usize,
    columns: usize,
}

impl Weights {
    /// A matrix of zeros; its memory is taken when it is first written.
    ///
    /// # Errors
    /// [`Error::Memory`] if the system refuses so much.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Result<Self> {
        let bytes = rows.checked_mul(columns).and_then(|numbers| numbers.checked_mul(4));
        let refused = |source| Error::Memory { rows, columns, source };
        let Some(bytes) = bytes else {
            return Err(refused(std::io::ErrorKind::OutOfMemory.into()));
        };
        let map = memmap2::MmapMut::map_anon(bytes.max(1)).map_err(refused)?;
        #[cfg(target_os = "linux")]
        if bytes >= 1 << 22 {
            // Only a hint: where the system refuses it, small pages do.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Weights { map, rows, columns })
    }

    /// A copy of a matrix.
    pub(crate) fn copy_of(matrix: &DenseMatrix) -> Result<Self> {
        let mut weights = Self::zeros(matrix.rows(), matrix.columns())?;
        let bytes = matrix.bytes();
        weights.map[..bytes.len()].copy_from_slice(bytes);
        Ok(weights)
    }

    /// Draws numbers from [`-limit`, `limit`) as fastText does, which cuts the matrix into ten blocks and has each thread fill one:
    /// with one thread nine tenths stay 0.
    pub(crate) fn fill_uniform(&mut self, limit: f32, threads: usize, seed: i32) {
        let numbers = self.rows * self.columns;
        let block = numbers / 10;
        if block == 0 {
            return;
        }
        let limit = f64::from(limit);
        std::thread::scope(|scope| {
            for (index, chunk) in self.as_mut_slice().chunks_mut(block).take(threads).enumerate() {
                let mut fill = move || {
                    let mut generator = MinStdRand::new(i64::from((index as i32).wrapping_add(seed)));
                    chunk.iter_mut().for_each(|number| *number = generator.uniform_real(-limit, limit) as f32);
                };
                if threads > 1 {
                    scope.spawn(fill);
                } else {
                    fill();
                }
            }
        });
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: the map starts at a page, so it is aligned, and holds `rows × columns` numbers; any four bytes are an `f32`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.rows * self.columns) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the map is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.rows * self.columns) }
    }

    /// The numbers' bits, for threads that write them at the same time.
    pub(crate) fn as_atomics(&mut self) -> &[AtomicU32] {
        // SAFETY: as above; an `AtomicU32` has the size and, on a page's start, the alignment of an `f32`; the map is borrowed alone, so
        // for as long as the atomics live nobody reads or writes it in another way.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().cast(), self.rows * self.columns) }
    }

    /// The matrix as a part of a model, on the same memory.
    pub(crate) fn into_matrix(self) -> Result<DenseMatrix> {
        let (rows, columns) = (self.rows, self.columns);
        let refused = |source| Error::Memory { rows, columns, source };
        let map = self.map.make_read_only().map_err(refused)?;
        DenseMatrix::from_bytes(rows, columns, Bytes::from_map(map).piece(0..rows * columns * 4))
    }
}
