//! Runs a pass as the engine does: scan by units, reduce, stage.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers, not all of them for each test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Batch, Context, Detail, Pass, Riders};

/// What a run of a pass gives.
pub struct Outcome {
    /// The outcome file.
    pub bytes: Vec<u8>,
    /// Each dropped document with its keeper.
    pub dropped: BTreeMap<u64, u64>,
    /// Reason codes seen.
    pub codes: Vec<&'static str>,
}

pub fn batch(documents: &[(u64, &str)]) -> Batch {
    let ids = documents.iter().map(|&(doc_id, _)| doc_id).collect::<Vec<_>>();
    let texts: Vec<&str> = documents.iter().map(|&(_, text)| text).collect();
    Batch::new(ids.into(), texts.into(), Riders::None).unwrap()
}

/// Scans `documents` in `units` of about the same size, reduces with so much memory and threads, and drops.
pub fn run(
    pass: &dyn Pass,
    documents: &[(u64, &str)],
    units: usize,
    memory: u64,
    threads: usize,
    folder: &Path,
) -> Outcome {
    let partials: Vec<_> = documents
        .chunks(documents.len().div_ceil(units).max(1))
        .enumerate()
        .map(|(unit, documents)| {
            let partial = folder.join(format!("partial-{units}-{unit}"));
            let mut scan = pass.scan(&partial).unwrap();
            documents.chunks(100).for_each(|documents| scan.batch(&batch(documents)).unwrap());
            scan.finish().unwrap();
            partial
        })
        .collect();
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let cancelled = AtomicBool::new(false);
    let context = Context::new(memory, threads, scratch.path().into(), &cancelled);
    let outcome = folder.join("outcome");
    pass.reduce(&partials, &outcome, &context).unwrap();

    let stage = pass.stage(&outcome).unwrap().expect("a deduplication ends in a stage");
    let mut codes = Vec::new();
    let mut dropped = BTreeMap::new();
    for documents in documents.chunks(100) {
        let batch = stage.process(batch(documents)).unwrap();
        for (row, &(doc_id, _)) in documents.iter().enumerate() {
            if let Some(reason) = batch.reason(row) {
                let Detail::Document(keeper) = reason.detail else { panic!("{reason:?} names no document") };
                codes.push(reason.code);
                dropped.insert(doc_id, keeper);
            }
        }
    }
    codes.dedup();
    Outcome { bytes: std::fs::read(outcome).unwrap(), dropped, codes }
}
