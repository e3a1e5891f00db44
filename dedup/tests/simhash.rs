//! SimHash as a pass, against all pairs.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::BTreeMap;

use support::run;
use yuan_dedup::{Keep, Simhash, hamming_distance};
use yuan_pipeline::Pass;

const MEMORY: u64 = 1 << 28;

/// Families of texts with words changed in more and more places, short ones, and copies.
fn texts() -> Vec<String> {
    let word = |seed: u64, at: u64| {
        let mixed =
            (seed << 32 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("w{:x}", mixed >> 44)
    };
    let mut texts = Vec::new();
    for family in 0..250_u64 {
        let length = 60 + family * 3;
        for version in 0..family % 5 {
            let changed = |at: u64| version > 0 && at % 97 < version * 2;
            let words =
                (0..length).map(|at| if changed(at) { word(family * 7 + version, at) } else { word(family, at) });
            texts.push(words.collect::<Vec<_>>().join(" "));
        }
        match family % 9 {
            0 => texts.push("short text".into()),
            1 => texts.push(String::new()),
            2 => texts.push(texts[texts.len() / 2].clone()),
            _ => {}
        }
    }
    (0..texts.len()).map(|n| texts[n * 7919 % texts.len()].clone()).collect()
}

fn with_ids(texts: &[String]) -> Vec<(u64, &str)> {
    texts.iter().zip(0..).map(|(text, n)| ((n / 200) << 32 | (n % 200), text.as_str())).collect()
}

/// In the order of `rank`: a document goes with the nearest kept before it; those of one fingerprint go with the first of it.
fn naive(config: &Simhash, documents: &[(u64, &str)], rank: impl Fn(&str) -> u64) -> BTreeMap<u64, u64> {
    let mut order: Vec<(u64, u64, &str)> = documents.iter().map(|(id, text)| (rank(text), *id, *text)).collect();
    order.sort_unstable();
    let mut kept: Vec<(u64, u128)> = Vec::new();
    let mut first: BTreeMap<u128, u64> = BTreeMap::new();
    let mut shorts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut dropped: BTreeMap<u64, u64> = BTreeMap::new();
    for (_, id, text) in order {
        let Some(bits) = config.fingerprint(text) else {
            // Two words at most, which nothing but equal texts has.
            if !text.is_empty() {
                let keeper = *shorts.entry(text).or_insert(id);
                if keeper != id {
                    dropped.insert(id, keeper);
                }
            }
            continue;
        };
        if let Some(same) = first.get(&bits) {
            dropped.insert(id, *dropped.get(same).unwrap_or(same));
            continue;
        }
        first.insert(bits, id);
        let near = kept.iter().filter(|(_, other)| hamming_distance(*other, bits) <= config.max_distance);
        // `min_by_key` gives the first of equals.
        match near.min_by_key(|(_, other)| hamming_distance(*other, bits)) {
            Some((keeper, _)) => drop(dropped.insert(id, *keeper)),
            None => kept.push((id, bits)),
        }
    }
    dropped
}

#[test]
fn what_goes_is_what_all_pairs_say() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let documents = with_ids(&texts);
    // Shorter shingles than by default: more is within the distance.
    let base = Simhash { ngram: 3, ..Simhash::default() };
    for (config, at_least) in [
        (base.clone(), 60),
        (Simhash { max_distance: 0, ..base.clone() }, 20),
        (Simhash { max_distance: 6, ..base.clone() }, 100),
        (Simhash { max_distance: 3, blocks: 4, ..base.clone() }, 60),
        (Simhash { max_distance: 12, blocks: 13, ..base.clone() }, 200),
        (Simhash { bits: 128, max_distance: 7, ..base.clone() }, 60),
    ] {
        let outcome = run(&config, &documents, 5, MEMORY, 2, folder.path());
        let expected = naive(&config, &documents, |_| 0);
        assert!(expected.len() >= at_least, "{}: the texts have near-duplicates", expected.len());
        assert_eq!(outcome.dropped, expected, "{config:?}");
        assert_eq!(outcome.codes, ["near_duplicate"]);
    }
}

#[test]
fn the_longest_is_kept_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let documents = with_ids(&texts);
    let config = Simhash { keep: Keep::Longest, max_distance: 8, ..Simhash::default() };
    let outcome = run(&config, &documents, 3, MEMORY, 2, folder.path());
    let expected = naive(&config, &documents, |text| u64::MAX - text.chars().count() as u64);
    assert_ne!(expected, naive(&config, &documents, |_| 0));
    assert_eq!(outcome.dropped, expected);
}

#[test]
fn the_outcome_depends_on_neither_units_nor_threads_nor_memory() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let documents = with_ids(&texts);
    let config = Simhash { max_distance: 6, ..Simhash::default() };
    let expected = run(&config, &documents, 1, MEMORY, 1, folder.path());
    assert!(!expected.dropped.is_empty());
    // With 40,000 bytes there are several ranges, and runs of them on disk.
    for (units, memory, threads) in [(1, MEMORY, 8), (3, 40_000, 1), (40, 40_000, 3)] {
        let outcome = run(&config, &documents, units, memory, threads, folder.path());
        assert!(outcome.bytes == expected.bytes, "{units} units, {memory} bytes, {threads} threads");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let base = Simhash::default();
    for (config, said) in [
        (Simhash { bits: 32, ..base.clone() }, "`bits` is 32"),
        (Simhash { ngram: 0, ..base.clone() }, "`ngram` is 0"),
        (Simhash { max_distance: 32, ..base.clone() }, "`max_distance` is 32"),
        (Simhash { blocks: 3, ..base.clone() }, "`blocks` is 3"),
        (Simhash { max_distance: 31, ..base.clone() }, "528 tables"),
        (Simhash { keep: Keep::Highest, ..base.clone() }, "`keep_column`"),
        (Simhash { bits: 128, compat: yuan_dedup::SimhashCompat::Simhash, ..base.clone() }, "has 64 `bits`"),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert!(config.scan(std::path::Path::new("x")).is_err());
    }
}
