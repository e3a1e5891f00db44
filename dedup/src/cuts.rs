//! Places to cut out of documents: a file of (`doc_id`, unit) pairs, sorted, mapped into memory by the stage that cuts.

use std::collections::BTreeMap;
use std::path::Path;

use yuan_pipeline::{Batch, Context, Result};

use crate::duplicates::Pairs;
use crate::files::{Format, Writer};
use crate::ranges::SMALL;
use crate::sorter::Sorted;

/// An outcome.
pub(crate) struct Cuts {
    pairs: Pairs,
}

impl Cuts {
    /// # Errors
    /// If the file cannot be read or is of another format.
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self> {
        Ok(Self { pairs: Pairs::open(path, |_| format)? })
    }

    /// The second numbers of all pairs that begin with `doc_id`, each with its place in the file. O(log pairs).
    pub(crate) fn of(&self, doc_id: u64) -> impl Iterator<Item = (usize, u64)> {
        let (mut low, mut high) = (0, self.pairs.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.pairs.get(middle).0 < doc_id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let all = (low..self.pairs.len()).map(|at| (at, self.pairs.get(at)));
        all.take_while(move |(_, (found, _))| *found == doc_id).map(|(at, (_, unit))| (at, unit))
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn get(&self, index: usize) -> (u64, u64) {
        self.pairs.get(index)
    }
}

/// Gives rows of a batch the texts that are left of them, and counts what was cut: documents, units, bytes.
pub(crate) fn rewrite_cut(
    mut batch: Batch,
    mut left: BTreeMap<usize, String>,
    (documents, units, bytes): (u64, u64, u64),
) -> Result<Batch> {
    if documents > 0 {
        batch.tally("cut", "documents", documents, bytes);
        batch.tally("cut", "units", units, bytes);
    }
    batch.rewrite(|document| left.remove(&document.row()))
}

/// Writes the pairs, each once.
pub(crate) fn write_cuts(mut pairs: Sorted, outcome: &Path, format: Format, context: &Context<'_>) -> Result<()> {
    let mut file = Writer::create(outcome)?;
    let (mut last, mut count) = (None, 0_u64);
    while let Some(pair) = pairs.next()? {
        let pair = (pair[0], pair[1]);
        if last.replace(pair) != Some(pair) {
            file.pair(pair.0, pair.1)?;
        }
        count += 1;
        if count.is_multiple_of(SMALL) {
            context.check()?;
        }
    }
    file.finish(format)
}
