//! A matrix as it lies in memory, whole or in part.

use std::ops::Range;

/// Rows of numbers: some columns of each, in their order or another.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    values: &'a [f32],
    /// Values from one row to the next.
    stride: usize,
    first_column: usize,
    columns: usize,
    rows: usize,
    row_of: Option<&'a [u32]>,
}

impl<'a> View<'a> {
    /// All of `values`, `[rows, columns]`.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        assert!(columns > 0 && values.len().is_multiple_of(columns), "{} values for rows of {columns}", values.len());
        Self { values, stride: columns, first_column: 0, columns, rows: values.len() / columns, row_of: None }
    }

    /// Some columns.
    ///
    /// # Panics
    /// If there are none, or not so many.
    pub fn columns(self, columns: Range<usize>) -> Self {
        assert!(columns.start < columns.end && columns.end <= self.columns, "{columns:?} of {} columns", self.columns);
        Self { first_column: self.first_column + columns.start, columns: columns.len(), ..self }
    }

    /// Some rows.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "{rows:?} of {} rows", self.rows);
        match self.row_of {
            Some(row_of) => Self { row_of: Some(&row_of[rows.clone()]), rows: rows.len(), ..self },
            None => Self {
                values: &self.values[rows.start * self.stride..rows.end * self.stride],
                rows: rows.len(),
                ..self
            },
        }
    }

    /// Rows in another order: `row_of` has the row for each.
    ///
    /// # Panics
    /// If there is no such row, or rows are in another order already.
    pub fn gather(self, row_of: &'a [u32]) -> Self {
        assert!(self.row_of.is_none(), "rows are gathered once");
        assert!(row_of.iter().all(|row| (*row as usize) < self.rows), "rows of {} are gathered", self.rows);
        Self { row_of: Some(row_of), rows: row_of.len(), ..self }
    }

    /// Rows and columns.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// One row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        let row = self.row_of.map_or(row, |row_of| row_of[row] as usize);
        &self.values[row * self.stride + self.first_column..][..self.columns]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_parts_are_those_of_the_whole() {
        let values: Vec<f32> = (0..20).map(|value| value as f32).collect();
        let part = View::new(&values, 5).columns(1..5).rows(1..4).columns(1..3);
        assert_eq!((part.shape(), part.row(0), part.row(2)), ([3, 2], &[7.0, 8.0][..], &[17.0, 18.0][..]));
        let turned = part.gather(&[2, 0, 0]).rows(1..3);
        assert_eq!((turned.shape(), turned.row(1)), ([2, 2], &[7.0, 8.0][..]));
    }
}
