//! What comes in goes out: fields we do not know, types, number spellings.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float32Array, Int16Array, RecordBatch, StringArray, StructArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{Dir, corpus, halves, lines};

#[test]
fn a_record_keeps_its_own_bytes() {
    let records = [
        r#"{"id": 1e2, "text":"plain", "nested" : {"text": [1.50, -0, 12345678901234567890]}, "z":null}"#,
        r#"{"b":"\u4e2d","text":"\u4e2d\/x","a":1}"#,
        r#"  {"text":"tabs\tand \"quotes\" and \u0001","url":"https:\/\/x"}"#,
        r#"{"meta":{"text":"inner"},"text":"中文 🙂"}"#,
    ];
    let dir = Dir::new();
    dir.file("a.jsonl", records.join("\n"));
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n[output]\nformat = \"jsonl\"\n");
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let expected: Vec<&str> = records.iter().map(|record| record.trim()).collect();
    assert_eq!(lines(&dir.path("run/out")), expected);
}

#[test]
fn added_columns_stand_behind_the_records_own_fields_and_replace_those_of_the_same_name() {
    let dir = Dir::new();
    let english = "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.";
    dir.file(
        "a.jsonl",
        format!("{{\"text\": \"{english}\", \"n\": 1.0}}\n{{\"language\": \"??\", \"text\": \"{english} Yes.\"}}\n"),
    );
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n[output]\nformat = \"jsonl\"\n[[stage]]\nlanguage_id = {}\n");
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let lines = lines(&dir.path("run/out"));
    assert!(
        lines[0].starts_with(&format!("{{\"text\": \"{english}\", \"n\": 1.0,\"language\":\"en\",\"language_score\":")),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("{\"language\": \"en\", \"text\": "), "{}", lines[1]);
}

#[test]
fn every_kind_of_input_gives_the_same_documents() {
    let dir = Dir::new();
    let text = corpus(40);
    let texts: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["text"]
                .as_str()
                .expect("a text")
                .replace(['\n', '\r'], " ")
                .trim()
                .to_owned()
        })
        .filter(|text| !text.is_empty())
        .collect();
    let jsonl: String = texts.iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect();
    let halves = halves(&jsonl, jsonl.len() / 2);
    let gzip = |part: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut out, part.as_bytes()).expect("written");
        out.finish().expect("gzip")
    };
    let frames = |part: &str| zstd::encode_all(part.as_bytes(), 1).expect("zstd");
    dir.file("plain.jsonl", &jsonl);
    dir.file("members.jsonl.gz", [gzip(halves.0), gzip(halves.1)].concat());
    dir.file("frames.jsonl.zst", [frames(halves.0), frames(halves.1)].concat());
    dir.file("lines.txt", texts.join("\n"));
    for (number, text) in texts.iter().enumerate() {
        dir.file(&format!("files/{number:03}.txt"), text);
    }
    let column: ArrayRef = Arc::new(StringArray::from(texts.clone()));
    let record = RecordBatch::try_from_iter([("text", column)]).expect("a table");
    let mut parquet = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut parquet, record.schema(), None).expect("a writer");
    writer.write(&record).expect("written");
    writer.close().expect("closed");
    dir.file("table.parquet", parquet);
    for (number, (name, format)) in [
        ("plain.jsonl", "jsonl"),
        ("members.jsonl.gz", "jsonl"),
        ("frames.jsonl.zst", "jsonl"),
        ("lines.txt", "text"),
        ("files", "text-file"),
        ("table.parquet", "parquet"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("run{number}");
        dir.file("r.toml", format!("[input]\npaths = [{name:?}]\nformat = {format:?}\nunit_bytes = 5000\n"));
        dir.ok(&["run", "r.toml", "-o", &run, "--quiet"]);
        let found: Vec<String> = dir
            .documents(&format!("{run}/out"))
            .into_iter()
            .map(|document| document["text"].as_str().expect("a text").to_owned())
            .collect();
        assert_eq!(found, texts, "{name}");
    }
}

