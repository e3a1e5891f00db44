//! Whether documents that share a band key are as alike as they must be.
//!
//! The second reading of [`Minhash`]: the shingles of candidates alone are noted and compared, so that chance
//! collisions and chains of them drop nothing. Costs: one more reading of the documents, the candidates' shingles (4 bytes
//! each) on disk, mapped while they are compared; in memory 40 bytes a candidate for a part of the components at a time and 16
//! for all.
//!
//! | file | what |
//! |---|---|
//! | `record.rs` | what is noted of a candidate |
//! | `similarity.rs` | how alike two sets are |
//! | `linkage.rs` | which documents of a component go, for which |
//! | `outcome.rs` | the files that this leaves |

mod linkage;
mod outcome;
mod record;
mod similarity;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use yuan_pipeline::{Batch, Context, Document, Error, Pass, Result, Scan, Stage};

use crate::cluster::in_parallel;
use crate::duplicates::Pairs;
use crate::files::{Format, Kind};
use crate::near::{Keep, Minhash, Signer};
use crate::scope::scope;

pub use linkage::Linkage;
pub(crate) use outcome::{Clusters, open_verified};
pub use similarity::Similarity;

use linkage::Verdict;
use outcome::Verified;
pub(crate) use record::Notes;
use record::{Candidate, Entry, Noted};

/// The pass of the second reading.
pub(crate) struct Verify {
    config: Minhash,
    format: Format,
    candidates: Arc<Pairs>,
}

impl Verify {
    /// On the candidates that the first reading found.
    pub(crate) fn new(config: &Minhash, format: Format, first: &Path) -> Result<Self> {
        let candidates = Pairs::open(first, |_| Format { kind: Kind::Candidates, ..format })?;
        Ok(Self { config: config.clone(), format, candidates: Arc::new(candidates) })
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
        let count = self.candidates.len();
        let needed = 16 * count as u64;
        if needed > context.memory || u32::try_from(count).is_err() {
            return Err(Error::Stage {
                stage: self.format.stage.into(),
                problem: format!("verifying {count} documents takes {needed} bytes, {} are allowed", context.memory),
                hint: Some(format!(
                    "allow more memory (`--memory {}GiB`), or remove exact duplicates first (step `exact`)",
                    needed.div_ceil(1 << 30)
                )),
            });
        }
        let verified = Verified::new(count);
        let removed = Removed::default();
        // Components in ranges of their first documents' numbers, so many that the entries of a range take half of the memory.
        let ranges = (count as u64 * size_of::<Entry>() as u64).div_ceil((context.memory / 2).max(1)).max(1);
        for range in 0..ranges {
            let bound = |range: u64| (range * count as u64 / ranges) as usize;
            let of_range = bound(range)..bound(range + 1);
            let mut entries = Vec::new();
            for (number, file) in noted.iter().enumerate() {
                context.check()?;
                file.entries(number as u32, |entry| {
                    let first = self.candidates.find(entry.first).map_or(usize::MAX, |(first, _)| first);
                    if of_range.contains(&first) {
                        entries.push(entry);
                    }
                })?;
            }
            entries.sort_unstable();
            let components: Vec<&[Entry]> = entries.chunk_by(|one, other| one.first == other.first).collect();
            in_parallel(context.threads.max(1), |_, next| {
                while let Some(component) = components.get(next()) {
                    context.check()?;
                    self.decide(component, &noted, &verified, &removed)?;
                }
                Ok(())
            })?;
        }
        context.tally("linkage", "star", removed.star.into_inner(), 0);
        context.tally("linkage", "components", removed.components.into_inner(), 0);
        context.tally("linkage", "unverified", removed.unverified.into_inner(), 0);
        outcome::write(&verified, &self.candidates, self.format, outcome, context)
    }

    fn stage(&self, _: &Path) -> Result<Option<Box<dyn Stage>>> {
        Ok(None)
    }
}

/// How many documents go by each way of linking.
#[derive(Default)]
struct Removed {
    star: AtomicU64,
    components: AtomicU64,
    unverified: AtomicU64,
}

impl Verify {
    /// Decides about the documents of one component, which are in the order in which they are kept.
    fn decide(&self, component: &[Entry], noted: &[Noted], verified: &Verified, removed: &Removed) -> Result<()> {
        let candidates = component
            .iter()
            .map(|entry| noted[entry.file as usize].candidate(entry))
            .collect::<Result<Vec<Candidate<'_>>>>()?;
        let Minhash { similarity, threshold, .. } = self.config;
        let star = linkage::star(&candidates, similarity, threshold);
        let connected = linkage::components(&candidates, similarity, threshold);
        let count = |verdicts: &[Verdict]| verdicts.iter().flatten().count() as u64;
        removed.star.fetch_add(count(&star), Ordering::Relaxed);
        removed.components.fetch_add(count(&connected), Ordering::Relaxed);
        removed.unverified.fetch_add(component.len() as u64 - 1, Ordering::Relaxed);
        let verdicts = match self.config.linkage {
            Linkage::Star => star,
            Linkage::Components => connected,
        };
        let number = |entry: &Entry| self.candidates.find(entry.doc_id).map(|(number, _)| number as u32);
        for (entry, verdict) in component.iter().zip(verdicts) {
            let Some((kept, similarity)) = verdict else { continue };
            if let (Some(member), Some(keeper)) = (number(entry), number(&component[kept as usize])) {
                verified.set(member, keeper, similarity);
            }
        }
        Ok(())
    }
}

struct VerifyScan {
    candidates: Arc<Pairs>,
    config: Minhash,
    format: Format,
    signer: Signer,
    keys: Vec<u64>,
    notes: Notes,
}

impl Scan for VerifyScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let Some((_, first)) = self.candidates.find(document.doc_id()) else { continue };
            self.keys.clear();
            let scope = scope(&document, &self.config.within);
            self.signer.keys(document.text(), |key| self.keys.push(key ^ scope));
            self.keys.sort_unstable();
            self.keys.dedup();
            let rank = rank(&document, &self.config);
            let shingles = self.signer.distinct_shingles();
            self.notes.note(first, rank, document.doc_id(), &self.keys, shingles)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.notes.finish(self.format)
    }
}

/// A number that is the lower the rather a document is kept.
fn rank(document: &Document<'_>, config: &Minhash) -> u64 {
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
