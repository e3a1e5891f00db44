//! One reading of the corpus: batches go to workers, and what these count is put together in the order of the batches.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use yuan_pipeline::{Batch, Document, Error, Input, Progress, Result, Shard, for_each_batch};

use super::subject::{Mark, Subject};
use super::totals::{Counts, MAX_GROUPS, Measured, Size, Totals};
use super::{Compression, NAME};
use crate::Scratch;

/// What `Report::group_by` says where documents are grouped by their files.
pub(super) const FILE: &str = "file";
/// The group of documents without the field.
pub(super) const NONE: &str = "(none)";
/// Bytes held for each byte of text in work: the batch, its record, its tokens.
const WEIGHT: u64 = 6;

/// What measuring may use.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    /// Threads that encode; at least 1.
    pub threads: usize,
    /// Bytes of memory; documents in work take half of it at most, unless a single one is larger.
    pub memory: u64,
}

/// What was found.
pub(super) struct Reading {
    pub totals: Totals,
    /// How often each token came, for each tokenizer.
    pub used: Vec<Vec<u64>>,
    /// What documents were grouped by.
    pub group_by: String,
    /// Records that are no documents.
    pub passed_over: u64,
}

/// How documents are told apart.
#[derive(Clone, Debug)]
enum Grouping {
    Field(Arc<str>),
    File,
}

struct Job {
    number: u64,
    /// The group of its documents, where that is their file.
    file: Arc<str>,
    grouping: Grouping,
    batch: Batch,
    weight: u64,
}

/// What reader and workers share.
struct State {
    queue: VecDeque<Job>,
    /// Whether no job will come any more.
    closed: bool,
    in_work: u64,
    /// Batches that are done before one that comes before them, with their weights.
    done: BTreeMap<u64, (Measured, u64)>,
    next: u64,
    totals: Totals,
    /// The first batch that failed.
    failed: Option<(u64, Error)>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the state panics")
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).expect("no holder of the state panics")
    }
}

/// Encodes all documents; gives sums, how often each id came for each subject, and what documents are grouped by.
pub(super) fn read(
    config: &Compression,
    subjects: &[Subject],
    input: &Input,
    resources: Resources,
    progress: &Progress,
) -> Result<Reading> {
    let shards = input.shards()?;
    progress.total.store(shards.iter().map(|shard| shard.bytes).sum(), Ordering::Relaxed);
    let names = file_names(&shards);
    let shared = Shared {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            closed: false,
            in_work: 0,
            done: BTreeMap::new(),
            next: 0,
            totals: Totals::new(subjects.len(), config.sample_tokens, MAX_GROUPS),
            failed: None,
        }),
        changed: Condvar::new(),
    };
    let threads = resources.threads.max(1);
    let mut grouping = None;
    let mut used: Vec<Vec<u64>> = subjects.iter().map(|subject| vec![0; subject.size as usize]).collect();
    let walked = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(subjects, &shared, progress))).collect();
        let mut number = 0;
        let mut walked_shards = 0;
        let walked = for_each_batch(input, &shards, &mut |shard, batch| {
            if batch.rows() == 0 {
                return Ok(true);
            }
            while walked_shards < shards.len() && shards[walked_shards].path != shard.path {
                progress.done.fetch_add(shards[walked_shards].bytes, Ordering::Relaxed);
                walked_shards += 1;
            }
            let grouping = grouping.get_or_insert_with(|| grouping_of(config, batch.document(0))).clone();
            let weight = WEIGHT * batch.text_bytes();
            let file = names[&shard.path].clone();
            let mut state = shared.lock();
            while state.failed.is_none()
                && (state.queue.len() >= 2 * threads
                    || state.in_work > 0 && state.in_work + weight > resources.memory / 2)
            {
                state = shared.wait(state);
            }
            if state.failed.is_some() {
                return Ok(false);
            }
            state.in_work += weight;
            state.queue.push_back(Job { number, file, grouping, batch, weight });
            number += 1;
            shared.changed.notify_all();
            Ok(true)
        });
        shared.lock().closed = true;
        shared.changed.notify_all();
        for worker in workers {
            match worker.join() {
                Ok(counts) => {
                    for (used, counts) in used.iter_mut().flatten().zip(counts.into_iter().flatten()) {
                        *used += counts;
                    }
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        walked
    });
    let state = shared.state.into_inner().expect("no holder of the state panics");
    let passed_over = walked?;
    if let Some((_, error)) = state.failed {
        return Err(error);
    }
    let group_by = match grouping {
        Some(Grouping::Field(field)) => field.to_string(),
        _ => FILE.into(),
    };
    Ok(Reading { totals: state.totals, used, group_by, passed_over })
}

/// What documents are grouped by, if `first` is the first.
fn grouping_of(config: &Compression, first: Document<'_>) -> Grouping {
    let field = |name: &str| value(first, name).is_some();
    match config.group_by.as_deref() {
        None if field("language") => Grouping::Field("language".into()),
        None => Grouping::File,
        Some(name @ ("source" | "file")) if !field(name) => Grouping::File,
        Some(name) => Grouping::Field(name.into()),
    }
}

