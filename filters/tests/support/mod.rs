//! What tests of several stages share: packed files and the shared corpora.

#![allow(dead_code, reason = "each test target uses its part")]

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The shared corpora, where they lie beside the project.
pub fn corpora() -> Option<PathBuf> {
    Some(root().join("../shared/corpora")).filter(|path| path.is_dir())
}

/// The text of a zstd file.
pub fn unpack(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("the file is there");
    let mut decoder = zstd::Decoder::new(file).expect("it is a zstd file");
    decoder.window_log_max(27).expect("a window that corpora use");
    std::io::read_to_string(decoder).expect("it is UTF-8")
}

/// The records of a text of JSON lines.
pub fn records(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// The texts of a corpus of JSON lines.
pub fn texts(path: &Path) -> Vec<String> {
    let text = |mut row: Value| match row["text"].take() {
        Value::String(text) => text,
        other => panic!("no text but {other}"),
    };
    records(&unpack(path)).into_iter().map(text).collect()
}
