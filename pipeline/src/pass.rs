//! A global step: it must see the whole corpus before it can act on one document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::batch::{Tally, TallyKey};
use crate::{Batch, Columns, Error, Result, Stage};

/// A step that must see the whole corpus before it can act on one document. It ends in a stage.
///
/// The engine calls [`Pass::scan`] once for each work unit (in parallel, and again if the run was killed
/// inside the unit), [`Pass::reduce`] once with all partial files in input order, and hands what
/// [`Pass::stage`] returns to the next sweep. Bytes written must not depend on threads or hash seeds.
pub trait Pass: Send + Sync {
    /// Columns read by [`Pass::scan`].
    fn columns(&self) -> Columns {
        Columns::default()
    }

    /// Whether the pass can begin: asked before the first document is read, and by `plan`. For what only the disk can tell.
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Starts one work unit, whose summary goes to the new file `partial`.
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>>;

    /// All partial files, in input order → one outcome file (or folder) at `outcome`. Runs once; may be
    /// rerun from the start after a kill.
    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()>;

    /// Whether documents are read once more for this pass, which ends in a stage: then [`Pass::second`] gives another one.
    fn reads_twice(&self) -> bool {
        false
    }

    /// A pass over the same documents once more, if what [`Pass::reduce`] wrote to `first` cannot decide by itself. The
    /// outcome is then the second pass's, which is neither asked for a stage nor for a third reading.
    fn second(&self, first: &Path) -> Result<Option<Box<dyn Pass>>> {
        let _ = first;
        Ok(None)
    }

    /// Whether the pass changes what goes on: if not, [`Pass::stage`] is not asked.
    fn ends_in_stage(&self) -> bool {
        true
    }

    /// The outcome → the stage that the next sweep runs, if the pass ends in one.
    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let _ = outcome;
        Ok(None)
    }
}

/// One work unit of a [`Pass`] being scanned.
pub trait Scan: Send {
    /// Takes in the rows of `batch` that are not marked ([`Batch::documents`] yields just these).
    fn batch(&mut self, batch: &Batch) -> Result<()>;

    /// Writes the partial file whole. The engine syncs it and gives it its final name.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What a [`Pass::reduce`] may use, and where it reports.
pub struct Context<'a> {
    /// Bytes of memory the reduction may hold.
    pub memory: u64,
    /// Threads it may keep busy.
    pub threads: usize,
    /// An empty folder for spilled runs; the engine removes it afterwards.
    pub scratch: PathBuf,
    /// The input files' names, by their numbers in `doc_id`s.
    pub inputs: Vec<String>,
    pub(crate) cancelled: &'a AtomicBool,
    pub(crate) tallies: Mutex<BTreeMap<TallyKey, Tally>>,
}

impl<'a> Context<'a> {
    /// A context outside a run, for tests and single-step commands.
    pub fn new(memory: u64, threads: usize, scratch: PathBuf, cancelled: &'a AtomicBool) -> Self {
        Self { memory, threads, scratch, inputs: Vec::new(), cancelled, tallies: Mutex::default() }
    }

    /// To be called now and then in long loops.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the user has asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Whether the user has asked to stop; for code that looks at a flag of its own accord.
    pub fn cancelled(&self) -> &AtomicBool {
        self.cancelled
    }

    /// Adds to a named count that ends up in the report: kind `"clusters"`, key `"2"`, say.
    pub fn tally(&self, kind: &'static str, key: impl Into<String>, documents: u64, bytes: u64) {
        let mut tallies = self.tallies.lock().expect("no holder of the tallies panics");
        tallies.entry((kind, key.into())).or_default().add(documents, bytes);
    }

    /// The counts so far.
    pub fn into_tallies(self) -> BTreeMap<(&'static str, String), Tally> {
        self.tallies.into_inner().expect("no holder of the tallies panics")
    }
}
