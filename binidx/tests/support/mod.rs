//! What all tests of datasets need.

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use yuan_binidx::work::Job;
use yuan_pipeline::Progress;

static WANTED: AtomicBool = AtomicBool::new(false);
static PROGRESS: LazyLock<Progress> = LazyLock::new(Progress::default);

/// Work on two threads that nobody stops.
pub fn job() -> Job<'static> {
    Job { memory: 1 << 30, threads: 2, cancelled: &WANTED, progress: &PROGRESS }
}
