//! `train_tokenizer`: a tokenizer learnt from the corpus, or from a sample of it.
//!
//! Reads `text`. Each work unit leaves its distinct pieces with their counts as a sorted run (`runs.rs`); these are put together,
//! as many pieces as memory allows (`pieces.rs`), and merges learnt from them (`merges.rs`). With `sample_bytes` the documents
//! of lowest hash are chosen first (`sample.rs`). The file written depends on the documents, their ids, this config and, only if
//! not all pieces fit, on the memory; never on threads or units. Memory: the budget; on disk the distinct pieces of each unit.

mod base;
mod config;
mod count;
mod cut;
mod extend;
mod merges;
mod pairs;
mod pieces;
mod runs;
mod sample;
mod sentencepiece;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Batch, Columns, Context, Error, Pass, Result, Scan};

use crate::companions;
use crate::encode::Scratch;
use base::Base;
pub use config::{TokenizerKind, TrainTokenizerConfig, TrainerCompat};
use count::Counter;
use cut::Cutter;
pub use cut::{ChineseWords, WordBoundaries};
pub(crate) use merges::Merges;
use merges::{Wanted, train};
use pieces::Budgeted;
use runs::{Group, RunWriter, Section, sections};
use sample::{Sample, Sampler, group_of, is_of};
pub use sentencepiece::DomainsConfig;

/// The step's name in a recipe.
const NAME: &str = "train_tokenizer";
/// Text handed to a counting thread at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Most groups of documents that are balanced.
const MAX_GROUPS: usize = 1000;
/// Weights of groups in counts are so fine.
const WEIGHT_UNIT: f64 = 1024.0;

/// What is learnt, over what.
enum Learner {
    /// Merges of bytes, at most so many, behind those that are there.
    Bytes { base: Base, merges: usize },
    /// Pieces of characters.
    Pieces(Box<sentencepiece::Plan>),
}

/// The pass of a [`TrainTokenizerConfig`].
pub struct TrainTokenizer {
    config: TrainTokenizerConfig,
    learner: Learner,
    cutter: Arc<Cutter>,
    idle: Idle,
    sampler: Option<Sampler>,
}

impl Pass for TrainTokenizer {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let balance_by = &self.config.balance_by;
        match &self.sampler {
            Some(sampler) => sampler.scan(partial, balance_by, &self.config.only_languages),
            None => Ok(Box::new(CountScan {
                partial: partial.into(),
                balance_by: balance_by.clone(),
                only: self.config.only_languages.clone(),
                counts: Counts::new(self.cutter.clone(), self.idle.clone()),
            })),
        }
    }

    fn columns(&self) -> Columns {
        let reads_language = self.config.balance_by == "language" || !self.config.only_languages.is_empty();
        Columns::reads(reads_language.then_some("language"))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.config;
        self.idle.lock().expect("no holder panics").clear();
        let paths = match self.sampler {
            Some(_) => self.count_sample(partials, context)?,
            None => partials.to_vec(),
        };
        let sections = paths.iter().map(|path| sections(path)).collect::<Result<Vec<_>>>()?.concat();
        let groups = groups(&sections, config)?;
        for (name, group) in &groups {
            context.tally("texts", name.clone(), group.documents, group.bytes);
        }
        let (base, merges) = match &self.learner {
            Learner::Bytes { base, merges } => (base, *merges),
            Learner::Pieces(plan) => {
                let (summary, bytes) = plan.reduce(sections, &groups, context)?;
                return self.write_summary(summary, &bytes, &groups, outcome);
            }
        };
        let weighed = sections.into_iter().map(|section| {
            let weight = groups[&section.group.name].weight;
            (section, weight)
        });
        // The tables of a training are not much smaller than this.
        let mut budgeted = Budgeted::new(context.memory.max(1 << 20));
        runs::merge(weighed.filter(|(_, weight)| *weight > 0).collect(), context, |piece, hash, count| {
            budgeted.push(piece, hash, count);
        })?;
        let distinct = budgeted.seen;
        let (pieces, threshold) = budgeted.finish();
        let kept = pieces.len();
        let forbidden = base.forbidden();
        let unit = if config.balance_by.is_empty() { 1 } else { WEIGHT_UNIT as u64 };
        let wanted = Wanted {
            tokens: merges,
            min_frequency: config.min_frequency.saturating_mul(unit),
            max_token_chars: config.max_token_chars,
            forbidden: &forbidden,
            spaces_in_front: false,
        };
        let mut scratch = Scratch::default();
        let encode = |piece: &[u8], symbols: &mut Vec<u32>| base.encode(piece, &mut scratch, symbols);
        let merges = train(pieces, base.merges().clone(), encode, &wanted, || context.check())?;
        let (tokenizer, vocab_size) = base.file(&merges, config.vocab_multiple);
        companions::write(&config.output, &tokenizer, base.path())?;
        let summary = json!({
            "tokenizer": config.output,
            "vocab_size": vocab_size,
            "merges": merges.rules.len() - base.merges().rules.len(),
            "distinct_pieces": distinct,
            "kept_pieces": kept,
            "least_exact_count": threshold,
        });
        self.write_summary(summary, &companions::pretty(&tokenizer), &groups, outcome)
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}

