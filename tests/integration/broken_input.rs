//! Bad input never panics and never vanishes.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::support::{Dir, corpus, lines};

/// Twenty good documents, and where the bad one stands among them.
const GOOD: usize = 20;
const BAD_ROW: u64 = 7;

/// The good documents with a bad record as row 7.
fn with_bad(record: &[u8]) -> Vec<u8> {
    let text = corpus(GOOD);
    let mut bytes = Vec::new();
    for (row, line) in text.lines().enumerate() {
        if row as u64 == BAD_ROW {
            bytes.extend_from_slice(record);
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// By default the run ends and says where and why; asked to, it keeps the record and goes on.
fn check(name: &str, bytes: &[u8], said: &[&str], documents: usize, reason: &str) -> Value {
    let dir = Dir::new();
    dir.file(name, bytes);
    let stopped = dir.run(&["dedup", name, "-o", "stopped", "--method", "exact"]);
    stopped.fails(1, &[&[name][..], said].concat());
    assert!(stopped.stderr().contains("--on-bad-record set-aside"), "{}", stopped.stderr());
    let ran = dir.run(&["dedup", name, "-o", "run", "--method", "exact", "--on-bad-record", "set-aside"]);
    ran.fails(3, &["records were set aside: see run/set_aside"]);
    let aside: Vec<Value> =
        lines(&dir.path("run/set_aside")).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(aside[0]["reason"].as_str().is_some_and(|told| told.contains(reason)), "{aside:?}");
    let summary: Value = serde_json::from_str(&dir.ok(&["info", "run", "--json"]).stdout()).expect("JSON");
    let count = |path: &str| summary.pointer(path).and_then(Value::as_u64).unwrap_or(0) as usize;
    let dropped: usize = summary["steps"][0]["dropped"]
        .as_object()
        .map_or(0, |reasons| reasons.values().map(|reason| reason["documents"].as_u64().unwrap_or(0) as usize).sum());
    assert_eq!(count("/read/documents"), count("/kept/documents") + dropped + 1, "{summary}");
    assert_eq!(count("/read/documents"), documents + 1, "{summary}");
    aside.into_iter().next().expect("one")
}

#[test]
fn invalid_utf8() {
    let aside = check(
        "a.jsonl",
        &with_bad(b"{\"text\": \"a\xff\xfeb\"}"),
        &["document 7", "not UTF-8 from byte 11 on"],
        GOOD,
        "not UTF-8",
    );
    assert_eq!(aside["row"], BAD_ROW);
    assert_eq!(aside["record_base64"], "eyJ0ZXh0IjogImH//mIifQ==");
}

#[test]
fn broken_json() {
    let aside = check("a.jsonl", &with_bad(b"{\"text\": \"never ends"), &["document 7", "not JSON"], GOOD, "not JSON");
    assert_eq!(aside["record"], "{\"text\": \"never ends");
}

#[test]
fn no_text_field() {
    let aside = check(
        "a.jsonl",
        &with_bad(br#"{"body": "x"}"#),
        &["document 7", "it has no field `text`", "--text-field"],
        GOOD,
        "no field",
    );
    assert_eq!(aside["record"], r#"{"body": "x"}"#);
}

#[test]
fn a_text_that_is_no_string() {
    check(
        "a.jsonl",
        &with_bad(br#"{"text": 18}"#),
        &["document 7", "field `text` is a number, not a string"],
        GOOD,
        "is a number",
    );
    check("a.jsonl", &with_bad(br#"{"text": null}"#), &["field `text` is null, not a string"], GOOD, "is null");
}

#[test]
fn a_nul_byte_in_a_record() {
    check("a.jsonl", &with_bad(b"{\"text\": \"a\0b\"}"), &["document 7", "not JSON"], GOOD, "not JSON");
}

#[test]
fn a_record_that_is_an_array() {
    check("a.jsonl", &with_bad(br#"[{"text": "x"}]"#), &["document 7", "the line is an array"], GOOD, "an array");
}

#[test]
fn gzip_cut_short() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(corpus(200).as_bytes()).expect("written");
    let mut bytes = gzip.finish().expect("gzip");
    bytes.truncate(bytes.len() / 2);
    let text = {
        let mut text = Vec::new();
        let _ = std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text);
        text
    };
    let whole = text.iter().filter(|byte| **byte == b'\n').count();
    check("a.jsonl.gz", &bytes, &["the compressed stream is cut short"], whole, "cut short");
}

#[test]
fn zstd_cut_short_and_zstd_damaged() {
    let bytes = zstd::encode_all(corpus(200).as_bytes(), 1).expect("zstd");
    let dir = Dir::new();
    let cut = dir.file("cut.jsonl.zst", &bytes[..bytes.len() / 2]);
    dir.run(&["dedup", "cut.jsonl.zst", "-o", "a"])
        .fails(1, &["cut.jsonl.zst", "the compressed stream is cut short, behind document"]);
    dir.run(&["dedup", "cut.jsonl.zst", "-o", "b", "--on-bad-record", "set-aside"]).fails(3, &[]);
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xa5);
    std::fs::write(cut, damaged).expect("written");
    dir.run(&["dedup", "cut.jsonl.zst", "-o", "c"]).fails(1, &["cut.jsonl.zst", "the compressed stream is damaged"]);
    dir.run(&["dedup", "cut.jsonl.zst", "-o", "d", "--on-bad-record", "set-aside"]).fails(3, &[]);
}

#[test]
fn a_name_that_promises_compression() {
    let dir = Dir::new();
    dir.file("a.jsonl.zst", corpus(3));
    dir.run(&["dedup", "a.jsonl.zst", "-o", "run"]).fails(1, &["a.jsonl.zst`: it is no .zst file"]);
}

fn parquet_bytes() -> Vec<u8> {
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..500).map(|row| format!("document {row} of a table"))));
    let record = RecordBatch::try_from_iter([("text", texts)]).expect("a table");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, record.schema(), None).expect("a writer");
    writer.write(&record).expect("written");
    writer.close().expect("closed");
    bytes
}

#[test]
fn parquet_cut_short() {
    let bytes = parquet_bytes();
    let aside =
        check("a.parquet", &bytes[..bytes.len() - 100], &["it is no whole Parquet file"], 0, "no whole Parquet file");
    assert_eq!(aside["row"], 0);
}

#[test]
fn a_parquet_file_without_the_text_column() {
    let dir = Dir::new();
    dir.file("a.parquet", parquet_bytes());
    let ran = dir.run(&["dedup", "a.parquet", "-o", "run", "--text-field", "content"]);
    ran.fails(2, &["has no column `content`: its columns are `text`", "--text-field"]);
}

#[test]
fn files_without_a_byte() {
    let dir = Dir::new();
    for name in ["a.jsonl", "b.jsonl.zst", "c.jsonl.gz", "d.parquet", "e.txt", "f.arrow"] {
        dir.file(&format!("in/{name}"), "");
    }
    dir.file("in/g.jsonl", corpus(5));
    dir.ok(&["dedup", "in", "-o", "run"]);
    assert_eq!(dir.documents("run/out").len(), 5);
    dir.file("empty/a.jsonl", "");
    let ran = dir.ok(&["dedup", "empty", "-o", "run2"]);
    assert!(ran.stderr().contains("no document came through"), "{}", ran.stderr());
}

#[test]
fn a_folder_without_documents_and_a_file_that_is_not_there() {
    let dir = Dir::new();
    dir.file("in/README.md", "nothing");
    dir.run(&["dedup", "in", "-o", "run"]).fails(2, &["`in` holds no file of documents", ".jsonl"]);
    dir.run(&["dedup", "gone.jsonl", "-o", "run"]).fails(1, &["cannot read `gone.jsonl`: no such file or folder"]);
    dir.run(&["dedup", "in/*.jsonl", "-o", "run"]).fails(2, &["no file matches `in/*.jsonl`"]);
    dir.run(&["dedup", "in/README.md", "-o", "run"]).fails(2, &["no known suffix", "--format"]);
}

#[test]
fn a_document_too_large_is_set_aside_whole() {
    let dir = Dir::new();
    let mut bytes = corpus(10).into_bytes();
    let huge = format!("{{\"text\": \"{}\"}}\n", "很长的文本".repeat(2_000_000));
    bytes.extend_from_slice(huge.as_bytes());
    bytes.extend_from_slice(corpus(30).lines().skip(10).collect::<Vec<_>>().join("\n").as_bytes());
    dir.file("a.jsonl", &bytes);
    let arguments = ["dedup", "a.jsonl", "-o", "run", "--max-document-bytes", "1MiB", "--method", "exact"];
    dir.run(&arguments).fails(3, &["1 records were set aside"]);
    let aside: Value = serde_json::from_str(
        &lines(&dir.path("run/set_aside")).into_iter().find(|line| line.contains("\"row\"")).expect("a line"),
    )
    .expect("JSON");
    assert_eq!(aside["row"], 10);
    assert_eq!(
        std::fs::read(dir.path("run/set_aside").join(aside["record_file"].as_str().expect("a file"))).expect("kept"),
        huge.as_bytes()
    );
    assert_eq!(dir.documents("run/out").len(), 30);
    dir.file("small.jsonl", corpus(30));
    let ran = dir.run(&["dedup", "small.jsonl", "-o", "run2", "--max-document-bytes", "2KiB", "--method", "exact"]);
    ran.fails(3, &[]);
    let small = corpus(30).lines().filter(|line| line.len() <= 2048).count();
    assert_eq!(dir.documents("run2/out").len(), small);
}

#[test]
fn a_disk_that_fills() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(1500));
    let disk = dir.path("disk");
    std::fs::create_dir(&disk).expect("made");
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1536k", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: a small disk needs the right to mount one");
        return;
    }
    let ran = dir.run(&["dedup", "a.jsonl", "-o", "disk/run", "--quiet"]);
    std::process::Command::new("umount").arg(&disk).status().expect("unmounted");
    ran.fails(1, &["the disk is full", "run the same command again: it continues"]);
}
