//! A tensor whose rows are read as f32.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::bytes::Bytes;
use super::quantised::ggml;
use super::quantised::gptq::Gptq;
use super::random::Random;
use super::stored::{Float, Stored};
use crate::DType;

/// How a tensor's numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
    /// Blocks of ggml's.
    Ggml(ggml::Kind),
    /// GPTQ's packed integers.
    Gptq {
        /// Of a weight.
        bits: u32,
    },
    /// Drawn on demand, rounded to a type.
    Random(DType),
}

impl Kind {
    /// The type that holds its numbers as they are, or those of double precision as near as can be; `None` if they lie in blocks, of
    /// few bits each.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::F64 | Self::F32 | Self::Ggml(ggml::Kind::F32) => Some(DType::F32),
            Self::F16 | Self::Ggml(ggml::Kind::F16) => Some(DType::F16),
            Self::BF16 | Self::Ggml(ggml::Kind::BF16) => Some(DType::BF16),
            Self::Random(dtype) => Some(dtype),
            Self::Ggml(_) | Self::Gptq { .. } => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F64 => formatter.write_str("float64"),
            Self::F32 => formatter.write_str("float32"),
            Self::F16 => formatter.write_str("float16"),
            Self::BF16 => formatter.write_str("bfloat16"),
            Self::Ggml(kind) => formatter.write_str(kind.name()),
            Self::Gptq { bits } => write!(formatter, "GPTQ int{bits}"),
            Self::Random(dtype) => write!(formatter, "random {}", dtype.name()),
        }
    }
}

/// A tensor in a file, or made of such. Cheap to clone; keeps its file mapped.
#[derive(Clone, Debug)]
pub struct Tensor {
    path: Arc<Path>,
    shape: Vec<usize>,
    /// The first row of `data` that belongs to it.
    first_row: usize,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    /// Elements one after the other.
    Dense { element: Float, bytes: Bytes },
    /// Elements apart from each other: `shape` and `strides` of the whole, of equal length and at least 1.
    Strided { element: Float, bytes: Bytes, shape: Arc<[usize]>, strides: Arc<[usize]> },
    /// A packed matrix.
    Gptq(Arc<Gptq<Bytes>>, u32),
    /// Numbers of no file.
    Random(Arc<Random>),
    /// Numbers in memory.
    Numbers(Arc<[f32]>),
    /// Tensors of as many columns, one below the other.
    Below(Arc<[Tensor]>),
    /// Tensors of as many rows, side by side.
    Beside(Arc<[Tensor]>),
}

impl Tensor {
    /// A tensor of numbers in memory: what training has made, to be written or run.
    ///
    /// # Panics
    /// If there are not as many as the shape says.
    pub fn new(shape: Vec<usize>, numbers: Vec<f32>) -> Self {
        let count = shape.iter().product::<usize>();
        assert_eq!(numbers.len(), count, "{} numbers for a tensor of {shape:?}", numbers.len());
        Self { path: Path::new("memory").into(), shape, first_row: 0, data: Data::Numbers(numbers.into()) }
    }

    pub(crate) fn stored(stored: Stored, element: Float) -> Self {
        let Stored { path, shape, bytes, strides, .. } = stored;
        let data = match strides {
            None => Data::Dense { element, bytes },
            Some(strides) => Data::Strided { element, bytes, shape: shape.clone().into(), strides: strides.into() },
        };
        Self { path, shape, first_row: 0, data }
    }

    pub(super) fn gptq(path: Arc<Path>, gptq: Gptq<Bytes>, bits: u32) -> Self {
        let shape = vec![gptq.out_features(), gptq.in_features()];
        Self { path, shape, first_row: 0, data: Data::Gptq(Arc::new(gptq), bits) }
    }

    pub(super) fn random(shape: Vec<usize>, random: Random) -> Self {
        Self { path: Path::new("random weights").into(), shape, first_row: 0, data: Data::Random(Arc::new(random)) }
    }

