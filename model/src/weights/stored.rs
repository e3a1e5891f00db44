//! What the readers of all formats give: tensors under the file's own names, checked against the file's length.

use std::path::Path;
use std::sync::Arc;

use super::bytes::Bytes;
use super::quantised::ggml;
use crate::{Error, Result};

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// A number that weights can be.
    Float(Float),
    /// An integer or boolean of so many bytes.
    Integer(usize),
}

/// Numbers that weights can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    /// Doubles.
    Double,
    /// Floats, or blocks of ggml's.
    Ggml(ggml::Kind),
}

impl Element {
    pub(crate) const F64: Self = Self::Float(Float::Double);
    pub(crate) const F32: Self = Self::Float(Float::Ggml(ggml::Kind::F32));
    pub(crate) const F16: Self = Self::Float(Float::Ggml(ggml::Kind::F16));
    pub(crate) const BF16: Self = Self::Float(Float::Ggml(ggml::Kind::BF16));

    /// Elements of a block and its bytes.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::Float(float) => float.block(),
            Self::Integer(bytes) => (1, bytes),
        }
    }
}

impl Float {
    /// Elements of a block and its bytes.
    pub(crate) fn block(self) -> (usize, usize) {
        match self {
            Self::Double => (1, 8),
            Self::Ggml(kind) => (kind.block_len(), kind.block_bytes()),
        }
    }
}

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The file's name for it.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: Arc<Path>,
    /// Elements along each axis.
    pub(crate) shape: Vec<usize>,
    /// The type of elements.
    pub(crate) element: Element,
    /// All elements and nothing else, unless there are strides.
    pub(crate) bytes: Bytes,
    /// Elements from one to the next along each axis, where that is not what the shape says.
    pub(crate) strides: Option<Vec<usize>>,
}

impl Stored {
    /// A tensor whose elements lie one after the other from `start` on.
    ///
    /// # Errors
    /// If the shape is too large to be counted, a row no whole number of blocks, or the file too short.
    pub(crate) fn dense(
        path: &Arc<Path>,
        name: &str,
        shape: Vec<usize>,
        element: Element,
        file: &Bytes,
        start: u64,
    ) -> Result<Self> {
        let wrong = |problem: String| Error::tensor(path, name, problem);
        let (block_len, block_bytes) = element.block();
        let columns = shape.last().copied().unwrap_or(1);
        if !columns.is_multiple_of(block_len) {
            return Err(wrong(format!("is {shape:?}, and its rows are no whole number of blocks of {block_len}")));
        }
        let elements = shape.iter().try_fold(1_u64, |product, axis| product.checked_mul(*axis as u64));
        let length = elements.and_then(|elements| (elements / block_len as u64).checked_mul(block_bytes as u64));
        let length = length.ok_or_else(|| wrong(format!("is {shape:?}, more than can be counted")))?;
        let Some(bytes) = file.cut(start, length) else {
            let problem =
                format!("needs {length} bytes from byte {start} on, and the file has {} (is it cut off?)", file.len());
            return Err(wrong(problem));
        };
        Ok(Self { name: name.into(), path: path.clone(), shape, element, bytes, strides: None })
    }

    /// The matrix `[columns, rows]` that the elements from `first` on are, read as `[rows, columns]`; `None` if there
    /// are not as many, or elements are in blocks.
    pub(crate) fn block_transposed(&self, first: usize, rows: usize, columns: usize) -> Option<Self> {
        let (block_len, size) = self.element.block();
        let length = rows.checked_mul(columns)?.checked_mul(size)?;
        let bytes = self.bytes.cut(first.checked_mul(size)? as u64, length as u64)?;
        let is_plain = block_len == 1 && self.strides.is_none();
        let (shape, strides) = (vec![columns, rows], Some(vec![1, columns]));
        is_plain.then(|| Self {
            name: self.name.clone(),
            path: self.path.clone(),
            shape,
            element: self.element,
            bytes,
            strides,
        })
    }
}
