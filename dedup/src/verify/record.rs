//! What the second reading notes of a candidate: the body of a partial file is one record after the other.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `doc_id` of the first document that it is connected with |
//! | 8 | `doc_id` |
//! | 8 | rank: of two documents that are alike, the one of lower rank is kept, or the earlier |
//! | 16 | hash of the document's own id, 0 if it has none or nobody asks |
//! | 4, 4 | number of band keys, number of shingles |
//! | 8 × … | band keys, sorted |
//! | 4 × … | hashes of shingles, sorted, each once; then zeros up to a multiple of 8 bytes |
//!
//! The header counts words of 8 bytes.

use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Error, Result};

use crate::files::{Format, HEADER_BYTES, Kind, Writer, mapped, number};

const FIXED_BYTES: usize = 48;

/// A candidate's place in the order in which documents are kept, and where its record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The first document that it is connected with.
    pub first: u64,
    /// Whether it is of this run, not of an index.
    pub is_new: bool,
    pub rank: u64,
    pub doc_id: u64,
    pub file: u32,
    pub at: u64,
}

/// A candidate's record.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Little-endian.
    pub keys: &'a [[u8; 8]],
    /// Little-endian.
    pub shingles: &'a [[u8; 4]],
}

/// A record to be written: keys and shingles are sorted and distinct.
pub(crate) struct Note<'a> {
    pub first: u64,
    pub rank: u64,
    pub doc_id: u64,
    pub id: u128,
    pub keys: &'a [u64],
    pub shingles: &'a [u32],
}

/// A partial file being written.
pub(crate) struct Notes {
    writer: Writer,
    words: u64,
    record: Vec<u8>,
}

impl Notes {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: Writer::create(path)?, words: 0, record: Vec::new() })
    }

    pub(crate) fn note(&mut self, note: &Note<'_>) -> Result<()> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        [note.first, note.doc_id, note.rank].iter().for_each(|word| record.extend(word.to_le_bytes()));
        record.extend(note.id.to_le_bytes());
        [note.keys.len(), note.shingles.len()].iter().for_each(|count| record.extend((*count as u32).to_le_bytes()));
        note.keys.iter().for_each(|key| record.extend(key.to_le_bytes()));
        note.shingles.iter().for_each(|shingle| record.extend(shingle.to_le_bytes()));
        record.resize(record.len().next_multiple_of(8), 0);
        self.copy(&record)?;
        self.record = record;
        Ok(())
    }

    /// Appends a record as it is in another file; where it begins in this one.
    pub(crate) fn copy(&mut self, record: &[u8]) -> Result<u64> {
        let at = HEADER_BYTES as u64 + 8 * self.words;
        self.words += record.len() as u64 / 8;
        self.writer.write(record)?;
        Ok(at)
    }

    pub(crate) fn finish(self, format: Format) -> Result<()> {
        self.writer.finish_with(Format { kind: Kind::Shingles, ..format }, self.words)
    }
}

/// A record as it lies in a file.
pub(crate) struct Record<'a> {
    pub doc_id: u64,
    pub rank: u64,
    pub id: u128,
    pub at: u64,
    first: u64,
    pub bytes: &'a [u8],
}

/// A partial file, mapped into memory.
pub(crate) struct Noted {
    path: PathBuf,
    file: Mmap,
}

impl Noted {
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = mapped(path, Format { kind: Kind::Shingles, ..format }, 8)?;
        Ok(Self { path: path.into(), file })
    }

    /// Hands all records to `take`, in order.
    pub(crate) fn records(&self, mut take: impl FnMut(Record<'_>) -> Result<()>) -> Result<()> {
        let mut at = HEADER_BYTES;
        while at < self.file.len() {
            let record = self.record(at as u64)?;
            at += record.bytes.len();
            take(record)?;
        }
        Ok(())
    }

    /// The record that begins there.
    pub(crate) fn record(&self, at: u64) -> Result<Record<'_>> {
        let rest = self.file.get(at as usize..).ok_or_else(|| self.damaged())?;
        let fixed = rest.get(..FIXED_BYTES).ok_or_else(|| self.damaged())?;
        let counts = number(&fixed[40..]);
        let bytes = rest.get(..record_bytes(counts as u32, (counts >> 32) as u32)).ok_or_else(|| self.damaged())?;
        Ok(Record {
            first: number(fixed),
            doc_id: number(&fixed[8..]),
            rank: number(&fixed[16..]),
            id: u128::from(number(&fixed[24..])) | u128::from(number(&fixed[32..])) << 64,
            at,
            bytes,
        })
    }

    /// Hands the entries of all records to `take`.
    pub(super) fn entries(&self, file: u32, mut take: impl FnMut(Entry)) -> Result<()> {
        self.records(|Record { first, rank, doc_id, at, .. }| {
            take(Entry { first, is_new: true, rank, doc_id, file, at });
            Ok(())
        })
    }

    /// The keys and shingles of the record that begins there.
    pub(crate) fn candidate(&self, at: u64) -> Result<Candidate<'_>> {
        let bytes = self.record(at)?.bytes;
        let counts = number(&bytes[40..]);
        let (keys, shingles) = (counts as u32 as usize, (counts >> 32) as usize);
        let (keys, rest) = bytes[FIXED_BYTES..].split_at(8 * keys);
        Ok(Candidate { keys: keys.as_chunks().0, shingles: rest[..4 * shingles].as_chunks().0 })
    }

    fn damaged(&self) -> Error {
        Error::Stage {
            stage: "minhash".into(),
            problem: format!("`{}` is damaged: a record goes beyond its end", self.path.display()),
            hint: Some("remove it and run the step again".into()),
        }
    }
}

fn record_bytes(keys: u32, shingles: u32) -> usize {
    FIXED_BYTES + 8 * keys as usize + (4 * shingles as usize).next_multiple_of(8)
}
