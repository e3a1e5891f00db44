//! What the second reading notes of a candidate: the body of a partial file is one record after the other.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `doc_id` of the first document that it is connected with |
//! | 8 | `doc_id` |
//! | 8 | rank: of two documents that are alike, the one of lower rank is kept, or the earlier |
//! | 4, 4 | number of band keys, number of shingles |
//! | 8 × … | band keys, sorted |
//! | 4 × … | hashes of shingles, sorted, each once; then zeros up to a multiple of 8 bytes |
//!
//! The header counts words of 8 bytes.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Error, Result};

use crate::files::{Format, HEADER_BYTES, Kind, Writer, number};

const FIXED_BYTES: usize = 32;

/// A candidate's place in the order in which documents are kept, and where its record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The first document that it is connected with.
    pub first: u64,
    pub rank: u64,
    pub doc_id: u64,
    pub file: u32,
    pub at: u64,
}

/// A candidate's record.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Little-endian.
    pub keys: &'a [[u8; 8]],
    /// Little-endian.
    pub shingles: &'a [[u8; 4]],
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

    /// Appends a record; keys and shingles are sorted and distinct.
    pub(crate) fn note(&mut self, first: u64, rank: u64, doc_id: u64, keys: &[u64], shingles: &[u32]) -> Result<()> {
        let record = &mut self.record;
        record.clear();
        [first, doc_id, rank].iter().for_each(|word| record.extend(word.to_le_bytes()));
        [keys.len(), shingles.len()].iter().for_each(|count| record.extend((*count as u32).to_le_bytes()));
        keys.iter().for_each(|key| record.extend(key.to_le_bytes()));
        shingles.iter().for_each(|shingle| record.extend(shingle.to_le_bytes()));
        record.resize(record.len().next_multiple_of(8), 0);
        self.words += record.len() as u64 / 8;
        self.writer.write(record)
    }

    pub(crate) fn finish(self, format: Format) -> Result<()> {
        self.writer.finish_with(Format { kind: Kind::Shingles, ..format }, self.words)
    }
}

/// A partial file, mapped into memory.
pub(super) struct Noted {
    path: PathBuf,
    file: Mmap,
}

impl Noted {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        // SAFETY: the engine gives a partial file its name once it is whole, and nothing writes to it afterwards.
        let file = unsafe { Mmap::map(&file) }.map_err(Error::io("read", path))?;
        let header = &file[..file.len().min(HEADER_BYTES)];
        Format { kind: Kind::Shingles, ..format }.check(path, header, file.len() as u64, 8)?;
        Ok(Self { path: path.into(), file })
    }

    /// Hands the entries of all records to `take`.
    pub(super) fn entries(&self, file: u32, mut take: impl FnMut(Entry)) -> Result<()> {
        let mut at = HEADER_BYTES;
        while at < self.file.len() {
            let fixed = self.file.get(at..at + FIXED_BYTES).ok_or_else(|| self.damaged())?;
            let (first, doc_id, rank) = (number(fixed), number(&fixed[8..]), number(&fixed[16..]));
            take(Entry { first, rank, doc_id, file, at: at as u64 });
            let counts = number(&fixed[24..]);
            at += record_bytes(counts as u32, (counts >> 32) as u32);
        }
        if at == self.file.len() { Ok(()) } else { Err(self.damaged()) }
    }

    /// The record of an entry of this file.
    pub(super) fn candidate(&self, entry: &Entry) -> Result<Candidate<'_>> {
        let record = self.file.get(entry.at as usize..).ok_or_else(|| self.damaged())?;
        let fixed = record.get(..FIXED_BYTES).ok_or_else(|| self.damaged())?;
        let counts = number(&fixed[24..]);
        let (keys, shingles) = (counts as u32 as usize, (counts >> 32) as usize);
        let body = &record[FIXED_BYTES..];
        let (keys, rest) = body.split_at_checked(8 * keys).ok_or_else(|| self.damaged())?;
        let shingles = rest.get(..4 * shingles).ok_or_else(|| self.damaged())?;
        Ok(Candidate { keys: keys.as_chunks().0, shingles: shingles.as_chunks().0 })
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
