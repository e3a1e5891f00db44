//! Looking for damage in a dataset.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::Job;
use crate::set::Scratch;
use crate::{About, DType, Document, Error, Reader, Result, TokenSet};

/// Problems listed; further ones are only counted.
const MAX_LISTED: usize = 100;

/// Documents that a thread looks at before it takes others, at least.
const FEWEST_DOCUMENTS: usize = 4096;

/// What is known of a dataset beyond its files. What is not said here is taken from its file of documents, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// All ids must be below this.
    pub vocab_size: Option<u64>,
    /// Every document that has tokens must end in this one and hold it nowhere else.
    pub eod: Option<u32>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The part of the file, by the name it has in the crate's table.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// What a look at a whole dataset found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The first hundred problems, in the order of the file.
    pub problems: Vec<Problem>,
    /// All problems.
    pub problem_count: u64,
    /// Documents looked at.
    pub documents: u64,
    /// Tokens looked at.
    pub tokens: u64,
    /// Documents whose bytes were held against their hash.
    pub checked_documents: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn join(&mut self, other: Self) {
        let room = MAX_LISTED.saturating_sub(self.problems.len());
        self.problems.extend(other.problems.into_iter().take(room));
        self.problem_count += other.problem_count;
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.checked_documents += other.checked_documents;
    }

    fn add(&mut self, path: &Path, field: &'static str, problem: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_LISTED {
            self.problems.push(Problem { path: path.to_path_buf(), field, problem: problem() });
        }
    }
}

/// Reads all of a dataset: header and sizes, lengths not negative, pointers the running sum of the
/// lengths, document array rising from 0 to the sequence count, `.bin` of just the bytes counted, what
/// is [`Expected`] of the ids, and each document's bytes against its hash in the file of documents. Cost: one walk over the
/// files, shared out among the job's threads.
///
/// # Errors
/// If a file cannot be read at all; damage is a [`Problem`].
pub fn verify(prefix: impl AsRef<Path>, expected: Expected, job: &Job<'_>) -> Result<Verification> {
    let mut found = Verification::default();
    let set = match TokenSet::open(&prefix) {
        Ok(set) => set,
        Err(Error::Malformed { path, field, problem }) => {
            found.add(&path, field, || problem);
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    let vocabulary = set.vocabulary();
    let expected =
        Expected { vocab_size: expected.vocab_size.or(vocabulary.vocab_size), eod: expected.eod.or(vocabulary.eod) };
    verify_arrays(set.reader(), &mut found);
    verify_index_hash(&set, &mut found)?;
    let documents = set.reader().document_count();
    let share = documents.div_ceil(8 * job.threads.max(1)).max(FEWEST_DOCUMENTS);
    let (next, shares) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        loop {
            let start = next.fetch_add(share, Ordering::Relaxed);
            if start >= documents {
                return Ok(());
            }
            let found = verify_documents(&set, start..documents.min(start + share), expected, job)?;
            shares.lock().expect("no holder panics").push((start, found));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..job.threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("verifying does not panic"))
    })?;
    let mut shares = shares.into_inner().expect("no holder panics");
    shares.sort_unstable_by_key(|(start, _)| *start);
    shares.into_iter().for_each(|(_, share)| found.join(share));
    Ok(found)
}

fn verify_arrays(reader: &Reader, found: &mut Verification) {
    let index = reader.index();
    let mut pointer = 0_i64;
    for (sequence, (length, written)) in index.sequence_lengths().zip(index.sequence_pointers()).enumerate() {
        if length < 0 {
            found.add(index.path(), "sequence_lengths", || format!("sequence {sequence} has {length} tokens"));
        }
        if written != pointer {
            found.add(index.path(), "sequence_pointers", || {
                format!("sequence {sequence} starts at byte {written}, by the lengths at {pointer}")
            });
        }
        pointer = pointer.saturating_add(i64::from(length.max(0)) * index.dtype().bytes() as i64);
    }
    if reader.bin().len() as i64 != pointer {
        found.add(reader.bin_path(), "size", || format!("{} bytes, by the lengths {pointer}", reader.bin().len()));
    }
    let mut previous = 0;
    for (boundary, value) in index.document_indices().enumerate() {
        if value < previous || value > index.sequence_count() as i64 {
            found.add(index.path(), "document_indices", || {
                format!("entry {boundary} is {value}, after {previous} and of {} sequences", index.sequence_count())
            });
        }
        previous = value.max(previous);
    }
}

