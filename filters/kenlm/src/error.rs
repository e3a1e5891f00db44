//! What can go wrong, with the file and what to do about it.

use std::path::{Path, PathBuf};

/// Why a model could not be read, built or estimated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open, read, map or write a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: "open", "read", "map", "write", "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A binary model is damaged, truncated, of another version or of a kind that is not supported.
    #[error("cannot use `{}` as a KenLM binary: {reason}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// What is wrong and, where there is one, the way out.
        reason: String,
    },
    /// A line of an ARPA file is not what the format asks for.
    #[error("`{}` line {line}: {reason}", path.display())]
    Arpa {
        /// The file.
        path: PathBuf,
        /// Line, from 1, in the decompressed text.
        line: u64,
        /// What stands there and what was expected.
        reason: String,
    },
    /// An ARPA file reads well, but no model can be built from it as asked.
    #[error("cannot build a model from `{}`: {reason}", path.display())]
    Build {
        /// The ARPA file.
        path: PathBuf,
        /// What is missing and what to do.
        reason: String,
    },
    /// A text, or the counts of one, of which no model can be estimated.
    #[error("cannot estimate a model: {reason}")]
    Corpus {
        /// What is wrong with the text and what to do.
        reason: String,
    },
    /// A file of partial counts cannot be used.
    #[error("cannot use `{}` as partial counts: {reason}", path.display())]
    Partial {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("`{option}` {reason}")]
    Setting {
        /// The setting's name.
        option: &'static str,
        /// Its range, and what was given.
        reason: String,
    },
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] for `path`, ready for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// An [`Error::Binary`] for `path`.
    pub(crate) fn binary(path: &Path, reason: impl Into<String>) -> Error {
        Error::Binary { path: path.to_path_buf(), reason: reason.into() }
    }

    /// An [`Error::Build`] for `path`.
    pub(crate) fn build(path: &Path, reason: impl Into<String>) -> Error {
        Error::Build { path: path.to_path_buf(), reason: reason.into() }
    }
}