    /// Tensors one below the other; `None` unless they have as many columns.
    pub(crate) fn below(parts: Vec<Self>) -> Option<Self> {
        let first = parts.first()?;
        if parts.len() == 1 {
            return Some(first.clone());
        }
        let columns = first.columns();
        let rows = parts.iter().map(Self::rows).sum();
        // One axis stays one: vectors joined are a longer vector.
        if first.shape.len() == 1 && parts.iter().all(|part| part.shape.len() == 1) {
            let shape = vec![parts.iter().map(Self::columns).sum()];
            return Some(Self { path: first.path.clone(), shape, first_row: 0, data: Data::Beside(parts.into()) });
        }
        let same = parts.iter().all(|part| part.columns() == columns);
        let path = first.path.clone();
        same.then(|| Self { path, shape: vec![rows, columns], first_row: 0, data: Data::Below(parts.into()) })
    }

    /// Tensors side by side; `None` unless they have as many rows.
    pub(crate) fn beside(parts: Vec<Self>) -> Option<Self> {
        let first = parts.first()?;
        if parts.len() == 1 {
            return Some(first.clone());
        }
        let (rows, path) = (first.rows(), first.path.clone());
        let columns = parts.iter().map(Self::columns).sum();
        let same = parts.iter().all(|part| part.rows() == rows);
        same.then(|| Self { path, shape: vec![rows, columns], first_row: 0, data: Data::Beside(parts.into()) })
    }

    /// The file it lies in, or the first of them.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The product of all axes but the last; 1 of a vector.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, rows)| rows.iter().product())
    }

    /// The last axis.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// How its numbers are kept.
    pub fn kind(&self) -> Kind {
        match &self.data {
            Data::Dense { element, .. } | Data::Strided { element, .. } => match *element {
                Float::Double => Kind::F64,
                Float::Ggml(ggml::Kind::F32) => Kind::F32,
                Float::Ggml(ggml::Kind::F16) => Kind::F16,
                Float::Ggml(ggml::Kind::BF16) => Kind::BF16,
                Float::Ggml(kind) => Kind::Ggml(kind),
            },
            Data::Gptq(_, bits) => Kind::Gptq { bits: *bits },
            Data::Random(random) => Kind::Random(random.dtype()),
            Data::Numbers(_) => Kind::F32,
            // They have at least one part.
            Data::Below(parts) | Data::Beside(parts) => parts[0].kind(),
        }
    }

    /// Its bytes as the file has them, little-endian and possibly not aligned: numbers of a plain type, or blocks of
    /// ggml's. `None` where they do not lie together.
    pub fn bytes(&self) -> Option<&[u8]> {
        let Data::Dense { element, bytes } = &self.data else { return None };
        let row = row_bytes(*element, self.columns());
        Some(&bytes[self.first_row * row..(self.first_row + self.rows()) * row])
    }

    /// Rows of it, `[rows, columns]`: one expert of many, a part of a vocabulary.
    ///
    /// # Panics
    /// If it does not have them.
    pub fn slice_rows(&self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows(), "rows {rows:?} of {}", self.rows());
        Self { shape: vec![rows.len(), self.columns()], first_row: self.first_row + rows.start, ..self.clone() }
    }

    /// The same numbers in the same order with other axes; `None` unless there are as many of them and rows stay whole.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let same_row = shape.last().copied().unwrap_or(1) == self.columns();
        let rows: usize = shape.split_last().map_or(1, |(_, rows)| rows.iter().product());
        (same_row && rows == self.rows()).then(|| Self { shape: shape.to_vec(), ..self.clone() })
    }

    /// Gives whole rows from `first_row` on to `out`, `[rows, columns]`, as f32: exactly, but for doubles,
    /// which are rounded.
    ///
    /// # Panics
    /// If `out` is not whole rows, or the tensor does not have them.
    pub fn read_rows(&self, first_row: usize, out: &mut [f32]) {
        let columns = self.columns();
        assert!(out.len().is_multiple_of(columns), "{} numbers are no rows of {columns}", out.len());
        let rows = out.len() / columns;
        assert!(first_row + rows <= self.rows(), "rows {first_row} and {rows} more of {}", self.rows());
        let first = self.first_row + first_row;
        match &self.data {
            Data::Dense { element, bytes } => {
                let row = row_bytes(*element, columns);
                numbers(*element, &bytes[first * row..(first + rows) * row], out);
            }
            Data::Strided { element, bytes, shape, strides } if shape.len() == 2 && strides[0] == 1 && rows > 1 => {
                transposed_rows(*element, bytes, strides[1], first, columns, out);
            }
            Data::Strided { element, bytes, shape, strides } => {
                for (row, out) in (first..).zip(out.chunks_exact_mut(columns)) {
                    strided_row(*element, bytes, (shape, strides), row, out);
                }
            }
            Data::Gptq(gptq, _) => gptq.read_rows(first, out),
            Data::Random(random) => random.read(first * columns, out),
            Data::Numbers(numbers) => out.copy_from_slice(&numbers[first * columns..(first + rows) * columns]),
            Data::Below(parts) => read_below(parts, first, columns, out),
            Data::Beside(parts) => read_beside(parts, first, columns, out),
        }
    }

    /// All numbers as f32.
    pub fn to_vec(&self) -> Vec<f32> {
        let mut numbers = vec![0.0; self.rows() * self.columns()];
        self.read_rows(0, &mut numbers);
        numbers
    }
}

