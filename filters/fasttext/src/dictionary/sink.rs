//! Where the rows of a line go: into a list, or into a sum at once.

use super::Dictionary;
use super::line::words_of;
use crate::matrix::RowFetcher;
use crate::tokens::next_token;
use crate::{Line, Matrix};

/// Takes the rows of a line in their order.
pub(crate) trait RowSink {
    /// Begins a new line.
    fn clear(&mut self);
    /// Takes a row.
    fn push(&mut self, row: u32);
    /// Says that some rows have come and others follow.
    fn pause(&mut self);
}

impl RowSink for Vec<u32> {
    #[inline(always)]
    fn clear(&mut self) {
        Vec::clear(self);
    }

    #[inline(always)]
    fn push(&mut self, row: u32) {
        Vec::push(self, row);
    }

    #[inline(always)]
    fn pause(&mut self) {}
}

/// Sums rows of a matrix while more of them come. A row is asked for when it comes and added some rows later, so that
/// hashing and waiting for memory go on at the same time.
struct Summing<'a> {
    rows: &'a mut Vec<u32>,
    matrix: &'a Matrix,
    fetcher: RowFetcher<'a>,
    sums: &'a mut [f32],
    /// Rows that are summed already, and rows that were asked for when the line paused last.
    summed: usize,
    fetched: usize,
}

impl RowSink for Summing<'_> {
    fn clear(&mut self) {
        self.rows.clear();
        self.sums.fill(0.0);
        (self.summed, self.fetched) = (0, 0);
    }

    #[inline(always)]
    fn push(&mut self, row: u32) {
        self.rows.push(row);
        self.fetcher.fetch(row);
    }

    fn pause(&mut self) {
        self.matrix.add_rows(&self.rows[self.summed..self.fetched], self.sums);
        (self.summed, self.fetched) = (self.fetched, self.rows.len());
    }
}

impl Dictionary {
    /// Reads a line like [`read_line`](Self::read_line) and fills `sums` with the sum of the rows of `matrix`.
    pub(crate) fn sum_line(&self, input: &mut &[u8], line: &mut Line, matrix: &Matrix, sums: &mut [f32]) {
        self.sum_tokens(|| next_token(input), line, matrix, sums);
    }

    /// Reads a text like [`read_text`](Self::read_text) and fills `sums` with the sum of the rows of `matrix`.
    pub(crate) fn sum_text(&self, text: &[u8], line: &mut Line, matrix: &Matrix, sums: &mut [f32]) {
        self.sum_tokens(words_of(text), line, matrix, sums);
    }

    #[inline(always)]
    fn sum_tokens<'a>(
        &self,
        next: impl FnMut() -> Option<&'a [u8]>,
        line: &mut Line,
        matrix: &Matrix,
        sums: &mut [f32],
    ) {
        let mut sink = Summing { rows: &mut line.rows, matrix, fetcher: matrix.fetcher(), sums, summed: 0, fetched: 0 };
        self.read_tokens(next, &mut sink, &mut line.labels, &mut line.hashes);
        let Summing { rows, sums, summed, .. } = sink;
        matrix.add_rows(&rows[summed..], sums);
    }
}
