//! Which minimizers occur more than once: the outcome of the first reading.
//!
//! A Bloom filter whose bits for a key lie within one cache line (Putze, Sanders, Singler 2007, "Cache-, hash- and
//! space-efficient Bloom filters"), 12 bits a key: about one in two hundred of the other minimizers passes too, which
//! costs a record in the second reading and changes nothing. The file is mapped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use yuan_pipeline::{Context, Error, Result};

use super::symbols::mixed;
use crate::cluster::in_parallel;
use crate::files::{Format, HEADER_BYTES, Kind, Partial, Record, Writer, mapped, number};

const BITS_A_KEY: u64 = 12;
/// Bits set for a key.
const PROBES: u32 = 6;
const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: u64 = 64 * BLOCK_WORDS as u64;

/// A minimizer of a partial file, which has the same one at most twice.
pub(super) type Seen = Record<0>;

pub(super) fn seen(hash: u64) -> Seen {
    Record { key: [], doc_id: hash }
}

/// Sorts what a unit has seen and leaves each twice at most: that is all that matters.
pub(super) fn at_most_twice(records: &mut Vec<Seen>) {
    records.sort_unstable();
    let mut times = 0;
    let mut last = None;
    records.retain(|record| {
        times = if last == Some(*record) { times + 1 } else { 1 };
        last = Some(*record);
        times <= 2
    });
}

/// Writes the filter of all minimizers that `partials` have twice or more.
pub(super) fn reduce(partials: &[PathBuf], format: Format, outcome: &Path, context: &Context<'_>) -> Result<()> {
    let records = partials.iter().try_fold(0, |sum, path| {
        context.check()?;
        Ok::<_, Error>(sum + Partial::<0>::open(path, format)?.records())
    })?;
    let threads = context.threads.max(1);
    let capacity = (context.memory / 2 / threads as u64 / size_of::<Seen>() as u64).max(1024);
    let cuts = records.div_ceil(capacity / 4 * 3).max(if records < 1 << 16 { 1 } else { 2 * threads as u64 });
    let boundary = |cut: u64| ((u128::from(cut) << 64) / u128::from(cuts)) as u64;
    let range = |cut: u64| (boundary(cut), boundary(cut + 1).wrapping_sub(1));
    let lists: Vec<PathBuf> = (0..threads).map(|thread| context.scratch.join(format!("repeated-{thread}"))).collect();
    let list_format = Format { kind: Kind::RepeatedMinimizers, ..format };
    in_parallel(threads, |thread, next| {
        let mut list = Writer::create(&lists[thread])?;
        let (mut count, mut buffer) = (0, Vec::new());
        loop {
            let cut = next() as u64;
            if cut >= cuts {
                break list.finish_with(list_format, count);
            }
            let (first, last) = range(cut);
            collect(partials, format, (first, last), &mut buffer, context)?;
            buffer.sort_unstable();
            for group in buffer.chunk_by(|one, other| one == other).filter(|group| group.len() > 1) {
                count += 1;
                list.write(&group[0].to_le_bytes())?;
            }
        }
    })?;
    let repeated =
        lists.iter().try_fold(0, |sum, path| Ok::<_, Error>(sum + Partial::<0>::open(path, list_format)?.records()))?;
    let blocks = (repeated * BITS_A_KEY).div_ceil(BLOCK_BITS).clamp(1, (context.memory / 2 / 64).max(1));
    let words: Vec<AtomicU64> = (0..blocks as usize * BLOCK_WORDS).map(|_| AtomicU64::new(0)).collect();
    in_parallel(threads, |_, next| {
        while let Some(path) = lists.get(next()) {
            let mut list = Partial::<0>::open(path, list_format)?;
            let all = 0..list.records();
            let mut count = 0_u64;
            list.read(all, |record| {
                let (first, bits) = place(record.doc_id, blocks);
                bits.for_each(|bit| {
                    words[first * BLOCK_WORDS + bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed);
                });
                count += 1;
                if count.is_multiple_of(1 << 16) { context.check() } else { Ok(()) }
            })?;
        }
        Ok(())
    })?;
    let mut file = Writer::create(outcome)?;
    words.iter().try_for_each(|word| file.write(&word.load(Ordering::Relaxed).to_le_bytes()))?;
    file.finish_with(Format { kind: Kind::MinimizerFilter, ..format }, words.len() as u64)?;
    context.tally("minimizers", "seen", records, 0);
    context.tally("minimizers", "repeated", repeated, 0);
    Ok(())
}

/// All minimizers in a range of hashes.
fn collect(
    partials: &[PathBuf],
    format: Format,
    (first, last): (u64, u64),
    buffer: &mut Vec<u64>,
    context: &Context<'_>,
) -> Result<()> {
    buffer.clear();
    for path in partials {
        context.check()?;
        let mut partial = Partial::<0>::open(path, format)?;
        let range = partial.range(first, last)?;
        buffer.reserve((range.end - range.start) as usize);
        partial.read(range, |record| {
            buffer.push(record.doc_id);
            Ok(())
        })?;
    }
    Ok(())
}

/// The block of a key, and the bits in it.
#[inline(always)]
fn place(key: u64, blocks: u64) -> (usize, impl Iterator<Item = usize>) {
    let block = ((u128::from(key) * u128::from(blocks)) >> 64) as usize;
    // Nine bits for each probe, of a number that says nothing of the block.
    let bits = mixed(key);
    (block, (0..PROBES).map(move |probe| (bits >> (9 * probe)) as usize % BLOCK_BITS as usize))
}

/// The filter, mapped into memory.
pub(super) struct Filter {
    file: Mmap,
    blocks: u64,
}

impl Filter {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = mapped(path, Format { kind: Kind::MinimizerFilter, ..format }, 8)?;
        let words = ((file.len() - HEADER_BYTES) / 8) as u64;
        let blocks = words / BLOCK_WORDS as u64;
        if blocks == 0 {
            return Err(Error::Stage {
                stage: format.stage.into(),
                problem: format!("`{}` is damaged: it is empty", path.display()),
                hint: Some("remove it and run the step again".into()),
            });
        }
        Ok(Self { file, blocks })
    }

    /// Whether the minimizer may occur more than once; if it does, this is true.
    #[inline]
    pub(super) fn may_have(&self, key: u64) -> bool {
        let (block, mut bits) = place(key, self.blocks);
        let at = HEADER_BYTES + block * BLOCK_WORDS * 8;
        let block = &self.file[at..at + BLOCK_WORDS * 8];
        bits.all(|bit| number(&block[bit / 64 * 8..]) >> (bit % 64) & 1 == 1)
    }
}
