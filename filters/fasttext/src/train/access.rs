//! How a worker reaches the matrices: alone, or beside others.

use super::kernels::{self, Level};
use super::weights::Weights;

/// What a training step does to the two matrices.
///
/// Scores are products of an output row with the hidden vector. A *step* of an output row adds `step · row` to the gradient and then
/// `step · hidden` to the row.
pub(super) trait Access {
    /// Sets `hidden` to the mean of input rows.
    fn average_rows(&mut self, rows: &[u32], hidden: &mut [f32]);

    /// Adds the gradient to input rows, one after the other.
    fn add_to_rows(&mut self, rows: &[u32], gradient: &[f32]);

    /// The scores of all output rows.
    fn scores(&mut self, hidden: &[f32], scores: &mut [f32]);

    /// The scores of some output rows.
    fn scores_of(&mut self, rows: &[u32], hidden: &[f32], scores: &mut [f32]);

    /// Steps of all output rows, from the first on.
    fn step_all(&mut self, steps: &[f32], hidden: &[f32], gradient: &mut [f32]);

    /// The step of one output row.
    fn step_row(&mut self, row: usize, step: f32, hidden: &[f32], gradient: &mut [f32]);
}

/// The matrices in the hands of one worker: every result is fastText's, bit for bit.
pub(super) struct Alone<'a> {
    level: Level,
    columns: usize,
    input: &'a mut [f32],
    output: &'a mut [f32],
    /// The output matrix once more, transposed and with rows of `stride` elements: products with a fixed order of summing are then
    /// computed for many labels side by side. Empty when there are few labels.
    transposed: Vec<f32>,
    stride: usize,
}

/// Labels from which on the transposed matrix pays.
const TRANSPOSE_FROM: usize = 12;

impl<'a> Alone<'a> {
    /// Takes both matrices. `all_labels`: whether each example has to do with all labels, not with some.
    pub(super) fn new(input: &'a mut Weights, output: &'a mut Weights, all_labels: bool) -> Self {
        let (columns, labels) = (input.columns(), output.rows());
        let output = output.as_mut_slice();
        let stride = labels.next_multiple_of(16);
        let mut transposed = Vec::new();
        if all_labels && labels >= TRANSPOSE_FROM {
            transposed = vec![0.0; stride * columns];
            for (label, row) in output.chunks_exact(columns).enumerate() {
                for (column, &value) in row.iter().enumerate() {
                    transposed[column * stride + label] = value;
                }
            }
        }
        Alone { level: Level::detect(), columns, input: input.as_mut_slice(), output, transposed, stride }
    }
}

impl Access for Alone<'_> {
    fn average_rows(&mut self, rows: &[u32], hidden: &mut [f32]) {
        kernels::average_rows(self.level, self.input, rows, (1.0 / rows.len() as f64) as f32, hidden);
    }

    fn add_to_rows(&mut self, rows: &[u32], gradient: &[f32]) {
        kernels::add_to_rows(self.level, self.input, rows, gradient);
    }

    fn scores(&mut self, hidden: &[f32], scores: &mut [f32]) {
        if self.transposed.is_empty() {
            kernels::products(self.level, self.output, hidden, scores);
        } else {
            kernels::products_of_columns(self.level, &self.transposed, self.stride, hidden, scores);
        }
    }

    fn scores_of(&mut self, rows: &[u32], hidden: &[f32], scores: &mut [f32]) {
        for (&row, score) in rows.iter().zip(scores) {
            let row = &self.output[row as usize * self.columns..][..self.columns];
            *score = row.iter().zip(hidden).fold(0.0, |sum, (element, value)| sum + element * value);
        }
    }

    fn step_all(&mut self, steps: &[f32], hidden: &[f32], gradient: &mut [f32]) {
        kernels::step_rows(self.level, self.output, steps, hidden, gradient);
        if !self.transposed.is_empty() {
            kernels::step_columns(self.level, &mut self.transposed, self.stride, steps, hidden);
        }
    }

    fn step_row(&mut self, row: usize, step: f32, hidden: &[f32], gradient: &mut [f32]) {
        kernels::step_row(self.level, &mut self.output[row * self.columns..][..self.columns], step, hidden, gradient);
    }
}
