//! Work on whole datasets: joined, cut, checked, mended, put in another order.

mod concat;
mod convert;
mod locate;
mod remove;
mod repair;
pub(crate) mod split;
pub(crate) mod verify;

use std::sync::atomic::{AtomicBool, Ordering};

use yuan_pipeline::Progress;

pub use concat::concat;
pub(crate) use concat::whole;
pub(crate) use convert::refuse_modes;
pub use convert::{convert, shuffle};
pub use locate::{Located, find, locate};
pub use remove::{Removal, Removed, remove};
pub use repair::{Repair, RepairOptions, repair};
pub use split::{Cut, part_prefix, split};
pub use verify::{Expected, Problem, Verification, verify};

use crate::{Error, Result};

/// What work may use, whether it is still wanted, and how far it is.
pub struct Job<'a> {
    /// Bytes of memory it may hold.
    pub memory: u64,
    /// Threads it may keep busy.
    pub threads: usize,
    /// Set once the user has asked to stop.
    pub cancelled: &'a AtomicBool,
    /// Where it tells of its bytes.
    pub progress: &'a Progress,
}

impl Job<'_> {
    /// Tells that a document of so many bytes is done.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the user has asked to stop.
    pub fn tick(&self, bytes: u64) -> Result<()> {
        for counter in [&self.progress.documents, &self.progress.kept] {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        for counter in [&self.progress.bytes, &self.progress.done] {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
        self.check()
    }

    /// To be called now and then in long loops.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the user has asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
