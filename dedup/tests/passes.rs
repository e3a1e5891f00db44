//! The passes as a whole, against slow oracles.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use support::run;
use yuan_dedup::{Duplicates, Exact, Minhash, estimated_similarity, keeper_of};
use yuan_pipeline::{Context, Pass};

const MEMORY: u64 = 1 << 28;

/// Words that look random: a generator of texts with known overlap.
fn words(seed: u64) -> impl Iterator<Item = String> {
    (0..).map(move |n: u64| {
        let number =
            (seed << 32 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("w{:x}", number >> 40)
    })
}

/// Documents in families of near-copies: a text, and the same with words changed here and there.
fn families(count: u64) -> Vec<String> {
    let mut texts = Vec::new();
    for family in 0..count {
        let original: Vec<String> = words(family).take(40 + family as usize % 300).collect();
        texts.push(original.join(" "));
        for copy in 0..family % 4 {
            let step = 7 + (family * 5 + copy * 11) as usize % 60;
            let changed = original.iter().enumerate().map(|(at, word)| if at % step == 3 { "changed" } else { word });
            texts.push(changed.collect::<Vec<_>>().join(" "));
        }
        if family % 5 == 0 {
            texts.push("short text".repeat(family as usize % 2));
        }
    }
    // Copies apart from their originals.
    (0..texts.len()).map(|n| texts[n * 7919 % texts.len()].clone()).collect()
}

/// Ids of documents in several files.
fn with_ids(texts: &[String]) -> Vec<(u64, &str)> {
    texts.iter().zip(0..).map(|(text, n)| ((n / 500) << 32 | (n % 500), text.as_str())).collect()
}

/// Each document that shares a key with an earlier one, directly or not, with the smallest of its cluster.
fn naive_clusters<K: Ord>(documents: &[(u64, BTreeSet<K>)]) -> BTreeMap<u64, u64> {
    let mut labels: Vec<u64> = documents.iter().map(|&(doc_id, _)| doc_id).collect();
    loop {
        let mut least: BTreeMap<&K, u64> = BTreeMap::new();
        for ((_, keys), &label) in documents.iter().zip(&labels) {
            keys.iter().for_each(|key| {
                let known = least.entry(key).or_insert(label);
                *known = label.min(*known);
            });
        }
        let next: Vec<u64> = documents
            .iter()
            .zip(&labels)
            .map(|((_, keys), &label)| keys.iter().map(|key| least[key]).min().map_or(label, |least| least.min(label)))
            .collect();
        if next == labels {
            break;
        }
        labels = next;
    }
    documents.iter().map(|&(doc_id, _)| doc_id).zip(labels).filter(|(doc_id, label)| doc_id != label).collect()
}

fn keys_of<'a>(config: &Minhash, documents: &[(u64, &'a str)]) -> Vec<(u64, BTreeSet<u64>)> {
    let mut signer = config.signer().unwrap();
    let mut keys = |text: &'a str| {
        let mut keys = BTreeSet::new();
        signer.keys(text, |key| {
            keys.insert(key);
        });
        keys
    };
    documents.iter().map(|&(doc_id, text)| (doc_id, keys(text))).collect()
}

#[test]
fn minhash_drops_what_the_definition_of_a_cluster_says() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(600);
    let documents = with_ids(&texts);
    let config = Minhash::default();
    let outcome = run(&config, &documents, 5, MEMORY, 2, folder.path());
    let expected = naive_clusters(&keys_of(&config, &documents));
    assert!(expected.len() > 300, "the texts have duplicates: {}", expected.len());
    assert_eq!(outcome.dropped, expected);
    assert_eq!(outcome.codes, ["near_duplicate"]);
}

#[test]
fn exact_drops_what_a_set_of_texts_says() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(600);
    let documents = with_ids(&texts);
    let outcome = run(&Exact::default(), &documents, 5, MEMORY, 2, folder.path());
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for &(doc_id, text) in documents.iter().filter(|(_, text)| !text.is_empty()) {
        let keeper = *seen.entry(text).or_insert(doc_id);
        if keeper != doc_id {
            expected.insert(doc_id, keeper);
        }
    }
    assert!(expected.len() > 50, "the texts have duplicates: {}", expected.len());
    assert_eq!(outcome.dropped, expected);
    assert_eq!(outcome.codes, ["exact_duplicate"]);
}

