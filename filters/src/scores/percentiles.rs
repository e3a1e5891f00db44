//! The percentiles of a score over the whole corpus, for each language or source.
//!
//! Scan: four bytes and a group's number for each document with a score. Reduce: two readings of these files; the first
//! counts scores by their upper 16 bits, the second those that hold a wanted percentile by their lower ones. Exact, in
//! memory that depends on the number of groups alone: some 100 KiB each.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan, Stage};

use super::buckets::{Buckets, BucketsConfig};
use super::cutoffs::Cutoffs;

/// Groups told apart; documents of further ones have no cut-offs.
const MAX_GROUPS: usize = 4096;
/// The table's rows: percentiles 0 to 100.
const PERCENTILES: u8 = 100;

/// Learns the cut-offs of a [`BucketsConfig`].
pub(super) struct Percentiles {
    pub config: BucketsConfig,
}

/// A score as a number that sorts as the score does.
fn to_key(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

struct Scores {
    config: BucketsConfig,
    partial: PathBuf,
    groups: HashMap<String, u32>,
    names: Vec<String>,
    keys: Vec<(u32, u32)>,
}

impl Scan for Scores {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let Some(score) = document.f64(&self.config.column).filter(|score| !score.is_nan()) else { continue };
            let group = self.config.group(&document);
            let number = match self.groups.get(group.as_ref()) {
                Some(number) => *number,
                None => {
                    let number = self.names.len() as u32;
                    self.groups.insert(group.to_string(), number);
                    self.names.push(group.into_owned());
                    number
                }
            };
            self.keys.push((number, to_key(score as f32)));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let write = || {
            let mut file = BufWriter::new(File::create(&self.partial)?);
            file.write_all(&(self.names.len() as u32).to_le_bytes())?;
            for name in &self.names {
                file.write_all(&(name.len() as u32).to_le_bytes())?;
                file.write_all(name.as_bytes())?;
            }
            for (group, key) in &self.keys {
                file.write_all(&group.to_le_bytes())?;
                file.write_all(&key.to_le_bytes())?;
            }
            file.flush()
        };
        write().map_err(Error::io("write", &self.partial))
    }
}

/// Calls `seen` with the group's name and the key of each score of a partial file.
fn read(partial: &Path, mut seen: impl FnMut(&str, u32)) -> Result<()> {
    let word = |file: &mut BufReader<File>| -> std::io::Result<Option<u32>> {
        let mut bytes = [0; 4];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(u32::from_le_bytes(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    };
    let broken = || std::io::Error::other("it is not whole");
    let mut read = || {
        let mut file = BufReader::with_capacity(1 << 18, File::open(partial)?);
        let mut names = Vec::new();
        for _ in 0..word(&mut file)?.ok_or_else(broken)? {
            let length = u64::from(word(&mut file)?.ok_or_else(broken)?);
            let mut name = String::new();
            (&mut file).take(length).read_to_string(&mut name)?;
            names.push(name);
        }
        while let Some(group) = word(&mut file)? {
            let key = word(&mut file)?.ok_or_else(broken)?;
            seen(names.get(group as usize).ok_or_else(broken)?, key);
        }
        Ok(())
    };
    read().map_err(Error::io("read", partial))
}

/// The scores of one group.
#[derive(Default)]
struct Group {
    documents: u64,
    /// Scores by the upper half of their keys.
    upper: BTreeMap<u16, u64>,
    /// For upper halves that hold a wanted score: scores by the lower half.
    lower: BTreeMap<u16, BTreeMap<u16, u64>>,
}

impl Group {
    /// Between which two scores, counted from 0, a percentile lies, and how far it is from the first to the second; as
    /// `numpy.percentile` has it.
    fn ranks(&self, percentile: u8) -> (u64, u64, f64) {
        let place = (self.documents - 1) as f64 * f64::from(percentile) / 100.0;
        let before = (place.floor() as u64).min(self.documents - 1);
        (before, (before + 1).min(self.documents - 1), place - place.floor())
    }

    /// The upper half of the key at a rank, and the rank among the keys that have it.
    fn upper_at(&self, mut rank: u64) -> (u16, u64) {
        for (half, count) in &self.upper {
            if rank < *count {
                return (*half, rank);
            }
            rank -= count;
        }
        unreachable!("ranks are below the count of documents")
    }

    fn score_at(&self, rank: u64) -> f64 {
        let (upper, mut rank) = self.upper_at(rank);
        for (half, count) in &self.lower[&upper] {
            if rank < *count {
                return f64::from(from_key(u32::from(upper) << 16 | u32::from(*half)));
            }
            rank -= count;
        }
        unreachable!("both readings saw the same scores")
    }

    fn at(&self, percentile: u8) -> f64 {
        let (before, after, share) = self.ranks(percentile);
        let (before, after) = (self.score_at(before), self.score_at(after));
        before + (after - before) * share
    }
}

impl Pass for Percentiles {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let (config, partial) = (self.config.clone(), partial.to_path_buf());
        Ok(Box::new(Scores { config, partial, groups: HashMap::new(), names: Vec::new(), keys: Vec::new() }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for partial in partials {
            context.check()?;
            read(partial, |name, key| {
                if !groups.contains_key(name) && groups.len() < MAX_GROUPS {
                    groups.insert(name.to_owned(), Group::default());
                }
                if let Some(group) = groups.get_mut(name) {
                    group.documents += 1;
                    *group.upper.entry((key >> 16) as u16).or_default() += 1;
                }
            })?;
        }
        groups.retain(|_, group| group.documents >= self.config.min_documents.max(1));
        for group in groups.values_mut() {
            for percentile in 0..=PERCENTILES {
                let (before, after, _) = group.ranks(percentile);
                for rank in [before, after] {
                    let (upper, _) = group.upper_at(rank);
                    group.lower.entry(upper).or_default();
                }
            }
        }
        for partial in partials {
            context.check()?;
            read(partial, |name, key| {
                let group = groups.get_mut(name);
                if let Some(lower) = group.and_then(|group| group.lower.get_mut(&((key >> 16) as u16))) {
                    *lower.entry(key as u16).or_default() += 1;
                }
            })?;
        }
        let mut cutoffs = Cutoffs::default();
        for (name, group) in &groups {
            context.tally("scored", name, group.documents, 0);
            cutoffs.insert(name, (0..=PERCENTILES).map(|percentile| (percentile, group.at(percentile))));
        }
        let csv = cutoffs.to_csv();
        let output = &self.config.cutoffs_output;
        std::fs::write(output, &csv).map_err(Error::io("write", output))?;
        std::fs::write(outcome, csv).map_err(Error::io("write", outcome))
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        Ok(Some(Box::new(Buckets::new(self.config.clone(), Cutoffs::read(outcome)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_scores_do() {
        let scores = [f32::NEG_INFINITY, -3.5, -0.0, 0.0, 1e-30, 2.0, f32::INFINITY];
        let keys = scores.map(to_key);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(from_key).map(f32::to_bits), scores.map(f32::to_bits));
    }
}
