//! Writing a dataset as a stream: what is held in memory does not grow with it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::documents::{DocumentsWriter, Header, documents_path};
use crate::index::{MAGIC, VERSION};
use crate::part::Part;
use crate::reader::with_suffix;
use crate::replace::{finish_replacing, replace};
use crate::{About, DType, Document, Error, Result, Vocabulary, idx_path};

/// Writes one dataset. The files appear under their names, whole and synced, when [`Writer::finish`]
/// returns; until then, and after a drop without it, what stood there stays.
///
/// The calls and the bytes they give are those of Megatron's `IndexedDatasetBuilder`.
pub struct Writer {
    prefix: PathBuf,
    dtype: DType,
    bin: Part,
    lengths: Part,
    boundaries: Part,
    modes: Option<Part>,
    known: Option<Known>,
    sequences: u64,
    documents: u64,
    tokens: u64,
    /// Whether the index marks documents.
    marks: bool,
    encoded: Vec<u8>,
    /// Of the document that was begun: the hash of its bytes, and its tokens.
    open: (Xxh3, u64),
}

/// The file of documents in the making.
struct Known {
    writer: DocumentsWriter,
    vocabulary: Vocabulary,
    digest: Xxh3,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The number type of the tokens.
    pub dtype: DType,
    /// Documents, empty ones included.
    pub documents: u64,
    /// Sequences.
    pub sequences: u64,
    /// Tokens.
    pub tokens: u64,
    /// Bytes of the file of tokens.
    pub bin_bytes: u64,
    /// Bytes of the file that says where they lie.
    pub idx_bytes: u64,
    /// XXH3-64 over each document's hash and number of tokens, if there is a file of documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Writer {
    /// Starts `PREFIX.bin` and `PREFIX.idx`, in a folder that exists.
    ///
    /// # Errors
    /// If files cannot be made there.
    pub fn create(prefix: impl AsRef<Path>, dtype: DType) -> Result<Self> {
        let prefix = prefix.as_ref();
        finish_replacing(prefix)?;
        let part = |suffix| Part::create(with_suffix(prefix, suffix));
        let mut boundaries = part(".idx.documents")?;
        boundaries.put(&0_i64.to_le_bytes())?;
        Ok(Self {
            prefix: prefix.to_path_buf(),
            dtype,
            bin: part(".bin")?,
            lengths: part(".idx.lengths")?,
            boundaries,
            modes: None,
            known: None,
            sequences: 0,
            documents: 0,
            tokens: 0,
            marks: true,
            encoded: Vec::new(),
            open: (Xxh3::new(), 0),
        })
    }

    /// Also writes the [file of documents](crate::documents).
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn with_documents(mut self, vocabulary: Vocabulary) -> Result<Self> {
        let writer = DocumentsWriter::create(&documents_path(&self.prefix))?;
        self.known = Some(Known { writer, vocabulary, digest: Xxh3::new() });
        Ok(self)
    }

    /// Also writes a mode for each sequence: zero, where [`Self::add`] is not given another.
    ///
    /// # Errors
    /// If the file for them cannot be made.
    pub fn with_modes(mut self) -> Result<Self> {
        self.modes = Some(Part::create(with_suffix(&self.prefix, ".idx.modes"))?);
        Ok(self)
    }

    /// Leaves the document array at `[0]`, as Yuan's preprocessor does, which never ends a document. Each sequence is read as a
    /// document then, so a document should be one; those without a sequence are not counted.
    #[must_use]
    pub fn without_marks(mut self) -> Self {
        self.marks = false;
        self
    }

    /// The number type of the tokens.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Tokens so far.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Appends one sequence, which may be empty (`add_item`).
    ///
    /// # Errors
    /// If an id does not fit the dtype, the sequence is too long or the disk refuses.
    pub fn add_sequence(&mut self, tokens: &[u32]) -> Result<()> {
        self.add_tokens(tokens)?;
        self.add_length(tokens.len(), 0)
    }