#[test]
fn standard_input_is_read_and_yuan_text_has_its_newlines_back() {
    let dir = Dir::new();
    let mut child = dir
        .command(&["dedup", "-", "--format", "yuan", "-o", "run", "--quiet", "--method", "exact"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), "第一行<n>第二行\r\n\none\rtwo".as_bytes())
        .expect("written");
    assert!(child.wait().expect("ended").success());
    let texts: Vec<_> = dir
        .documents("run/out")
        .into_iter()
        .map(|document| document["text"].as_str().expect("a text").to_owned())
        .collect();
    assert_eq!(texts, ["第一行\n第二行", "one", "two"]);
}

#[test]
fn parquet_columns_keep_their_types_and_their_order() {
    let dir = Dir::new();
    let rows = 300;
    let id: ArrayRef = Arc::new(Int16Array::from_iter_values(0..rows));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("text number {row}"))));
    let score: ArrayRef =
        Arc::new(Float32Array::from_iter((0..rows).map(|row| (row % 3 > 0).then_some(f32::from(row) / 3.0))));
    let inner: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("u{row}"))));
    let nested: ArrayRef = Arc::new(StructArray::try_from(vec![("url", inner)]).expect("a struct"));
    let record = RecordBatch::try_from_iter([("n", id), ("content", text), ("score", score), ("meta", nested)])
        .expect("a table");
    let mut bytes = Vec::new();
    let properties =
        parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, record.schema(), Some(properties)).expect("a writer");
    writer.write(&record).expect("written");
    writer.close().expect("closed");
    dir.file("a.parquet", bytes);
    dir.ok(&[
        "dedup",
        "a.parquet",
        "-o",
        "run",
        "--quiet",
        "--text-field",
        "content",
        "--output-format",
        "parquet",
        "--method",
        "exact",
    ]);
    let file = std::fs::File::open(dir.path("run/out/documents-00000.parquet")).expect("written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    assert_eq!(reader.schema().fields(), record.schema().fields());
    let batches: Vec<RecordBatch> =
        reader.with_batch_size(1000).build().expect("a reader").map(|batch| batch.expect("rows")).collect();
    let back = joined(&batches);
    assert_eq!(back.num_rows(), rows as usize);
    for (one, other) in back.columns().iter().zip(record.columns()) {
        assert_eq!(one, other);
    }
    // And as JSON lines, nested values and nulls included.
    dir.ok(&["dedup", "a.parquet", "-o", "json", "--quiet", "--text-field", "content", "--method", "exact"]);
    let documents = dir.documents("json/out");
    assert_eq!(documents[0]["score"], serde_json::Value::Null);
    assert_eq!(documents[7]["meta"]["url"], "u7");
    assert_eq!(documents[7]["n"], 7);
    assert_eq!(
        documents[7].as_object().expect("an object").keys().collect::<Vec<_>>(),
        ["n", "content", "score", "meta"]
    );
}

fn joined(batches: &[RecordBatch]) -> RecordBatch {
    let schema = batches[0].schema();
    let columns = (0..schema.fields().len())
        .map(|column| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            arrow_select::concat::concat(&arrays).expect("joined")
        })
        .collect();
    RecordBatch::try_new(schema, columns).expect("a table")
}

#[test]
fn json_records_go_to_parquet_with_their_other_fields_in_one_column() {
    let dir = Dir::new();
    dir.file("a.jsonl", "{\"id\": \"x\", \"text\": \"one\", \"n\": 1.50}\n{\"text\": \"two\"}\n");
    dir.ok(&["dedup", "a.jsonl", "-o", "run", "--quiet", "--output-format", "parquet", "--method", "exact"]);
    let file = std::fs::File::open(dir.path("run/out/documents-00000.parquet")).expect("written");
    let batch = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("Parquet")
        .build()
        .expect("a reader")
        .next()
        .expect("rows")
        .expect("rows");
    assert_eq!(batch.column_by_name("text").expect("text").as_string::<i64>().value(1), "two");
    let metadata = batch.column_by_name("metadata").expect("metadata").as_string::<i64>();
    assert_eq!((metadata.value(0), metadata.value(1)), (r#"{"id":"x","n":1.50}"#, "{}"));
}
