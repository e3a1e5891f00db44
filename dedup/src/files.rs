//! The files a deduplication pass leaves: fixed-size records after a header that says what they are.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `yuandups` |
//! | 4 | format version, 1 |
//! | 4 | kind: 1 keys of 128 bits, 2 band keys of 64 bits, 3 duplicates, 4 links, 5 candidates, 6 shingles, 7 cluster sizes, 8 documents of an index, 9 ids, 10 signatures, 11 fingerprints, 12 units, 13 places to cut, 14 n-grams, 15 keys of bands and of texts |
//! | 8 | hash of the parameters the records were made with |
//! | 8 | number of records |
//! | … | records of 64-bit numbers |
//!
//! A record is a key and the `doc_id` of a document that has it (kinds 1 and 2), or the `doc_id` of a duplicate and that
//! of its keeper (kind 3), or two documents with a key in common (kind 4, unsorted), or a document with a key in common
//! with any other, the first of those it is connected with and what `verify/candidates.rs` tells (kind 5), or a keeper and the size of its cluster (kind 7).
//! Other records are sorted; all numbers are little-endian. Kind 6 is told in `verify/record.rs`, kind 8 in `index/crawl.rs`, kind 10 in
//! `compat/partial.rs`, kind 11 in `simhash/mod.rs`; kind 9 is a 128-bit hash of an id and a document.
//! Kind 14 is told in `bloom/notes.rs`. A unit of a text is a record of hash, `doc_id` and place in the document (kind 12); what is cut is
//! `doc_id` and place (kind 13).
//! Kinds 20 to 24 (minimizers, those that are repeated, their filter, their contexts, spans of documents) are told in `substring/`, 30 and 31 (what
//! documents have of evaluation sets, which of them are contaminated) in `decontaminate/`.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Error, Result};

const MAGIC: [u8; 8] = *b"yuandups";
const VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 32;

/// What the records of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Keys = 1,
    BandKeys = 2,
    Duplicates = 3,
    Links = 4,
    Candidates = 5,
    Shingles = 6,
    Sizes = 7,
    Indexed = 8,
    Ids = 9,
    Signatures = 10,
    Fingerprints = 11,
    Units = 12,
    Cuts = 13,
    Grams = 14,
    BandAndTextKeys = 15,
    Minimizers = 20,
    RepeatedMinimizers = 21,
    MinimizerFilter = 22,
    Contexts = 23,
    Spans = 24,
    EvalHits = 30,
    Contaminated = 31,
}

/// Which files belong together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// The pass's name in a recipe, for messages.
    pub stage: &'static str,
    pub kind: Kind,
    pub parameters: u64,
}

impl Format {
    /// The header of a file with so many records.
    fn header(self, records: u64) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        header[16..24].copy_from_slice(&self.parameters.to_le_bytes());
        header[24..].copy_from_slice(&records.to_le_bytes());
        header
    }

    /// The number of records that the header of a file of `file_bytes` promises.
    ///
    /// # Errors
    /// If it is a file of another kind or other parameters, or shorter or longer than its header says.
    pub(crate) fn check(self, path: &Path, header: &[u8], file_bytes: u64, record_bytes: usize) -> Result<u64> {
        let refuse = |problem: &str, hint: &str| Error::Stage {
            stage: self.stage.into(),
            problem: format!("`{}` {problem}", path.display()),
            hint: Some(hint.into()),
        };
        let damaged = "remove it and run the step again";
        if header.len() < HEADER_BYTES || header[..8] != MAGIC {
            return Err(refuse("is not a file of a deduplication pass", damaged));
        }
        let expected = self.header(0);
        if header[8..16] != expected[8..16] {
            return Err(refuse("is of another deduplication pass or format version", damaged));
        }
        if header[16..24] != expected[16..24] {
            return Err(refuse(
                "was made with other parameters",
                "run this step again from its start, or set the parameters back",
            ));
        }
        let records = number(&header[24..]);
        let body = u128::from(records) * record_bytes as u128;
        if u128::from(file_bytes) != body + HEADER_BYTES as u128 {
            let problem =
                format!("is damaged: its header tells of {records} records, its size of {file_bytes} bytes does not");
            return Err(refuse(&problem, damaged));
        }
        Ok(records)
    }
}

