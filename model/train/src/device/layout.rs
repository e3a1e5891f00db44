//! What all layers need of a batch.

use std::ops::Range;

use candle_core::{Device, Tensor};
use yuan_model::Angles;

use crate::{Batch, Result};

/// Rows of whole sequences whose attention is computed together, where none is longer.
const ROWS: usize = 512;

/// Where sequences lie, and the angles of their positions.
pub(super) struct Layout {
    /// `[rows, 1, half]`.
    pub cos: Tensor,
    pub sin: Tensor,
    /// For each row the one before it; behind the last where a sequence begins.
    pub previous: Tensor,
    pub blocks: Vec<Block>,
}

/// Sequences that lie end to end.
pub(super) struct Block {
    pub rows: Range<usize>,
    /// `[rows, rows]`: 0 where a row sees another one, else so low that nothing is left of it.
    pub mask: Tensor,
}

impl Layout {
    pub fn new(batch: &Batch, angles: Angles, device: &Device) -> Result<Self> {
        let (inputs, rows) = (batch.inputs(), batch.len());
        let mut previous: Vec<u32> = (0..rows as u32).map(|row| row.wrapping_sub(1)).collect();
        inputs.sequences().iter().filter(|own| !own.is_empty()).for_each(|own| previous[own.start] = rows as u32);
        let shape = (rows, 1, angles.half);
        let blocks = blocks(inputs.sequences()).into_iter().map(|sequences| {
            let rows = sequences[0].start..sequences[sequences.len() - 1].end;
            let mask = mask(sequences, inputs.first_keys());
            Ok(Block { mask: Tensor::from_vec(mask, (rows.len(), rows.len()), device)?, rows })
        });
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
            cos: Tensor::from_vec(angles.cos, shape, device)?,
            sin: Tensor::from_vec(angles.sin, shape, device)?,
            previous: Tensor::from_vec(previous, rows, device)?,
        })
    }
}

/// Sequences by blocks: as many as have no more than [`ROWS`] rows together, or a longer one alone.
fn blocks(sequences: &[Range<usize>]) -> Vec<&[Range<usize>]> {
    let mut blocks = Vec::new();
    let mut first = 0;
    for number in 1..=sequences.len() {
        if number == sequences.len() || sequences[number].end - sequences[first].start > ROWS {
            blocks.push(&sequences[first..number]);
            first = number;
        }
    }
    blocks
}

/// The mask of some sequences, whose rows see no key before their first one, counted from the first of their sequence.
fn mask(sequences: &[Range<usize>], first_keys: &[u32]) -> Vec<f32> {
    let (start, end) = (sequences[0].start, sequences[sequences.len() - 1].end);
    let mut mask = vec![f32::MIN; (end - start) * (end - start)];
    for own in sequences {
        for row in own.clone() {
            let seen = own.start + first_keys[row] as usize..row + 1;
            mask[(row - start) * (end - start)..][seen.start - start..seen.end - start].fill(0.0);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_seen_by_themselves_alone() {
        let found = blocks(&[0..300, 300..500, 500..513, 513..2000, 2000..2001]).into_iter().map(<[_]>::len);
        assert_eq!(found.collect::<Vec<_>>(), [2, 1, 1, 1]);
        let low = f32::MIN;
        assert_eq!(
            mask(&[7..9, 9..12], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]),
            [
                [0.0, low, low, low, low],
                [0.0, 0.0, low, low, low],
                [low, low, 0.0, low, low],
                [low, low, 0.0, 0.0, low],
                [low, low, low, low, 0.0]
            ]
            .concat()
        );
    }
}
