//! Repeated substrings and decontamination: MB/s of text on one core, for each reading.
//!
//! Evaluation sets are those in `shared` beside the repository, or the few of the fixtures.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use divan::Bencher;
use divan::counter::BytesCount;
use yuan_dedup::{DecontaminateConfig, RepeatedSubstrings};
use yuan_pipeline::{Batch, Context, Pass, Riders};

fn main() {
    divan::main();
}

fn fixtures() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dedup")).into()
}

/// The pages of the sample in one language.
fn pages(language: &str) -> Batch {
    let sample = std::fs::read_to_string(fixtures().join("neardup_sample.jsonl")).unwrap();
    let rows = sample.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let texts: Vec<String> =
        rows.filter(|row| row["lang"] == language).map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    let ids: Vec<u64> = (0..texts.len() as u64).collect();
    Batch::new(ids.into(), texts.into(), Riders::None).unwrap()
}

fn bench_scan(bencher: Bencher, batch: &Batch, pass: &dyn Pass, folder: &Path) {
    let partial = folder.join("benched");
    bencher.counter(BytesCount::new(batch.text_bytes() as usize)).bench_local(|| {
        let mut scan = pass.scan(&partial).unwrap();
        scan.batch(batch).unwrap();
        scan.finish().unwrap();
    });
}

#[divan::bench(args = ["en", "zh"])]
fn substrings_first_reading(bencher: Bencher, language: &str) {
    let folder = tempfile::tempdir().unwrap();
    bench_scan(bencher, &pages(language), &RepeatedSubstrings::default(), folder.path());
}

#[divan::bench(args = ["en", "zh"])]
fn substrings_second_reading(bencher: Bencher, language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (pass, batch) = (RepeatedSubstrings::default(), pages(language));
    let (partial, outcome) = (folder.path().join("partial"), folder.path().join("outcome"));
    let mut scan = pass.scan(&partial).unwrap();
    scan.batch(&batch).unwrap();
    scan.finish().unwrap();
    let cancelled = AtomicBool::new(false);
    pass.reduce(&[partial], &outcome, &Context::new(1 << 28, 1, folder.path().into(), &cancelled)).unwrap();
    let second = pass.second(&outcome).unwrap().unwrap();
    bench_scan(bencher, &batch, second.as_ref(), folder.path());
}

#[divan::bench(args = ["en", "zh"])]
fn decontaminate(bencher: Bencher, language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/evals"));
    let evals = if shared.exists() { shared.into() } else { fixtures().join("decontaminate_evals") };
    let pass = DecontaminateConfig { eval_files: vec![evals], ..DecontaminateConfig::default() }.build().unwrap();
    bench_scan(bencher, &pages(language), &pass, folder.path());
}
