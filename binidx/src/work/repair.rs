//! What is left of a dataset whose writing was cut short.

use std::path::Path;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::Job;
use crate::documents::Documents;
use crate::index::{HEADER_BYTES, MAGIC, Mapping};
use crate::replace::finish_replacing;
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
/// Documents are told by the file of documents, whose hashes say which are whole; without one by the index, as far as its arrays go;
/// without an index, as behind a killed `preprocess_data.py`, by the end-of-document id. Documents that are not all there, or not
/// those that were written, are left out and counted.
///
/// # Errors
/// If there is no `.bin` file, or nothing tells where documents end.
pub fn repair(prefix: impl AsRef<Path>, out: &Path, options: RepairOptions, job: &Job<'_>) -> Result<Repair> {
    let prefix = prefix.as_ref();
    finish_replacing(prefix)?;
    // A file of documents that is damaged itself is no help, wherever the damage is.
    let known = Documents::open(prefix).unwrap_or_default();
    match (mend(prefix, out, options, known.as_ref(), job), &known) {
        (Err(Error::Malformed { path, .. }), Some(known)) if path == known.path() => {
            mend(prefix, out, options, None, job)
        }
        (mended, _) => mended,
    }
}

fn mend(prefix: &Path, out: &Path, options: RepairOptions, known: Option<&Documents>, job: &Job<'_>) -> Result<Repair> {
    let bin = Mapping::open(&bin_path(prefix))?;
    let index_path = idx_path(prefix);
    let refused = |problem| Err(Error::dataset(&index_path, problem));
    if Index::open(&index_path).is_ok_and(|index| index.is_legacy()) {
        return refused("legacy datasets are not mended");
    }
    let index = Remains::read(&index_path);
    if index.as_ref().is_some_and(|index| index.more) {
        return refused("multimodal datasets are not mended");
    }
    let dtype = index.as_ref().map(|index| index.dtype).or(known.map(|known| known.header().dtype));
    let dtype = dtype.or(options.dtype).ok_or_else(|| {
        Error::dataset(&index_path, "there is no index that can be read")
            .hinting("say what the tokens are: `--dtype i32 --eod ID`")
    })?;
    let mut writer = Writer::create(out, dtype)?;
    if let Some(known) = known {
        writer = writer.with_documents(known.header().vocabulary.clone())?;
    }
    let mut mending = Mending { bin: &bin, dtype, writer, lost: 0, job };
    let by = match (known, &index, options.eod) {
        (Some(known), index, _) => mending.by_rows(known, index.as_ref())?,
        (None, Some(index), _) => mending.by_index(index, prefix)?,
        (None, None, Some(eod)) => mending.by_eod(eod, prefix)?,
        (None, None, None) => {
            return Err(Error::dataset(&index_path, "there is no index that can be read")
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
    lost: u64,
    job: &'a Job<'a>,
}

impl Mending<'_> {
    /// Takes a document of sequences of these lengths from a byte on, if it is all there.
    fn take(&mut self, start: usize, lengths: &[i32], about: About<'_>, xxh3: Option<u64>) -> Result<()> {
        let bytes = self.bytes_of(lengths).and_then(|bytes| self.bin.get(start..start.checked_add(bytes)?));
        let Some(bytes) = bytes.filter(|bytes| xxh3.is_none_or(|xxh3| xxh3 == xxh3_64(bytes))) else {
            self.lost += 1;
            return Ok(());
        };
        self.writer.add(&Document { bytes, dtype: self.dtype, lengths, modes: &[], about, xxh3 })?;
        self.job.tick(bytes.len() as u64)
    }

    fn bytes_of(&self, lengths: &[i32]) -> Option<usize> {
        let tokens = lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(usize::try_from(*length).ok()?));
        tokens?.checked_mul(self.dtype.bytes())
    }

    /// Rows tell lengths and hashes; the index tells how a document is cut into sequences, where both agree.
    fn by_rows(&mut self, known: &Documents, index: Option<&Remains>) -> Result<&'static str> {
        let documents = known.header().documents;
        let index = index.filter(|index| index.boundaries.is_some_and(|count| count as u64 == documents + 1));
        let (mut at, mut lengths) = (0_usize, Vec::new());
        known.for_each(0..documents, |number, about, tokens, xxh3| {
            lengths.clear();
            if let Some(index) = index {
                lengths.extend(index.document(number as usize).map(|sequence| index.length(sequence)));
            }
            let bytes = usize::try_from(tokens).ok().and_then(|tokens| tokens.checked_mul(self.dtype.bytes()));
            if self.bytes_of(&lengths) != bytes {
                lengths.clear();
                lengths.extend(i32::try_from(tokens).ok().filter(|length| *length > 0));
            }
            self.take(at, &lengths, about, Some(xxh3))?;
            at = at.saturating_add(bytes.unwrap_or(usize::MAX));
            Ok(())
        })?;
        Ok("the file of documents")
    }

    /// A document begins where its pointer says and ends where the next one begins; without pointers, where its length says.
    fn by_index(&mut self, index: &Remains, prefix: &Path) -> Result<&'static str> {
        let documents = index.boundaries.map_or(index.sequences, |boundaries| boundaries - 1);
        let file = prefix.to_string_lossy();
        let source = prefix.file_name().unwrap_or_default().to_string_lossy();
        let (mut lengths, mut at) = (Vec::new(), Some(0_usize));
        for number in 0..documents {
            let sequences = index.document(number);
            lengths.clear();
            lengths.extend(sequences.clone().map(|sequence| index.length(sequence)));
            if index.pointers && !sequences.is_empty() {
                at = index.pointer(sequences.start);
            }
            let end = at.zip(self.bytes_of(&lengths)).and_then(|(at, bytes)| at.checked_add(bytes));
            let next = index.pointers.then(|| index.pointer(sequences.end)).flatten();
            let is_whole = next.is_none_or(|next| end == Some(next) || sequences.is_empty());
            let about = About { source: &source, file: &file, row: number as u64, ..About::default() };
            match at.filter(|_| is_whole) {
                Some(start) => self.take(start, &lengths, about, None)?,
                None => self.lost += 1,
            }
            // Behind one that is not all there nothing can be placed by lengths alone.
            at = end.filter(|end| *end <= self.bin.len());
        }
        self.lost += (index.counted - index.sequences) as u64;
        Ok(if index.pointers { "the index" } else { "lengths alone" })
    }

    fn by_eod(&mut self, eod: u32, prefix: &Path) -> Result<&'static str> {
        let file = prefix.to_string_lossy();
        let source = prefix.file_name().unwrap_or_default().to_string_lossy();
        let (bin, dtype) = (self.bin, self.dtype);
        let whole = bin.len() / dtype.bytes() * dtype.bytes();
        let (mut start, mut tokens, mut number) = (0_usize, 0_usize, 0);
        let mut failure = Ok(());
        dtype.for_each(&bin[..whole], |id| {
            tokens += 1;
            if id == i64::from(eod) && failure.is_ok() {
                let about = About { source: &source, file: &file, row: number, ..About::default() };
                failure = self.take(start, &[i32::try_from(tokens).unwrap_or(-1)], about, None);
                start += tokens * dtype.bytes();
                (tokens, number) = (0, number + 1);
            }
        });
        failure?;
        self.lost += u64::from(start < bin.len());
        Ok("the end-of-document id")
    }
}

