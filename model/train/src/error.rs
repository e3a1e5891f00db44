//! What can be wrong with a network in training or with what it is given.

use std::path::{Path, PathBuf};

/// Why data cannot be had, in the words of whoever has them.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape that cannot be trained.
    #[error("field `{field}` of the model's configuration {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do instead.
        problem: String,
    },
    /// A batch that fits neither itself nor the network.
    #[error("row {row} of the batch {problem}")]
    Batch {
        /// The row, from the batch's first.
        row: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A state that belongs to another network.
    #[error("tensor `{tensor}` {problem}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A number of the optimizer that makes no sense.
    #[error("`{name}` is {value}: {problem}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        problem: &'static str,
    },
    /// Gradients or the loss are infinite or no numbers. The gradients are cleared, parameters are as they were.
    #[error(
        "{what} at step {step} is no finite number: a smaller learning rate, a longer warm-up or clipping of gradients help"
    )]
    NotFinite {
        /// What it is.
        what: &'static str,
        /// The number of the step that was not taken, from 1.
        step: u64,
    },
    /// The device or its library refused.
    #[error("the device failed: {0}")]
    Device(String),
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
    /// A file of a training is not what was written.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the way out.
        problem: String,
    },
    /// A text or document cannot be had.
    #[error("{what} cannot be read: {source}")]
    Data {
        /// Which.
        what: String,
        /// Why not.
        source: Cause,
    },
    /// What the model's crate says of it.
    #[error(transparent)]
    Model(#[from] yuan_model::Error),
}

impl Error {
    /// A refused operation on a file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// A file that is not what was written.
    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), problem: problem.into() }
    }

    /// Something wrong with a row of a batch.
    pub(crate) fn batch(row: usize, problem: impl Into<String>) -> Self {
        Self::Batch { row, problem: problem.into() }
    }

    /// Something wrong with a tensor of a state.
    pub(crate) fn tensor(tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { tensor: tensor.to_owned(), problem: problem.into() }
    }
}
