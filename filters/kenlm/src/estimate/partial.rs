//! Counts of a part of a text in a file, to be added up with those of other parts.
//!
//! A file holds, after eight bytes that name the format: the order, the numbers of tokens, of sentences and of
//! words; the words, each after its length, by first appearance; the n-grams of the highest order, sorted, as
//! [`NgramEncoder`] writes them; a byte that no n-gram starts with; eight bytes of checksum (XXH3). Numbers are
//! written in groups of seven bits, the lowest first. Equal texts give equal files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;
use xxhash_rust::xxh3::Xxh3;

use super::estimator::Estimator;
use super::options::{EstimateOptions, SENTENCE_START, UNKNOWN};
use super::run::{NgramDecoder, NgramEncoder, Sink, Source, read_number, write_number};
use crate::error::{Error, Result};

const FORMAT: [u8; 8] = *b"yuanNGC\x01";
/// Stands where the next n-gram would start.
const END: u8 = 0xff;
const BUFFER_BYTES: usize = 1 << 16;

/// How the words of a model made from partial counts are numbered, which is the order of its n-grams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VocabularyOrder {
    /// By first appearance, part after part: as if the parts' texts were counted one after the other.
    #[default]
    FirstAppearance,
    /// By their bytes: whatever the text was divided into, in whatever order.
    Sorted,
}

impl Estimator {
    /// Writes what was counted to a file, for [`add_partial`](Estimator::add_partial). The file appears when it is
    /// whole.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write_partial(mut self, path: &Path) -> Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(Error::io("create", path))?;
        let mut writer = PartialWriter { file, path, hash: Xxh3::new(), buffer: Vec::with_capacity(BUFFER_BYTES) };
        FORMAT.into_iter().try_for_each(|byte| writer.byte(byte))?;
        for number in [self.options.order as u64, self.tokens, self.sentences, self.words.len() as u64] {
            write_number(&mut writer, number)?;
        }
        for id in 0..self.words.len() as u32 {
            let word = self.words.word(id);
            write_number(&mut writer, word.len() as u64)?;
            word.iter().try_for_each(|byte| writer.byte(*byte))?;
        }
        let mut encoder = NgramEncoder::new(self.options.order);
        self.for_each_counted(|common, count, words| {
            encoder.write(&mut writer, (common, false), count, |index| words[index])
        })?;
        writer.byte(END)?;
        writer.finish()
    }

    /// Adds counts that [`write_partial`](Estimator::write_partial) wrote. New words are numbered as if the part's
    /// text were counted here. After an error the estimator is of no use.
    ///
    /// # Errors
    /// [`Error::Partial`] for a file that is damaged or of another order; [`Error::Io`] when it cannot be read.
    pub fn add_partial(&mut self, path: &Path) -> Result<()> {
        let mut reader = PartialReader::open(path)?;
        self.add_from(&mut reader).map_err(|error| match error {
            Error::Corpus { reason } => Error::Partial { path: path.to_path_buf(), reason },
            other => other,
        })
    }

    fn add_from(&mut self, reader: &mut PartialReader<'_>) -> Result<()> {
        let order = self.options.order;
        let header = reader.header()?;
        if header.order != order as u64 {
            return Err(reader.refuse(&format!("its order is {}, not {order}", header.order)));
        }
        let mut ids = Vec::new();
        for _ in 0..header.words {
            let word = reader.word()?;
            ids.push(self.words.id_or_insert(word)?);
        }
        let mut decoder = NgramDecoder::new(order);
        let mut ngram = vec![0; order];
        loop {
            if reader.peek()? == Some(END) {
                break;
            }
            let Some(count) = decoder.read(reader)? else { return Err(reader.refuse("it is cut off")) };
            let mut start = false;
            for (index, word) in decoder.words[..order].iter().enumerate() {
                let id = ids.get(*word as usize).copied().unwrap_or(UNKNOWN);
                let wrong = id == UNKNOWN || (index == 0 && id == SENTENCE_START) || (start && id != SENTENCE_START);
                if wrong || count == 0 {
                    return Err(reader.refuse("it has an n-gram that no text has; make it again"));
                }
                start = id == SENTENCE_START;
                ngram[index] = id;
            }
            self.block.add_counted(&ngram, count);
            self.flush_when_full()?;
        }
        self.tokens = self.tokens.saturating_add(header.tokens);
        self.sentences = self.sentences.saturating_add(header.sentences);
        reader.finish()
    }

    /// An estimator with the counts of all `partials`, in this order.
    ///
    /// # Errors
    /// As [`Estimator::new`] and [`add_partial`](Estimator::add_partial).
    pub fn merge<P: AsRef<Path>>(
        options: EstimateOptions,
        partials: &[P],
        vocabulary_order: VocabularyOrder,
    ) -> Result<Estimator> {
        let mut estimator = Estimator::new(options)?;
        if vocabulary_order == VocabularyOrder::Sorted {
            let mut words = std::collections::BTreeSet::new();
            for path in partials {
                let mut reader = PartialReader::open(path.as_ref())?;
                for _ in 0..reader.header()?.words {
                    let word = reader.word()?;
                    if !words.contains(word) {
                        words.insert(word.to_vec());
                    }
                }
            }
            for word in words {
                estimator.words.id_or_insert(&word)?;
            }
        }
        partials.iter().try_for_each(|path| estimator.add_partial(path.as_ref()))?;
        Ok(estimator)
    }
}

