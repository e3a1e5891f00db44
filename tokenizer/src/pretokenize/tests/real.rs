//! Real texts, cut as the library cuts them.
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{both, kinds, same};

/// The files of the shared corpora, if they are there.
fn files() -> Vec<PathBuf> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folders = ["web", "docs", "lang"].map(|name| std::fs::read_dir(corpora.join(name)));
    let entries = folders.into_iter().flatten().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "zst")).collect();
    files.sort();
    files
}

/// The texts of a file: the field `text` of every line, or the lines, a few thousand bytes of them at a time.
fn texts(path: &Path) -> Vec<String> {
    let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut all = String::new();
    decoder.read_to_string(&mut all).unwrap();
    if path.to_string_lossy().contains(".jsonl") {
        let rows = all.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        return rows.filter_map(|row| Some(row["text"].as_str()?.to_owned())).collect();
    }
    let mut texts = vec![String::new()];
    for line in all.split_inclusive('\n') {
        if texts.last().is_none_or(|text| text.len() > 4000) {
            texts.push(String::new());
        }
        texts.last_mut().unwrap().push_str(line);
    }
    texts
}

fn compare(every: usize) {
    let kinds: Vec<_> = kinds().into_iter().map(|(name, value)| (name, both(&value))).collect();
    let files = files();
    if files.is_empty() {
        eprintln!("skipped: no shared corpora");
    }
    let mut bytes = 0;
    for path in &files {
        for text in texts(path).iter().step_by(every) {
            bytes += text.len();
            for (name, (ours, oracle)) in &kinds {
                same(name, ours, oracle, text);
            }
        }
    }
    eprintln!("{bytes} bytes of {} files are cut the same by {} patterns", files.len(), kinds.len());
}

#[test]
fn some_real_texts() {
    compare(if cfg!(debug_assertions) { 200 } else { 20 });
}

#[test]
#[ignore = "an hour"]
fn all_real_texts() {
    compare(1);
}
