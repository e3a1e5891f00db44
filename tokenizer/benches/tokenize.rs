//! Our encoding beside the library's own, on the same texts with the same tokenizer.
//!
//! `cargo bench -p yuan-tokenizer`; with `../shared` real Chinese and English, else a small stand-in.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use support::{corpus, small_texts, train};
use yuan_tokenizer::{Scratch, Tokenizer, TrainTokenizerConfig};

const LANGUAGES: [&str; 2] = ["zh", "en"];

struct Bench {
    _folder: tempfile::TempDir,
    ours: Tokenizer,
    library: tokenizers::Tokenizer,
    texts: [Vec<String>; 2],
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let texts = [["docs/zh_lctt", "docs/zh_wikiqa"], ["docs/en_peps", "docs/en_books"]].map(|names| {
        let read = names.map(|name| corpus(&format!("{name}.jsonl.zst"), 2 << 20));
        read.into_iter().map(|texts| texts.unwrap_or_else(small_texts)).collect::<Vec<_>>().concat()
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = TrainTokenizerConfig {
        vocab_size: 32_000,
        output: folder.path().join("tokenizer.json"),
        ..TrainTokenizerConfig::default()
    };
    train(&config, &[&texts.concat()], 2, 8 << 30).expect("trained");
    let ours = Tokenizer::load(&config.output).expect("loaded");
    let mut library = tokenizers::Tokenizer::from_file(&config.output).expect("loaded");
    library.set_encode_special_tokens(true);
    // The answer is checked before it is timed.
    for text in texts.iter().flatten() {
        let theirs = library.encode_fast(&**text, false).expect("encoded");
        assert!(ours.encode(text).expect("encoded") == theirs.get_ids());
    }
    Bench { _folder: folder, ours, library, texts }
});

fn texts(language: &str) -> &'static [String] {
    &BENCH.texts[usize::from(language == LANGUAGES[1])]
}

fn bytes(language: &str) -> BytesCount {
    BytesCount::new(texts(language).iter().map(String::len).sum::<usize>())
}

fn main() {
    divan::main();
}

#[divan::bench(args = LANGUAGES, sample_count = 10)]
fn ours(bencher: Bencher, language: &str) {
    let texts = texts(language);
    bencher.counter(bytes(language)).with_inputs(Scratch::default).bench_values(|mut scratch| {
        let mut ids = Vec::new();
        for text in texts {
            ids.clear();
            BENCH.ours.encode_into(text, &mut scratch, &mut ids).expect("encoded");
            divan::black_box(&ids);
        }
    });
}

#[divan::bench(args = LANGUAGES, sample_count = 10)]
fn library(bencher: Bencher, language: &str) {
    let texts = texts(language);
    bencher.counter(bytes(language)).bench(|| {
        for text in texts {
            divan::black_box(BENCH.library.encode_fast(&**text, false).expect("encoded"));
        }
    });
}