fn value(document: Document<'_>, field: &str) -> Option<String> {
    let text = document.str(field).map(std::borrow::Cow::into_owned);
    text.or_else(|| document.f64(field).map(|number| number.to_string()))
}

/// Each file's name without folder and suffixes; its path where another file has the same.
fn file_names(shards: &[Shard]) -> HashMap<std::path::PathBuf, Arc<str>> {
    let short = |shard: &Shard| {
        let name = shard.path.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy());
        name.split('.').find(|part| !part.is_empty()).unwrap_or(&name).to_owned()
    };
    let mut known: HashMap<String, usize> = HashMap::new();
    shards.iter().for_each(|shard| *known.entry(short(shard)).or_default() += 1);
    let name = |shard: &Shard| {
        let short = short(shard);
        if known[&short] > 1 { shard.path.display().to_string() } else { short }
    };
    shards.iter().map(|shard| (shard.path.clone(), name(shard).into())).collect()
}

/// Told when a worker panics, so that nobody waits for it.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(mut state) = self.0.state.lock()
        {
            state.failed.get_or_insert_with(|| (0, Error::stage(NAME, "a worker stopped")));
            state.queue.clear();
            self.0.changed.notify_all();
        }
    }
}

/// Takes jobs until there are no more. Gives how often each id came, for each subject.
fn work(subjects: &[Subject], shared: &Shared, progress: &Progress) -> Vec<Vec<u64>> {
    let _leaving = Leaving(shared);
    let mut used: Vec<Vec<u64>> = subjects.iter().map(|subject| vec![0; subject.size as usize]).collect();
    let mut scratches: Vec<Scratch> = subjects.iter().map(|_| Scratch::default()).collect();
    let mut ids = Vec::new();
    loop {
        let mut state = shared.lock();
        let job = loop {
            match state.queue.pop_front() {
                Some(job) => break job,
                None if state.closed || state.failed.is_some() => return used,
                None => state = shared.wait(state),
            }
        };
        drop(state);
        shared.changed.notify_all();
        let measured = measure(subjects, &job, &mut scratches, &mut used, &mut ids);
        // A long text's tokens are not kept for good.
        ids.shrink_to(1 << 20);
        let (documents, bytes) = (job.batch.rows() as u64, job.batch.text_bytes());
        for (counter, more) in [(&progress.documents, documents), (&progress.kept, documents), (&progress.bytes, bytes)]
        {
            counter.fetch_add(more, Ordering::Relaxed);
        }
        let mut state = shared.lock();
        match measured {
            Ok(measured) => {
                state.done.insert(job.number, (measured, job.weight));
                while let Some((measured, weight)) = {
                    let next = state.next;
                    state.done.remove(&next)
                } {
                    state.totals.push(&measured);
                    state.in_work -= weight;
                    state.next += 1;
                }
            }
            Err(error) => {
                if state.failed.as_ref().is_none_or(|(number, _)| job.number < *number) {
                    state.failed = Some((job.number, error));
                }
                state.queue.clear();
            }
        }
        shared.changed.notify_all();
    }
}

/// Encodes the documents of a batch.
fn measure(
    subjects: &[Subject],
    job: &Job,
    scratches: &mut [Scratch],
    used: &mut [Vec<u64>],
    ids: &mut Vec<u32>,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for document in job.batch.documents() {
        let group = match &job.grouping {
            Grouping::File => job.file.to_string(),
            Grouping::Field(field) => value(document, field).unwrap_or_else(|| NONE.into()),
        };
        let place = *places.entry(group).or_insert_with_key(|group| {
            measured.groups.push(group.clone());
            measured.groups.len() - 1
        });
        let text = document.text();
        let size = Size { bytes: text.len() as u64, characters: text.chars().count() as u64 };
        measured.documents.push((place, size));
        for ((subject, scratch), used) in subjects.iter().zip(&mut *scratches).zip(&mut *used) {
            subject.encode(text, scratch, ids).map_err(|error| named(subject, error))?;
            let mut counts = Counts { tokens: ids.len() as u64, ..Counts::default() };
            for id in &*ids {
                let id = *id as usize;
                if let (Some(used), Some(mark)) = (used.get_mut(id), subject.marks.get(id)) {
                    *used += 1;
                    counts.fallback += u64::from(*mark == Mark::Fallback);
                    counts.unknown += u64::from(*mark == Mark::Unknown);
                }
            }
            measured.counts.push(counts);
        }
    }
    Ok(measured)
}

/// An error with the tokenizer's name in the report.
fn named(subject: &Subject, error: Error) -> Error {
    match error {
        Error::Stage { problem, hint, .. } => {
            Error::Stage { stage: NAME.into(), problem: format!("tokenizer `{}`: {problem}", subject.name), hint }
        }
        other => other,
    }
}
