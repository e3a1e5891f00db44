//! Takedown: documents leave a dataset without its being tokenized again.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::Job;
use crate::{Error, Result, TokenSet, Writer, Written};

/// Which documents are to go.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// Those with these ids.
    pub ids: HashSet<String>,
    /// Those of these numbers, from 0.
    pub documents: BTreeSet<u64>,
}

/// What came of a [`Removal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The set without them; `None` if it had none of them and was left alone.
    pub written: Option<Written>,
    /// Documents removed.
    pub documents: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Of the ids asked for, those that were found.
    pub found: HashSet<String>,
}

/// Writes a dataset without some of its documents to `out`, or in its own place; all else stays as it is, byte for byte, `[0]` for documents too. In its
/// own place nothing is written if there is nothing to remove. Cost: one walk over the tokens.
///
/// # Errors
/// If documents are named by their ids and the set has no file of documents, a number is none of it, or it is damaged.
pub fn remove(prefix: impl AsRef<Path>, out: Option<&Path>, removal: &Removal, job: &Job<'_>) -> Result<Removed> {
    let set = TokenSet::open(prefix)?;
    super::concat::whole(&set)?;
    let count = set.reader().document_count();
    if let Some(last) = removal.documents.last().filter(|last| **last >= count as u64) {
        return Err(Error::dataset(set.prefix(), format!("there is no document {last}, it has {count}")));
    }
    let mut going: BTreeSet<u64> = removal.documents.clone();
    let mut found = HashSet::new();
    if !removal.ids.is_empty() {
        set.known_documents()?.for_each(0..count as u64, |number, about, _, _| {
            if let Some(id) = about.id.and_then(|id| removal.ids.get(id)) {
                going.insert(number);
                found.insert(id.clone());
            }
            Ok(())
        })?;
    }
    if going.is_empty() && out.is_none() {
        return Ok(Removed { written: None, documents: 0, tokens: 0, found });
    }
    let index = set.reader().index();
    let mut writer = Writer::create(out.unwrap_or(set.prefix()), index.dtype())?;
    if out.is_none() && index.is_legacy() {
        return Err(Error::dataset(set.prefix(), "a legacy dataset is read, not written")
            .hinting("`--out` writes it as one of today"));
    }
    if index.is_multimodal() {
        writer = writer.with_modes()?;
    }
    if !index.marks_documents() {
        writer = writer.without_marks();
    }
    if set.documents().is_some() {
        writer = writer.with_documents(set.vocabulary())?;
    }
    let mut tokens = 0;
    set.for_each(0..count, |number, document| {
        if going.contains(&(number as u64)) {
            tokens += document.tokens();
        } else {
            writer.add(document)?;
        }
        job.tick(document.bytes.len() as u64)
    })?;
    // On some systems a mapped file cannot be replaced.
    drop(set);
    Ok(Removed { written: Some(writer.finish()?), documents: going.len() as u64, tokens, found })
}
