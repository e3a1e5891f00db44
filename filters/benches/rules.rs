//! How fast are the Gopher rules, with the words already cut? `cargo bench -p yuan-filters --bench rules`
//!
//! Real text from the shared corpora, which must be there.

use std::path::Path;

use divan::Bencher;
use divan::counter::BytesCount;
use yuan_filters::{GopherQuality, GopherRepetition, Language, Words};

const CORPORA: [&str; 6] = ["en_nltk", "en_powershell", "en_books", "zh_lctt", "zh_novels", "zh_laws"];

fn main() {
    divan::main();
}

/// The first documents of a corpus, 4 MB of them.
fn documents(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/docs");
    let file = std::fs::File::open(folder.join(format!("{name}.jsonl.zst"))).expect("the shared corpora");
    let mut decoder = zstd::Decoder::new(file).expect("a zstd file");
    decoder.window_log_max(27).expect("a window that corpora use");
    let text = std::io::read_to_string(decoder).expect("UTF-8");
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a record"));
    let (mut documents, mut bytes) = (Vec::new(), 0);
    for row in rows {
        documents.push(row["text"].as_str().expect("a text").to_owned());
        bytes += documents.last().map_or(0, String::len);
        if bytes > 4_000_000 {
            break;
        }
    }
    documents
}

fn bench(bencher: Bencher<'_, '_>, name: &str, measure: impl Fn(&str, &Words) -> f64 + Sync) {
    let language = Language::of_name(&name[..2]).expect("a language");
    let documents: Vec<(String, Words)> = documents(name)
        .into_iter()
        .map(|text| {
            let words = Words::of_text(&text, language);
            (text, words)
        })
        .collect();
    let bytes = documents.iter().map(|(text, _)| text.len()).sum::<usize>();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| documents.iter().map(|(text, words)| measure(text, words)).sum::<f64>());
}

#[divan::bench(args = CORPORA)]
fn gopher_quality(bencher: Bencher<'_, '_>, name: &str) {
    let rules = GopherQuality::default();
    bench(bencher, name, |text, words| rules.measure(text, words).mean_word_chars);
}

#[divan::bench(args = CORPORA)]
fn gopher_repetition(bencher: Bencher<'_, '_>, name: &str) {
    let rules = GopherRepetition::default();
    bench(bencher, name, |text, words| rules.measure(text, words).duplicate_line_fraction);
}
