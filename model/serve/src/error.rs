//! What keeps a server from serving. What is wrong with a request is told to its client.

use std::io;

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of starting or running a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened at.
    #[error("cannot listen at `{address}`: {source}")]
    Bind {
        /// Host and port.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused a thread, a timer or a signal.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// An option makes no sense.
    #[error("{problem}")]
    Option {
        /// What is wrong.
        problem: String,
    },
}
