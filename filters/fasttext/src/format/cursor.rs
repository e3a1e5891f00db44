//! Walking through a model file without trusting a length in it.

use crate::bytes::Bytes;
use crate::{Error, Result};

/// A place in a model file.
pub(super) struct Cursor {
    bytes: Bytes,
    at: usize,
}

impl Cursor {
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// All that is left, without moving on.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The next `length` bytes, shared with the file.
    pub fn take(&mut self, field: &'static str, length: u64) -> Result<Bytes> {
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => {
                let piece = self.bytes.piece(self.at..self.at + length);
                self.at += length;
                Ok(piece)
            }
            _ => Err(Error::Truncated { field, needed: length, available: self.left() as u64 }),
        }
    }

    /// The next `rows × columns × width` bytes.
    pub fn take_table(&mut self, field: &'static str, rows: u64, columns: u64, width: u64) -> Result<Bytes> {
        let length = rows.checked_mul(columns).and_then(|cells| cells.checked_mul(width));
        self.take(field, length.unwrap_or(u64::MAX))
    }

    fn array<const LENGTH: usize>(&mut self, field: &'static str) -> Result<[u8; LENGTH]> {
        let bytes = self.rest().first_chunk().copied();
        let truncated = Error::Truncated { field, needed: LENGTH as u64, available: self.left() as u64 };
        self.at += if bytes.is_some() { LENGTH } else { 0 };
        bytes.ok_or(truncated)
    }

    pub fn i32(&mut self, field: &'static str) -> Result<i32> {
        self.array(field).map(i32::from_le_bytes)
    }

    pub fn i64(&mut self, field: &'static str) -> Result<i64> {
        self.array(field).map(i64::from_le_bytes)
    }

    pub fn f64(&mut self, field: &'static str) -> Result<f64> {
        self.array(field).map(f64::from_le_bytes)
    }

    /// A count or length: an `i32` that is not negative.
    pub fn count_i32(&mut self, field: &'static str) -> Result<usize> {
        let number = self.i32(field)?;
        usize::try_from(number).map_err(|_| Error::malformed(field, format!("it is {number}")))
    }

    /// A count or length: an `i64` that is not negative.
    pub fn count_i64(&mut self, field: &'static str) -> Result<u64> {
        let number = self.i64(field)?;
        u64::try_from(number).map_err(|_| Error::malformed(field, format!("it is {number}")))
    }

    pub fn flag(&mut self, field: &'static str) -> Result<bool> {
        match self.array(field)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Error::malformed(field, format!("it is {other}, neither 0 nor 1"))),
        }
    }
}