/// The index as a whole, and the file of documents as a whole.
fn verify_index_hash(set: &TokenSet, found: &mut Verification) -> Result<()> {
    let Some(documents) = set.documents() else { return Ok(()) };
    let header = documents.header();
    let index = set.reader().index();
    let hash = format!("{:016x}", xxh3_64(index.file()));
    if hash != header.idx_xxh3 {
        found.add(index.path(), "xxh3", || format!("{hash}, when it was written {}", header.idx_xxh3));
    }
    let mut digest = Xxh3::new();
    let read = documents.for_each(0..header.documents, |_, _, tokens, xxh3| {
        digest.update(&xxh3.to_le_bytes());
        digest.update(&tokens.to_le_bytes());
        Ok(())
    });
    match read {
        Err(Error::Malformed { path, field, problem }) => found.add(&path, field, || problem),
        Err(error) => return Err(error),
        Ok(()) => {
            let digest = format!("{:016x}", digest.digest());
            if digest != header.digest {
                found.add(documents.path(), "digest", || format!("{digest}, when it was written {}", header.digest));
            }
        }
    }
    Ok(())
}

fn verify_documents(set: &TokenSet, range: Range<usize>, expected: Expected, job: &Job<'_>) -> Result<Verification> {
    let mut found = Verification::default();
    let mut scratch = Scratch::default();
    let mut look = |number: usize, known: Option<(u64, u64)>| -> Result<()> {
        found.documents += 1;
        let document = match set.document(number, About::default(), None, &mut scratch) {
            Ok(document) => document,
            Err(Error::Malformed { path, field, problem }) => {
                found.add(&path, field, || format!("document {number}: {problem}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        found.tokens += document.tokens();
        verify_tokens(set.reader().bin_path(), number, &document, expected, &mut found);
        if let Some((tokens, hash)) = known {
            found.checked_documents += 1;
            if (document.tokens(), xxh3_64(document.bytes)) != (tokens, hash) {
                found.add(set.reader().bin_path(), "xxh3", || {
                    format!("document {number} is not the one that was written: its hash is another")
                });
            }
        }
        job.tick(document.bytes.len() as u64)
    };
    match set.documents() {
        None => range.into_iter().try_for_each(|number| look(number, None))?,
        Some(documents) => {
            let rows = range.start as u64..range.end as u64;
            let read = documents.for_each(rows, |number, _, tokens, xxh3| look(number as usize, Some((tokens, xxh3))));
            match read {
                // Told already, of the whole file.
                Err(Error::Malformed { .. }) => {}
                read => read?,
            }
        }
    }
    Ok(found)
}

/// What the tokens of a document say of it.
#[derive(Clone, Copy)]
struct Seen {
    smallest: i64,
    largest: i64,
    ends: usize,
}

fn verify_tokens(path: &Path, number: usize, document: &Document<'_>, expected: Expected, found: &mut Verification) {
    if document.bytes.is_empty() {
        return;
    }
    let eod = expected.eod.map(i64::from);
    let limit = expected.vocab_size.map_or(i64::MAX, |size| i64::try_from(size).unwrap_or(i64::MAX));
    let seen = seen(document.bytes, document.dtype, eod);
    if seen.smallest < 0 || seen.largest >= limit {
        let (mut position, mut outside) = (0_usize, None);
        document.dtype.for_each(document.bytes, |id| {
            if (id < 0 || id >= limit) && outside.is_none() {
                outside = Some((position, id));
            }
            position += 1;
        });
        if let Some((position, id)) = outside {
            found.add(path, "tokens", || {
                format!("document {number} holds id {id} at token {position}, outside the vocabulary")
            });
        }
    }
    let Some(eod) = eod else { return };
    let mut last = 0;
    document.dtype.for_each(&document.bytes[document.bytes.len() - document.dtype.bytes()..], |id| last = id);
    let inner = seen.ends - usize::from(last == eod);
    if last != eod {
        found.add(path, "tokens", || format!("document {number} ends in {last}, not in {eod}"));
    }
    if inner > 0 {
        found.add(path, "tokens", || {
            format!("document {number} holds the end-of-document id {inner} times before its end")
        });
    }
}

/// One walk without branches, so that many tokens are looked at in each step.
fn seen(bytes: &[u8], dtype: DType, eod: Option<i64>) -> Seen {
    macro_rules! walk {
        ($number:ty) => {{
            let numbers = || bytes.as_chunks().0.iter().map(|bytes| <$number>::from_le_bytes(*bytes));
            let (smallest, largest) = numbers()
                .fold((<$number>::MAX, <$number>::MIN), |(low, high), number| (low.min(number), high.max(number)));
            let eod = eod.and_then(|eod| <$number>::try_from(eod).ok());
            let ends = eod.map_or(0, |eod| numbers().map(|number| usize::from(number == eod)).sum());
            Seen { smallest: i64::from(smallest), largest: i64::from(largest), ends }
        }};
    }
    match dtype {
        DType::U8 => walk!(u8),
        DType::I8 => walk!(i8),
        DType::I16 => walk!(i16),
        DType::U16 => walk!(u16),
        DType::I32 => walk!(i32),
        DType::I64 => walk!(i64),
        DType::F32 | DType::F64 => {
            let mut seen = Seen { smallest: i64::MAX, largest: i64::MIN, ends: 0 };
            dtype.for_each(bytes, |id| {
                seen.smallest = seen.smallest.min(id);
                seen.largest = seen.largest.max(id);
                seen.ends += usize::from(Some(id) == eod);
            });
            seen
        }
    }
}
