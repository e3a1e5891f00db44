//! What can go wrong with a model file or with ids.

use std::path::PathBuf;

/// The crate's `Result`.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model cannot be used, or ids not decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A model file is damaged; names the file.
    #[error("`{path}` is not a usable SentencePiece model: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<Error>,
    },
    /// The bytes are not protobuf.
    #[error("byte {at}: {what}; is this a SentencePiece `.model` file?")]
    Wire {
        /// Where in the file, in bytes, reading stopped.
        at: usize,
        /// What was found there.
        what: &'static str,
    },
    /// A piece that no model can have.
    #[error("piece {id}: {what}")]
    Piece {
        /// The piece's id.
        id: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The list of pieces as a whole is wrong.
    #[error("field `pieces`: {0}")]
    Pieces(&'static str),
    /// A string of the model is not UTF-8.
    #[error("field `{0}` is not UTF-8")]
    Utf8(&'static str),
    /// A normalizer's compiled rules are damaged.
    #[error("field `{field}`: {what}")]
    Charsmap {
        /// Which normalizer.
        field: &'static str,
        /// What is wrong with its rules.
        what: &'static str,
    },
    /// An id that the model does not have.
    #[error("id {id} is not in the vocabulary of {vocab_size} pieces")]
    UnknownId {
        /// The id.
        id: u32,
        /// How many pieces there are.
        vocab_size: usize,
    },
}
