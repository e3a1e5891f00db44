//! A dataset as its documents, whatever its form: what all commands that move documents go through.

use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::documents::Documents;
use crate::{About, DType, Error, Reader, Result, Vocabulary, idx_path};

/// A document: its tokens, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Its tokens as they lie in a file, those of all sequences.
    pub bytes: &'a [u8],
    /// Their number type.
    pub dtype: DType,
    /// Tokens of each sequence.
    pub lengths: &'a [i32],
    /// A mode for each sequence, in a multimodal set.
    pub modes: &'a [i8],
    /// What is known of it.
    pub about: About<'a>,
    /// XXH3-64 of `bytes`, if it is known already.
    pub xxh3: Option<u64>,
}

impl Document<'_> {
    /// Tokens.
    pub fn tokens(&self) -> u64 {
        (self.bytes.len() / self.dtype.bytes()) as u64
    }

    /// Whether the bytes are those that were written, as far as that is known.
    ///
    /// # Errors
    /// [`Error::Hash`] if they are not.
    pub(crate) fn check(&self) -> Result<()> {
        match self.xxh3 {
            Some(xxh3) if xxh3 != xxh3_64(self.bytes) => Err(Error::Hash),
            _ => Ok(()),
        }
    }

    /// The token ids; fractions are cut off.
    pub fn ids(&self) -> Vec<i64> {
        let mut ids = Vec::with_capacity(self.bytes.len() / self.dtype.bytes());
        self.dtype.for_each(self.bytes, |id| ids.push(id));
        ids
    }
}

/// A dataset with what is known of its documents.
pub struct TokenSet {
    prefix: PathBuf,
    /// Its file's name, the source of documents of which nothing is known.
    name: String,
    reader: Reader,
    documents: Option<Documents>,
}

impl TokenSet {
    /// Opens `PREFIX.bin`, `PREFIX.idx` and, if it is there, `PREFIX.documents.parquet`.
    ///
    /// # Errors
    /// If a file cannot be read, or they do not belong together.
    pub fn open(prefix: impl AsRef<Path>) -> Result<Self> {
        let reader = Reader::open(&prefix)?;
        let documents = Documents::open(&prefix)?;
        if let Some(documents) = &documents {
            let (header, index) = (documents.header(), reader.index());
            if (header.documents, header.dtype) != (reader.document_count() as u64, index.dtype()) {
                return Err(Error::malformed(
                    documents.path(),
                    "documents",
                    format!(
                        "it tells of {} documents of {}, `{}` of {} of {}",
                        header.documents,
                        header.dtype,
                        index.path().display(),
                        reader.document_count(),
                        index.dtype()
                    ),
                ));
            }
        }
        let prefix = idx_path(prefix).with_extension("");
        let name = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { prefix, name, reader, documents })
    }

    /// The path of its files without their suffixes.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Its tokens.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What is known of its documents, if there is a file of them.
    pub fn documents(&self) -> Option<&Documents> {
        self.documents.as_ref()
    }

    /// What its tokens mean, as far as it is known.
    pub fn vocabulary(&self) -> Vocabulary {
        self.documents.as_ref().map(|documents| documents.header().vocabulary.clone()).unwrap_or_default()
    }

    /// The file of documents.
    ///
    /// # Errors
    /// If there is none.
    pub fn known_documents(&self) -> Result<&Documents> {
        self.documents.as_ref().ok_or_else(|| {
            Error::dataset(&self.prefix, "there is no file of documents beside it (`.documents.parquet`)")
                .hinting("`yuan-data tokenize` writes one; without it documents are known by their numbers alone")
        })
    }

    /// Hands the documents of a range to `take`, in order, with their numbers.
    ///
    /// # Errors
    /// If a document's boundaries, sequences or row make no sense, and what `take` returns.
    pub fn for_each(
        &self,
        range: Range<usize>,
        mut take: impl FnMut(usize, &Document<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut scratch = Scratch::default();
        let Some(documents) = &self.documents else {
            let file = self.prefix.to_string_lossy();
            return range.into_iter().try_for_each(|number| {
                let about = About { source: &self.name, file: &file, row: number as u64, ..About::default() };
                let document = self.document(number, about, None, &mut scratch)?;
                take(number, &document).map_err(|error| error.of_document(self.reader.bin_path(), number as u64))
            });
        };
        documents.for_each(range.start as u64..range.end as u64, |number, about, tokens, xxh3| {
            let document = self.document(number as usize, about, Some(xxh3), &mut scratch)?;
            if document.tokens() != tokens {
                let problem = format!("document {number} has {} tokens, by its row {tokens}", document.tokens());
                return Err(Error::malformed(documents.path(), "tokens", problem));
            }
            take(number as usize, &document).map_err(|error| error.of_document(self.reader.bin_path(), number))
        })
    }

    /// One document.
    pub(crate) fn document<'a>(
        &'a self,
        number: usize,
        about: About<'a>,
        xxh3: Option<u64>,
        scratch: &'a mut Scratch,
    ) -> Result<Document<'a>> {
        let index = self.reader.index();
        let sequences = index.document(number)?;
        scratch.clear();
        let mut together: Option<(usize, usize)> = Some((0, 0));
        for (place, sequence) in sequences.clone().enumerate() {
            let tokens = self.reader.sequence(sequence)?;
            let bytes = tokens.bytes();
            scratch.lengths.push(tokens.len() as i32);
            scratch.modes.extend(index.sequence_mode(sequence));
            let start = index.sequence_pointer(sequence).unwrap_or(0) as usize;
            together = match together {
                _ if place == 0 => Some((start, start + bytes.len())),
                Some((first, end)) if end == start => Some((first, start + bytes.len())),
                _ => None,
            };
        }
        let bytes = match together {
            Some((start, end)) => &self.reader.bin()[start..end],
            None => {
                // Sequences that do not lie behind one another, which the format allows, are put together.
                for sequence in sequences {
                    scratch.bytes.extend_from_slice(self.reader.sequence(sequence)?.bytes());
                }
                &scratch.bytes
            }
        };
        let dtype = index.dtype();
        Ok(Document { bytes, dtype, lengths: &scratch.lengths, modes: &scratch.modes, about, xxh3 })
    }
}

/// Room for what of a document does not lie in one piece.
#[derive(Default)]
pub(crate) struct Scratch {
    lengths: Vec<i32>,
    modes: Vec<i8>,
    bytes: Vec<u8>,
}

impl Scratch {
    fn clear(&mut self) {
        self.lengths.clear();
        self.modes.clear();
        self.bytes.clear();
    }
}
