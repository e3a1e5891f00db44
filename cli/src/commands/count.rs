//! `count`: how many tokens there are, of which file or source.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use yuan_pipeline::Batch;
use yuan_tokenizer::{Scratch, Tokenizer};

use super::{done_but, print, threads};
use crate::Done;
use crate::args::{CountArgs, Global};

/// What was counted under one name.
#[derive(Clone, Copy, Default)]
struct Counted {
    documents: u64,
    bytes: u64,
    tokens: u64,
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.tokens += other.tokens;
    }

    fn bytes_per_token(self) -> f64 {
        self.bytes as f64 / self.tokens.max(1) as f64
    }

    fn json(self, name: &str, key: &str) -> Value {
        json!({
            key: name, "documents": self.documents, "bytes": self.bytes, "tokens": self.tokens,
            "bytes_per_token": self.bytes_per_token(),
        })
    }
}

pub fn count(args: &CountArgs, global: &Global) -> anyhow::Result<Done> {
    let tokenizer = Tokenizer::load(&args.tokenizer)?;
    let input = args.input.input();
    let shards = input.shards()?;
    let mut scratches: Vec<Scratch> = Vec::new();
    scratches.resize_with(threads(global), Scratch::default);
    let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
    let passed_over = yuan_pipeline::for_each_batch(&input, &shards, &mut |shard, batch| {
        let counts = counts(&tokenizer, &batch, &mut scratches)?;
        for (document, tokens) in batch.documents().zip(counts) {
            let name = match &args.by {
                None => shard.path.display().to_string(),
                Some(field) => document.str(field).map_or_else(|| "-".to_owned(), std::borrow::Cow::into_owned),
            };
            let one = Counted { documents: 1, bytes: document.text().len() as u64, tokens };
            counted.entry(name).or_default().add(one);
        }
        Ok(true)
    })?;
    let mut total = Counted::default();
    counted.values().for_each(|one| total.add(*one));
    let key = args.by.as_deref().unwrap_or("file");
    print(&if args.json {
        let rows: Vec<Value> = counted.iter().map(|(name, one)| one.json(name, key)).collect();
        json!({ "tokenizer": args.tokenizer, "fingerprint": tokenizer.fingerprint(), "counted": rows, "total": total.json("total", key) })
            .to_string()
    } else {
        table(key, &counted, total)
    })?;
    Ok(done_but(passed_over, global))
}

/// The number of tokens of each document of a batch; the documents are shared out among as many threads as there are
/// scratches.
fn counts(tokenizer: &Tokenizer, batch: &Batch, scratches: &mut [Scratch]) -> yuan_pipeline::Result<Vec<u64>> {
    let rows = batch.rows();
    let share = rows.div_ceil(scratches.len()).max(1);
    let mut counts = vec![0; rows];
    let texts = batch.texts();
    std::thread::scope(|scope| {
        let shares = counts.chunks_mut(share).zip(scratches).enumerate();
        let workers: Vec<_> = shares
            .map(|(number, (counts, scratch))| {
                scope.spawn(move || {
                    for (row, count) in (number * share..).zip(counts) {
                        *count = tokenizer.count(texts.value(row), scratch)?;
                    }
                    Ok::<(), yuan_pipeline::Error>(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("counting does not panic"))
    })?;
    Ok(counts)
}

fn table(key: &str, counted: &BTreeMap<String, Counted>, total: Counted) -> String {
    let width = counted.keys().map(|name| name.chars().count()).chain([key.len(), 5]).max().unwrap_or(0);
    let mut out = format!("{key:<width$}  {:>12}  {:>12}  {:>16}  bytes/token\n", "documents", "text", "tokens");
    let rows = counted.iter().map(|(name, one)| (name.as_str(), *one));
    let total = (counted.len() != 1).then_some(("total", total));
    for (name, one) in rows.chain(total) {
        let _ = writeln!(
            out,
            "{name:<width$}  {:>12}  {:>12}  {:>16}  {:>11.3}",
            HumanCount(one.documents).to_string(),
            HumanBytes(one.bytes).to_string(),
            HumanCount(one.tokens).to_string(),
            one.bytes_per_token(),
        );
    }
    out
}
