//! Rows of tensors, one below the other, as one weight.

use crate::DType;
use crate::weights::{Tensor, widest};

/// A weight `[out, in]` put together from rows of tensors.
#[derive(Clone, Debug)]
pub struct Stack {
    columns: usize,
    /// The row each part begins at, and the part.
    parts: Vec<(usize, Part)>,
    rows: usize,
}

#[derive(Clone, Debug)]
enum Part {
    Tensor(Tensor),
    Numbers(Vec<f32>, DType),
}

impl Stack {
    /// No rows yet, of `columns` values.
    pub fn new(columns: usize) -> Self {
        Self { columns, parts: Vec::new(), rows: 0 }
    }

    /// Rows of a tensor.
    ///
    /// # Panics
    /// If they are of another length.
    #[must_use]
    pub fn with(mut self, tensor: Tensor) -> Self {
        assert_eq!(tensor.columns(), self.columns, "rows of a weight are of one length");
        let rows = tensor.rows();
        self.parts.push((self.rows, Part::Tensor(tensor)));
        self.rows += rows;
        self
    }

    /// Rows that are computed from tensors, and that a type holds as they are.
    ///
    /// # Panics
    /// If they are no whole rows.
    #[must_use]
    pub fn with_numbers(mut self, numbers: Vec<f32>, dtype: DType) -> Self {
        assert!(numbers.len().is_multiple_of(self.columns), "rows of a weight are of one length");
        let rows = numbers.len() / self.columns;
        self.parts.push((self.rows, Part::Numbers(numbers, dtype)));
        self.rows += rows;
        self
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The type that holds all of it as it is; `None` if some of it lies in blocks, of few bits for a value.
    pub fn dtype(&self) -> Option<DType> {
        widest(self.parts.iter().map(|(_, part)| match part {
            Part::Tensor(tensor) => tensor.kind().dtype(),
            Part::Numbers(_, dtype) => Some(*dtype),
        }))
    }

    /// Whole rows from `first_row` on.
    ///
    /// # Panics
    /// If there are not so many rows.
    pub fn read(&self, first_row: usize, mut out: &mut [f32]) {
        assert!(first_row * self.columns + out.len() <= self.rows * self.columns, "rows that are there are read");
        let mut row = first_row;
        while !out.is_empty() {
            let (start, part) = &self.parts[self.parts.partition_point(|(start, _)| *start <= row) - 1];
            let (skip, rows) = match part {
                Part::Tensor(tensor) => (row - start, tensor.rows()),
                Part::Numbers(numbers, _) => (row - start, numbers.len() / self.columns),
            };
            let count = (rows - skip).min(out.len() / self.columns);
            let (own, rest) = std::mem::take(&mut out).split_at_mut(count * self.columns);
            match part {
                Part::Tensor(tensor) => tensor.read_rows(skip, own),
                Part::Numbers(numbers, _) => own.copy_from_slice(&numbers[skip * self.columns..][..own.len()]),
            }
            out = rest;
            row += count;
        }
    }
}