/// Maps a file of this format, with records of so many bytes, into memory.
///
/// # Errors
/// As [`Format::check`], and if it cannot be read.
pub(crate) fn mapped(path: &Path, format: Format, record_bytes: usize) -> Result<Mmap> {
    mapped_as(path, |_| format, record_bytes)
}

/// As [`mapped`], of the format that is made of its header.
pub(crate) fn mapped_as(path: &Path, format: impl Fn(&[u8]) -> Format, record_bytes: usize) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    // SAFETY: the engine gives partial files and outcomes their names once they are whole, an index tells of a crawl's files then;
    // nothing writes to them afterwards.
    let file = unsafe { Mmap::map(&file) }.map_err(Error::io("read", path))?;
    let header = &file[..file.len().min(HEADER_BYTES)];
    format(header).check(path, header, file.len() as u64, record_bytes)?;
    Ok(file)
}

/// The first number of these bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// A document and a key it has: `WORDS` numbers, compared one after the other. Keys are hashes: evenly spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record<const WORDS: usize> {
    pub key: [u64; WORDS],
    pub doc_id: u64,
}

impl<const WORDS: usize> Record<WORDS> {
    pub(crate) const BYTES: usize = (WORDS + 1) * 8;

    fn read(bytes: &[u8]) -> Self {
        Self { key: std::array::from_fn(|word| number(&bytes[word * 8..])), doc_id: number(&bytes[WORDS * 8..]) }
    }

    fn write(&self, file: &mut impl Write) -> std::io::Result<()> {
        self.key.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()))?;
        file.write_all(&self.doc_id.to_le_bytes())
    }
}

/// A new file of records, whose number its header is given at the end.
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    records: u64,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let mut writer = Self { path: path.into(), file: BufWriter::with_capacity(1 << 16, file), records: 0 };
        writer.write(&[0; HEADER_BYTES])?;
        Ok(writer)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Appends a record of numbers.
    pub(crate) fn record(&mut self, numbers: &[u64]) -> Result<()> {
        self.records += 1;
        numbers.iter().try_for_each(|number| self.write(&number.to_le_bytes()))
    }

    /// Appends a record that is a pair of numbers.
    pub(crate) fn pair(&mut self, first: u64, second: u64) -> Result<()> {
        self.record(&[first, second])
    }

    pub(crate) fn finish(self, format: Format) -> Result<()> {
        let records = self.records;
        self.finish_with(format, records)
    }

    /// As [`Self::finish`], with the number that the header gives.
    pub(crate) fn finish_with(mut self, format: Format, records: u64) -> Result<()> {
        let header = format.header(records);
        let finished = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&header));
        finished.and_then(|()| self.file.flush()).map_err(Error::io("write", &self.path))
    }
}

/// Writes the records, sorted, as the partial file `path`.
pub(crate) fn write_partial<const WORDS: usize>(
    path: &Path,
    format: Format,
    records: &mut [Record<WORDS>],
) -> Result<()> {
    records.sort_unstable();
    let mut file = BufWriter::new(File::create(path).map_err(Error::io("create", path))?);
    let mut write = || {
        file.write_all(&format.header(records.len() as u64))?;
        records.iter().try_for_each(|record| record.write(&mut file))?;
        file.flush()
    };
    write().map_err(Error::io("write", path))
}

/// A partial file being read.
pub(crate) struct Partial<const WORDS: usize> {
    path: PathBuf,
    file: File,
    records: u64,
}

impl<const WORDS: usize> Partial<WORDS> {
    /// # Errors
    /// If the file cannot be read or is not of this format.
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let mut header = Vec::with_capacity(HEADER_BYTES);
        Read::by_ref(&mut file).take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(Error::io("read", path))?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let records = format.check(path, &header, bytes, Record::<WORDS>::BYTES)?;
        Ok(Self { path: path.into(), file, records })
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    fn seek(&mut self, record: u64) -> Result<()> {
        let at = HEADER_BYTES as u64 + record * Record::<WORDS>::BYTES as u64;
        self.file.seek(SeekFrom::Start(at)).map(drop).map_err(Error::io("read", &self.path))
    }

