//! Places to cut out of documents: a file of (`doc_id`, unit) pairs, sorted, mapped into memory by the stage that cuts.

use std::path::Path;

use yuan_pipeline::Result;

use crate::duplicates::Pairs;
use crate::files::{Format, Writer};
use crate::runs::Runs;

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

/// Writes all pairs of the runs.
pub(crate) fn write_cuts(runs: Runs<'_>, outcome: &Path, format: Format) -> Result<()> {
    let mut file = Writer::create(outcome)?;
    runs.merge(|(doc_id, unit)| file.pair(doc_id, unit))?;
    file.finish(format)
}