impl TrainTokenizer {
    /// Writes the outcome: what is known of the tokenizer, whose file has these bytes, and what it was learnt from.
    fn write_summary(
        &self,
        mut summary: Value,
        bytes: &[u8],
        groups: &BTreeMap<String, Weighed>,
        outcome: &Path,
    ) -> Result<()> {
        let unit = if self.config.balance_by.is_empty() { 1.0 } else { WEIGHT_UNIT };
        summary["documents"] = groups.values().map(|group| group.documents).sum::<u64>().into();
        summary["bytes"] = groups.values().map(|group| group.bytes).sum::<u64>().into();
        let group = |(name, group): (&String, &Weighed)| {
            json!({
                "name": name, "documents": group.documents, "bytes": group.bytes, "weight": group.weight as f64 / unit,
            })
        };
        summary["groups"] = groups.iter().map(group).collect();
        summary["xxh3"] = format!("{:016x}", xxh3_64(bytes)).into();
        let summary = serde_json::to_vec_pretty(&summary).expect("a JSON value is JSON");
        std::fs::write(outcome, summary).map_err(Error::io("write", outcome))
    }

    /// Counts the pieces of the sample on all threads; the runs that come of it.
    fn count_sample(&self, partials: &[PathBuf], context: &Context<'_>) -> Result<Vec<PathBuf>> {
        let sample = Sample::choose(partials, self.config.sample_bytes)?;
        context.tally("sample", "documents", sample.documents, sample.bytes);
        std::fs::create_dir_all(&context.scratch).map_err(Error::io("create", &context.scratch))?;
        let workers = context.threads.max(1);
        let (send, receive) = sync_channel::<Vec<(String, String)>>(workers);
        let receive = Mutex::new(receive);
        std::thread::scope(|scope| {
            let count = |worker| {
                let receive = &receive;
                scope.spawn(move || self.count_received(receive, worker, context))
            };
            let counting: Vec<_> = (0..workers).map(count).collect();
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            let sent = sample.for_each(|group, text| {
                bytes += text.len();
                chunk.push((group.to_owned(), text.to_owned()));
                if bytes >= CHUNK_BYTES {
                    context.check()?;
                    bytes = 0;
                    // Workers that failed receive no more, and say why.
                    let _ = send.send(std::mem::take(&mut chunk));
                }
                Ok(())
            });
            let _ = send.send(chunk);
            drop(send);
            let counted = counting.into_iter().map(|worker| worker.join().expect("counting does not panic"));
            let runs = counted.collect::<Result<Vec<_>>>()?.concat();
            sent.map(|()| runs)
        })
    }

    /// Counts what it receives; a run whenever the counts take up its part of the memory.
    fn count_received(
        &self,
        receive: &Mutex<Receiver<Vec<(String, String)>>>,
        worker: usize,
        context: &Context<'_>,
    ) -> Result<Vec<PathBuf>> {
        let limit = (context.memory / 2 / context.threads.max(1) as u64).clamp(1 << 20, 1 << 31) as usize;
        let mut runs = Vec::new();
        let mut counts = Counts::new(self.cutter.clone(), self.idle.clone());
        loop {
            let received = receive.lock().expect("no holder panics").recv();
            let Ok(texts) = received else { break };
            for (group, text) in texts {
                counts.count(&group, &text)?;
                if counts.memory() > limit {
                    runs.push(context.scratch.join(format!("counts-{worker}-{}", runs.len())));
                    counts.write(&runs[runs.len() - 1])?;
                }
            }
        }
        runs.push(context.scratch.join(format!("counts-{worker}-{}", runs.len())));
        counts.write(&runs[runs.len() - 1])?;
        Ok(runs)
    }
}

