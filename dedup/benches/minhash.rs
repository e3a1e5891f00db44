//! MinHash: signatures of English and Chinese pages (MB/s of text on one core), and the reduction of 5 million records.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use yuan_dedup::{Duplicates, Exact, Minhash, Shingles, shingle_hashes, token_hashes};
use yuan_pipeline::{Batch, Context, Pass, Riders};

fn main() {
    divan::main();
}

/// The pages of the sample in one language.
fn pages(language: &str) -> Vec<String> {
    let sample = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dedup/neardup_sample.jsonl"));
    let sample = std::fs::read_to_string(sample).unwrap();
    let rows = sample.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let texts: Vec<String> =
        rows.filter(|row| row["lang"] == language).map(|row| row["text"].as_str().unwrap().to_owned()).collect();
    assert!(!texts.is_empty(), "the sample has pages in {language}");
    texts
}

fn bytes_of(pages: &[String]) -> BytesCount {
    BytesCount::new(pages.iter().map(String::len).sum::<usize>())
}

#[divan::bench(args = ["en", "zh"])]
fn keys(bencher: Bencher, language: &str) {
    let pages = pages(language);
    let mut signer = Minhash::default().signer().unwrap();
    bencher.counter(bytes_of(&pages)).bench_local(|| {
        let mut sum = 0_u64;
        pages.iter().for_each(|page| signer.keys(page, |key| sum ^= key));
        sum
    });
}

#[divan::bench(args = ["en", "zh"])]
fn shingles(bencher: Bencher, language: &str) {
    let pages = pages(language);
    let (mut tokens, mut hashes) = (Vec::new(), Vec::new());
    bencher.counter(bytes_of(&pages)).bench_local(|| {
        for page in &pages {
            tokens.clear();
            hashes.clear();
            token_hashes(page, Shingles::Auto, &mut tokens);
            shingle_hashes(&tokens, 5, &mut hashes);
        }
        hashes.len()
    });
}

#[divan::bench(args = ["en", "zh"])]
fn exact_hashes(bencher: Bencher, language: &str) {
    let pages = pages(language);
    let (exact, mut buffer) = (Exact::default(), String::new());
    bencher
        .counter(bytes_of(&pages))
        .bench_local(|| pages.iter().filter_map(|page| exact.hash(page, &mut buffer)).fold(0, |sum, hash| sum ^ hash));
}

const DOCUMENTS: u64 = 357_143;

/// The number whose text document `n` has: one document in five is a copy of an earlier one.
fn source(n: u64) -> u64 {
    if n % 5 == 4 { n / 50 } else { n }
}

/// Partial files of 5 million records.
fn partials(config: &Minhash, folder: &Path) -> Vec<PathBuf> {
    let text = |n: u64| {
        let word = |word: u64| (source(n) * 8 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..8).map(|at| format!("{:x} ", word(at))).collect::<String>()
    };
    (0..20)
        .map(|unit| {
            let partial = folder.join(format!("partial-{unit}"));
            let mut scan = config.scan(&partial).unwrap();
            let ids: Vec<u64> = (0..DOCUMENTS).filter(|n| n * 20 / DOCUMENTS == unit).collect();
            let texts: Vec<String> = ids.iter().map(|&n| text(n)).collect();
            scan.batch(&Batch::new(ids.into(), texts.into(), Riders::None).unwrap()).unwrap();
            scan.finish().unwrap();
            partial
        })
        .collect()
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn reduce_5_million_records(bencher: Bencher, threads: usize) {
    let folder = tempfile::tempdir().unwrap();
    let config = Minhash::default();
    let partials = partials(&config, folder.path());
    let outcome = folder.path().join("outcome");
    let cancelled = AtomicBool::new(false);
    bencher.counter(ItemsCount::new(DOCUMENTS * 14)).bench_local(|| {
        let context = Context::new(64 << 20, threads, folder.path().into(), &cancelled);
        config.reduce(&partials, &outcome, &context).unwrap();
    });
    let texts: BTreeSet<u64> = (0..DOCUMENTS).map(source).collect();
    assert_eq!(Duplicates::open(&outcome).unwrap().len() + texts.len(), DOCUMENTS as usize);
}
