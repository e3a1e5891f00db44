//! `bad_words` and `url_filter` beside datatrove 0.10.1: `tests/fixtures/lists/PROVENANCE.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::LargeStringArray;
use arrow_schema::{DataType, Field};
use yuan_filters::{BadWords, BadWordsCompat, BadWordsConfig, UrlCompat, UrlFilterConfig};
use yuan_pipeline::{Batch, Stage};

use crate::support::{corpora, root, unpack};

fn fixtures() -> PathBuf {
    root().join("tests/fixtures/lists")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bad_words() -> BadWords {
    let config = BadWordsConfig { compat: BadWordsCompat::Datatrove, ..BadWordsConfig::default() };
    config.build().expect("built")
}

/// Which texts of one language go.
fn dropped(stage: &BadWords, texts: &[&str], language: &str) -> Vec<bool> {
    let languages = LargeStringArray::from_iter_values(texts.iter().map(|_| language));
    let batch = Batch::of_texts(texts)
        .annotate(Field::new("language", DataType::LargeUtf8, false), Arc::new(languages))
        .expect("annotated");
    let batch = stage.process(batch).expect("judged");
    (0..batch.rows()).map(|row| batch.reason(row).is_some_and(|reason| reason.code == "bad_word_found")).collect()
}

#[test]
fn bad_words_of_the_sample_are_those_of_datatrove() {
    let stage = bad_words();
    for line in read(&fixtures().join("bad_words_sample.jsonl")).lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let (text, language) = (record["text"].as_str().expect("a text"), record["language"].as_str().expect("one"));
        assert_eq!(dropped(&stage, &[text], language), [record["dropped"] == true], "{line}");
    }
}

#[test]
fn bad_words_of_whole_corpora_are_those_of_datatrove() {
    let (stage, mut compared) = (bad_words(), 0);
    for line in read(&fixtures().join("bad_words_datatrove.tsv")).lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, language, count, numbers] = fields[..] else { panic!("four fields: {line}") };
        let Some(corpora) = corpora() else {
            return println!("no shared corpora: only the sample compared");
        };
        let text = unpack(&corpora.join(name));
        let lines: Vec<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
        let records: Vec<serde_json::Value> = match name.ends_with("jsonl.zst") {
            true => lines.iter().map(|line| serde_json::from_str(line).expect("a record")).collect(),
            false => Vec::new(),
        };
        let texts: Vec<&str> = match records.is_empty() {
            true => lines,
            false => records.iter().map(|record| record["text"].as_str().expect("a text")).collect(),
        };
        assert_eq!(texts.len().to_string(), count, "{name}");
        let mut expected = vec![false; texts.len()];
        numbers.split_ascii_whitespace().for_each(|number| expected[number.parse::<usize>().expect("a number")] = true);
        for (at, (found, expected)) in dropped(&stage, &texts, language).into_iter().zip(expected).enumerate() {
            assert_eq!(found, expected, "{name} {at}: {}", texts[at]);
        }
        compared += texts.len();
    }
    println!("{compared} documents compared");
}

#[test]
fn a_fraction_of_bad_documents_is_kept_by_number() {
    let kept = |seed: u64| {
        let config =
            BadWordsConfig { compat: BadWordsCompat::Datatrove, keep_fraction: 0.3, seed, ..BadWordsConfig::default() };
        let batch = config.build().expect("built").process(Batch::of_texts(&["shit"; 2000])).expect("judged");
        (0..2000).filter(|&row| batch.reason(row).is_none()).collect::<Vec<_>>()
    };
    assert!((540..660).contains(&kept(0).len()), "{}", kept(0).len());
    assert_eq!(kept(0), kept(0));
    assert_ne!(kept(0), kept(1));
}

#[test]
fn urls_are_judged_as_datatrove_judges_them() {
    let lists = |name: &str| vec![fixtures().join("url_lists").join(name)];
    let config = UrlFilterConfig {
        block_files: [lists("domains.txt"), lists("urls.txt")].concat(),
        banned_word_files: lists("banned_words.txt"),
        soft_word_files: lists("soft_words.txt"),
        banned_subword_files: lists("banned_subwords.txt"),
        compat: UrlCompat::Datatrove,
        ..UrlFilterConfig::default()
    };
    let filter = config.build().expect("built");
    let table = read(&fixtures().join("urls_datatrove.tsv"));
    let mut differing = Vec::new();
    for line in table.lines() {
        let (url, verdict) = line.rsplit_once('\t').expect("two fields");
        let expected = match verdict {
            "domain" => Some("listed_domain"),
            "subdomain" => Some("listed_subdomain"),
            "url" => Some("listed_url"),
            "hard_blacklisted" => Some("banned_url_word"),
            "soft_blacklisted" => Some("soft_url_words"),
            "blacklisted_subword" => Some("banned_url_subword"),
            _ => None,
        };
        let found = filter.reason(url).map(|reason| reason.code);
        if found != expected {
            differing.push(format!("{url:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(differing.is_empty(), "{} of {}: {:#?}", differing.len(), table.lines().count(), differing);
}

/// What `grep -E` counts in EasyList of 2024-02-06: different `||domain^` rules without options, or with options that
/// mean the whole domain (final dots taken off), and the exceptions of the same form.
#[test]
fn easylist_gives_the_domains_that_grep_finds_in_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/web/warc/dolma/easylist.txt.gz");
    if !path.exists() {
        return println!("no shared corpora: EasyList not read");
    }
    let filter = UrlFilterConfig { block_files: vec![path], ..UrlFilterConfig::default() }.build().expect("built");
    assert_eq!(filter.listed().0, 38_191 + 1);
    let reason = |url: &str| filter.reason(url).map(|reason| reason.code);
    assert_eq!(reason("https://cdn.0008d6ba2e.com/x.js"), Some("listed_domain"));
    assert_eq!(reason("https://example.org/"), None);
}
