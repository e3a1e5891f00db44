//! Looking for damage in a dataset.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Reader, Result, Sequence};

/// Problems listed; further ones are only counted.
const MAX_LISTED: usize = 100;

/// What is known of a dataset beyond its files.
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
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn add(&mut self, path: &Path, field: &'static str, problem: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < MAX_LISTED {
            self.problems.push(Problem { path: path.to_path_buf(), field, problem: problem() });
        }
    }
}

/// Reads all of a dataset: header and sizes, lengths not negative, pointers the running sum of the
/// lengths, document array rising from 0 to the sequence count, `.bin` of just the bytes counted, and
/// what is [`Expected`] of the ids. Cost: one walk over both files.
///
/// # Errors
/// If a file cannot be read at all; damage is a [`Problem`].
pub fn verify(prefix: impl AsRef<Path>, expected: Expected) -> Result<Verification> {
    let mut found = Verification::default();
    let reader = match Reader::open(prefix) {
        Ok(reader) => reader,
        Err(Error::Malformed { path, field, problem }) => {
            found.add(&path, field, || problem);
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    verify_arrays(&reader, &mut found);
    verify_tokens(&reader, expected, &mut found);
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

fn verify_tokens(reader: &Reader, expected: Expected, found: &mut Verification) {
    let eod = expected.eod.map(i64::from);
    let limit = expected.vocab_size.map_or(i64::MAX, |size| size.min(i64::MAX as u64) as i64);
    for (document, sequences) in reader.documents().enumerate() {
        found.documents += 1;
        let sequences: Vec<Sequence> = match sequences {
            Ok(sequences) => sequences,
            Err(Error::Malformed { path, field, problem }) => {
                found.add(&path, field, || problem);
                continue;
            }
            // A mapped dataset has no other error.
            Err(error) => {
                found.add(reader.bin_path(), "tokens", || error.to_string());
                continue;
            }
        };
        let tokens: usize = sequences.iter().map(Sequence::len).sum();
        found.tokens += tokens as u64;
        let ids = sequences.iter().flat_map(Sequence::ids);
        let (mut outside, mut inner, mut last) = (None, 0_u64, None);
        for (position, id) in ids.enumerate() {
            if (id < 0 || id >= limit) && outside.is_none() {
                outside = Some((position, id));
            }
            inner += u64::from(Some(id) == eod && position + 1 < tokens);
            last = Some(id);
        }
        if let Some((position, id)) = outside {
            found.add(reader.bin_path(), "tokens", || {
                format!("document {document} holds id {id} at token {position}, outside the vocabulary")
            });
        }
        if let (Some(eod), Some(last)) = (eod, last)
            && last != eod
        {
            found.add(reader.bin_path(), "tokens", || format!("document {document} ends in {last}, not in {eod}"));
        }
        if inner > 0 {
            found.add(reader.bin_path(), "tokens", || {
                format!("document {document} holds the end-of-document id {inner} times before its end")
            });
        }
    }
}
