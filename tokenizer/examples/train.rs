//! Trains a tokenizer of one kind from a JSONL, without a run folder: `train KIND VOCAB_SIZE THREADS TEXTS.jsonl OUT.model`, and then
//! writes the ids of each text of `HELD.jsonl`, if there is one, to `OUT.ids`: a line of numbers each.

#![allow(clippy::unwrap_used, reason = "an example may fail so")]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Batch, Context, Pass, Riders};
use yuan_tokenizer::{HanCharacters, Tokenizer, TrainTokenizerConfig};

fn texts(path: &str) -> impl Iterator<Item = String> {
    let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
    lines.map(|line| {
        serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap()["text"].as_str().unwrap().to_owned()
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, size, threads, input, output, held @ ..] = arguments.as_slice() else {
        panic!("train KIND VOCAB_SIZE THREADS TEXTS.jsonl OUT.model [HELD.jsonl]")
    };
    let config = TrainTokenizerConfig {
        kind: serde_json::from_value(kind.as_str().into()).unwrap(),
        vocab_size: size.parse().unwrap(),
        special_tokens: vec!["<s>".into(), "</s>".into()],
        reserved: 0,
        html_tags: false,
        punctuation: false,
        han_characters: HanCharacters::None,
        output: output.into(),
        ..TrainTokenizerConfig::default()
    };
    let threads: usize = threads.parse().unwrap();
    let folder = PathBuf::from(format!("{output}.work"));
    std::fs::create_dir_all(&folder).unwrap();
    let pass = config.build().unwrap();
    // Each thread scans every so manieth batch of some megabytes.
    let partials: Vec<PathBuf> = (0..threads).map(|thread| folder.join(thread.to_string())).collect();
    std::thread::scope(|scope| {
        for (thread, partial) in partials.iter().enumerate() {
            let pass = &pass;
            scope.spawn(move || {
                let mut scan = pass.scan(partial).unwrap();
                let (mut some, mut bytes, mut first) = (Vec::new(), 0, 0);
                let mut take = |some: &mut Vec<String>, first: &mut u64| {
                    let ids = arrow_array::UInt64Array::from_iter_values(*first..*first + some.len() as u64);
                    *first += some.len() as u64;
                    let batch =
                        Batch::new(ids, arrow_array::LargeStringArray::from_iter_values(some.iter()), Riders::None);
                    scan.batch(&batch.unwrap()).unwrap();
                    some.clear();
                };
                for (_, text) in texts(input).enumerate().filter(|(number, _)| number % threads == thread) {
                    bytes += text.len();
                    some.push(text);
                    if bytes > 1 << 22 {
                        take(&mut some, &mut first);
                        bytes = 0;
                    }
                }
                take(&mut some, &mut first);
                scan.finish().unwrap();
            });
        }
    });
    let cancelled = AtomicBool::new(false);
    let context = Context::new(8 << 30, threads, folder.join("scratch"), &cancelled);
    pass.reduce(&partials, &folder.join("outcome.json"), &context).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    if let [held] = held {
        let tokenizer = Tokenizer::load(output).unwrap();
        let mut out = BufWriter::new(std::fs::File::create(Path::new(output).with_extension("ids")).unwrap());
        for text in texts(held) {
            let ids: Vec<String> = tokenizer.encode(&text).unwrap().iter().map(u32::to_string).collect();
            writeln!(out, "{}", ids.join(" ")).unwrap();
        }
    }
}