/// Counts the pieces of a unit's texts.
struct CountScan {
    partial: PathBuf,
    balance_by: String,
    only: Vec<String>,
    counts: Counts,
}

impl Scan for CountScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents().filter(|document| is_of(document, &self.only)) {
            self.counts.count(&group_of(&document, &self.balance_by), document.text())?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.counts.write(&self.partial)
    }
}

/// Empty counters, whose memory the next unit takes over.
type Idle = Arc<Mutex<Vec<Counter>>>;

/// The counts of each group of documents.
struct Counts {
    cutter: Arc<Cutter>,
    idle: Idle,
    groups: BTreeMap<String, (Group, Counter)>,
}

impl Counts {
    fn new(cutter: Arc<Cutter>, idle: Idle) -> Self {
        Self { cutter, idle, groups: BTreeMap::new() }
    }

    fn count(&mut self, name: &str, text: &str) -> Result<()> {
        if !self.groups.contains_key(name) {
            if self.groups.len() == MAX_GROUPS {
                return Err(too_many_groups());
            }
            let group = Group { name: name.into(), ..Group::default() };
            let counter = self.idle.lock().expect("no holder panics").pop().unwrap_or_default();
            self.groups.insert(name.into(), (group, counter));
        }
        let (group, counter) = self.groups.get_mut(name).expect("it was put there");
        group.documents += 1;
        group.bytes += text.len() as u64;
        self.cutter.cut(text, |piece| counter.count(piece));
        Ok(())
    }

    fn memory(&self) -> usize {
        self.groups.values().map(|(_, counter)| counter.memory()).sum()
    }

    /// Writes them as a run and starts anew.
    fn write(&mut self, path: &Path) -> Result<()> {
        let mut run = RunWriter::create(path)?;
        for (_, (group, mut counter)) in std::mem::take(&mut self.groups) {
            run.section(&group, &mut counter)?;
            self.idle.lock().expect("no holder panics").push(counter);
        }
        run.finish()
    }
}

/// A group of all documents, and how many times each of its counts counts, in units.
struct Weighed {
    documents: u64,
    bytes: u64,
    weight: u64,
}

/// The groups of all sections, with their weights: those of `alpha`, with which the sum of all stays what it was, times those named.
fn groups(sections: &[Section], config: &TrainTokenizerConfig) -> Result<BTreeMap<String, Weighed>> {
    let mut groups: BTreeMap<String, Weighed> = BTreeMap::new();
    for Section { group, .. } in sections {
        let all = groups.entry(group.name.clone()).or_insert(Weighed { documents: 0, bytes: 0, weight: 1 });
        all.documents += group.documents;
        all.bytes += group.bytes;
    }
    if groups.len() > MAX_GROUPS {
        return Err(too_many_groups());
    }
    if config.balance_by.is_empty() {
        return Ok(groups);
    }
    if let Some(name) = config.weights.keys().find(|name| !groups.contains_key(*name)) {
        let known: Vec<String> = groups.keys().take(20).map(|name| format!("`{name}`")).collect();
        return Err(Error::Stage {
            stage: NAME.into(),
            problem: format!("`weights` name `{name}`, which no document has in `{}`", config.balance_by),
            hint: Some(format!("documents have {}", known.join(", "))),
        });
    }
    let total: f64 = groups.values().map(|group| group.bytes as f64).sum();
    let raised = |bytes: u64| if bytes == 0 { 0.0 } else { (bytes as f64 / total).powf(config.alpha) };
    let sum: f64 = groups.values().map(|group| raised(group.bytes)).sum();
    for (name, group) in &mut groups {
        if group.bytes > 0 {
            let balanced = raised(group.bytes) / sum * total / group.bytes as f64;
            let named = config.weights.get(name).copied().unwrap_or(1.0);
            group.weight = (balanced * named * WEIGHT_UNIT).round() as u64;
        }
    }
    Ok(groups)
}

fn too_many_groups() -> Error {
    Error::Stage {
        stage: NAME.into(),
        problem: format!("documents have more than {MAX_GROUPS} values in the column to balance by"),
        hint: Some("set `balance_by` to a column with few values, such as `language` or `source`".into()),
    }
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}