struct PartialWriter<'a> {
    file: NamedTempFile,
    path: &'a Path,
    hash: Xxh3,
    buffer: Vec<u8>,
}

impl Sink for PartialWriter<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) -> Result<()> {
        self.buffer.push(byte);
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }
}

impl PartialWriter<'_> {
    fn flush(&mut self) -> Result<()> {
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer).map_err(Error::io("write", self.path))?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.flush()?;
        let checksum = self.hash.digest().to_le_bytes();
        self.file.write_all(&checksum).map_err(Error::io("write", self.path))?;
        self.file.persist(self.path).map_err(|error| Error::io("write", self.path)(error.error))?;
        Ok(())
    }
}

struct Header {
    order: u64,
    tokens: u64,
    sentences: u64,
    words: u64,
}

struct PartialReader<'a> {
    file: File,
    path: &'a Path,
    /// Bytes of the file that are not read yet.
    left: u64,
    hash: Xxh3,
    buffer: Vec<u8>,
    position: usize,
    word: Vec<u8>,
}

impl<'a> PartialReader<'a> {
    fn open(path: &'a Path) -> Result<PartialReader<'a>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let left = file.metadata().map_err(Error::io("read", path))?.len();
        Ok(PartialReader { file, path, left, hash: Xxh3::new(), buffer: Vec::new(), position: 0, word: Vec::new() })
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::Partial { path: self.path.to_path_buf(), reason: reason.to_string() }
    }

    fn header(&mut self) -> Result<Header> {
        for expected in FORMAT {
            if self.byte()? != Some(expected) {
                return Err(self.refuse("it is not a file of partial counts, or of another version"));
            }
        }
        let mut number = || read_number(self);
        Ok(Header { order: number()?, tokens: number()?, sentences: number()?, words: number()? })
    }

    fn word(&mut self) -> Result<&[u8]> {
        let length = read_number(self)?;
        self.word.clear();
        for _ in 0..length {
            let Some(byte) = self.byte()? else { return Err(self.refuse("it is cut off")) };
            self.word.push(byte);
        }
        Ok(&self.word)
    }

    /// The next byte, which stays.
    #[inline]
    fn peek(&mut self) -> Result<Option<u8>> {
        if self.position == self.buffer.len() {
            self.hash.update(&self.buffer);
            let bytes = self.left.min(BUFFER_BYTES as u64);
            self.buffer.resize(bytes as usize, 0);
            self.file.read_exact(&mut self.buffer).map_err(Error::io("read", self.path))?;
            self.left -= bytes;
            self.position = 0;
        }
        Ok(self.buffer.get(self.position).copied())
    }

    /// Compares the checksum with that of what was read.
    fn finish(&mut self) -> Result<()> {
        self.position += 1;
        self.hash.update(&self.buffer[..self.position]);
        self.buffer.drain(..self.position);
        self.file.read_to_end(&mut self.buffer).map_err(Error::io("read", self.path))?;
        if self.buffer == self.hash.digest().to_le_bytes() {
            return Ok(());
        }
        Err(self.refuse("its checksum is wrong; make it again"))
    }
}

impl Source for PartialReader<'_> {
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>> {
        let byte = self.peek()?;
        self.position += usize::from(byte.is_some());
        Ok(byte)
    }
}
