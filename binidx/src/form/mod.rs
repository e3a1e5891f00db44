//! Forms in which others keep tokens, read and written.
//!
//! | form | files | documents | read by |
//! |---|---|---|---|
//! | [`Form::Megatron`] | `PREFIX.bin`, `.idx`, `.documents.parquet` | index | Megatron-LM, Yuan, NeMo |
//! | [`Form::Datatrove`] | `NAME.ds`, `.ds.index`, `.ds.metadata` | their ends, `u64` | datatrove, nanotron (Nanosets) |
//! | [`Form::Olmo`] | `NAME.npy` (bare numbers), `NAME.csv.gz` | start, end, id, source, row | Dolma, OLMo |
//! | [`Form::Parquet`] | `NAME.parquet` | rows | `datasets`, Levanter, anything that reads Parquet |
//!
//! Sources: datatrove 0.10.1 `TokenizedFile`, Dolma 1.2 `MemmapWriter`.

mod datatrove;
mod olmo;
mod parquet;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DType, Document, Error, Result, TokenSet, Vocabulary, Writer, Written};

/// A form in which tokens are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Megatron's `.bin` and `.idx`.
    #[default]
    Megatron,
    /// datatrove's `.ds` with its index.
    Datatrove,
    /// OLMo's `.npy`, numbers without a header, with their table.
    Olmo,
    /// A Parquet file with a list of ids in each row.
    Parquet,
}

impl Form {
    /// The form of a file, by its name.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "bin" | "idx" => Some(Self::Megatron),
            "ds" => Some(Self::Datatrove),
            "npy" => Some(Self::Olmo),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The path of a set's first file, for a path with or without its suffix.
    pub fn file(self, prefix: &Path) -> std::path::PathBuf {
        let suffix = match self {
            Self::Megatron => "bin",
            Self::Datatrove => "ds",
            Self::Olmo => "npy",
            Self::Parquet => "parquet",
        };
        let bare = if Self::of(prefix) == Some(self) { prefix.with_extension("") } else { prefix.to_path_buf() };
        crate::reader::with_suffix(&bare, &format!(".{suffix}"))
    }
}

/// Takes documents in the order of the set that they become.
pub trait Sink: Send {
    /// Appends a document, in the set's own number type.
    ///
    /// # Errors
    /// If an id does not fit, or the disk refuses.
    fn add(&mut self, document: &Document<'_>) -> Result<()>;

    /// Writes the rest, syncs all files and gives them their names.
    ///
    /// # Errors
    /// If the disk refuses.
    fn finish(self: Box<Self>) -> Result<Written>;
}

impl Sink for Writer {
    fn add(&mut self, document: &Document<'_>) -> Result<()> {
        Writer::add(self, document)
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        Writer::finish(*self)
    }
}

/// What a set to be written is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its form.
    pub form: Form,
    /// The number type of its tokens.
    pub dtype: DType,
    /// Whether Megatron's files get a file of documents.
    pub documents: bool,
    /// What its tokens mean.
    pub vocabulary: Vocabulary,
    /// Whether Megatron's index marks documents; see [`Writer::without_marks`].
    pub marks: bool,
    /// The column of the ids, in Parquet.
    pub column: String,
}

impl Target {
    /// Starts a set at `prefix`, in a folder that exists.
    ///
    /// # Errors
    /// If files cannot be made there, or the form does not know the number type.
    pub fn create(&self, prefix: &Path) -> Result<Box<dyn Sink>> {
        Ok(match self.form {
            Form::Megatron => {
                let mut writer = Writer::create(prefix, self.dtype)?;
                if !self.marks {
                    writer = writer.without_marks();
                }
                if self.documents {
                    writer = writer.with_documents(self.vocabulary.clone())?;
                }
                Box::new(writer)
            }
            Form::Datatrove => Box::new(datatrove::DatatroveWriter::create(prefix, self.dtype, &self.vocabulary)?),
            Form::Olmo => Box::new(olmo::OlmoWriter::create(prefix, self.dtype)?),
            Form::Parquet => Box::new(parquet::ParquetWriter::create(prefix, self.dtype, self)?),
        })
    }
}

/// A set of any form, to be read from its beginning to its end.
pub trait Tokens {
    /// The number type of its tokens.
    fn dtype(&self) -> DType;

    /// What its tokens mean, as far as it is known.
    fn vocabulary(&self) -> Vocabulary;

    /// Whether sequences have modes, which other forms and orders do not keep.
    fn is_multimodal(&self) -> bool {
        false
    }

    /// Hands all documents to `take`, in order.
    ///
    /// # Errors
    /// If the set is damaged, and what `take` returns.
    fn for_each(&self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()>;
}

impl Tokens for TokenSet {
    fn dtype(&self) -> DType {
        self.reader().index().dtype()
    }

    fn vocabulary(&self) -> Vocabulary {
        TokenSet::vocabulary(self)
    }

    fn is_multimodal(&self) -> bool {
        self.reader().index().is_multimodal()
    }

    fn for_each(&self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        TokenSet::for_each(self, 0..self.reader().document_count(), |_, document| take(document))
    }
}

/// What cannot be read from a set's own files.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The number type of OLMo's bare numbers (by default what their table tells), and of datatrove's where no `.ds.metadata` says it.
    pub dtype: Option<DType>,
    /// The column of the ids, in Parquet.
    pub column: String,
}

/// Opens a set of any form.
///
/// # Errors
/// If a file cannot be read or is not of the form.
pub fn open(path: &Path, form: Form, reading: &Reading) -> Result<Box<dyn Tokens>> {
    Ok(match form {
        Form::Megatron => Box::new(TokenSet::open(path)?),
        Form::Datatrove => Box::new(datatrove::DatatroveSet::open(path, reading.dtype)?),
        Form::Olmo => Box::new(olmo::OlmoSet::open(path, reading.dtype)?),
        Form::Parquet => Box::new(parquet::ParquetSet::open(path, &reading.column)?),
    })
}

/// Appends a document's tokens to `bytes` in another number type.
fn convert<'b>(document: &'b Document<'_>, dtype: DType, bytes: &'b mut Vec<u8>) -> Result<&'b [u8]> {
    document.check()?;
    if document.dtype == dtype {
        return Ok(document.bytes);
    }
    bytes.clear();
    document.dtype.convert(document.bytes, dtype, bytes)?;
    Ok(bytes)
}

/// An unsigned type of two or four bytes, which is what these forms know.
fn unsigned(path: &Path, dtype: DType) -> Result<()> {
    if matches!(dtype, DType::U16 | DType::I32) {
        return Ok(());
    }
    Err(Error::dataset(path, format!("this form holds u16 and u32, not {dtype}"))
        .hinting("`--dtype u16` or `--dtype i32` (whose ids are the same as u32's)"))
}
