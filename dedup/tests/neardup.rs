//! Recall and precision of MinHash on pages in several revisions, with exact similarities of all pairs.
//!
//! The table of `tests/fixtures/dedup/MEASUREMENTS.md`, from the whole corpus (beside the repository, in `shared`):
//! `cargo test --release -p yuan-dedup --test neardup -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test that reports")]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use support::run;
use yuan_dedup::{Linkage, Minhash, Shingles, candidate_probability, token_hashes};

#[derive(Deserialize)]
struct Page {
    id: String,
    text: String,
    lang: String,
}

#[derive(Deserialize)]
struct Pair {
    a: String,
    b: String,
    jaccard5: f64,
}

/// Pages, and pairs of them with their similarity.
struct Corpus {
    pages: Vec<Page>,
    pairs: Vec<(usize, usize, f64)>,
}

impl Corpus {
    fn read(files: &[(PathBuf, PathBuf)]) -> Self {
        let pages: Vec<Page> = files.iter().flat_map(|(pages, _)| rows(pages)).collect();
        let places: HashMap<&str, usize> = pages.iter().map(|page| page.id.as_str()).zip(0..).collect();
        let pairs: Vec<Pair> = files.iter().flat_map(|(_, pairs)| rows(pairs)).collect();
        let pairs =
            pairs.iter().map(|pair| (places[pair.a.as_str()], places[pair.b.as_str()], pair.jaccard5)).collect();
        Self { pages, pairs }
    }

    fn sample() -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dedup"));
        Self::read(&[(folder.join("neardup_sample.jsonl"), folder.join("neardup_sample_pairs.jsonl"))])
    }

    /// The corpus in `shared`, if it is there.
    fn shared() -> Option<Self> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/neardup"));
        if !folder.exists() {
            eprintln!("skipped: no ../shared/corpora/neardup");
            return None;
        }
        let files = |name| (folder.join(format!("{name}.jsonl.zst")), folder.join(format!("{name}_pairs.jsonl.zst")));
        Some(Self::read(&["revisions", "versions"].map(files)))
    }

    /// The first so many pairs of each language that are at least this similar, and their pages.
    fn head(self, count: usize, similarity: f64) -> Self {
        let mut left = BTreeMap::from([("en", count), ("zh", count)]);
        let mut taken = self.pairs.clone();
        taken.retain(|&(a, _, jaccard)| {
            let left = left.get_mut(self.pages[a].lang.as_str()).unwrap();
            let take = jaccard >= similarity && *left > 0;
            *left -= usize::from(take);
            take
        });
        let kept: BTreeSet<usize> = taken.iter().flat_map(|&(a, b, _)| [a, b]).collect();
        let places: HashMap<usize, usize> = kept.iter().copied().zip(0..).collect();
        let known = |place| places.get(&place).copied();
        let pairs = self.pairs.iter().filter_map(|&(a, b, jaccard)| Some((known(a)?, known(b)?, jaccard))).collect();
        let pages = self.pages.into_iter().enumerate().filter(|(place, _)| kept.contains(place));
        Self { pages: pages.map(|(_, page)| page).collect(), pairs }
    }
}

fn rows<T: for<'a> Deserialize<'a>>(path: &Path) -> Vec<T> {
    let file = std::fs::File::open(path).unwrap();
    let reader: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "zst") {
        let mut decoder = zstd::Decoder::new(file).unwrap();
        decoder.window_log_max(27).unwrap();
        Box::new(decoder)
    } else {
        Box::new(file)
    };
    BufReader::new(reader).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// The set whose Jaccard similarity the corpus states: five tokens, spelt out.
fn shingle_set(text: &str) -> BTreeSet<Vec<u64>> {
    let mut tokens = Vec::new();
    token_hashes(text, Shingles::Auto, &mut tokens);
    tokens.windows(5).map(<[u64]>::to_vec).collect()
}

fn jaccard<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> f64 {
    let shared = one.intersection(other).count();
    shared as f64 / (one.len() + other.len() - shared).max(1) as f64
}

/// What a choice of shingles does on a corpus, for one language.
#[derive(Default)]
struct Score {
    /// Pairs of similarity ≥ 0.8; those that share a key; those in one cluster.
    similar: usize,
    candidates: usize,
    clustered: usize,
    /// What the S-curve lets expect of `candidates`.
    expected: f64,
    /// All pairs that share a key, and those less similar than 0.6 and 0.7.
    found: usize,
    found_below: [usize; 2],
    /// Dropped documents, those less similar to their keeper than 0.6 and 0.7, and those less similar to every document.
    dropped: usize,
    dropped_below: [usize; 2],
    alone_below: [usize; 2],
}

