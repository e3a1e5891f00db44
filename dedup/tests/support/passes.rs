//! What a pass that cuts text leaves.

use std::path::Path;

use yuan_pipeline::{Pass, Result};

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
    let outcome = super::reduced(pass, documents, units, memory, threads, folder.path());
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
    super::reduce(pass, documents, units, memory, 1, folder.path(), &folder.path().join("outcome"))
}
