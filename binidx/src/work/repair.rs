//! What is left of a dataset whose writing was cut short.

use std::path::Path;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::Job;
use crate::documents::Documents;
use crate::index::{HEADER_BYTES, MAGIC, Mapping};
use crate::{About, DType, Document, Error, Index, Result, Writer, Written, bin_path, idx_path};

/// What cannot be read from the files themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairOptions {
    /// The id that ends each document: cuts them where no index tells.
    pub eod: Option<u32>,
    /// The number type of the tokens, where no index tells.
    pub dtype: Option<DType>,
}

/// What came of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// The dataset of whole documents.
    pub written: Written,
    /// What told where documents end: the index, lengths alone, the file of documents, or the end-of-document id.
    pub by: &'static str,
    /// Documents that the index counts and that are not whole, or not what was written.
    pub lost_documents: u64,
    /// Bytes of the `.bin` file that are of no whole document.
    pub lost_bytes: u64,
}

/// Writes the whole documents of a dataset that was cut short or is damaged to `out`; its own files stay as they are.
///
/// Documents are told by the index, as far as its arrays go (pointers are the running sum of lengths and need not be there);
/// where there is no index, as behind a killed `preprocess_data.py`, by the file of documents or by the end-of-document id.
/// Documents that are not all there are left out, and so are, if there is a file of documents, those whose bytes are not
/// those that were written.
///
/// # Errors
/// If there is no `.bin` file, or nothing tells where documents end.
pub fn repair(prefix: impl AsRef<Path>, out: &Path, options: RepairOptions, job: &Job<'_>) -> Result<Repair> {
    let prefix = prefix.as_ref();
    let bin = Mapping::open(&bin_path(prefix))?;
    // A file of documents that is damaged itself is no help.
    let known = Documents::open(prefix).unwrap_or_default();
    let index_path = idx_path(prefix);
    if Index::open(&index_path).is_ok_and(|index| index.is_multimodal() || index.is_legacy()) {
        return Err(Error::dataset(&index_path, "multimodal and legacy datasets are not mended"));
    }
    let index = Remains::read(&index_path);
    let dtype = match (&index, &known) {
        (Some(index), _) => Some(index.dtype),
        (None, Some(known)) => Some(known.header().dtype),
        (None, None) => options.dtype,
    };
    let dtype = dtype.ok_or_else(|| {
        Error::dataset(idx_path(prefix), "there is no index that can be read")
            .hinting("say what the tokens are: `--dtype i32 --eod ID`")
    })?;
    let mut writer = Writer::create(out, dtype)?;
    if let Some(known) = &known {
        writer = writer.with_documents(known.header().vocabulary.clone())?;
    }
    let mut mending = Mending { bin: &bin, dtype, writer, at: Some(0), lost: 0, job };
    let by = match (&index, &known, options.eod) {
        // Rows tell documents better than an index that has lost its boundaries.
        (Some(index), known, _) if index.boundaries.is_some() || known.is_none() => {
            mending.by_index(index, known.as_ref(), prefix)?
        }
        (_, Some(known), _) => mending.by_rows(known)?,
        (_, None, Some(eod)) => mending.by_eod(eod, prefix)?,
        (_, None, None) => {
            return Err(Error::dataset(idx_path(prefix), "there is no index that can be read")
                .hinting("say by which id documents end: `--eod ID`"));
        }
    };
    let lost_documents = mending.lost;
    let written = mending.writer.finish()?;
    let lost_bytes = (bin.len() as u64).saturating_sub(written.bin_bytes);
    Ok(Repair { written, by, lost_documents, lost_bytes })
}

/// The documents found so far.
struct Mending<'a> {
    bin: &'a [u8],
    dtype: DType,
    writer: Writer,
    /// Bytes gone through; `None` once a document was not all there, as nothing behind it can be placed.
    at: Option<usize>,
    lost: u64,
    job: &'a Job<'a>,
}