fn row_bytes(element: Float, columns: usize) -> usize {
    let (block_len, block_bytes) = element.block();
    columns / block_len * block_bytes
}

/// Elements one after the other.
fn numbers(element: Float, bytes: &[u8], out: &mut [f32]) {
    match element {
        Float::Ggml(kind) => kind.dequantise(bytes, out),
        Float::Double => {
            for (bytes, out) in bytes.as_chunks::<8>().0.iter().zip(out) {
                *out = f64::from_le_bytes(*bytes) as f32;
            }
        }
    }
}

/// One row of elements that lie apart.
fn strided_row(element: Float, bytes: &[u8], (shape, strides): (&[usize], &[usize]), row: usize, out: &mut [f32]) {
    let size = element.block().1;
    let last = shape.len() - 1;
    let (mut rest, mut place) = (row, 0);
    for axis in (0..last).rev() {
        place += rest % shape[axis] * strides[axis];
        rest /= shape[axis];
    }
    if strides[last] == 1 {
        return numbers(element, &bytes[place * size..(place + out.len()) * size], out);
    }
    for (column, out) in out.iter_mut().enumerate() {
        let start = (place + column * strides[last]) * size;
        numbers(element, &bytes[start..start + size], std::slice::from_mut(out));
    }
}

/// Rows of a matrix whose columns lie one after the other, `stride` apart: read as they lie.
fn transposed_rows(element: Float, bytes: &[u8], stride: usize, first: usize, columns: usize, out: &mut [f32]) {
    let size = element.block().1;
    let rows = out.len() / columns;
    let mut narrow = vec![0.0; rows];
    for column in 0..columns {
        let start = (first + column * stride) * size;
        numbers(element, &bytes[start..start + rows * size], &mut narrow);
        for (out, number) in out[column..].iter_mut().step_by(columns).zip(&narrow) {
            *out = *number;
        }
    }
}

fn read_below(parts: &[Tensor], mut first: usize, columns: usize, mut out: &mut [f32]) {
    for part in parts {
        if out.is_empty() {
            return;
        }
        if first >= part.rows() {
            first -= part.rows();
            continue;
        }
        let own = (part.rows() - first).min(out.len() / columns);
        let (now, later) = out.split_at_mut(own * columns);
        part.read_rows(first, now);
        (out, first) = (later, 0);
    }
}

fn read_beside(parts: &[Tensor], first: usize, columns: usize, out: &mut [f32]) {
    let rows = out.len() / columns;
    let mut start = 0;
    for part in parts {
        let own = part.columns();
        let mut narrow = vec![0.0; rows * own];
        part.read_rows(first, &mut narrow);
        for (out, narrow) in out.chunks_exact_mut(columns).zip(narrow.chunks_exact(own)) {
            out[start..start + own].copy_from_slice(narrow);
        }
        start += own;
    }
}
