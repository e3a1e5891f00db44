//! The outcome of a deduplication pass, and the stage that acts on it.

use std::path::Path;

use memmap2::Mmap;
use yuan_pipeline::{Batch, Detail, Document, Reason, Result, Stage, Verdict};

use crate::files::{Format, HEADER_BYTES, Kind, mapped_as, number};
use crate::index::{Places, is_known};

/// The file of duplicates in an outcome that is a folder.
pub(crate) const DUPLICATES: &str = "duplicates";

/// The documents to drop, each with the document that is kept for it: a file of (`doc_id`, `doc_id` of the keeper) in
/// the order of the first, mapped into memory.
pub struct Duplicates {
    pairs: Pairs,
}

/// A file of pairs of numbers in the order of the first, mapped into memory.
pub(crate) type Pairs = Lookup<2>;

/// A file of records of so many numbers, at least two, in the order of the first, mapped into memory.
pub(crate) struct Lookup<const WORDS: usize> {
    file: Mmap,
}

impl<const WORDS: usize> Lookup<WORDS> {
    /// Opens a file whose format is what `format` makes of its header.
    pub(crate) fn open(path: &Path, format: impl Fn(&[u8]) -> Format) -> Result<Self> {
        let file = mapped_as(path, format, 8 * WORDS)?;
        Ok(Self { file })
    }

    pub(crate) fn len(&self) -> usize {
        (self.file.len() - HEADER_BYTES) / (8 * WORDS)
    }

    /// The first two numbers of a record.
    pub(crate) fn get(&self, index: usize) -> (u64, u64) {
        (self.word(index, 0), self.word(index, 1))
    }

    /// One of the numbers of a record.
    pub(crate) fn word(&self, index: usize, word: usize) -> u64 {
        number(&self.file[HEADER_BYTES + 8 * (index * WORDS + word)..])
    }

    /// The first two numbers of all records, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Where the record that begins with `first` is, and its second number. O(log records).
    pub(crate) fn find(&self, first: u64) -> Option<(usize, u64)> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                (found, second) if found == first => return Some((middle, second)),
                (found, _) if found < first => low = middle + 1,
                _ => high = middle,
            }
        }
        None
    }
}

impl Duplicates {
    /// Opens the outcome of an `exact` or `minhash` pass, whatever its parameters.
    ///
    /// # Errors
    /// If the file cannot be read or is something else.
    pub fn open(outcome: &Path) -> Result<Self> {
        let file = if outcome.is_dir() { outcome.join(DUPLICATES) } else { outcome.into() };
        let parameters = |header: &[u8]| header.get(16..24).map_or(0, number);
        let format = |header: &[u8]| Format { stage: "dedup", kind: Kind::Duplicates, parameters: parameters(header) };
        Ok(Self { pairs: Pairs::open(&file, format)? })
    }

    /// Opens an outcome that must be of this format.
    pub(crate) fn of_format(outcome: &Path, format: Format) -> Result<Self> {
        Ok(Self { pairs: Pairs::open(outcome, |_| Format { kind: Kind::Duplicates, ..format })? })
    }

    /// The number of documents to drop.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is nothing to drop.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All documents to drop, with their keepers, in the order of their ids. Keepers from 2⁶³ on are documents of an index.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.pairs.iter()
    }

    /// The document that is kept for this one; `None` if this one stays. O(log duplicates).
    pub fn keeper_of(&self, doc_id: u64) -> Option<u64> {
        self.pairs.find(doc_id).map(|(_, keeper)| keeper)
    }
}

/// The document that is kept for `doc_id` according to the outcome of an `exact` or `minhash` pass; `None` if it stays.
///
/// # Errors
/// If the file cannot be read or is something else.
pub fn keeper_of(outcome: &Path, doc_id: u64) -> Result<Option<u64>> {
    Ok(Duplicates::open(outcome)?.keeper_of(doc_id))
}

/// Drops the documents that an outcome names.
pub(crate) struct DropDuplicates {
    pub duplicates: Duplicates,
    pub code: &'static str,
    /// Columns and fields that documents were told apart or ranked by: a name that no document has is worth a warning.
    pub looks_at: Vec<String>,
    /// Where documents of an index were read, if there is one.
    pub places: Option<Places>,
}

impl Stage for DropDuplicates {
    fn process(&self, mut batch: Batch) -> Result<Batch> {
        for name in self.looks_at.iter().filter(|name| *name != "source") {
            let has = |document: &Document<'_>| document.str(name).is_some() || document.f64(name).is_some();
            let with = batch.documents().filter(has).count() as u64;
            let without = batch.live_rows() as u64 - with;
            batch.tally("with_value", name, with, 0);
            batch.tally("without_value", name, without, 0);
        }
        batch.judge(|document| {
            let Some(keeper) = self.duplicates.keeper_of(document.doc_id()) else { return Verdict::Keep };
            let detail = match &self.places {
                Some(places) if is_known(keeper) => Detail::Text(places.place(keeper).to_string()),
                _ => Detail::Document(keeper),
            };
            Verdict::Drop(Reason { code: self.code, detail })
        })
    }
}
