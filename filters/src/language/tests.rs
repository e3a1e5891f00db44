#![expect(clippy::print_stderr, reason = "a test says that it was skipped")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use yuan_pipeline::{Batch, Detail, Stage};

use super::*;

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora")).join(path);
    path.exists().then_some(path)
}

fn read(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("a corpus file");
    String::from_utf8(zstd::decode_all(file).expect("zstd")).expect("UTF-8")
}

/// Texts and languages of a file of documents, the first `limit` of them.
fn documents(path: &Path, limit: usize) -> Vec<(String, String)> {
    let field = |record: &serde_json::Value, name| record[name].as_str().unwrap_or_default().to_owned();
    let records = read(path);
    let records = records.lines().take(limit).map(|line| serde_json::from_str(line).expect("JSON"));
    records.map(|record: serde_json::Value| (field(&record, "lang"), field(&record, "text"))).collect()
}

/// Right answers and all answers for each language of a table of sentences.
fn accuracy(table: &str) -> BTreeMap<&str, (u32, u32)> {
    let mut found: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for line in table.lines() {
        let (language, text) = line.split_once('\t').expect("two columns");
        let expected = match language {
            "zh" => "zh-Hans",
            "zh_hant" => "zh-Hant",
            other => other,
        };
        let row = found.entry(language).or_default();
        row.0 += u32::from(LanguageId::default().identify(text).language == expected);
        row.1 += 1;
    }
    found
}

fn fraction((right, all): (u32, u32)) -> f64 {
    f64::from(right) / f64::from(all)
}

fn macro_average(rows: &BTreeMap<&str, (u32, u32)>) -> f64 {
    rows.values().map(|row| fraction(*row)).sum::<f64>() / rows.len() as f64
}

#[test]
fn sentences_are_identified_as_well_as_measured() {
    let rows = accuracy(include_str!("../../../tests/fixtures/language/devtest_sample.tsv"));
    assert_eq!(rows.len(), 33);
    let average = macro_average(&rows);
    assert!(average >= 0.93, "{average}: {rows:?}");
}

#[test]
fn all_development_sentences_are_identified_as_well_as_measured() {
    let Some(path) = shared("lang/devtest.tsv.zst") else {
        eprintln!("skipped: no ../shared/corpora/lang/devtest.tsv.zst");
        return;
    };
    let table = read(&path);
    let rows = accuracy(&table);
    let average = macro_average(&rows);
    assert!(average >= 0.949, "{average}: {rows:?}");
    for pure in ["bn", "el", "he", "ja", "ko", "ta", "th"] {
        assert_eq!(rows[pure].0, rows[pure].1, "{pure}");
    }
}

#[test]
fn chinese_documents_are_chinese_however_much_code_they_hold() {
    let Some(folder) = shared("docs") else {
        eprintln!("skipped: no ../shared/corpora/docs");
        return;
    };
    for name in ["classical", "laws", "novels", "oiwiki", "paddle", "poetry", "pydocs", "react", "tidb", "vue"] {
        let documents = documents(&folder.join(format!("zh_{name}.jsonl.zst")), 150);
        let chinese =
            documents.iter().filter(|(_, text)| LanguageId::default().identify(text).language.starts_with("zh"));
        let found = fraction((chinese.count() as u32, documents.len() as u32));
        assert!(found >= 0.985, "{name}: {found}");
    }
    for name in ["peps", "eips", "d2l"] {
        let documents = documents(&folder.join(format!("en_{name}.jsonl.zst")), 150);
        let english = documents.iter().filter(|(_, text)| LanguageId::default().identify(text).language == "en");
        let found = fraction((english.count() as u32, documents.len() as u32));
        assert!(found >= 0.985, "{name}: {found}");
    }
}

