//! Training in a temporary folder, and texts of the shared corpora.
#![allow(
    dead_code,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and says so when it skips"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Batch, Context, Pass, Result};
use yuan_tokenizer::TrainTokenizerConfig;

/// Runs the pass over `units`, whose documents are numbered through; gives the outcome.
pub fn train(
    config: &TrainTokenizerConfig,
    units: &[&[String]],
    threads: usize,
    memory: u64,
) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let pass = config.build()?;
    let mut partials: Vec<PathBuf> = Vec::new();
    let mut first = 0;
    for unit in units {
        let ids = arrow_array::UInt64Array::from_iter_values(first..first + unit.len() as u64);
        let texts = arrow_array::LargeStringArray::from_iter_values(*unit);
        first += unit.len() as u64;
        let partial = folder.path().join(format!("{first}.partial"));
        let mut scan = pass.scan(&partial)?;
        scan.batch(&Batch::new(ids, texts, yuan_pipeline::Riders::None)?)?;
        scan.finish()?;
        partials.push(partial);
    }
    let cancelled = AtomicBool::new(false);
    let context = Context::new(memory, threads, folder.path().join("scratch"), &cancelled);
    let outcome = folder.path().join("outcome.json");
    pass.reduce(&partials, &outcome, &context)?;
    Ok(serde_json::from_slice(&std::fs::read(outcome).unwrap()).unwrap())
}

/// Texts of a shared corpus, up to so many bytes; nothing where the corpora are not there.
pub fn corpus(name: &str, bytes: usize) -> Option<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("skipped: no shared corpora, `{name}` is missing");
        return None;
    };
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut texts = Vec::new();
    let mut read = 0;
    for line in BufReader::new(decoder).lines() {
        let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = row["text"].as_str().unwrap();
        read += text.len();
        texts.push(text.to_owned());
        if read >= bytes {
            break;
        }
    }
    Some(texts)
}

/// A few kilobytes of Chinese, English and markup, enough to learn from.
pub fn small_texts() -> Vec<String> {
    let sentences = [
        "今天天气很好，我们一起去公园散步。",
        "“你吃饭了吗？”他问。《红楼梦》是一部小说……",
        "The quick brown fox jumps over the lazy dog; it's 2024 now.",
        "fn main() {\n    println!(\"{}\", 1 + 22);\n}\n",
        "<p>第一段</p>\n<p>second <b>paragraph</b></p><br/>",
        "天气预报说明天有雨，今天没有雨。\r\n\r\n\t公园里人很多。",
        "价格：￥12.50 ½ ² ①　全角空格\u{a0}和 emoji 😀👍🏽",
        "हिन्दी ภาษาไทย العربية ελληνικά русский 日本語かな 한국어",
        "a literal <eod> and <|endoftext|> and <|reserved_7|> in a text",
    ];
    (0..60)
        .map(|number| (0..4).map(|sentence| sentences[(number * 7 + sentence * 5) % sentences.len()]).collect())
        .collect()
}
