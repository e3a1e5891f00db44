//! Scores to probabilities, in the C++ library's order of operations and with its tables.

/// Cells of the sigmoid's table.
const SIGMOID_CELLS: usize = 512;
/// Beyond this the sigmoid is taken to be 0 or 1.
const SIGMOID_MAX: f32 = 8.0;

/// The sigmoid as fastText has it: a table of 513 values over [-8, 8].
#[derive(Clone, Debug)]
pub struct Sigmoid {
    table: Box<[f32]>,
}

impl Default for Sigmoid {
    fn default() -> Self {
        Self::new()
    }
}

impl Sigmoid {
    /// Fills the table.
    pub fn new() -> Self {
        let value = |cell: usize| {
            let x = (cell as f32 * 2.0 * SIGMOID_MAX) / SIGMOID_CELLS as f32 - SIGMOID_MAX;
            (1.0 / (1.0 + f64::from((-x).exp()))) as f32
        };
        Self { table: (0..=SIGMOID_CELLS).map(value).collect() }
    }

    /// The value of the cell that `x` lies in; NaN for NaN.
    #[inline]
    pub fn of(&self, x: f32) -> f32 {
        if x < -SIGMOID_MAX {
            0.0
        } else if x > SIGMOID_MAX {
            1.0
        } else if x.is_nan() {
            x
        } else {
            self.table[((x + SIGMOID_MAX) * SIGMOID_CELLS as f32 / SIGMOID_MAX / 2.0) as usize]
        }
    }
}

/// Turns scores into probabilities that sum to 1.
pub(super) fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f32;
    for score in scores.iter_mut() {
        *score = f64::from(*score - max).exp() as f32;
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// The logarithm that scores of labels are, kept away from minus infinity.
#[inline]
pub(super) fn log(probability: f32) -> f32 {
    (f64::from(probability) + 1e-5).ln() as f32
}

/// The sigmoid that hierarchical softmax uses in predictions, without a table.
#[inline]
pub(super) fn exact_sigmoid(x: f32) -> f32 {
    (1.0 / f64::from(1.0 + (-x).exp())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_coarse() {
        let sigmoid = Sigmoid::new();
        assert_eq!(sigmoid.of(0.0), 0.5);
        assert_eq!(sigmoid.of(0.01), 0.5);
        assert_eq!(sigmoid.of(8.0), (1.0 / (1.0 + f64::from((-8.0f32).exp()))) as f32);
        assert_eq!((sigmoid.of(8.1), sigmoid.of(-8.1)), (1.0, 0.0));
        assert!(sigmoid.of(f32::NAN).is_nan());
    }
}
