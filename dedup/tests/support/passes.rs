//! What a pass that cuts text leaves.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Context, Pass, Result};

use super::batch;

/// What becomes of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Left {
    Kept(String),
    Dropped(&'static str),
}

/// Scans and reduces as [`super::run`]; what the stage leaves of each document.
pub fn left_by(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
) -> Vec<Left> {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let (first, last) = (folder.path().join("first"), folder.path().join("outcome"));
    reduce(pass, documents, units, memory, threads, folder.path(), &first).unwrap();
    let outcome = match pass.second(&first).unwrap() {
        Some(second) => {
            reduce(second.as_ref(), documents, units, memory, threads, folder.path(), &last).unwrap();
            last
        }
        None => first,
    };
    let stage = pass.stage(&outcome).unwrap().expect("it ends in a stage");
    let mut left = Vec::new();
    for documents in documents.chunks(100) {
        let batch = stage.process(batch(documents)).unwrap();
        left.extend((0..documents.len()).map(|row| match batch.reason(row) {
            Some(reason) => Left::Dropped(reason.code),
            None => Left::Kept(batch.document(row).text().to_owned()),
        }));
    }
    left
}

/// Scans and reduces with so much memory.
pub fn try_reduce(pass: &dyn Pass, documents: &[(u64, &str)], units: usize, memory: u64, folder: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(folder).unwrap();
    reduce(pass, documents, units, memory, 1, folder.path(), &folder.path().join("outcome"))
}

fn reduce(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
    outcome: &Path,
) -> Result<()> {
    let partials: Vec<_> = documents
        .chunks(documents.len().div_ceil(units).max(1))
        .enumerate()
        .map(|(unit, documents)| {
            let partial = folder.join(format!("partial-{unit}"));
            let mut scan = pass.scan(&partial).unwrap();
            documents.chunks(100).for_each(|documents| scan.batch(&batch(documents)).unwrap());
            scan.finish().unwrap();
            partial
        })
        .collect();
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let cancelled = AtomicBool::new(false);
    pass.reduce(&partials, outcome, &Context::new(memory, threads, scratch.path().into(), &cancelled))
}
