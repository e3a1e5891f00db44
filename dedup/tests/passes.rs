//! The passes as a whole, against slow oracles.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::run;
use yuan_dedup::{Duplicates, Exact, Keep, Minhash, estimated_similarity, keeper_of};
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

/// Whatever shares a band goes.
fn unverified() -> Minhash {
    Minhash { threshold: 0.0, ..Minhash::default() }
}

/// Shingles as sets of words, by themselves.
fn shingles(text: &str) -> BTreeSet<Vec<&str>> {
    text.split(' ').collect::<Vec<_>>().windows(5).map(<[&str]>::to_vec).collect()
}

fn jaccard(one: &str, other: &str) -> f64 {
    let (one, other) = (shingles(one), shingles(other));
    one.intersection(&other).count() as f64 / one.union(&other).count() as f64
}

/// In the order of `documents`: each goes with the likest kept before it that it shares a key with and that reaches the
/// threshold.
fn naive_star(config: &Minhash, documents: &[(u64, &str)]) -> BTreeMap<u64, u64> {
    let keys = keys_of(config, documents);
    let mut kept: Vec<usize> = Vec::new();
    let mut dropped = BTreeMap::new();
    for (number, &(doc_id, text)) in documents.iter().enumerate() {
        let alike = |other: &usize| {
            let similarity = match shingles(text).is_empty() || shingles(documents[*other].1).is_empty() {
                true => f64::from(u8::from(keys[number].1 == keys[*other].1)),
                false => jaccard(text, documents[*other].1),
            };
            (*other, similarity)
        };
        let nominated = kept.iter().filter(|other| !keys[**other].1.is_disjoint(&keys[number].1));
        let reaching = nominated.map(alike).filter(|(_, similarity)| *similarity >= config.threshold);
        // The first of the likest.
        let best = reaching.fold(None, |best: Option<(usize, f64)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            _ => Some(next),
        });
        match best {
            Some((keeper, _)) => {
                dropped.insert(doc_id, documents[keeper].0);
            }
            None => kept.push(number),
        }
    }
    dropped
}

#[test]
fn what_goes_is_as_alike_to_its_keeper_as_all_pairs_say() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(400);
    let documents = with_ids(&texts);
    for threshold in [0.4, 0.7, 0.9] {
        let config = Minhash { threshold, bands: 30, rows_per_band: 4, ..Minhash::default() };
        let outcome = run(&config, &documents, 5, MEMORY, 2, folder.path());
        let expected = naive_star(&config, &documents);
        assert!(expected.len() > 30, "the texts have duplicates: {}", expected.len());
        assert_eq!(outcome.dropped, expected, "{threshold}");
        assert_eq!(outcome.codes, ["near_duplicate"]);
        let unverified =
            run(&Minhash { bands: 30, rows_per_band: 4, ..unverified() }, &documents, 5, MEMORY, 2, folder.path());
        assert!(unverified.dropped.len() >= outcome.dropped.len());
    }
}

#[test]
fn the_longest_is_kept_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let long = words(1).take(100).collect::<Vec<_>>().join(" ");
    let short = words(1).take(90).collect::<Vec<_>>().join(" ");
    let documents =
        [(0, short.as_str()), (1, "something else that is by itself"), (2, long.as_str()), (3, short.as_str())];
    let kept = |keep| {
        let config = Minhash { keep, bands: 60, rows_per_band: 4, ..Minhash::default() };
        run(&config, &documents, 2, MEMORY, 1, folder.path()).dropped
    };
    assert_eq!(kept(Keep::First), BTreeMap::from([(2, 0), (3, 0)]));
    assert_eq!(kept(Keep::Longest), BTreeMap::from([(0, 2), (3, 2)]));
}

#[test]
fn clusters_are_told_in_a_table_and_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(300);
    let documents = with_ids(&texts);
    let config = Minhash { cluster_size_column: "copies".into(), ..Minhash::default() };
    let outcome = run(&config, &documents, 3, MEMORY, 2, folder.path());
    let mut sizes: BTreeMap<u64, u32> = BTreeMap::new();
    for keeper in outcome.dropped.values() {
        *sizes.entry(*keeper).or_insert(1) += 1;
    }
    let file = std::fs::File::open(outcome.path.join("clusters.parquet")).unwrap();
    let (mut rows, mut members) = (0, BTreeMap::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let (cluster, doc_id) =
            (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_primitive::<UInt64Type>());
        let (kept, similarity) = (batch.column(2).as_boolean(), batch.column(3).as_primitive::<Float32Type>());
        let size = batch.column(4).as_primitive::<UInt32Type>();
        for row in 0..batch.num_rows() {
            rows += 1;
            assert_eq!(size.value(row), sizes[&cluster.value(row)]);
            assert_eq!(kept.value(row), cluster.value(row) == doc_id.value(row));
            assert!((0.7..=1.0).contains(&similarity.value(row)));
            if !kept.value(row) {
                members.insert(doc_id.value(row), cluster.value(row));
            }
        }
    }
    assert_eq!(members, outcome.dropped);
    assert_eq!(rows, outcome.dropped.len() + sizes.len());
    let stage = config.stage(&outcome.path).unwrap().unwrap();
    let batch = stage.process(support::batch(&documents[..200])).unwrap();
    for (row, &(doc_id, _)) in documents[..200].iter().enumerate() {
        if !outcome.dropped.contains_key(&doc_id) {
            let expected = sizes.get(&doc_id).copied().unwrap_or(1);
            assert_eq!(batch.document(row).f64("copies"), Some(f64::from(expected)));
        }
    }
}