/// Scores by language. `texts` are what is signed in place of the pages' own.
fn score(corpus: &Corpus, config: &Minhash, texts: &[&str]) -> BTreeMap<String, Score> {
    let folder = tempfile::tempdir().unwrap();
    let documents: Vec<(u64, &str)> = (0..).zip(texts.iter().copied()).collect();
    let outcome = run(config, &documents, 4, 1 << 30, 2, folder.path());
    let keeper = |place: usize| outcome.dropped.get(&(place as u64)).copied().unwrap_or(place as u64);

    let mut signer = config.signer().unwrap();
    let keys: Vec<BTreeSet<u64>> = texts
        .iter()
        .map(|text| {
            let mut keys = BTreeSet::new();
            signer.keys(text, |key| {
                keys.insert(key);
            });
            keys
        })
        .collect();
    let sets: Vec<BTreeSet<Vec<u64>>> = corpus.pages.iter().map(|page| shingle_set(&page.text)).collect();

    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut nearest = vec![0.0_f64; corpus.pages.len()];
    let mut of = |place: usize, count: &mut dyn FnMut(&mut Score)| {
        count(scores.entry(corpus.pages[place].lang.clone()).or_default());
    };
    for &(a, b, similarity) in &corpus.pairs {
        nearest[a] = nearest[a].max(similarity);
        nearest[b] = nearest[b].max(similarity);
        if similarity >= 0.8 {
            of(a, &mut |score| {
                score.similar += 1;
                score.candidates += usize::from(!keys[a].is_disjoint(&keys[b]));
                score.clustered += usize::from(keeper(a) == keeper(b));
                score.expected += candidate_probability(similarity, config.bands, config.rows_per_band);
            });
        }
    }
    let below = |similarity: f64| [0.6, 0.7].map(|bound| usize::from(similarity < bound));
    let add = |sum: &mut [usize; 2], more: [usize; 2]| (0..2).for_each(|bound| sum[bound] += more[bound]);
    let mut buckets: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    keys.iter()
        .enumerate()
        .for_each(|(place, keys)| keys.iter().for_each(|&key| buckets.entry(key).or_default().push(place)));
    let pairs_of = |bucket: &Vec<usize>| {
        bucket.iter().enumerate().flat_map(|(n, &a)| bucket[n + 1..].iter().map(move |&b| (a, b))).collect::<Vec<_>>()
    };
    let found: BTreeSet<(usize, usize)> = buckets.values().flat_map(pairs_of).collect();
    for (a, b) in found {
        let similarity = jaccard(&sets[a], &sets[b]);
        of(a, &mut |score| {
            score.found += 1;
            add(&mut score.found_below, below(similarity));
        });
    }
    for (&duplicate, &keeper) in &outcome.dropped {
        let (duplicate, keeper) = (duplicate as usize, keeper as usize);
        let similarity = jaccard(&sets[duplicate], &sets[keeper]);
        let nearest = nearest[duplicate].max(similarity);
        of(duplicate, &mut |score| {
            score.dropped += 1;
            add(&mut score.dropped_below, below(similarity));
            add(&mut score.alone_below, below(nearest));
        });
    }
    scores
}

fn own_texts(corpus: &Corpus) -> Vec<&str> {
    corpus.pages.iter().map(|page| page.text.as_str()).collect()
}

/// Asserts the promise: at least 95 % of the pairs of similarity ≥ 0.8 are found, in both languages.
fn assert_recall(corpus: &Corpus) {
    for (language, score) in score(corpus, &Minhash::default(), &own_texts(corpus)) {
        let recall = |found: usize| found as f64 / score.similar as f64;
        println!("{language}: {} pairs, {} candidates, {} clustered", score.similar, score.candidates, score.clustered);
        assert!(score.similar >= 10, "{language}: the corpus has pairs");
        assert!(recall(score.candidates) >= 0.95, "{language}: {} candidates of {}", score.candidates, score.similar);
        assert!(recall(score.clustered) >= 0.95, "{language}: {} clustered of {}", score.clustered, score.similar);
    }
}

#[test]
fn similar_pages_of_the_sample_are_found() {
    assert_recall(&Corpus::sample());
}

#[test]
fn similar_pages_of_the_shared_corpus_are_found() {
    if let Some(corpus) = Corpus::shared() {
        assert_recall(&corpus.head(400, 0.8));
    }
}

/// The tokens are those of the definition, as `tests/oracle/dedup_sample.py` has it.
#[test]
fn similarities_are_those_of_the_definition() {
    let corpus = Corpus::sample();
    let sets: Vec<_> = corpus.pages.iter().map(|page| shingle_set(&page.text)).collect();
    for &(a, b, stated) in &corpus.pairs {
        let similarity = jaccard(&sets[a], &sets[b]);
        assert!((similarity - stated).abs() <= 5e-5, "{} {}", corpus.pages[a].id, corpus.pages[b].id);
    }
}

