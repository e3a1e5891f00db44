//! Bins: equally many values each, and their mean stands for all of them (Federico and Bertoldi 2006).

use std::path::Path;

use super::sort::Sorter;
use crate::binary::trie::{QUANTISER_VERSION, QuantiserLayout};
use crate::bytes::put_f32;
use crate::error::Result;
use crate::state::{NO_EXTENSION, has_extension};

/// The first two bins of back-offs: zero of n-grams that no longer one begins with, and zero of others.
const RESERVED: usize = 2;

/// The bins of one order.
#[derive(Default)]
pub(super) struct Bins {
    probs: Vec<f32>,
    /// None at the highest order.
    backoffs: Vec<f32>,
}

/// Collects the values of one order.
pub(super) struct Trainer {
    probs: Sorter,
    backoffs: Sorter,
}

impl Trainer {
    /// For about `count` n-grams, in `memory` bytes.
    pub(super) fn new(count: u64, memory: u64, directory: &Path) -> Trainer {
        let sorter = || Sorter::new(1, 1, count, memory / 2, directory);
        Trainer { probs: sorter(), backoffs: sorter() }
    }

    pub(super) fn prob(&mut self, prob: f32) -> Result<()> {
        self.probs.push([sortable(prob)])
    }

    /// Zeros have bins of their own.
    pub(super) fn backoff(&mut self, backoff: f32) -> Result<()> {
        if backoff == 0.0 { Ok(()) } else { self.backoffs.push([sortable(backoff)]) }
    }

    /// The bins of a middle order.
    pub(super) fn middle(self, prob_bits: u8, backoff_bits: u8) -> Result<Bins> {
        let mut backoffs = vec![NO_EXTENSION, 0.0];
        means(self.backoffs, (1 << backoff_bits) - RESERVED, &mut backoffs)?;
        let mut probs = Vec::new();
        means(self.probs, 1 << prob_bits, &mut probs)?;
        Ok(Bins { probs, backoffs })
    }

    /// The bins of the highest order.
    pub(super) fn longest(self, prob_bits: u8) -> Result<Bins> {
        let mut probs = Vec::new();
        means(self.probs, 1 << prob_bits, &mut probs)?;
        Ok(Bins { probs, backoffs: Vec::new() })
    }
}

/// Means of `bins` shares of the values, in ascending order; an empty share has the mean of the one before. Summed in
/// double precision from the smallest on, divided by a count in single precision, as in KenLM.
fn means(values: Sorter, bins: usize, means: &mut Vec<f32>) -> Result<()> {
    let sorted = values.finish()?;
    let total = sorted.count();
    let mut values = sorted.records()?;
    let mut mean = f32::NEG_INFINITY;
    let mut start = 0;
    for bin in 1..=bins as u64 {
        let end = total * bin / bins as u64;
        if end > start {
            let mut sum = 0.0;
            for _ in start..end {
                sum += values.peek().map_or(0.0, |value| f64::from(unsortable(value[0])));
                values.advance()?;
            }
            mean = (sum / f64::from((end - start) as f32)) as f32;
        }
        means.push(mean);
        start = end;
    }
    Ok(())
}

/// A number in whose order floats are.
fn sortable(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_sign_negative() { !bits } else { bits | 1 << 31 }
}

fn unsortable(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

impl Bins {
    /// The bin of a probability.
    pub(super) fn prob(&self, value: f32) -> u64 {
        nearest(&self.probs, value) as u64
    }

    /// The bin of a back-off.
    pub(super) fn backoff(&self, value: f32) -> u64 {
        if value == 0.0 {
            return u64::from(has_extension(value));
        }
        (RESERVED + nearest(&self.backoffs[RESERVED..], value)) as u64
    }

    /// Writes the bins of order `level + 2`.
    pub(super) fn write(&self, image: &mut [u8], layout: &QuantiserLayout, level: usize) {
        for (at, &mean) in self.probs.iter().enumerate() {
            put_f32(image, layout.probs(level) + 4 * at, mean);
        }
        for (at, &mean) in self.backoffs.iter().enumerate() {
            put_f32(image, layout.backoffs(level) + 4 * at, mean);
        }
    }
}

/// Writes how many bits there are.
pub(super) fn write_header(image: &mut [u8], layout: &QuantiserLayout) {
    image[layout.offset..layout.offset + 3].copy_from_slice(&[
        QUANTISER_VERSION,
        layout.prob_bits,
        layout.backoff_bits,
    ]);
}

/// The nearest of ascending means: of two as near, the upper.
fn nearest(means: &[f32], value: f32) -> usize {
    let above = means.partition_point(|&mean| mean < value);
    if above == 0 {
        0
    } else if above == means.len() {
        above - 1
    } else {
        above - usize::from(value - means[above - 1] < means[above] - value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_sort_as_numbers() {
        let ascending = [f32::NEG_INFINITY, -3.5, -1.0, -1e-30, -0.0, 0.0, 1e-30, 2.0, f32::INFINITY];
        assert!(ascending.windows(2).all(|pair| sortable(pair[0]) < sortable(pair[1])));
        assert!(ascending.iter().all(|value| unsortable(sortable(*value)).to_bits() == value.to_bits()));
    }
}
