//! What can be wrong with an evaluation: its data, its model, its sandbox, what was asked.

use std::path::{Path, PathBuf};

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of an evaluation.
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
    /// A file of a task is not there.
    #[error("there is no `{name}` in `{}`", folder.display())]
    NoData {
        /// The folder of the evaluation sets.
        folder: PathBuf,
        /// The file, without the ending of its compression.
        name: String,
    },
    /// A file of a task is not what it should be.
    #[error("`{}`{}: {problem}", path.display(), line.map(|line| format!(" line {line}")).unwrap_or_default())]
    Data {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where one is meant.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// What was asked makes no sense.
    #[error("{problem}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A model failed.
    #[error("the model failed: {0}")]
    Model(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A server failed, or answered with what it should not.
    #[error("{url}: {problem}")]
    Remote {
        /// The address.
        url: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A server will not do this one request, and says why: it is too long, as a rule. Others may do.
    #[error("{url}: {problem}")]
    Refused {
        /// The address.
        url: String,
        /// What the server says.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Programs cannot be run as they should be.
    #[error("programs cannot be run: {problem}")]
    Sandbox {
        /// Why.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoData { .. } => Some(
                "`--data DIR` names the folder of the evaluation sets; `yuan-data eval list` tells the files of each task"
                    .to_owned(),
            ),
            Self::Request { hint, .. }
            | Self::Remote { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Sandbox { hint, .. } => hint.clone(),
            Self::Stopped => Some("items that were done are kept; the same command goes on from here".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn data(path: &Path, line: Option<usize>, problem: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), line, problem: problem.into() }
    }

    pub(crate) fn request(problem: impl Into<String>, hint: impl Into<Option<&'static str>>) -> Self {
        Self::Request { problem: problem.into(), hint: hint.into().map(str::to_owned) }
    }
}