#[test]
#[ignore = "a measurement of minutes, for MEASUREMENTS.md"]
fn measure() {
    let Some(corpus) = Corpus::shared() else {
        return;
    };
    println!(
        "| shingles | language | recall, candidates | by S-curve | recall, clusters | candidate pairs | < 0.6 | < 0.7 | \
         dropped | < 0.6 to keeper | < 0.7 to keeper | < 0.6 to all | < 0.7 to all |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let segmented = segmented(&corpus);
    let segmented: Vec<&str> = segmented.iter().map(String::as_str).collect();
    let own = own_texts(&corpus);
    let choice = |shingles, ngram| Minhash { shingles, ngram, threshold: 0.0, ..Minhash::default() };
    let choices = [
        ("auto, 3", choice(Shingles::Auto, 3), &own),
        ("**auto, 5**", choice(Shingles::Auto, 5), &own),
        ("auto, 8", choice(Shingles::Auto, 8), &own),
        ("auto, 13", choice(Shingles::Auto, 13), &own),
        ("words, 5", choice(Shingles::Words, 5), &own),
        ("characters, 5", choice(Shingles::Characters, 5), &own),
        ("characters, 13", choice(Shingles::Characters, 13), &own),
        ("characters, 24", choice(Shingles::Characters, 24), &own),
        ("dictionary words, 3", choice(Shingles::Words, 3), &segmented),
        ("dictionary words, 5", choice(Shingles::Words, 5), &segmented),
    ];
    for (name, config, texts) in choices {
        for (language, score) in score(&corpus, &config, texts) {
            let percent = |part: usize, whole: usize| format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64);
            println!(
                "| {name} | {language} | {} | {:.1} % | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                percent(score.candidates, score.similar),
                100.0 * score.expected / score.similar as f64,
                percent(score.clustered, score.similar),
                score.found,
                percent(score.found_below[0], score.found),
                percent(score.found_below[1], score.found),
                score.dropped,
                percent(score.dropped_below[0], score.dropped),
                percent(score.dropped_below[1], score.dropped),
                percent(score.alone_below[0], score.dropped),
                percent(score.alone_below[1], score.dropped),
            );
        }
    }
    let pairs =
        |language: &str| corpus.pairs.iter().filter(|&&(a, _, s)| s >= 0.8 && corpus.pages[a].lang == language).count();
    println!("\n{} pages; pairs of similarity ≥ 0.8: {} en, {} zh", corpus.pages.len(), pairs("en"), pairs("zh"));
}

#[test]
#[ignore = "a measurement of minutes, for MEASUREMENTS.md"]
fn curve() {
    let Some(corpus) = Corpus::shared() else {
        return;
    };
    println!(
        "| threshold | bands × rows | linkage | language | similar pairs | resolved | dropped | as alike to the keeper |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let texts = own_texts(&corpus);
    let documents: Vec<(u64, &str)> = (0..).zip(texts.iter().copied()).collect();
    let sets: Vec<BTreeSet<Vec<u64>>> = corpus.pages.iter().map(|page| shingle_set(&page.text)).collect();
    let mut rows = Vec::new();
    for (bands, rows_per_band) in [(14, 8), (32, 4)] {
        for threshold in [0.0, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95] {
            rows.push((threshold, bands, rows_per_band, Linkage::Star));
        }
        rows.push((0.8, bands, rows_per_band, Linkage::Components));
    }
    for (threshold, bands, rows_per_band, linkage) in rows {
        let config = Minhash { threshold, bands, rows_per_band, linkage, ..Minhash::default() };
        let folder = tempfile::tempdir().unwrap();
        let dropped = run(&config, &documents, 4, 1 << 30, 2, folder.path()).dropped;
        // What is not verified is held against 0.8.
        let bound = if threshold == 0.0 { 0.8 } else { threshold };
        for language in ["en", "zh"] {
            let of_language = |place: usize| corpus.pages[place].lang == language;
            let similar = corpus.pairs.iter().filter(|&&(a, _, similarity)| similarity >= bound && of_language(a));
            let stays = |place: usize| !dropped.contains_key(&(place as u64));
            let (mut pairs, mut resolved) = (0, 0);
            for &(a, b, _) in similar {
                pairs += 1;
                resolved += usize::from(!(stays(a) && stays(b)));
            }
            let (mut gone, mut alike) = (0, 0);
            for (&duplicate, &keeper) in dropped.iter().filter(|(duplicate, _)| of_language(**duplicate as usize)) {
                gone += 1;
                alike += usize::from(jaccard(&sets[duplicate as usize], &sets[keeper as usize]) >= bound);
            }
            let percent = |part: usize, whole: usize| format!("{:.2} %", 100.0 * part as f64 / whole.max(1) as f64);
            let (shown, how) = match (threshold, linkage) {
                (0.0, _) => ("none, against 0.8".to_owned(), "not compared"),
                (threshold, Linkage::Star) => (threshold.to_string(), "star"),
                (threshold, Linkage::Components) => (threshold.to_string(), "components"),
            };
            println!(
                "| {shown} | {bands} × {rows_per_band} | {how} | {language} | {pairs} | {} | {gone} | {} |",
                percent(resolved, pairs),
                percent(alike, gone)
            );
        }
    }
}

/// The pages with a space between the words that a dictionary finds.
fn segmented(corpus: &Corpus) -> Vec<String> {
    let segmenter =
        icu_segmenter::WordSegmenter::new_dictionary(icu_segmenter::options::WordBreakInvariantOptions::default());
    let segment = |text: &str| {
        let ends: Vec<usize> = segmenter.segment_str(text).collect();
        ends.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect::<Vec<_>>().join(" ")
    };
    corpus.pages.iter().map(|page| segment(&page.text)).collect()
}
