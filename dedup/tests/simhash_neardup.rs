//! SimHash beside MinHash, and numbers compared or not, on pages in several revisions with exact similarities of all pairs.
//!
//! The tables of `tests/fixtures/dedup/MEASUREMENTS.md`, from the corpus beside the repository, in `shared`:
//! `cargo test --release -p yuan-dedup --test simhash_neardup -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that reports")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use support::run;
use yuan_dedup::{Minhash, Shingles, Simhash, Weights, token_hashes};
use yuan_pipeline::Pass;

struct Corpus {
    texts: Vec<String>,
    /// Pairs with their similarity.
    pairs: Vec<(usize, usize, f64)>,
}

fn rows(folder: &Path, name: &str) -> Vec<Value> {
    let mut decoder = zstd::Decoder::new(std::fs::File::open(folder.join(name)).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let text = std::io::read_to_string(decoder).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The pages of one language.
fn corpus(language: &str) -> Corpus {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/neardup"));
    let (mut texts, mut places, mut pairs) = (Vec::new(), HashMap::new(), Vec::new());
    for name in ["revisions", "versions"] {
        for row in rows(folder, &format!("{name}.jsonl.zst")).iter().filter(|row| row["lang"] == language) {
            places.insert(row["id"].as_str().unwrap().to_owned(), texts.len());
            texts.push(row["text"].as_str().unwrap().to_owned());
        }
        for pair in rows(folder, &format!("{name}_pairs.jsonl.zst")) {
            let place = |field: &str| places.get(pair[field].as_str().unwrap()).copied();
            if let (Some(one), Some(other)) = (place("a"), place("b")) {
                pairs.push((one, other, pair["jaccard5"].as_f64().unwrap()));
            }
        }
    }
    Corpus { texts, pairs }
}

fn shingles(text: &str) -> BTreeSet<Vec<u64>> {
    let mut tokens = Vec::new();
    token_hashes(text, Shingles::Auto, &mut tokens);
    tokens.windows(5).map(<[u64]>::to_vec).collect()
}

/// A row: of pairs of similarity ≥ 0.8, those of which not both stay; documents dropped; of them, those less alike to their keeper
/// than 0.6 and 0.7.
fn measure(name: &str, language: &str, corpus: &Corpus, pass: &dyn Pass) {
    let folder = tempfile::tempdir().unwrap();
    let documents: Vec<(u64, &str)> = corpus.texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
    let start = Instant::now();
    let dropped: BTreeMap<u64, u64> = run(pass, &documents, 8, 1 << 30, 2, folder.path()).dropped;
    let seconds = start.elapsed().as_secs_f64();
    let similar: Vec<_> = corpus.pairs.iter().filter(|pair| pair.2 >= 0.8).collect();
    let gone = |place: usize| dropped.contains_key(&(place as u64));
    let resolved = similar.iter().filter(|(one, other, _)| gone(*one) || gone(*other)).count();
    let jaccard = |one: u64, other: u64| {
        let (one, other) = (shingles(&corpus.texts[one as usize]), shingles(&corpus.texts[other as usize]));
        let common = one.intersection(&other).count();
        common as f64 / (one.len() + other.len() - common).max(1) as f64
    };
    let likeness: Vec<f64> = dropped.iter().map(|(one, keeper)| jaccard(*one, *keeper)).collect();
    let below = |bound: f64| {
        let count = likeness.iter().filter(|likeness| **likeness < bound).count();
        100.0 * count as f64 / likeness.len().max(1) as f64
    };
    println!(
        "| {name} | {language} | {} | {:.2} % | {} | {:.1} % | {:.1} % | {seconds:.1} s |",
        similar.len(),
        100.0 * resolved as f64 / similar.len() as f64,
        dropped.len(),
        below(0.6),
        below(0.7)
    );
}

#[test]
#[ignore = "a measurement of minutes, for MEASUREMENTS.md"]
fn simhash_beside_minhash() {
    for language in ["en", "zh"] {
        let corpus = corpus(language);
        for min_number_agreement in [0.0, 0.3, 0.5, 0.8] {
            let name = format!("minhash, numbers {min_number_agreement}");
            measure(&name, language, &corpus, &Minhash { min_number_agreement, ..Minhash::default() });
        }
        measure("minhash, unverified", language, &corpus, &Minhash { threshold: 0.0, ..Minhash::default() });
        for (ngram, max_distance) in [(1, 3), (3, 3), (5, 3), (3, 6), (3, 8), (5, 8)] {
            let simhash = Simhash { ngram, max_distance, ..Simhash::default() };
            measure(&format!("simhash, {ngram} tokens, {max_distance} of 64"), language, &corpus, &simhash);
        }
        let once = Simhash { weights: Weights::Once, ..Simhash::default() };
        measure("simhash, 3 tokens once, 3 of 64", language, &corpus, &once);
        for max_distance in [6, 10] {
            let wide = Simhash { bits: 128, max_distance, ..Simhash::default() };
            measure(&format!("simhash, 3 tokens, {max_distance} of 128"), language, &corpus, &wide);
        }
    }
}
