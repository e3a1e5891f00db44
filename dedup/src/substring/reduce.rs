//! From noted occurrences to spans, in bounded memory.
//!
//! As keys are hashes, they are cut into ranges of which one fits a thread's share of the memory; a range is one read of
//! each partial file. A key that fits no memory is gone through on the files.

use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use super::contexts::{Noted, Occurrence, RECORD_BYTES};
use super::group::Group;
use super::minimizers::Shape;
use super::spans::{Runs, Spans, merge};
use super::symbols::Symbol;
use super::{Remove, STAGE};
use crate::cluster::in_parallel;
use crate::files::Format;

/// Least memory of a thread.
const LEAST: u64 = 1 << 16;

/// What is the same for all ranges.
struct Job<'a> {
    partials: &'a [PathBuf],
    format: Format,
    shape: Shape,
    context: &'a Context<'a>,
    /// Bytes of records held at a time.
    capacity: u64,
}

/// Writes the spans of all repeated windows to `outcome`.
pub(super) fn reduce<S: Symbol>(
    partials: &[PathBuf],
    format: Format,
    shape: Shape,
    remove: Remove,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let mut bytes = 0;
    for path in partials {
        context.check()?;
        let noted = Noted::open(path, format)?;
        bytes += noted.bytes(&noted.range(0, u64::MAX));
    }
    let threads = context.threads.max(1) as u64;
    // Of a thread's share, half goes to records, the rest to what a group and the spans found hold.
    let share = (context.memory / 2 / threads).max(LEAST);
    let job = Job { partials, format, shape, context, capacity: share / 2 };
    let cuts = bytes.div_ceil(job.capacity / 4 * 3).max(if bytes < 1 << 20 { 1 } else { 2 * threads });
    let boundary = |cut: u64| ((u128::from(cut) << 64) / u128::from(cuts)) as u64;
    let mut all = Vec::new();
    let found = std::sync::Mutex::new(&mut all);
    in_parallel(threads as usize, |thread, next| {
        let mut spans = Spans::create(&context.scratch.join(format!("spans-{thread}")), share as usize / 4)?;
        let mut group = Group::new(shape, remove, share as usize / 4);
        loop {
            let cut = next() as u64;
            if cut >= cuts {
                break;
            }
            job.range::<S>((boundary(cut), boundary(cut + 1).wrapping_sub(1)), &mut group, &mut spans)?;
        }
        let runs = spans.finish()?;
        found.lock().expect("no holder of the runs panics").push(runs);
        Ok(())
    })?;
    let all: Vec<Runs> = all;
    merge(&all, format, outcome, context)
}

impl Job<'_> {
    /// Goes through the groups of a range of keys, by halves if their records do not fit.
    fn range<S: Symbol>(&self, range: (u64, u64), group: &mut Group, spans: &mut Spans) -> Result<()> {
        let mut left = vec![range];
        let (mut occurrences, mut texts): (Vec<(Occurrence, usize)>, Vec<u8>) = Default::default();
        while let Some((first, last)) = left.pop() {
            occurrences.clear();
            texts.clear();
            let mut held = 0;
            for path in self.partials {
                self.context.check()?;
                let noted = Noted::open(path, self.format)?;
                let records = noted.range(first, last);
                held += noted.bytes(&records);
                if held > self.capacity {
                    break;
                }
                for record in records {
                    let (occurrence, text) = noted.get::<S>(record, self.shape)?;
                    occurrences.push((occurrence, texts.len()));
                    texts.extend_from_slice(text);
                }
            }
            if held <= self.capacity {
                // Stable: within a key the order of the corpus stays.
                occurrences.sort_by_key(|(occurrence, _)| occurrence.key);
                for members in occurrences.chunk_by(|one, other| one.0.key == other.0.key) {
                    self.group::<S>(members, &texts, group, spans)?;
                }
            } else if first == last {
                self.crowd::<S>(first, group, spans)?;
            } else {
                let middle = first + (last - first) / 2;
                left.extend([(middle + 1, last), (first, middle)]);
            }
        }
        Ok(())
    }

    /// The occurrences of a key.
    fn group<S: Symbol>(
        &self,
        members: &[(Occurrence, usize)],
        texts: &[u8],
        group: &mut Group,
        spans: &mut Spans,
    ) -> Result<()> {
        if members.len() == 1 && members[0].0.times == 1 {
            return Ok(());
        }
        in_parts(group, |group| {
            for (number, (occurrence, at)) in members.iter().enumerate() {
                if number % (1 << 16) == 0 {
                    self.context.check()?;
                }
                let text = &texts[*at..*at + occurrence.text_bytes::<S>(self.shape)];
                if !group.push::<S>(occurrence, text, spans)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The same for a key whose records do not fit in memory.
    fn crowd<S: Symbol>(&self, key: u64, group: &mut Group, spans: &mut Spans) -> Result<()> {
        in_parts(group, |group| {
            for path in self.partials {
                self.context.check()?;
                let noted = Noted::open(path, self.format)?;
                for record in noted.range(key, key) {
                    let (occurrence, text) = noted.get::<S>(record, self.shape)?;
                    if !group.push::<S>(&occurrence, text, spans)? {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        })
    }
}

/// Goes through a group in as many parts as it needs to fit; what is told twice on the way is told of the same windows.
fn in_parts(group: &mut Group, mut walk: impl FnMut(&mut Group) -> Result<bool>) -> Result<()> {
    let mut parts = 1;
    while parts <= 1 << 32 {
        let all = (0..parts).try_fold(true, |all, part| {
            group.clear((part, parts));
            // What does not fit is not gone on with.
            Ok::<_, Error>(all && walk(group)?)
        })?;
        if all {
            return Ok(());
        }
        parts *= 2;
    }
    Err(Error::Stage {
        stage: STAGE.into(),
        problem: "the windows of one minimizer do not fit in memory".into(),
        hint: Some("allow more memory (`--memory`)".into()),
    })
}

const _: () = assert!(LEAST as usize / 4 > 64 * RECORD_BYTES, "a share holds some records");
