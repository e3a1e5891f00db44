//! What can go wrong in the engine, said so that a person can act on it.

use std::path::{Path, PathBuf};

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the engine, a reader, a writer or a stage.
///
/// The message names file, record and field; [`Error::hint`] gives the way out where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} `{}`: {}", path.display(), io_reason(source))]
    Io {
        /// What was tried: "read", "write", "create", "rename"…
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// One record of an input file cannot become a document.
    #[error("cannot read document {row} of `{}`: {problem}", path.display())]
    Record {
        /// The input file.
        path: PathBuf,
        /// The record's number in the file, from 0.
        row: u64,
        /// What is wrong with it.
        problem: String,
        /// Whether the record names no usable text field, so that another field may be meant.
        field: bool,
    },
    /// An input file is damaged or not what its name says.
    #[error("cannot read `{}`: {problem}", path.display())]
    Input {
        /// The input file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing to do: the inputs name no file.
    #[error("{what}")]
    NoInput {
        /// Which input, and why it gives nothing.
        what: String,
    },
    /// A stage cannot do its work.
    #[error("`{stage}`: {problem}")]
    Stage {
        /// The stage's name in a recipe.
        stage: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The recipe cannot be run as it stands.
    #[error("{problem}")]
    Plan {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A run folder was made by something else than what is asked for now.
    #[error("{problem}")]
    OtherRun {
        /// What differs.
        problem: String,
        /// What to type.
        hint: String,
    },
    /// The manifest of a run cannot be read or written.
    #[error("cannot use the manifest `{}`: {source}", path.display())]
    Manifest {
        /// The SQLite file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// Steps dropped far too much of something, or nothing, and the plan says to stop then.
    #[error("{}", breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rails {
        /// What was dropped of what.
        breaches: Vec<crate::Breach>,
        /// The run folder.
        folder: PathBuf,
    },
    /// What a run kept of its measures cannot be read.
    #[error("cannot read `{}`: {problem}", path.display())]
    Measures {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Columns do not fit together.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The user stopped the run.
    #[error("stopped")]
    Cancelled,
}

impl Error {
    /// An [`Error::Io`] in waiting: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// An [`Error::Input`].
    pub fn input(path: impl AsRef<Path>, problem: impl std::fmt::Display) -> Self {
        Self::Input { path: path.as_ref().to_path_buf(), problem: problem.to_string() }
    }

    /// An [`Error::Measures`].
    pub(crate) fn measures(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::Measures { path: path.to_path_buf(), problem: problem.to_string() }
    }

    /// An [`Error::Stage`] without a hint.
    pub fn stage(stage: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Stage { stage: stage.into(), problem: problem.to_string(), hint: None }
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Some(
                "free some space and run the same command again: it continues where it stopped".into(),
            ),
            Self::Record { field: true, .. } => Some(
                "name another field with `--text-field` (`[input] text_field = \"…\"`), or set such records aside with `--on-bad-record set-aside` (`[input] on_bad_record = \"set_aside\"`)".into(),
            ),
            Self::Record { .. } => Some(
                "set such records aside with `--on-bad-record set-aside` (`[input] on_bad_record = \"set_aside\"`)".into(),
            ),
            Self::Input { .. } => Some(
                "set what cannot be read aside with `--on-bad-record set-aside` (`[input] on_bad_record = \"set_aside\"`), or leave the file out".into(),
            ),
            Self::Stage { hint, .. } | Self::Plan { hint, .. } => hint.clone(),
            Self::OtherRun { hint, .. } => Some(hint.clone()),
            Self::Rails { folder, .. } => Some(format!(
                "look at samples with `yuan-data report {}`, then change the step or raise `[rails] max_dropped_fraction`; the same command continues with `--set rails.stop=false`",
                folder.display()
            )),
            Self::Measures { .. } => Some(
                "the measures of the run are damaged: run its recipe again into another folder".into(),
            ),
            _ => None,
        }
    }
}

fn io_reason(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::StorageFull => "the disk is full".into(),
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => source.to_string(),
    }
}