#[test]
fn the_stage_adds_columns_and_drops() {
    let texts = ["The cat sat on the mat.", "猫坐在垫子上，这是事实。", "123", "貓坐在墊子上，這是事實。"];
    let stage = LanguageId { keep: vec!["zh".into(), "und".into()], ..LanguageId::default() };
    let stage = stage.build().expect("sound");
    let batch = stage.process(Batch::of_texts(&texts)).expect("processed");
    let languages: Vec<_> = (0..4).map(|row| batch.document(row).str("language").expect("a language")).collect();
    assert_eq!(languages, ["en", "zh-Hans", "und", "zh-Hant"]);
    assert_eq!(batch.document(1).f64("language_score"), Some(1.0));
    assert_eq!(batch.document(2).f64("language_score"), Some(0.0));
    let reason = batch.reason(0).expect("dropped");
    assert_eq!((reason.code, &reason.detail), ("language_not_kept", &Detail::Text("en".into())));
    assert_eq!(batch.live_rows(), 3);
    let findings = stage.explain(&batch.document(0));
    assert!(findings[0].value < findings[0].threshold && findings[1].value >= findings[1].threshold);
}

#[test]
fn the_config_reads_what_it_writes() {
    let text = serde_json::to_string(&LanguageId::default()).expect("JSON");
    assert_eq!(serde_json::from_str::<LanguageId>(&text).expect("a config"), LanguageId::default());
    assert!(serde_json::from_str::<LanguageId>(r#"{"kept": []}"#).is_err());
}

/// Writes `tests/fixtures/language/MEASUREMENTS.md`:
/// `cargo test --release -p yuan-filters --lib language::tests::measure -- --ignored`.
#[test]
#[ignore = "writes the table of measurements"]
fn measure() {
    let (Some(sentences), Some(docs)) = (shared("lang/devtest.tsv.zst"), shared("docs")) else {
        eprintln!("skipped: no ../shared/corpora");
        return;
    };
    let mut out = String::from(include_str!("../../../tests/fixtures/language/measurements_head.md"));
    let table = read(&sentences);
    let rows = accuracy(&table);
    let peers = include_str!("../../../tests/fixtures/language/peers.tsv");
    let mut sums = [0.0; 4];
    for line in peers.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        writeln!(out, "| {} | {:.3} | {} |", cells[0], fraction(rows[cells[0]]), cells[1..].join(" | "))
            .expect("a string");
        for (sum, cell) in sums.iter_mut().zip(&cells[1..]) {
            *sum += cell.parse::<f64>().expect("a number");
        }
    }
    let means = sums.map(|sum| format!("**{:.3}**", sum / rows.len() as f64)).join(" | ");
    writeln!(out, "| **macro average** | **{:.3}** | {means} |\n", macro_average(&rows)).expect("a string");
    out.push_str(include_str!("../../../tests/fixtures/language/measurements_docs.md"));
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(docs).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for path in paths {
        let documents = documents(&path, usize::MAX);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes: usize = documents.iter().map(|(_, text)| text.len()).sum();
        let share = |bytes: usize| {
            let base = |language: &str| language.split('-').next().unwrap_or_default().to_lowercase();
            let right =
                documents.iter().filter(|(language, text)| base(identify(text, bytes).language) == base(language));
            fraction((right.count() as u32, documents.len() as u32))
        };
        let start = Instant::now();
        let mut scores: Vec<f32> =
            documents.iter().map(|(_, text)| LanguageId::default().identify(text).score).collect();
        let speed = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
        scores.sort_by(f32::total_cmp);
        let low = scores.iter().filter(|score| **score > 0.0 && **score < LanguageId::default().min_score).count();
        let count = documents.len();
        let cells = [share(1024), share(4096), share(bytes)].map(|share| format!("{share:.4}")).join(" | ");
        writeln!(
            out,
            "| {name} | {count} | {} | {cells} | {:.2} | {low} | {speed:.0} |",
            bytes / count,
            scores[count / 100]
        )
        .expect("a string");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/language/MEASUREMENTS.md");
    std::fs::write(path, out).expect("written");
}
