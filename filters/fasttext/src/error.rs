//! What can be wrong with a model file, with settings or with a request.

use std::path::PathBuf;

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of reading, writing, training or asking a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried: "open", "map", "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not a model that can be used; the reason is in `source`.
    #[error("cannot use `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The bytes do not begin as a fastText model does.
    #[error(
        "not a fastText model: it begins with {found:#010x}, not with 793712314; text vectors (`.vec`) are no model"
    )]
    NotAModel {
        /// The first four bytes as a little-endian number.
        found: u32,
    },
    /// A version of the format that this crate does not know.
    #[error("fastText format version {found} is not known, only 11 and 12 are; save it again with a current fastText")]
    Version {
        /// The version in the file.
        found: i32,
    },
    /// The file ends before a part of it does.
    #[error("the model ends within `{field}`: {needed} bytes are needed and {available} are left; fetch it again")]
    Truncated {
        /// The part, by the name it has in the format's table.
        field: &'static str,
        /// Bytes that the part needs.
        needed: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// A part of a model holds what it cannot hold.
    #[error("the model's `{field}` is malformed: {problem}")]
    Malformed {
        /// The part, by the name it has in the format's table.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Parts that were put together do not fit.
    #[error("the parts of the model do not fit together: {problem}")]
    Mismatch {
        /// What does not fit.
        problem: String,
    },
    /// A text was to be labelled by a model that has only word vectors.
    #[error("the model is {model} and has no labels; only a supervised model predicts")]
    NotSupervised {
        /// The kind of the model.
        model: crate::ModelKind,
    },
    /// Zero labels were asked for.
    #[error("`k` is 0; ask for 1 label or more")]
    NoLabelsAsked,
    /// The model's numbers are damaged or diverged in training.
    #[error("the model gives NaN for this text; it diverged in training or the file is damaged")]
    NotANumber,
    /// Writing into something that is not a file failed.
    #[error("cannot write the model: {source}")]
    Write {
        /// The writer's reason.
        #[from]
        source: std::io::Error,
    },
    /// A line of a file of text vectors cannot be read.
    #[error("line {line} of the vectors is malformed: {problem}")]
    Vectors {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting that no model can be trained or quantised with.
    #[error("`{option}` cannot be used: {problem}")]
    Option {
        /// The setting's field.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An example that cannot be learnt from.
    #[error("example {number} cannot be used: {problem}")]
    Example {
        /// The example, counted from 1.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The examples give nothing to learn.
    #[error("nothing can be learnt: {problem}")]
    NothingToLearn {
        /// What is missing.
        problem: String,
    },
    /// The training's numbers became NaN.
    #[error("the training diverged: a score is NaN; lower the learning rate, or the weights if there are any")]
    Diverged,
    /// The training was told to stop.
    #[error("the training was cancelled")]
    Cancelled,
    /// The system has no memory for a matrix.
    #[error(
        "no memory for a matrix of {rows} × {columns} numbers: {source}; lower `bucket` or `dim`, or raise `min_count`"
    )]
    Memory {
        /// Rows.
        rows: usize,
        /// Length of a row.
        columns: usize,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn malformed(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed { field, problem: problem.into() }
    }

    pub(crate) fn mismatch(problem: impl Into<String>) -> Self {
        Self::Mismatch { problem: problem.into() }
    }

    pub(crate) fn in_file(self, path: &std::path::Path) -> Self {
        Self::File { path: path.to_owned(), source: Box::new(self) }
    }
}