#[test]
fn unverified_minhash_drops_what_the_definition_of_a_cluster_says() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(600);
    let documents = with_ids(&texts);
    let config = unverified();
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
    let passes: [&dyn Pass; 3] = [&Minhash::default(), &unverified(), &Exact::default()];
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
    let outcome = run(&unverified(), &documents, 7, 45_000, 1, folder.path());
    assert_eq!(outcome.dropped, expected);
    // And for 16 bytes for each of them.
    let outcome = run(&Minhash::default(), &documents, 7, 80_000, 1, folder.path());
    assert_eq!(outcome.dropped, expected);
    let outcome = run(&Exact::default(), &documents, 7, 45_000, 1, folder.path());
    assert_eq!(outcome.dropped, expected);
}

#[test]
fn what_is_kept_does_not_depend_on_the_order_of_files() {
    let folder = tempfile::tempdir().unwrap();
    // Each text once, so that no two are as long and alike.
    let texts: Vec<String> = families(500).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let config = Minhash { keep: Keep::Longest, bands: 30, rows_per_band: 4, ..Minhash::default() };
    let kept = |texts: &[&String]| -> BTreeSet<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).clone()).collect();
        let documents = with_ids(&texts);
        let dropped = run(&config, &documents, 4, MEMORY, 2, folder.path()).dropped;
        assert!(dropped.len() > 20, "the texts have duplicates: {}", dropped.len());
        documents.iter().filter(|(doc_id, _)| !dropped.contains_key(doc_id)).map(|(_, text)| (*text).into()).collect()
    };
    let lengths: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
    // Of two that are alike and equally long the first is kept, whatever that is: such texts are left out.
    let is_alone = |place: &usize| {
        let same = |other: &usize| lengths[*other] == lengths[*place] && other != place;
        !(0..texts.len()).any(|other| same(&other) && jaccard(&texts[other], &texts[*place]) > 0.0)
    };
    let texts: Vec<&String> = (0..texts.len()).filter(is_alone).map(|place| &texts[place]).collect();
    let expected = kept(&texts);
    let turned: Vec<&String> = texts.iter().rev().copied().collect();
    let mixed: Vec<&String> = (0..texts.len()).map(|n| texts[(n * 7919 + 13) % texts.len()]).collect();
    assert_eq!(mixed.iter().collect::<BTreeSet<_>>().len(), texts.len());
    assert!(kept(&turned) == expected && kept(&mixed) == expected);
}

#[test]
fn deduplicating_twice_is_deduplicating_once() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(800);
    let documents = with_ids(&texts);
    for pass in [&Minhash::default() as &dyn Pass, &unverified(), &Exact::default()] {
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
        "`minhash`: clustering 1000 documents that have a duplicate takes 14152 bytes, 1000 are allowed"
    );
    assert!(error.hint().unwrap().starts_with("allow more memory (`--memory 1GiB`)"));
}

#[test]
fn files_of_other_parameters_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&unverified(), &with_ids(&families(20)), 1, MEMORY, 1, folder.path()).path;
    let other = Minhash { bands: 20, ..unverified() };
    let cancelled = AtomicBool::new(false);
    let context = Context::new(MEMORY, 1, folder.path().into(), &cancelled);
    let partial = folder.path().join("partial-first-1-0");
    let error = other.reduce(&[partial], &folder.path().join("other"), &context).unwrap_err();
    assert!(error.to_string().ends_with("partial-first-1-0` was made with other parameters"), "{error}");
    assert!(other.stage(&outcome).is_err_and(|error| error.to_string().contains("other parameters")));
    assert!(Exact::default().stage(&outcome).is_err());
}

#[test]
fn keepers_can_be_looked_up_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let texts = families(200);
    let documents = with_ids(&texts);
    let run = run(&Minhash::default(), &documents, 2, MEMORY, 1, folder.path());
    let outcome = &run.path;
    for (doc_id, _) in documents {
        assert_eq!(keeper_of(outcome, doc_id).unwrap(), run.dropped.get(&doc_id).copied());
    }
    let duplicates = Duplicates::open(outcome).unwrap();
    assert!(duplicates.iter().eq(run.dropped.clone()));
    assert_eq!((duplicates.len(), duplicates.is_empty()), (run.dropped.len(), false));
}

#[test]
fn a_cancelled_reduction_stops() {
    let folder = tempfile::tempdir().unwrap();
    run(&Minhash::default(), &with_ids(&families(20)), 1, MEMORY, 1, folder.path());
    let cancelled = AtomicBool::new(true);
    let context = Context::new(MEMORY, 1, folder.path().into(), &cancelled);
    let partials = [folder.path().join("partial-first-1-0")];
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
    assert!(message(Minhash { threshold: 1.5, ..config() }).contains("`threshold` is 1.5"));
    assert!(message(Minhash { keep: Keep::Highest, ..config() }).contains("needs `keep_column`"));
    assert!(message(Minhash { keep_column: "quality".into(), ..config() }).contains("without `keep"));
    assert!(message(Minhash { keep: Keep::Longest, ..unverified() }).contains("need a threshold"));
    assert_eq!(
        message(Minhash { bands: 1000, rows_per_band: 1000, ..config() }),
        "`minhash`: `bands` × `rows_per_band` is 1000 × 1000, it must be at most 65536"
    );
}
