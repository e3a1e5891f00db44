//! What can be wrong with a model, its files or what is asked of it.

use std::path::{Path, PathBuf};

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of opening, running or converting a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: "read", "write"…
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A configuration is incomplete, contradicts itself or asks for what is not there.
    #[error("`{}`: field `{field}` {problem}", path.display())]
    Config {
        /// The configuration's file.
        path: PathBuf,
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of weights is not what it should be.
    #[error("`{}` is damaged or of another format: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is missing, or has another shape or type than the configuration asks for.
    #[error("`{}`: tensor `{tensor}` {problem}", path.display())]
    Tensor {
        /// The file or directory.
        path: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is asked of a model makes no sense for it.
    #[error("{problem}")]
    Request {
        /// What is wrong.
        problem: String,
    },
    /// The device or its library refused.
    #[error("the device failed: {0}")]
    Device(#[from] candle_core::Error),
}

impl Error {
    /// A refused operation on a file.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// Something wrong with a field of a configuration.
    pub(crate) fn config(path: &Path, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { path: path.to_path_buf(), field: field.into(), problem: problem.into() }
    }

    /// Something wrong with a file of weights.
    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_path_buf(), problem: problem.into() }
    }

    /// Something wrong with a tensor.
    pub(crate) fn tensor(path: &Path, tensor: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Tensor { path: path.to_path_buf(), tensor: tensor.into(), problem: problem.into() }
    }

    /// Something that cannot be asked of a model.
    pub(crate) fn request(problem: impl Into<String>) -> Self {
        Self::Request { problem: problem.into() }
    }
}