#[test]
fn the_outcome_depends_on_neither_units_nor_threads_nor_memory() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(1500);
    let documents = with_ids(&texts);
    let passes: [&dyn Pass; 2] = [&Minhash::default(), &Exact::default()];
    for pass in passes {
        let expected = run(pass, &documents, 1, MEMORY, 1, folder.path());
        // With 100 000 bytes, ranges must be cut; the bitmap of two files fits.
        for (units, memory, threads) in [(1, MEMORY, 8), (3, 100_000, 1), (40, MEMORY, 2), (151, 100_000, 3)] {
            let outcome = run(pass, &documents, units, memory, threads, folder.path());
            assert!(outcome.bytes == expected.bytes, "{units} units, {memory} bytes, {threads} threads");
        }
    }
}

#[test]
fn a_key_that_fits_no_memory_is_followed_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> =
        (0..5000).map(|n| if n % 10 == 0 { format!("text {n}") } else { "the same".into() }).collect();
    let documents = with_ids(&texts);
    let expected: BTreeMap<u64, u64> = documents
        .iter()
        .filter(|(doc_id, text)| *text == "the same" && *doc_id != 1)
        .map(|&(doc_id, _)| (doc_id, 1))
        .collect();
    // Room for 1024 records, and for 4500 linked documents.
    let outcome = run(&Minhash::default(), &documents, 7, 45_000, 1, folder.path());
    assert_eq!(outcome.dropped, expected);
    let outcome = run(&Exact::default(), &documents, 7, 45_000, 1, folder.path());
    assert_eq!(outcome.dropped, expected);
}

#[test]
fn deduplicating_twice_is_deduplicating_once() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(800);
    let documents = with_ids(&texts);
    for pass in [&Minhash::default() as &dyn Pass, &Exact::default()] {
        let first = run(pass, &documents, 3, MEMORY, 2, folder.path());
        let kept: Vec<(u64, &str)> =
            documents.iter().copied().filter(|(doc_id, _)| !first.dropped.contains_key(doc_id)).collect();
        assert!(first.dropped.values().all(|keeper| !first.dropped.contains_key(keeper)), "keepers stay");
        assert!(run(pass, &kept, 2, MEMORY, 2, folder.path()).dropped.is_empty());
    }
}

#[test]
fn too_little_memory_is_named_with_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let texts = vec!["the same text in all documents".to_owned(); 1000];
    let partial = folder.path().join("partial");
    let config = Minhash::default();
    let mut scan = config.scan(&partial).unwrap();
    scan.batch(&support::batch(&with_ids(&texts))).unwrap();
    scan.finish().unwrap();
    let cancelled = AtomicBool::new(false);
    let context = Context::new(1000, 1, folder.path().into(), &cancelled);
    let error = config.reduce(&[partial], &folder.path().join("outcome"), &context).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`minhash`: clustering 1000 documents that have a duplicate takes 9152 bytes, 1000 are allowed"
    );
    assert!(error.hint().unwrap().starts_with("allow more memory (`--memory 1GiB`)"));
}

#[test]
fn files_of_other_parameters_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    run(&Minhash::default(), &with_ids(&families(20)), 1, MEMORY, 1, folder.path());
    let other = Minhash { bands: 20, ..Minhash::default() };
    let cancelled = AtomicBool::new(false);
    let context = Context::new(MEMORY, 1, folder.path().into(), &cancelled);
    let partial = folder.path().join("partial-1-0");
    let error = other.reduce(&[partial], &folder.path().join("other"), &context).unwrap_err();
    assert!(error.to_string().ends_with("partial-1-0` was made with other parameters"), "{error}");
    let outcome = folder.path().join("outcome");
    assert!(other.stage(&outcome).is_err_and(|error| error.to_string().contains("other parameters")));
    assert!(Exact::default().stage(&outcome).is_err());
}

