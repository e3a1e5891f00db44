//! Whether documents that share a band key are as alike as they must be.
//!
//! The second reading of [`Minhash`]: the shingles of candidates alone are noted and compared, so that chance
//! collisions and chains of them drop nothing; those of a text that many have once. Costs: one more reading of the documents,
//! the candidates' shingles (4 bytes each) on disk, mapped while they are compared; in memory 40 bytes a candidate for a part of the components at a time and 16
//! for all. With an index (`index/`) that is added to, all documents are noted, and the candidates are compared with those of
//! earlier crawls too.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | what is noted of a candidate |
//! | `similarity.rs` | how alike two sets are |
//! | `linkage.rs` | which documents of a component go, for which |
//! | `deciding.rs` | that of all components, in bounded memory |
//! | `outcome.rs` | the files that this leaves |

mod deciding;
mod linkage;
mod outcome;
mod record;
mod similarity;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;
use yuan_pipeline::{Batch, Context, Document, Pass, Result, Scan};

use crate::candidates::{CandidateText, Candidates};
use crate::files::{Format, Kind};
use crate::index::{Index, Known, NewCrawl};
use crate::near::{First, IndexMode, Keep, Minhash, Signer};

pub(crate) use deciding::Deciding;
pub use linkage::Linkage;
pub(crate) use outcome::{Clusters, open_verified};
pub(crate) use record::{Candidate, Entry, Noted, Notes};
pub use similarity::Similarity;

pub(crate) use record::Note;

/// The pass of the second reading.
pub(crate) struct Verify {
    config: Minhash,
    format: Format,
    candidates: Arc<Candidates>,
    /// What the first reading left beside the candidates, if there is an index.
    first: Option<First>,
}

impl Verify {
    /// On the candidates that the first reading found.
    pub(crate) fn new(config: &Minhash, format: Format, first: &Path) -> Result<Self> {
        let (candidates, first) = match config.index_mode() {
            None => (first.to_path_buf(), None),
            Some(_) => (First::candidates(first), Some(First::read(first)?)),
        };
        let candidates = Candidates::open(&candidates, |_| Format { kind: Kind::Candidates, ..format })?;
        Ok(Self { config: config.clone(), format, candidates: Arc::new(candidates), first })
    }

    /// The index, and the documents in it that came before.
    fn known(&self) -> Result<Option<(Index, Known)>> {
        let Some(first) = &self.first else { return Ok(None) };
        let index = Index::for_pass(&self.config)?;
        let known = first.known(&index, &self.config)?;
        Ok(Some((index, known)))
    }
}

impl Pass for Verify {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(VerifyScan {
            candidates: self.candidates.clone(),
            config: self.config.clone(),
            format: self.format,
            signer: self.config.signer()?,
            keys: Vec::new(),
            notes: Notes::create(partial)?,
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let noted = partials.iter().map(|path| Noted::open(path, self.format)).collect::<Result<Vec<_>>>()?;
        let index = self.known()?;
        let known = index.as_ref().map(|(_, known)| known);
        let deciding = Deciding { config: &self.config, candidates: &self.candidates, new: &noted, known };
        let new_entries = |take: &mut dyn FnMut(Entry)| {
            noted.iter().zip(0..).try_for_each(|(file, number)| {
                context.check()?;
                file.entries(number, &mut *take)
            })
        };
        let verified = deciding.decide(&new_entries, context)?;
        outcome::write(&verified, &self.candidates, known, self.format, outcome, context)?;
        if let (Some((mut index, known)), Some(first), Some(IndexMode::Update)) =
            (index, &self.first, self.config.index_mode())
        {
            let keeper = |doc_id| {
                let (number, _) = self.candidates.find(doc_id)?;
                let (keeper, similarity) = verified.verdict(number as u32);
                (keeper as usize != number).then(|| (self.candidates.get(keeper as usize).0, similarity))
            };
            let new = NewCrawl {
                name: &self.config.crawl,
                identity: first.identity,
                keys: &first.partials,
                key_format: self.format,
                notes: &noted,
                keeper: &keeper,
            };
            new.commit(&mut index, &known, context)?;
        }
        Ok(())
    }
}

struct VerifyScan {
    candidates: Arc<Candidates>,
    config: Minhash,
    format: Format,
    signer: Signer,
    keys: Vec<u64>,
    notes: Notes,
}

impl Scan for VerifyScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let doc_id = document.doc_id();
            let (first, text) = match self.candidates.find(doc_id) {
                Some((number, first)) => (first, self.candidates.text(number)),
                // What goes into an index is noted whether it is alike to any other or not.
                None if self.config.index_mode() == Some(IndexMode::Update) => (doc_id, CandidateText::own(0)),
                None => continue,
            };
            self.keys.clear();
            if text.keys {
                self.signer.document_keys(&document, |key| self.keys.push(key));
                self.keys.sort_unstable();
                self.keys.dedup();
            } else if text.shingles {
                self.signer.read(&document);
            }
            let rank = rank(&document, &self.config);
            let id = id_hash(&document, &self.config.id_column);
            let shingles = if text.shingles { self.signer.shingles_and_numbers(document.text()) } else { &[] };
            self.notes.note(&Note { first, rank, doc_id, id, keys: &self.keys, shingles })?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.notes.finish(self.format)
    }
}

/// The hash of the document's own id, in words or a number; 0 if it has none.
fn id_hash(document: &Document<'_>, column: &str) -> u128 {
    if column.is_empty() {
        return 0;
    }
    let words = || document.str(column).map(|id| xxh3_128(id.as_bytes()));
    let number = || document.f64(column).map(|id| xxh3_128(id.to_string().as_bytes()));
    words().or_else(number).unwrap_or_default()
}

/// A number that is the lower the rather a document is kept.
pub(crate) fn rank(document: &Document<'_>, config: &Minhash) -> u64 {
    const SOURCE_BITS: u32 = 16;
    let preferred = &config.prefer_sources;
    let within_source = match config.keep {
        Keep::First => 0,
        Keep::Longest => (u64::MAX >> SOURCE_BITS).saturating_sub(document.text().chars().count() as u64),
        // Beside a source's place the lowest bits of a number give way: eleven digits of it count.
        Keep::Highest => {
            highest_first(document.f64(&config.keep_column)) >> if preferred.is_empty() { 0 } else { SOURCE_BITS }
        }
    };
    if preferred.is_empty() {
        return within_source;
    }
    let source = document.source();
    let place = preferred.iter().position(|name| *name == source).unwrap_or(preferred.len());
    (place.min(0xffff) as u64) << (u64::BITS - SOURCE_BITS) | within_source
}

/// A number that is the lower the higher the score is; no score is lowest.
fn highest_first(score: Option<f64>) -> u64 {
    let Some(score) = score.filter(|score| !score.is_nan()) else { return u64::MAX };
    let bits = score.to_bits();
    // Rising with the score, then turned around.
    !(if score.is_sign_negative() { !bits } else { bits | 1 << 63 })
}

#[cfg(test)]
mod tests {
    use super::highest_first;

    #[test]
    fn higher_scores_come_first() {
        let scores =
            [None, Some(f64::NEG_INFINITY), Some(-2.0), Some(-0.5), Some(0.0), Some(0.25), Some(1.0), Some(7e9)];
        assert!(scores.windows(2).all(|pair| highest_first(pair[0]) > highest_first(pair[1])));
        assert_eq!(highest_first(Some(f64::NAN)), highest_first(None));
    }
}
