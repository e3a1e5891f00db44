//! What is known of the documents of a dataset beside their tokens: `PREFIX.documents.parquet`, a row for each document.
//!
//! | column | type | content |
//! |---|---|---|
//! | `id` | string, may be null | the document's own id, as the input's id field says |
//! | `source` | string | where it is from: the input's source field, else the name of its file |
//! | `file` | string | the input file |
//! | `row` | u64 | the record of that file, from 0 |
//! | `language` | string, may be null | what `language_id` found, or the input's field says |
//! | `text_bytes` | u64 | bytes of its text |
//! | `tokens` | u64 | its tokens in the dataset |
//! | `xxh3` | u64 | XXH3-64 of the tokens' bytes in `.bin` |
//!
//! Megatron does not look at this file; any tool that reads Parquet can. A token's place leads to its document by the running sum
//! of `tokens`. The hash goes with its document through every command that moves documents, so that damage is found
//! wherever it happened, and needs no reading of what is only copied.

mod read;
mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use read::Documents;
pub(crate) use read::{Row, Rows};
pub(crate) use write::{DocumentsWriter, RowsBuilder};

use crate::DType;
use crate::reader::with_suffix;

/// The Parquet metadata key of the [`Header`].
const HEADER_KEY: &str = "yuan_data.tokens";
/// Rows of a row group: what is held in memory.
const GROUP_ROWS: usize = 1 << 16;
/// Bytes of ids, sources and files of a row group, at most one row more.
const GROUP_BYTES: usize = 64 << 20;

/// `PREFIX.documents.parquet`.
pub fn documents_path(prefix: impl AsRef<Path>) -> PathBuf {
    with_suffix(prefix.as_ref(), ".documents.parquet")
}

/// What is known of a document beside its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// Its own id.
    pub id: Option<&'a str>,
    /// Where it is from.
    pub source: &'a str,
    /// The input file.
    pub file: &'a str,
    /// The record of that file, from 0.
    pub row: u64,
    /// Its language, an ISO 639 code with a script where it matters (`zh`, `zh-Hant`).
    pub language: Option<&'a str>,
    /// Bytes of its text.
    pub text_bytes: u64,
}

/// What is known of a dataset as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The number type of the tokens.
    pub dtype: DType,
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// XXH3-64 over each document's hash and number of tokens, in hexadecimal: equal for the same documents in the same order.
    pub digest: String,
    /// XXH3-64 of the `.idx` file, in hexadecimal.
    pub idx_xxh3: String,
    /// What the tokens mean.
    #[serde(flatten)]
    pub vocabulary: Vocabulary,
}

/// What the tokens of a dataset mean, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Fingerprint of the tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// All ids are below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<u64>,
    /// The id that ends each document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eod: Option<u32>,
}

impl Vocabulary {
    /// What holds of both.
    #[must_use]
    pub fn common(self, other: &Self) -> Self {
        Self {
            tokenizer: self.tokenizer.filter(|tokenizer| Some(tokenizer) == other.tokenizer.as_ref()),
            vocab_size: self.vocab_size.zip(other.vocab_size).map(|(one, other)| one.max(other)),
            eod: self.eod.filter(|eod| Some(*eod) == other.eod),
        }
    }
}
