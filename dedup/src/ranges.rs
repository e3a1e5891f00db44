//! The records of all partial files, key by key, in bounded memory.
//!
//! Keys are hashes, so they are cut into ranges that fit; each thread collects a range from all partial files (each is sorted:
//! one read a file) and sorts it. Costs: one read of the partial files, half of the memory.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use crate::cluster::in_parallel;
use crate::files::{Format, Partial, Record};
use crate::index::known_id;

/// Records below which cutting the work does not pay.
pub(crate) const SMALL: u64 = 1 << 16;

/// Sorted files of records.
pub(crate) struct Ranges<'a, const WORDS: usize> {
    pub sources: Vec<Source<'a>>,
    pub context: &'a Context<'a>,
}

/// A sorted file of records.
pub(crate) struct Source<'a> {
    pub path: Cow<'a, Path>,
    pub format: Format,
    /// The crawl of an index whose documents it speaks of.
    pub crawl: Option<u32>,
}

/// All records of some keys.
pub(crate) enum Keys<'a, const WORDS: usize> {
    /// Sorted.
    Sorted(&'a [Record<WORDS>]),
    /// Those of one first word of a key, too many for memory.
    Crowd(Crowd<'a, WORDS>),
}

/// Records of one first word of a key, read from file after file; each file is sorted.
pub(crate) struct Crowd<'a, const WORDS: usize> {
    ranges: &'a Ranges<'a, WORDS>,
    slices: &'a [Range<u64>],
}

impl<const WORDS: usize> Crowd<'_, WORDS> {
    /// Hands the records to `take`: those of one file after those of another.
    pub(crate) fn read(&self, take: impl FnMut(Record<WORDS>) -> Result<()>) -> Result<()> {
        self.ranges.read(self.slices, take)
    }
}

impl<'a, const WORDS: usize> Ranges<'a, WORDS> {
    /// The partial files of a pass, in input order.
    pub(crate) fn new(partials: &'a [PathBuf], format: Format, context: &'a Context<'a>) -> Self {
        let sources = partials.iter().map(|path| Source { path: Cow::Borrowed(path), format, crawl: None }).collect();
        Self { sources, context }
    }

    /// The number of records, and of threads that they are worth.
    pub(crate) fn size(&self) -> Result<(u64, usize)> {
        let records = self.sources.iter().try_fold(0, |sum, source| {
            self.context.check()?;
            Ok::<_, Error>(sum + Partial::<WORDS>::open(&source.path, source.format)?.records())
        })?;
        Ok((records, if records < SMALL { 1 } else { self.context.threads.max(1) }))
    }

    /// Hands the records of whole keys to `take`, with what `start` made for the thread; `finish` gets that back at the end.
    pub(crate) fn each<S>(
        &self,
        start: impl Fn(usize) -> Result<S> + Sync,
        take: impl Fn(&mut S, Keys<'_, WORDS>) -> Result<()> + Sync,
        finish: impl Fn(S) -> Result<()> + Sync,
    ) -> Result<()> {
        let (records, threads) = self.size()?;
        let capacity = (self.context.memory / 2 / threads as u64 / size_of::<Record<WORDS>>() as u64).max(1024);
        // Ranges differ in size by chance, and by copies: most should fit at the first attempt.
        let cuts = records.div_ceil(capacity / 4 * 3).max(if threads > 1 { 2 * threads as u64 } else { 1 });
        let boundary = |cut: u64| ((u128::from(cut) << 64) / u128::from(cuts)) as u64;
        let range = |cut: u64| (boundary(cut), boundary(cut + 1).wrapping_sub(1));
        let ranges: Vec<(u64, u64)> = (0..cuts).map(range).collect();
        in_parallel(threads, |thread, next| {
            let mut state = start(thread)?;
            let mut buffer = Vec::new();
            while let Some(&range) = ranges.get(next()) {
                self.of_range(range, capacity, &mut buffer, |keys| take(&mut state, keys))?;
            }
            finish(state)
        })
    }

    /// The keys of a range, by halves if its records do not fit.
    fn of_range(
        &self,
        range: (u64, u64),
        capacity: u64,
        records: &mut Vec<Record<WORDS>>,
        mut take: impl FnMut(Keys<'_, WORDS>) -> Result<()>,
    ) -> Result<()> {
        let mut left = vec![range];
        while let Some((first, last)) = left.pop() {
            let mut slices: Vec<Range<u64>> = Vec::with_capacity(self.sources.len());
            for source in &self.sources {
                self.context.check()?;
                slices.push(Partial::<WORDS>::open(&source.path, source.format)?.range(first, last)?);
            }
            let size: u64 = slices.iter().map(|slice| slice.end - slice.start).sum();
            if size > capacity && first == last {
                take(Keys::Crowd(Crowd { ranges: self, slices: &slices }))?;
            } else if size > capacity {
                let middle = first + (last - first) / 2;
                left.extend([(middle + 1, last), (first, middle)]);
            } else {
                records.clear();
                records.reserve_exact(size as usize);
                self.read(&slices, |record| {
                    records.push(record);
                    Ok(())
                })?;
                records.sort_unstable();
                take(Keys::Sorted(records))?;
            }
        }
        Ok(())
    }

    fn read(&self, slices: &[Range<u64>], mut take: impl FnMut(Record<WORDS>) -> Result<()>) -> Result<()> {
        for (source, slice) in self.sources.iter().zip(slices).filter(|(_, slice)| !slice.is_empty()) {
            self.context.check()?;
            let mut partial = Partial::open(&source.path, source.format)?;
            match source.crawl {
                None => partial.read(slice.clone(), &mut take)?,
                Some(crawl) => partial.read(slice.clone(), |record: Record<WORDS>| {
                    take(Record { doc_id: known_id(crawl, record.doc_id), ..record })
                })?,
            }
        }
        Ok(())
    }
}
