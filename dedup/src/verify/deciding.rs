//! Decides on all candidates, component by component.

use std::sync::atomic::{AtomicU64, Ordering};

use yuan_pipeline::{Context, Error, Result};

use super::linkage::{self, Linkage, Verdict};
use super::outcome::Verified;
use super::record::{Candidate, Entry, Noted};
use super::similarity::Bar;
use crate::candidates::Candidates;
use crate::cluster::in_parallel;
use crate::index::{Known, is_known};
use crate::near::Minhash;

/// Candidates, and what is known of them.
pub(crate) struct Deciding<'a> {
    pub config: &'a Minhash,
    /// Each with the first document that it is connected with.
    pub candidates: &'a Candidates,
    /// The notes of new documents.
    pub new: &'a [Noted],
    /// Documents of an index among the candidates: on those nothing is decided.
    pub known: Option<&'a Known>,
}

/// Hands the entries of new documents over.
pub(crate) type NewEntries<'a> = dyn Fn(&mut dyn FnMut(Entry)) -> Result<()> + 'a;

impl Deciding<'_> {
    /// What becomes of each candidate. `new_entries` hands over the entries of new documents, as often as it is asked: those of
    /// other documents than candidates are left out.
    pub(crate) fn decide(&self, new_entries: &NewEntries<'_>, context: &Context<'_>) -> Result<Verified> {
        let count = self.candidates.len();
        let needed = 16 * count as u64;
        if needed > context.memory || u32::try_from(count).is_err() {
            return Err(Error::Stage {
                stage: "minhash".into(),
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
            let mut take = |entry: Entry| {
                let first = self.candidates.find(entry.first).map_or(usize::MAX, |(first, _)| first);
                if of_range.contains(&first) {
                    entries.push(entry);
                }
            };
            new_entries(&mut take)?;
            self.known_entries(&mut take);
            entries.sort_unstable();
            let components: Vec<&[Entry]> = entries.chunk_by(|one, other| one.first == other.first).collect();
            in_parallel(context.threads.max(1), |_, next| {
                while let Some(component) = components.get(next()) {
                    context.check()?;
                    self.decide_component(component, &verified, &removed)?;
                }
                Ok(())
            })?;
        }
        context.tally("linkage", "star", removed.star.into_inner(), 0);
        context.tally("linkage", "components", removed.components.into_inner(), 0);
        context.tally("linkage", "unverified", removed.unverified.into_inner(), 0);
        Ok(verified)
    }

    /// The entries of documents of the index.
    fn known_entries(&self, take: &mut dyn FnMut(Entry)) {
        let Some(known) = self.known else { return };
        for number in (0..self.candidates.len()).rev() {
            let (id, first) = self.candidates.get(number);
            if !is_known(id) {
                break;
            }
            // One that was taken out in the meantime is nobody's partner.
            if let Some(entry) = known.entry(id, first) {
                take(Entry { file: entry.file + self.new.len() as u32, ..entry });
            }
        }
    }

    fn candidate(&self, entry: &Entry) -> Result<Candidate<'_>> {
        let file = entry.file as usize;
        match (self.new.get(file), self.known) {
            (None, Some(known)) => known.crawls[file - self.new.len()].notes.candidate(entry.at),
            _ => self.new[file].candidate(entry.at),
        }
    }

    /// Keys and shingles of the documents of one component, those of the same text from the one that has them noted.
    fn candidates_of(&self, component: &[Entry]) -> Result<Vec<Candidate<'_>>> {
        if self.known.is_some() {
            return component.iter().map(|entry| self.candidate(entry)).collect();
        }
        let number = |entry: &Entry| self.candidates.find(entry.doc_id).map_or(0, |(number, _)| number);
        let texts: Vec<(u32, u32)> =
            component.iter().map(number).map(|number| (number as u32, self.candidates.text(number).of)).collect();
        let noted = component.iter().zip(&texts).filter(|(_, (number, of))| number == of);
        let mut noted =
            noted.map(|(entry, (number, _))| Ok((*number, self.candidate(entry)?))).collect::<Result<Vec<_>>>()?;
        noted.sort_unstable_by_key(|(number, _)| *number);
        let candidate = |(_, of): &(u32, u32)| {
            let place = noted.binary_search_by_key(of, |(number, _)| *number).map_err(|_| not_noted())?;
            let (_, Candidate { keys, shingles }) = noted[place];
            // Two texts at most: whatever is in the component has a key in common, and none is noted.
            Ok(Candidate { keys: if keys.is_empty() { &[[0; 8]] } else { keys }, shingles })
        };
        texts.iter().map(candidate).collect()
    }

    /// Decides about the documents of one component, which are in the order in which they are kept.
    fn decide_component(&self, component: &[Entry], verified: &Verified, removed: &Removed) -> Result<()> {
        let candidates = self.candidates_of(component)?;
        let known = component.partition_point(|entry| !entry.is_new);
        let (similarity, bar) = (self.config.similarity, Bar::of(self.config));
        let keeper = |entry: &Entry| self.known.and_then(|known| known.get(entry.doc_id)).map(|known| known.keeper);
        let keepers: Vec<Option<u64>> = component[..known].iter().map(keeper).collect();
        // With a star nothing but what is kept can be joined.
        let is_kept = |(entry, keeper): (&Entry, &Option<u64>)| *keeper == Some(entry.doc_id);
        let kept: Vec<bool> = component.iter().zip(&keepers).map(is_kept).collect();
        let star = linkage::star(&candidates, &kept, similarity, bar);
        let connected = linkage::components(&candidates, &keepers, similarity, bar);
        let count = |verdicts: &[Verdict]| verdicts[known..].iter().flatten().count() as u64;
        removed.star.fetch_add(count(&star), Ordering::Relaxed);
        removed.components.fetch_add(count(&connected), Ordering::Relaxed);
        // With no earlier document the first one stays.
        let unverified = component.len() - known - usize::from(known == 0);
        removed.unverified.fetch_add(unverified as u64, Ordering::Relaxed);
        let verdicts = match self.config.linkage {
            Linkage::Star => star,
            Linkage::Components => connected,
        };
        let number = |entry: &Entry| self.candidates.find(entry.doc_id).map(|(number, _)| number as u32);
        for (entry, verdict) in component.iter().zip(verdicts).skip(known) {
            let Some((kept, similarity)) = verdict else { continue };
            if let (Some(member), Some(keeper)) = (number(entry), number(&component[kept as usize])) {
                verified.set(member, keeper, similarity);
            }
        }
        Ok(())
    }
}

fn not_noted() -> Error {
    Error::Stage {
        stage: "minhash".into(),
        problem: "a partial file of the second reading is missing".into(),
        hint: Some("run the step again from its start (`--from minhash`)".into()),
    }
}

/// How many documents go by each way of linking.
#[derive(Default)]
struct Removed {
    star: AtomicU64,
    components: AtomicU64,
    unverified: AtomicU64,
}