impl Mending<'_> {
    /// Takes the next document, of sequences of these lengths, if it is all there.
    fn take(&mut self, lengths: &[i32], about: About<'_>, xxh3: Option<u64>) -> Result<()> {
        let tokens = lengths
            .iter()
            .map(|length| usize::try_from(*length).ok())
            .try_fold(0_usize, |sum, length| sum.checked_add(length?));
        let bytes = tokens.zip(self.at).and_then(|(tokens, start)| {
            self.bin.get(start..tokens.checked_mul(self.dtype.bytes())?.checked_add(start)?)
        });
        self.at = self.at.zip(bytes).map(|(start, bytes)| start + bytes.len());
        let Some(bytes) = bytes else {
            self.lost += 1;
            return Ok(());
        };
        if xxh3.is_some_and(|xxh3| xxh3 != xxh3_64(bytes)) {
            self.lost += 1;
            return Ok(());
        }
        self.writer.add(&Document { bytes, dtype: self.dtype, lengths, modes: &[], about, xxh3 })?;
        self.job.tick(bytes.len() as u64)
    }

    fn by_index(&mut self, index: &Remains, known: Option<&Documents>, prefix: &Path) -> Result<&'static str> {
        let documents = index.boundaries.map_or(index.sequences, |boundaries| boundaries - 1);
        let by = if index.boundaries.is_some() { "the index" } else { "lengths alone" };
        let mut lengths = Vec::new();
        let mut take = |mending: &mut Self, number: usize, about: About<'_>, xxh3| {
            lengths.clear();
            lengths.extend(index.document(number).map(|sequence| index.length(sequence)));
            mending.take(&lengths, about, xxh3)
        };
        // An index in which documents go back and forth tells nothing.
        if (0..documents).any(|number| index.document(number).is_empty() && !index.is_empty_document(number)) {
            return Err(Error::malformed(idx_path(prefix), "document_indices", "documents are out of order"));
        }
        if let Some(known) = known.filter(|known| known.header().documents == documents as u64) {
            known.for_each(0..documents as u64, |number, about, _, xxh3| {
                take(self, number as usize, about, Some(xxh3))
            })?;
            return Ok(by);
        }
        let file = prefix.to_string_lossy();
        let source = prefix.file_name().unwrap_or_default().to_string_lossy();
        for number in 0..documents {
            let about = About { source: &source, file: &file, row: number as u64, ..About::default() };
            take(self, number, about, None)?;
        }
        Ok(by)
    }

    fn by_rows(&mut self, known: &Documents) -> Result<&'static str> {
        known.for_each(0..known.header().documents, |_, about, tokens, xxh3| {
            let length = i32::try_from(tokens).unwrap_or(-1);
            let lengths = [length];
            self.take(if length == 0 { &[] } else { &lengths }, about, Some(xxh3))
        })?;
        Ok("the file of documents")
    }

    fn by_eod(&mut self, eod: u32, prefix: &Path) -> Result<&'static str> {
        let file = prefix.to_string_lossy();
        let source = prefix.file_name().unwrap_or_default().to_string_lossy();
        let (bin, dtype) = (self.bin, self.dtype);
        let whole = bin.len() / dtype.bytes() * dtype.bytes();
        let (mut tokens, mut number) = (0_usize, 0);
        let mut failure = Ok(());
        dtype.for_each(&bin[..whole], |id| {
            tokens += 1;
            if id == i64::from(eod) && failure.is_ok() {
                let about = About { source: &source, file: &file, row: number, ..About::default() };
                failure = self.take(&[i32::try_from(tokens).unwrap_or(-1)], about, None);
                (tokens, number) = (0, number + 1);
            }
        });
        failure?;
        self.lost += u64::from(self.at < Some(bin.len()));
        Ok("the end-of-document id")
    }
}

/// What can be read of an index.
struct Remains {
    map: Mapping,
    dtype: DType,
    /// Sequences whose length is there.
    sequences: usize,
    /// Entries of the document array, if it is all there.
    boundaries: Option<usize>,
    /// Sequences by the header.
    counted: usize,
}

impl Remains {
    fn read(path: &Path) -> Option<Self> {
        let map = Mapping::open(path).ok()?;
        if map.len() < HEADER_BYTES || map[..9] != MAGIC {
            return None;
        }
        let number = |at: usize| u64::from_le_bytes(map[at..at + 8].try_into().expect("eight bytes"));
        let dtype = DType::from_code(map[17])?;
        let counted = usize::try_from(number(18)).ok()?;
        let boundaries = usize::try_from(number(26)).ok()?;
        let held = (map.len() - HEADER_BYTES) / 4;
        let arrays = counted.checked_mul(12)?.checked_add(boundaries.checked_mul(8)?)?.checked_add(HEADER_BYTES)?;
        let whole = map.len() >= arrays && boundaries > 1;
        Some(Self { dtype, sequences: counted.min(held), boundaries: whole.then_some(boundaries), counted, map })
    }

    fn length(&self, sequence: usize) -> i32 {
        let at = HEADER_BYTES + 4 * sequence;
        i32::from_le_bytes(self.map[at..at + 4].try_into().expect("four bytes"))
    }

    fn boundary(&self, boundary: usize) -> usize {
        let at = HEADER_BYTES + 12 * self.counted + 8 * boundary;
        let value = i64::from_le_bytes(self.map[at..at + 8].try_into().expect("eight bytes"));
        usize::try_from(value).map_or(usize::MAX, |value| value.min(self.sequences))
    }

    fn document(&self, document: usize) -> std::ops::Range<usize> {
        match self.boundaries {
            None => document..document + 1,
            Some(_) => match (self.boundary(document), self.boundary(document + 1)) {
                (start, end) if start <= end && end <= self.sequences => start..end,
                _ => 0..0,
            },
        }
    }

    fn is_empty_document(&self, document: usize) -> bool {
        self.boundaries.is_some() && self.boundary(document) == self.boundary(document + 1)
    }
}