    fn first_word(&mut self, record: u64) -> Result<u64> {
        self.seek(record)?;
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes).map_err(Error::io("read", &self.path))?;
        Ok(number(&bytes))
    }

    /// The number of records whose key's first word is below `bound`. Keys are evenly spread, so the search starts
    /// where the bound would be, and reads little that the caller will not read anyway.
    fn below(&mut self, bound: u64) -> Result<u64> {
        let guess = ((u128::from(bound) * u128::from(self.records)) >> 64) as u64;
        let (mut low, mut high) = (0, self.records);
        let mut stride = 1;
        let mut probe = guess;
        while low < high {
            if self.first_word(probe)? < bound {
                low = probe + 1;
            } else {
                high = probe;
            }
            // Away from the guess in growing strides until it is fenced in, then by halves.
            probe = if low > guess && high == self.records && low + stride < high {
                low + stride
            } else if high <= guess && low == 0 && stride < high {
                high - stride
            } else {
                low + (high - low) / 2
            };
            stride *= 2;
        }
        Ok(low)
    }

    /// Which records have keys whose first word lies between these two.
    pub(crate) fn range(&mut self, first: u64, last: u64) -> Result<std::ops::Range<u64>> {
        let start = self.below(first)?;
        let end = match last.checked_add(1) {
            Some(bound) => self.below(bound)?,
            None => self.records,
        };
        Ok(start..end)
    }

    /// Hands these records to `take`, in order.
    pub(crate) fn read(
        &mut self,
        range: std::ops::Range<u64>,
        mut take: impl FnMut(Record<WORDS>) -> Result<()>,
    ) -> Result<()> {
        self.seek(range.start)?;
        let mut left = (range.end - range.start) as usize * Record::<WORDS>::BYTES;
        let mut buffer = vec![0; left.min(Record::<WORDS>::BYTES * (1 << 12))];
        while left > 0 {
            let bytes = left.min(buffer.len());
            self.file.read_exact(&mut buffer[..bytes]).map_err(Error::io("read", &self.path))?;
            buffer[..bytes].chunks_exact(Record::<WORDS>::BYTES).try_for_each(|bytes| take(Record::read(bytes)))?;
            left -= bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { stage: "minhash", kind: Kind::BandKeys, parameters: 7 };

    fn record(key: u64, doc_id: u64) -> Record<1> {
        Record { key: [key], doc_id }
    }

    fn read(path: &Path, first: u64, last: u64) -> Vec<Record<1>> {
        let mut partial = Partial::open(path, FORMAT).expect("opened");
        let range = partial.range(first, last).expect("found");
        let mut records = Vec::new();
        partial
            .read(range, |record| {
                records.push(record);
                Ok(())
            })
            .expect("read");
        records
    }

    #[test]
    fn any_range_of_keys_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partial");
        let even = (0..100).map(|n| n * (u64::MAX / 100));
        let skewed = (0..200).map(|n| if n < 150 { 5 } else { u64::MAX - n });
        for keys in [even.collect::<Vec<_>>(), skewed.collect(), vec![], vec![9]] {
            let mut records: Vec<_> = keys.iter().zip(0..).map(|(&key, doc_id)| record(key, doc_id)).collect();
            write_partial(&path, FORMAT, &mut records).unwrap();
            let bounds = [0, 1, 5, 6, 9, 10, u64::MAX / 3, u64::MAX / 100 * 50, u64::MAX - 160, u64::MAX];
            for first in bounds {
                for last in bounds.into_iter().filter(|&last| last >= first) {
                    let expected: Vec<_> =
                        records.iter().copied().filter(|record| (first..=last).contains(&record.key[0])).collect();
                    assert_eq!(read(&path, first, last), expected, "{first} to {last}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partial");
        let message = |format| Partial::<1>::open(&path, format).map(|_| ()).unwrap_err().to_string();
        write_partial(&path, FORMAT, &mut [record(1, 2)]).unwrap();
        assert!(message(Format { parameters: 8, ..FORMAT }).ends_with("partial` was made with other parameters"));
        assert!(message(Format { kind: Kind::Keys, ..FORMAT }).contains("another deduplication pass"));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(message(FORMAT).contains("is damaged: its header tells of 1 records"));
        std::fs::write(&path, b"{\"text\": \"no such file at all, just text\"}").unwrap();
        assert!(message(FORMAT).contains("is not a file of a deduplication pass"));
        std::fs::write(&path, b"").unwrap();
        assert!(message(FORMAT).contains("is not a file of a deduplication pass"));
    }
}
