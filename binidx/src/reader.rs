//! Reading a dataset: mapped, nothing copied but the numbers asked for.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::index::Mapping;
use crate::replace::finish_replacing;
use crate::{DType, Error, Index, Result};

/// `PREFIX.bin`; a path that already ends in `.bin` or `.idx` is taken for its prefix.
pub fn bin_path(prefix: impl AsRef<Path>) -> PathBuf {
    with_suffix(prefix.as_ref(), ".bin")
}

/// `PREFIX.idx`; a path that already ends in `.bin` or `.idx` is taken for its prefix.
pub fn idx_path(prefix: impl AsRef<Path>) -> PathBuf {
    with_suffix(prefix.as_ref(), ".idx")
}

/// Appends, where `Path::with_extension` would cut `part.v2` to `part`.
pub(crate) fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let bare = match prefix.extension().and_then(|extension| extension.to_str()) {
        Some("bin" | "idx") => prefix.with_extension(""),
        _ => prefix.to_path_buf(),
    };
    with_tail(&bare, suffix)
}

/// Appends to the name, whatever it ends in.
pub(crate) fn with_tail(path: &Path, tail: &str) -> PathBuf {
    let mut path: OsString = path.as_os_str().to_owned();
    path.push(tail);
    path.into()
}

/// A mapped dataset. Every access is bounds-checked: a damaged file gives errors, never a panic.
pub struct Reader {
    index: Index,
    bin: Mapping,
    bin_path: PathBuf,
}

/// The tokens of one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    bytes: &'a [u8],
    dtype: DType,
}

/// What `binidx info` tells of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The number type of the tokens.
    pub dtype: DType,
    /// Documents; see [`Index::document_count`].
    pub documents: u64,
    /// Documents without a token.
    pub empty_documents: u64,
    /// Whether the index marks documents.
    pub marks_documents: bool,
    /// Sequences.
    pub sequences: u64,
    /// Tokens of all sequences.
    pub tokens: u64,
    /// Tokens of the shortest sequence; 0 if there is none.
    pub min_sequence_tokens: u64,
    /// Tokens of the longest sequence; 0 if there is none.
    pub max_sequence_tokens: u64,
    /// Whether there is a mode for each sequence.
    pub multimodal: bool,
    /// Bytes of the `.bin` file.
    pub bin_bytes: u64,
    /// Bytes of the `.idx` file.
    pub idx_bytes: u64,
}

impl Reader {
    /// Maps `PREFIX.bin` and `PREFIX.idx`.
    ///
    /// # Errors
    /// If a file is missing or the header of the index is wrong; see [`Index::open`].
    pub fn open(prefix: impl AsRef<Path>) -> Result<Self> {
        finish_replacing(prefix.as_ref())?;
        let bin_path = bin_path(&prefix);
        Ok(Self { index: Index::open(idx_path(prefix))?, bin: Mapping::open(&bin_path)?, bin_path })
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The `.bin` file.
    pub fn bin_path(&self) -> &Path {
        &self.bin_path
    }

    /// The bytes of the `.bin` file.
    pub(crate) fn bin(&self) -> &[u8] {
        &self.bin
    }

    /// Sequences.
    pub fn sequence_count(&self) -> usize {
        self.index.sequence_count()
    }

    /// Documents; see [`Index::document_count`].
    pub fn document_count(&self) -> usize {
        self.index.document_count()
    }

    /// One sequence.
    ///
    /// # Errors
    /// If there is no such sequence, or its length or pointer do not lie within the `.bin` file.
    pub fn sequence(&self, sequence: usize) -> Result<Sequence<'_>> {
        let path = self.index.path();
        let (Some(length), Some(pointer)) =
            (self.index.sequence_length(sequence), self.index.sequence_pointer(sequence))
        else {
            return Err(Error::malformed(
                path,
                "sequence_lengths",
                format!("no sequence {sequence}, there are {}", self.sequence_count()),
            ));
        };
        let dtype = self.index.dtype();
        let length = usize::try_from(length).map_err(|_| {
            Error::malformed(path, "sequence_lengths", format!("sequence {sequence} has {length} tokens"))
        })?;
        let bytes = usize::try_from(pointer).ok().and_then(|start| {
            let end = start.checked_add(length.checked_mul(dtype.bytes())?)?;
            self.bin.get(start..end)
        });
        let bytes = bytes.ok_or_else(|| {
            Error::malformed(
                path,
                "sequence_pointers",
                format!(
                    "sequence {sequence}, {length} tokens of {dtype} from byte {pointer}, does not lie within the {} bytes of `{}`",
                    self.bin.len(),
                    self.bin_path.display()
                ),
            )
        })?;
        Ok(Sequence { bytes, dtype })
    }

    /// The sequences of one document.
    ///
    /// # Errors
    /// As [`Index::document`] and [`Self::sequence`].
    pub fn document(&self, document: usize) -> Result<Vec<Sequence<'_>>> {
        self.index.document(document)?.map(|sequence| self.sequence(sequence)).collect()
    }

    /// All documents in order, each as its sequences.
    pub fn documents(&self) -> impl Iterator<Item = Result<Vec<Sequence<'_>>>> {
        (0..self.document_count()).map(|document| self.document(document))
    }

    /// Counts and sizes. Cost: one walk over the index.
    ///
    /// # Errors
    /// If a document's boundaries or a sequence's length make no sense.
    pub fn summary(&self) -> Result<Summary> {
        let index = &self.index;
        let mut summary = Summary {
            dtype: index.dtype(),
            documents: self.document_count() as u64,
            empty_documents: 0,
            marks_documents: index.marks_documents(),
            sequences: self.sequence_count() as u64,
            tokens: 0,
            min_sequence_tokens: u64::MAX,
            max_sequence_tokens: 0,
            multimodal: index.is_multimodal(),
            bin_bytes: self.bin.len() as u64,
            idx_bytes: index.file_bytes(),
        };
        for (sequence, length) in index.sequence_lengths().enumerate() {
            let length = u64::try_from(length).map_err(|_| {
                Error::malformed(index.path(), "sequence_lengths", format!("sequence {sequence} has {length} tokens"))
            })?;
            summary.tokens += length;
            summary.min_sequence_tokens = summary.min_sequence_tokens.min(length);
            summary.max_sequence_tokens = summary.max_sequence_tokens.max(length);
        }
        summary.min_sequence_tokens = summary.min_sequence_tokens.min(summary.max_sequence_tokens);
        for document in 0..self.document_count() {
            let empty = index.document(document)?.all(|sequence| index.sequence_length(sequence) == Some(0));
            summary.empty_documents += u64::from(empty);
        }
        Ok(summary)
    }
}

impl<'a> Sequence<'a> {
    /// Tokens.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.bytes()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Some of its tokens, by their places; nothing if it has not as many.
    pub fn get(&self, tokens: Range<usize>) -> Option<Self> {
        let size = self.dtype.bytes();
        let bytes = self.bytes.get(tokens.start.checked_mul(size)?..tokens.end.checked_mul(size)?)?;
        Some(Self { bytes, dtype: self.dtype })
    }

    /// As they lie in the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The token ids. Floating-point sets, which the format allows, are cut to whole numbers.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        let mut ids = Vec::with_capacity(self.len());
        self.dtype.for_each(self.bytes, |id| ids.push(id));
        ids.into_iter()
    }
}
