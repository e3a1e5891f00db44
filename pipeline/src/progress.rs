//! How far a run is, for whoever wants to show it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that workers raise and a display reads. All of one sweep; reset when the next begins.
#[derive(Debug, Default)]
pub struct Progress {
    /// Documents read.
    pub documents: AtomicU64,
    /// Bytes of text read.
    pub bytes: AtomicU64,
    /// Documents that went on.
    pub kept: AtomicU64,
    /// Work done so far, in units of [`Progress::total`].
    pub done: AtomicU64,
    /// Work in the sweep: bytes of input files, or bytes of files between sweeps. 0 if unknown.
    pub total: AtomicU64,
    label: Mutex<String>,
}

impl Progress {
    /// What is being done now, in a few words.
    pub fn label(&self) -> String {
        self.label.lock().expect("no holder of the label panics").clone()
    }

    /// Begins something of `total` bytes, or of an unknown number of them (0).
    pub fn start(&self, label: &str, total: u64) {
        self.begin(label.to_owned(), total, 0);
    }

    pub(crate) fn begin(&self, label: String, total: u64, done: u64) {
        *self.label.lock().expect("no holder of the label panics") = label;
        for counter in [&self.documents, &self.bytes, &self.kept] {
            counter.store(0, Ordering::Relaxed);
        }
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
}
