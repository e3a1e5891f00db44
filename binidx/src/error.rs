//! What can be wrong with a dataset or with what is to be written into one.

use std::path::{Path, PathBuf};

use crate::DType;

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of reading, writing or joining datasets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: "read", "write", "rename"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of a dataset is not what it should be.
    #[error("`{}` is malformed at `{field}`: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The part of the file, by the name it has in the crate's table.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A token id is too large for the dtype.
    #[error("token id {token} at position {position} does not fit in {dtype}")]
    TokenRange {
        /// The id.
        token: u32,
        /// Its place in the sequence.
        position: usize,
        /// The dtype of the dataset.
        dtype: DType,
    },
    /// A number is no token id.
    #[error("{token} at position {position} is no token id")]
    NoToken {
        /// The number.
        token: i64,
        /// Its place in the sequence.
        position: usize,
    },
    /// The bytes of a document are not those that were written.
    #[error("it is not the document that was written: its hash is another")]
    Hash,
    /// A sequence has more tokens than an `i32` counts.
    #[error("a sequence of {tokens} tokens is too long: the format counts to 2147483647")]
    SequenceLength {
        /// Its tokens.
        tokens: usize,
    },
    /// The lengths given for a document do not add up to its tokens.
    #[error("the sequence lengths of a document add up to {lengths}, its tokens are {tokens}")]
    DocumentLength {
        /// The sum of the lengths given.
        lengths: usize,
        /// The tokens given.
        tokens: usize,
    },
    /// A trainer's data cannot be laid out as asked.
    #[error("`{field}`: {problem}")]
    Sampling {
        /// What is at odds: a setting, by its name in [`gpt`](crate::gpt), or a prefix.
        field: String,
        /// Why it cannot be, and what to do.
        problem: String,
    },
    /// A dataset cannot be used for what was asked.
    #[error("`{}`: {problem}", path.display())]
    Dataset {
        /// The prefix or file.
        path: PathBuf,
        /// Why not.
        problem: String,
        /// The way out, if it is known.
        hint: Option<String>,
    },
    /// A recipe asks for what cannot be done.
    #[error("{problem}")]
    Recipe {
        /// The setting, by its names and places: `phase.0.weights.books`.
        setting: String,
        /// What is wrong with it.
        problem: String,
        /// The way out, if it is known.
        hint: Option<String>,
    },
    /// A folder holds what another recipe made.
    #[error("{problem}")]
    OtherRun {
        /// What differs.
        problem: String,
        /// The way out.
        hint: String,
    },
    /// The user asked to stop.
    #[error("stopped")]
    Cancelled,
}

impl From<Error> for yuan_pipeline::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { action, path, source } => Self::Io { action, path, source },
            Error::Cancelled => Self::Cancelled,
            Error::Recipe { problem, hint, .. } => Self::Plan { problem, hint },
            Error::OtherRun { problem, hint } => Self::OtherRun { problem, hint },
            other => Self::Stage { stage: "write_binidx".into(), problem: other.to_string(), hint: other.hint() },
        }
    }
}

impl Error {
    /// The way out, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dataset { hint, .. } | Self::Recipe { hint, .. } => hint.clone(),
            Self::OtherRun { hint, .. } => Some(hint.clone()),
            Self::Io { path, source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some(format!("free some space where `{}` lies and run the same command again", path.display()))
            }
            Self::Io { path, source, .. }
                if source.kind() == std::io::ErrorKind::NotFound
                    && path.extension().is_some_and(|suffix| suffix == "idx") =>
            {
                Some("`yuan-data binidx repair` makes an index for tokens that have none; `binidx convert` reads sets of other forms".into())
            }
            Self::Malformed { path, .. } => {
                let name = path.to_string_lossy();
                [".bin", ".idx", ".documents.parquet"].iter().any(|suffix| name.ends_with(suffix)).then(|| {
                    "`yuan-data binidx verify` lists all that is wrong, `yuan-data binidx repair` saves the documents that are whole".into()
                })
            }
            _ => None,
        }
    }

    /// An [`Error::Io`] in waiting: `.map_err(Error::io("read", path))`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn dataset(path: impl AsRef<Path>, problem: impl std::fmt::Display) -> Self {
        Self::Dataset { path: path.as_ref().to_path_buf(), problem: problem.to_string(), hint: None }
    }

    /// What is wrong with a document, with its place.
    #[must_use]
    pub(crate) fn of_document(self, path: &Path, number: u64) -> Self {
        match self {
            Self::Hash => Self::malformed(path, "xxh3", format!("document {number}: {self}")),
            Self::TokenRange { .. } => Self::dataset(path, format!("document {number}: {self}"))
                .hinting("a wider number type holds it: `--dtype i32`"),
            Self::NoToken { .. } | Self::SequenceLength { .. } => {
                Self::dataset(path, format!("document {number}: {self}"))
            }
            other => other,
        }
    }

    /// With a way out.
    #[must_use]
    pub(crate) fn hinting(self, way_out: impl Into<String>) -> Self {
        match self {
            Self::Dataset { path, problem, .. } => Self::Dataset { path, problem, hint: Some(way_out.into()) },
            Self::Recipe { setting, problem, .. } => Self::Recipe { setting, problem, hint: Some(way_out.into()) },
            other => other,
        }
    }

    pub(crate) fn sampling(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Sampling { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn malformed(path: impl AsRef<Path>, field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Malformed { path: path.as_ref().to_path_buf(), field, problem: problem.to_string() }
    }
}