#[test]
fn keepers_can_be_looked_up_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(200);
    let documents = with_ids(&texts);
    let run = run(&Minhash::default(), &documents, 2, MEMORY, 1, folder.path());
    let outcome = folder.path().join("outcome");
    for (doc_id, _) in documents {
        assert_eq!(keeper_of(&outcome, doc_id).unwrap(), run.dropped.get(&doc_id).copied());
    }
    let duplicates = Duplicates::open(&outcome).unwrap();
    assert!(duplicates.iter().eq(run.dropped.clone()));
    assert_eq!((duplicates.len(), duplicates.is_empty()), (run.dropped.len(), false));
}

#[test]
fn a_cancelled_reduction_stops() {
    let folder = tempfile::tempdir().unwrap();
    run(&Minhash::default(), &with_ids(&families(20)), 1, MEMORY, 1, folder.path());
    let cancelled = AtomicBool::new(true);
    let context = Context::new(MEMORY, 1, folder.path().into(), &cancelled);
    let partials = [folder.path().join("partial-1-0")];
    let error = Minhash::default().reduce(&partials, &folder.path().join("other"), &context).unwrap_err();
    assert_eq!(error.to_string(), "stopped");
}

#[test]
fn short_documents_are_duplicates_of_their_equals_alone() {
    let folder = tempfile::tempdir().unwrap();
    let documents = [
        (0, ""),
        (1, "Hello, world"),
        (2, "hello world!"),
        (3, "hello"),
        (4, "world hello"),
        (5, ""),
        (6, " … "),
        (7, "—"),
        (8, "你好"),
        (9, "你好。"),
        (10, "hello world hello world hello world"),
    ];
    let outcome = run(&Minhash::default(), &documents, 2, MEMORY, 1, folder.path());
    assert_eq!(outcome.dropped, BTreeMap::from([(2, 1), (9, 8)]));
}

#[test]
fn the_estimate_of_a_signature_is_within_its_error_bound() {
    // 2048 minima: a standard error of at most √(¼ / 2048) = 0.011.
    let config = Minhash { ngram: 1, bands: 256, rows_per_band: 8, ..Minhash::default() };
    let mut signer = config.signer().unwrap();
    let mut errors = Vec::new();
    for (case, shared, own) in
        [(0, 400, 0), (1, 300, 50), (2, 200, 100), (3, 100, 300), (4, 10, 1000), (5, 0, 500), (6, 5, 1)]
    {
        let shared: Vec<String> = words(100 + case).take(shared).collect();
        let one: BTreeSet<String> = shared.iter().cloned().chain(words(200 + case).take(own)).collect();
        let other: BTreeSet<String> = shared.iter().cloned().chain(words(300 + case).take(own)).collect();
        let truth = one.intersection(&other).count() as f64 / one.union(&other).count() as f64;
        let text = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        let signature = signer.signature(&text(&one)).unwrap().to_vec();
        let estimate = estimated_similarity(&signature, signer.signature(&text(&other)).unwrap());
        let standard_error = (truth * (1.0 - truth) / 2048.0).sqrt();
        assert!((estimate - truth).abs() <= 4.0 * standard_error + 1e-12, "{truth} estimated as {estimate}");
        errors.push(estimate - truth);
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean.abs() < 0.01, "the estimate leans by {mean}");
}

#[test]
fn parameters_that_make_no_sense_are_named() {
    let message = |config: Minhash| config.validate().unwrap_err().to_string();
    let config = Minhash::default;
    assert!(config().validate().is_ok());
    assert_eq!(message(Minhash { ngram: 0, ..config() }), "`minhash`: `ngram` is 0, it must be at least 1");
    assert_eq!(message(Minhash { bands: 0, ..config() }), "`minhash`: `bands` is 0, it must be at least 1");
    assert!(message(Minhash { rows_per_band: 0, ..config() }).contains("`rows_per_band` is 0"));
    assert_eq!(
        message(Minhash { bands: 1000, rows_per_band: 1000, ..config() }),
        "`minhash`: `bands` × `rows_per_band` is 1000 × 1000, it must be at most 65536"
    );
}
