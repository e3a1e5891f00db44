//! Are Chinese words those of Python jieba, over whole corpora? Hashes by `tests/oracle/jieba_cuts.py`.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it counted")]

use std::path::Path;

use serde_json::Value;
use xxhash_rust::xxh64::Xxh64;
use yuan_filters::{Language, Words};

#[test]
fn whole_corpora_are_cut_as_python_jieba_cuts_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpora = root.join("../shared/corpora");
    if !corpora.is_dir() {
        println!("skipped: no shared corpora here");
        return;
    }
    let expected = root.join("tests/fixtures/gopher/jieba_cuts.tsv");
    for line in std::fs::read_to_string(expected).expect("the hashes are there").lines() {
        let [file, documents, _, words, hash] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("five fields: {line}");
        };
        let file = std::fs::File::open(corpora.join(file)).expect("the corpus is there");
        let mut decoder = zstd::Decoder::new(file).expect("it is a zstd file");
        decoder.window_log_max(27).expect("a window that corpora use");
        let text = std::io::read_to_string(decoder).expect("it is UTF-8");
        let (mut digest, mut count) = (Xxh64::new(0), 0);
        for row in text.lines().take(documents.parse().expect("a number")) {
            let row: Value = serde_json::from_str(row).expect("a record");
            let text = row["text"].as_str().expect("a text");
            for word in Words::of_text(text, Language::CHINESE).iter(text) {
                digest.update(word.as_bytes());
                digest.update(b"\n");
                count += 1;
            }
        }
        assert_eq!((count.to_string(), format!("{:016x}", digest.digest())), (words.into(), hash.into()), "{line}");
    }
}