    /// Ends the document (`end_document`): without a sequence since the last end, an empty one.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn end_document(&mut self) -> Result<()> {
        self.end_document_about(&About::default())
    }

    /// Ends the document, of which this is known.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn end_document_about(&mut self, about: &About<'_>) -> Result<()> {
        let (hash, tokens) = (self.open.0.digest(), std::mem::take(&mut self.open.1));
        if self.known.is_some() {
            self.open.0.reset();
        }
        self.close_document(about, tokens, hash)
    }

    fn close_document(&mut self, about: &About<'_>, tokens: u64, hash: u64) -> Result<()> {
        if self.marks {
            self.boundaries.put(&(self.sequences as i64).to_le_bytes())?;
        } else if self.documents == self.sequences {
            return Ok(());
        }
        self.documents += 1;
        if let Some(known) = &mut self.known {
            known.writer.add(about, tokens, hash)?;
            known.digest.update(&hash.to_le_bytes());
            known.digest.update(&tokens.to_le_bytes());
        }
        Ok(())
    }

    /// Appends a whole document of sequences of these lengths (`add_document`).
    ///
    /// # Errors
    /// As [`Self::add_sequence`], and if the lengths do not add up to the tokens.
    pub fn add_document(&mut self, tokens: &[u32], lengths: &[usize]) -> Result<()> {
        let sum = lengths.iter().sum();
        if sum != tokens.len() {
            return Err(Error::DocumentLength { lengths: sum, tokens: tokens.len() });
        }
        self.add_tokens(tokens)?;
        lengths.iter().try_for_each(|length| self.add_length(*length, 0))?;
        self.end_document()
    }

    /// Appends a document of another dataset, in this one's dtype.
    ///
    /// # Errors
    /// If an id does not fit the dtype or the disk refuses.
    pub fn add(&mut self, document: &Document<'_>) -> Result<()> {
        // Damage is not to be carried on, nor vouched for by a new hash.
        document.check()?;
        let mut hash = document.xxh3;
        if document.dtype == self.dtype {
            self.bin.put(document.bytes)?;
        } else {
            self.encoded.clear();
            document.dtype.convert(document.bytes, self.dtype, &mut self.encoded)?;
            self.bin.put(&self.encoded)?;
            hash = self.known.is_some().then(|| xxh3_64(&self.encoded));
        }
        for (place, length) in document.lengths.iter().enumerate() {
            self.add_length(*length as usize, document.modes.get(place).copied().unwrap_or(0))?;
        }
        let hash = match hash {
            Some(hash) => hash,
            None if self.known.is_some() => xxh3_64(document.bytes),
            None => 0,
        };
        self.open.1 = 0;
        self.close_document(&document.about, document.tokens(), hash)
    }

    fn add_tokens(&mut self, tokens: &[u32]) -> Result<()> {
        self.encoded.clear();
        self.dtype.encode(tokens, &mut self.encoded)?;
        if self.known.is_some() {
            self.open.0.update(&self.encoded);
        }
        self.bin.put(&self.encoded)
    }

    fn add_length(&mut self, tokens: usize, mode: i8) -> Result<()> {
        let length = i32::try_from(tokens).map_err(|_| Error::SequenceLength { tokens })?;
        self.sequences += 1;
        self.tokens += tokens as u64;
        self.open.1 += tokens as u64;
        if let Some(modes) = &mut self.modes {
            modes.put(&mode.to_le_bytes())?;
        }
        self.lengths.put(&length.to_le_bytes())
    }

    /// Writes the index, syncs all files and gives them their names.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(mut self) -> Result<Written> {
        let mut idx = Part::create(idx_path(&self.prefix))?;
        let mut hash = Xxh3::new();
        let mut put = |bytes: &[u8]| {
            hash.update(bytes);
            idx.put(bytes)
        };
        put(&MAGIC)?;
        put(&VERSION.to_le_bytes())?;
        put(&[self.dtype.code()])?;
        put(&self.sequences.to_le_bytes())?;
        put(&(if self.marks { self.documents } else { 0 } + 1).to_le_bytes())?;
        self.lengths.read_back(4, &mut put)?;
        let (mut pointer, width) = (0_i64, self.dtype.bytes() as i64);
        let mut pointers = Vec::new();
        self.lengths.read_back(4, |lengths| {
            pointers.clear();
            for length in lengths.as_chunks().0 {
                pointers.extend_from_slice(&pointer.to_le_bytes());
                pointer += i64::from(i32::from_le_bytes(*length)) * width;
            }
            put(&pointers)
        })?;
        self.boundaries.read_back(8, &mut put)?;
        if let Some(modes) = &mut self.modes {
            modes.read_back(1, &mut put)?;
        }
        let digest = self.known.as_ref().map(|known| format!("{:016x}", known.digest.digest()));
        let written = Written {
            dtype: self.dtype,
            documents: self.documents,
            sequences: self.sequences,
            tokens: self.tokens,
            bin_bytes: self.bin.bytes(),
            idx_bytes: idx.bytes(),
            digest: digest.clone(),
        };
        let about = match self.known.take() {
            None => None,
            Some(known) => Some(known.writer.finish(&Header {
                dtype: self.dtype,
                documents: self.documents,
                tokens: self.tokens,
                digest: digest.unwrap_or_default(),
                idx_xxh3: format!("{:016x}", hash.digest()),
                vocabulary: known.vocabulary,
            })?),
        };
        replace(&self.prefix, &mut self.bin, &mut idx, about)?;
        Ok(written)
    }
}
