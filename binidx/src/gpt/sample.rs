//! A dataset's samples: which tokens of which sequences they are made of.

use std::ops::Range;

use serde::Serialize;

use super::{Indices, Sampling};
use crate::{Error, Reader, Result};

/// Some sequences of a dataset, and the order in which a trainer reads them.
pub struct Dataset {
    reader: Reader,
    sequences: Range<usize>,
    sampling: Sampling,
    indices: Indices,
}

/// Tokens of one sequence, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The sequence.
    pub sequence: usize,
    /// The first token of it.
    pub offset: usize,
    /// Tokens; 0 where a sequence is only passed.
    pub tokens: usize,
}

impl Dataset {
    /// Builds the indices for some sequences.
    ///
    /// # Errors
    /// As [`Indices::build`].
    pub fn new(reader: Reader, sequences: Range<usize>, sampling: Sampling) -> Result<Self> {
        let indices = Indices::build(reader.index(), sequences.clone(), &sampling)?;
        Ok(Self { reader, sequences, sampling, indices })
    }

    /// The files.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The sequences samples are drawn from.
    pub fn sequences(&self) -> Range<usize> {
        self.sequences.clone()
    }

    /// How they are drawn.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// The arrays that say so.
    pub fn indices(&self) -> &Indices {
        &self.indices
    }

    /// Samples: at least as many as were asked for.
    pub fn len(&self) -> usize {
        self.indices.sample_index.samples()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the sample read at this place is made of, in order; `None` if there is none.
    pub fn pieces(&self, place: usize) -> Option<Vec<Piece>> {
        let Indices { document_index, sample_index, shuffle_index, .. } = &self.indices;
        let sample = shuffle_index.get(place)?;
        let ((first, start), (last, end)) = (sample_index.get(sample)?, sample_index.get(sample + 1)?);
        let end = end + self.sampling.extra() as usize;
        let pieces = (first..=last).map(|at| {
            let sequence = document_index[at] as usize;
            let offset = if at == first { start } else { 0 };
            let whole = || self.reader.index().sequence_length(sequence).unwrap_or(0) as usize;
            let end = if at == last { end } else { whole() };
            Piece { sequence, offset, tokens: end.saturating_sub(offset) }
        });
        Some(pieces.collect())
    }

    /// The tokens of the sample read at this place: the sequence length, and one more if samples take an extra token. A
    /// partial sample is filled up with `pad`.
    ///
    /// # Errors
    /// If there is no such sample, or its tokens do not lie within the `.bin` file.
    pub fn text(&self, place: usize, pad: i64) -> Result<Vec<i64>> {
        let pieces = self.pieces(place).ok_or_else(|| {
            let problem = format!("no sample {place}, there are {}", self.len());
            Error::sampling(self.reader.bin_path().display().to_string(), problem)
        })?;
        let length = self.sampling.sequence_length + self.sampling.extra() as usize;
        let mut text = Vec::with_capacity(length);
        for Piece { sequence, offset, tokens } in pieces {
            let whole = self.reader.sequence(sequence)?;
            let piece = whole.get(offset..offset + tokens).ok_or_else(|| {
                let problem = format!("sequence {sequence} has {} tokens, not {}", whole.len(), offset + tokens);
                Error::malformed(self.reader.index().path(), "sequence_lengths", problem)
            })?;
            text.extend(piece.ids());
        }
        text.resize(length, pad);
        Ok(text)
    }
}
