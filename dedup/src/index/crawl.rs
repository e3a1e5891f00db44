//! The files of one crawl in an index, `crawls/NNNNN…/`:
//!
//! | file | what |
//! |---|---|
//! | `keys` | band keys with the numbers of their documents, sorted |
//! | `notes` | keys and shingles of each document (`verify/record.rs`), in the order of their numbers |
//! | `documents` | for each number: where its note begins (0 if there is no such document), its keeper, the bits of the similarity to it |
//! | `ids` | hashes of the documents' own ids with their numbers, sorted, if they have any |
//!
//! A document's number counts records of all input files, one after the other, whether they came as far as here or not: so
//! that `doc_id` and number are made of each other by adding.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Error, Result, hash_file};

use super::catalogue::{CrawlRow, FileRow, InputRow};
use crate::files::{Format, HEADER_BYTES, Kind, mapped, number};
use crate::verify::Noted;

pub(super) const KEYS: &str = "keys";
pub(super) const NOTES: &str = "notes";
pub(super) const DOCUMENTS: &str = "documents";
pub(super) const IDS: &str = "ids";
const DOCUMENT_BYTES: usize = 24;

/// A crawl of an index, open for looking up.
pub(crate) struct Crawl {
    pub row: CrawlRow,
    pub inputs: Vec<InputRow>,
    pub folder: PathBuf,
    documents: Mmap,
    pub notes: Noted,
}

/// What `documents` says of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Indexed {
    /// Where its note begins.
    pub at: u64,
    /// The document that is kept for it, itself if it is kept.
    pub keeper: u64,
    pub similarity: f32,
}

impl Indexed {
    /// As it is written.
    pub(super) fn numbers(self) -> [u64; 3] {
        [self.at, self.keeper, self.similarity.to_bits().into()]
    }
}

impl Crawl {
    pub(super) fn open(root: &Path, row: CrawlRow, inputs: Vec<InputRow>, format: Format) -> Result<Self> {
        let folder = root.join("crawls").join(&row.folder);
        let path = folder.join(DOCUMENTS);
        let documents = mapped(&path, Format { kind: Kind::Indexed, ..format }, DOCUMENT_BYTES)?;
        let notes = Noted::open(&folder.join(NOTES), format)?;
        Ok(Self { row, inputs, folder, documents, notes })
    }

    /// One more than the highest number.
    pub(crate) fn len(&self) -> u64 {
        ((self.documents.len() - HEADER_BYTES) / DOCUMENT_BYTES) as u64
    }

    /// The document of this number, if there is one.
    pub(crate) fn document(&self, ordinal: u64) -> Option<Indexed> {
        let at = usize::try_from(ordinal).ok()?.checked_mul(DOCUMENT_BYTES)?.checked_add(HEADER_BYTES)?;
        let bytes = self.documents.get(at..)?.get(..DOCUMENT_BYTES)?;
        let similarity = f32::from_bits(number(&bytes[16..]) as u32);
        let indexed = Indexed { at: number(bytes), keeper: number(&bytes[8..]), similarity };
        (indexed.at > 0).then_some(indexed)
    }

    /// All documents, with their numbers.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (u64, Indexed)> {
        (0..self.len()).filter_map(|ordinal| Some((ordinal, self.document(ordinal)?)))
    }

    /// The file and the record of a number.
    pub(crate) fn place(&self, ordinal: u64) -> (&str, u64) {
        let file = self.inputs.partition_point(|input| input.base <= ordinal).saturating_sub(1);
        self.inputs.get(file).map_or(("", ordinal), |input| (&input.path, ordinal - input.base))
    }

    /// The `doc_id` that the document had in its run.
    pub(crate) fn doc_id(&self, ordinal: u64) -> u64 {
        let file = self.inputs.partition_point(|input| input.base <= ordinal).saturating_sub(1);
        self.inputs.get(file).map_or(ordinal, |input| u64::from(input.number) << 32 | (ordinal - input.base))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The number of a document of the run.
pub(crate) fn ordinal(inputs: &[InputRow], doc_id: u64) -> Option<u64> {
    let (file, record) = ((doc_id >> 32) as u32, doc_id & u64::from(u32::MAX));
    let input = &inputs[inputs.binary_search_by_key(&file, |input| input.number).ok()?];
    (record < input.records).then_some(input.base + record)
}

/// Makes the files of a folder durable; what they are.
pub(super) fn sealed(folder: &Path) -> Result<Vec<FileRow>> {
    let mut files = Vec::new();
    for name in [KEYS, NOTES, DOCUMENTS, IDS] {
        let path = folder.join(name);
        if !path.exists() {
            continue;
        }
        let (bytes, xxh3) = hash_file(&path).map_err(Error::io("read", &path))?;
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        file.sync_all().map_err(Error::io("sync", &path))?;
        files.push(FileRow { name: name.into(), bytes, xxh3 });
    }
    Ok(files)
}