/// What can be read of an index.
struct Remains {
    map: Mapping,
    dtype: DType,
    /// Sequences whose length is there.
    sequences: usize,
    /// Whether all pointers are there.
    pointers: bool,
    /// Entries of the document array, if it is all there and in order.
    boundaries: Option<usize>,
    /// Sequences by the header.
    counted: usize,
    /// Whether there is more behind the arrays.
    more: bool,
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
        let with_pointers = counted.checked_mul(12)?.checked_add(HEADER_BYTES)?;
        let arrays = with_pointers.checked_add(boundaries.checked_mul(8)?)?;
        let mut remains = Self {
            dtype,
            sequences: counted.min(held),
            pointers: map.len() >= with_pointers,
            boundaries: (map.len() >= arrays && boundaries > 1).then_some(boundaries),
            counted,
            more: map.len() > arrays,
            map,
        };
        // Yuan's array of nothing but a 0 is none; one that is out of order tells nothing.
        let in_order = |boundaries: usize| {
            let all = (0..boundaries).map(|boundary| remains.boundary(boundary));
            remains.boundary(0) == Some(0) && remains.boundary(boundaries - 1) == Some(counted) && all.is_sorted()
        };
        if !remains.boundaries.is_some_and(in_order) {
            remains.boundaries = None;
        }
        Some(remains)
    }

    fn length(&self, sequence: usize) -> i32 {
        let at = HEADER_BYTES + 4 * sequence;
        i32::from_le_bytes(self.map[at..at + 4].try_into().expect("four bytes"))
    }

    /// Where a sequence begins; `None` behind the last one, and where it is no place.
    fn pointer(&self, sequence: usize) -> Option<usize> {
        if sequence >= self.counted {
            return None;
        }
        let at = HEADER_BYTES + 4 * self.counted + 8 * sequence;
        usize::try_from(i64::from_le_bytes(self.map[at..at + 8].try_into().expect("eight bytes"))).ok()
    }

    fn boundary(&self, boundary: usize) -> Option<usize> {
        let at = HEADER_BYTES + 12 * self.counted + 8 * boundary;
        usize::try_from(i64::from_le_bytes(self.map[at..at + 8].try_into().expect("eight bytes"))).ok()
    }

    fn document(&self, document: usize) -> std::ops::Range<usize> {
        match self.boundaries {
            None => document..document + 1,
            Some(_) => {
                let at = |boundary| self.boundary(boundary).unwrap_or(0);
                at(document)..at(document + 1)
            }
        }
    }
}
