//! Runs a pass as the engine does: scan by units, reduce, stage.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers, not all of them for each test")]

pub mod passes;
pub mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Batch, Context, Detail, Pass, Result, Riders};

/// What a run of a pass gives.
pub struct Outcome {
    /// The outcome, a file or a folder.
    pub path: std::path::PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Each dropped document with its keeper.
    pub dropped: BTreeMap<u64, u64>,
    /// Each document that is dropped for one of an index, with the words for that.
    pub known: BTreeMap<u64, String>,
    /// Reason codes seen.
    pub codes: Vec<&'static str>,
}

pub fn batch(documents: &[(u64, &str)]) -> Batch {
    let ids = documents.iter().map(|&(doc_id, _)| doc_id).collect::<Vec<_>>();
    let texts: Vec<&str> = documents.iter().map(|&(_, text)| text).collect();
    Batch::new(ids.into(), texts.into(), Riders::None).unwrap()
}

/// Scans `documents` in `units` of about the same size and reduces with so much memory and threads to `outcome`.
pub fn reduce(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
    outcome: &Path,
) -> Result<()> {
    let reading = outcome.file_name().unwrap().to_string_lossy();
    let partials: Vec<_> = documents
        .chunks(documents.len().div_ceil(units).max(1))
        .enumerate()
        .map(|(unit, documents)| {
            let partial = folder.join(format!("partial-{reading}-{units}-{unit}"));
            let mut scan = pass.scan(&partial).unwrap();
            documents.chunks(100).for_each(|documents| scan.batch(&batch(documents)).unwrap());
            scan.finish().unwrap();
            partial
        })
        .collect();
    // The engine gives an outcome its name when it is whole, and leaves none from before.
    let _ = std::fs::remove_dir_all(outcome);
    let _ = std::fs::remove_file(outcome);
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let cancelled = AtomicBool::new(false);
    let mut context = Context::new(memory, threads, scratch.path().into(), &cancelled);
    context.inputs = (0..100).map(|file| format!("file-{file}")).collect();
    pass.reduce(&partials, outcome, &context)
}

/// The outcome of the pass, after a second reading if it wants one.
pub fn reduced(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
) -> PathBuf {
    let (first, last) = (folder.join("first"), folder.join("outcome"));
    reduce(pass, documents, units, memory, threads, folder, &first).unwrap();
    match pass.second(&first).unwrap() {
        Some(second) => {
            reduce(second.as_ref(), documents, units, memory, threads, folder, &last).unwrap();
            last
        }
        None => first,
    }
}

/// Scans `documents` in `units` of about the same size, reduces with so much memory and threads, reads once more if the
/// pass wants it, and drops.
pub fn run(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
) -> Outcome {
    let outcome = reduced(pass, documents, units, memory, threads, folder);
    let stage = pass.stage(&outcome).unwrap().expect("a deduplication ends in a stage");
    let mut codes = Vec::new();
    let (mut dropped, mut known) = (BTreeMap::new(), BTreeMap::new());
    for documents in documents.chunks(100) {
        let batch = stage.process(batch(documents)).unwrap();
        for (row, &(doc_id, _)) in documents.iter().enumerate() {
            if let Some(reason) = batch.reason(row) {
                codes.push(reason.code);
                match &reason.detail {
                    Detail::Document(keeper) => {
                        dropped.insert(doc_id, *keeper);
                    }
                    Detail::Text(place) => {
                        known.insert(doc_id, place.clone());
                    }
                    _ => panic!("{reason:?} names no document"),
                }
            }
        }
    }
    codes.dedup();
    let bytes = if outcome.is_dir() { folder_bytes(&outcome) } else { std::fs::read(&outcome).unwrap() };
    Outcome { path: outcome, bytes, dropped, known, codes }
}

/// All files of a folder, one after the other by name.
fn folder_bytes(folder: &Path) -> Vec<u8> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
}
