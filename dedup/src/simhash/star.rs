//! From fingerprints to the documents that go.
//!
//! Keys are cut into ranges, each sorted by one thread; of a key's documents the first of each fingerprint are compared in
//! pairs. Pairs within the distance are then sorted by the one that is kept less: documents pass in the order in which they
//! are kept, each goes with the nearest before it that stays, of equals the first. So a chain of small steps ends where the
//! distance to what is kept does. Costs: a read of the partial files; comparisons quadratic in the fingerprints of a key; pairs
//! on disk (40 bytes); a bit or so a document in memory.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use super::blocks::{Tables, is_first_table};
use crate::cluster::{in_parallel, tally_clusters};
use crate::document_set::DocumentSet;
use crate::files::{Format, Kind, Partial, Writer, number};
use crate::sorter::Sorter;

/// A document in the order in which documents are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: u64,
    doc_id: u64,
}

/// Numbers of a pair: the later place, the distance, the earlier place.
const PAIR: usize = 5;
/// Numbers of a copy: the place of the first document of its fingerprint, its own id.
const COPY: usize = 3;

/// Finds what is within the distance, decides, and writes the duplicates with their keepers to `outcome`.
pub(super) fn reduce<const WORDS: usize>(
    partials: &[PathBuf],
    tables: &Tables,
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let threads = find::<WORDS>(partials, tables, format, context)?;
    let sorter = |name: &str, width| Sorter::new(width, context.memory / 5, context.scratch.join(name));
    let read = |name: &str, width: usize| -> Result<Sorter> {
        let mut sorter = sorter(name, width);
        for thread in 0..threads {
            context.check()?;
            read_words(&context.scratch.join(format!("{name}-{thread}")), width, |words| sorter.push(words))?;
        }
        Ok(sorter)
    };

    // Firsts of their fingerprints that go, in the order of their places.
    let mut gone = sorter("gone", 3);
    let mut dropped = DocumentSet::default();
    let mut pairs = read("pairs", PAIR)?.finish()?;
    let mut last = None;
    while let Some(pair) = pairs.next()? {
        // Pairs of a document come by distance, then in the order of the other.
        let (rank, doc_id, earlier) = (pair[0], pair[1], pair[4]);
        let place = Place { rank, doc_id };
        if last != Some(place) && !dropped.contains(earlier) {
            last = Some(place);
            dropped.insert(doc_id);
            gone.push(&[rank, doc_id, earlier])?;
        }
    }

    // All that go: those, and the copies, which follow the first of their fingerprint.
    let mut all = sorter("all", 2);
    let mut keepers = sorter("keepers", 1);
    let mut take = |doc_id: u64, keeper: u64| -> Result<()> {
        keepers.push(&[keeper])?;
        all.push(&[doc_id, keeper])
    };
    let mut gone = gone.finish()?;
    let mut next_gone = || -> Result<Option<(Place, u64)>> {
        let words = gone.next()?;
        Ok(words.map(|words| (Place { rank: words[0], doc_id: words[1] }, words[2])))
    };
    let mut copies = read("copies", COPY)?.finish()?;
    let mut current = next_gone()?;
    loop {
        let copy = copies.next()?.map(|words| (Place { rank: words[0], doc_id: words[1] }, words[2]));
        // Whatever goes before the copy's first has no copies left.
        while let Some((place, keeper)) = current
            && copy.is_none_or(|(first, _)| place < first)
        {
            take(place.doc_id, keeper)?;
            current = next_gone()?;
        }
        let Some((first, doc_id)) = copy else { break };
        let keeper = current.filter(|(place, _)| *place == first).map_or(first.doc_id, |(_, keeper)| keeper);
        take(doc_id, keeper)?;
    }

    let mut file = Writer::create(outcome)?;
    let mut all = all.finish()?;
    while let Some(words) = all.next()? {
        file.pair(words[0], words[1])?;
    }
    file.finish(Format { kind: Kind::Duplicates, ..format })?;
    let (mut sizes, mut keeper) = (Vec::new(), None);
    let mut keepers = keepers.finish()?;
    while let Some(words) = keepers.next()? {
        match sizes.last_mut() {
            Some(size) if keeper == Some(words[0]) => *size += 1,
            _ => sizes.push(2_u32),
        }
        keeper = Some(words[0]);
    }
    tally_clusters(sizes.into_iter(), format, context);
    Ok(())
}

/// Writes pairs within the distance, and copies, to files of each thread; how many threads there were.
fn find<const WORDS: usize>(
    partials: &[PathBuf],
    tables: &Tables,
    format: Format,
    context: &Context<'_>,
) -> Result<usize> {
    let records = partials.iter().try_fold(0, |sum, path| {
        context.check()?;
        Ok::<_, Error>(sum + Partial::<WORDS>::open(path, format)?.records())
    })?;
    let threads = if records < 1 << 16 { 1 } else { context.threads.max(1) };
    let memory = context.memory / 2 / threads as u64;
    // Half of a thread's share, as ranges differ in size.
    let cuts = records.div_ceil((memory / 2 / (16 + 8 * (WORDS as u64 + 1))).max(1024)).max(1);
    let boundary = |cut: u64| ((u128::from(cut) << 64) / u128::from(cuts)) as u64;
    in_parallel(threads, |thread, next| {
        let file = |name: &str| -> Result<Words> { Words::create(context.scratch.join(format!("{name}-{thread}"))) };
        let (mut pairs, mut copies) = (file("pairs")?, file("copies")?);
        loop {
            let cut = next() as u64;
            if cut >= cuts {
                pairs.finish()?;
                return copies.finish();
            }
            let mut sorter = Sorter::new(WORDS + 1, memory, context.scratch.join(format!("range-{cut}")));
            for path in partials {
                context.check()?;
                let mut partial = Partial::<WORDS>::open(path, format)?;
                let range = partial.range(boundary(cut), boundary(cut + 1).wrapping_sub(1))?;
                partial.read(range, |record| {
                    let mut words = record.key.to_vec();
                    words.push(record.doc_id);
                    sorter.push(&words)
                })?;
            }
            let mut sorted = sorter.finish()?;
            let mut group = Group { key: 0, firsts: Vec::new() };
            while let Some(words) = sorted.next()? {
                let fingerprint = match WORDS {
                    4 => u128::from(words[2]) << 64 | u128::from(words[1]),
                    _ => words[1].into(),
                };
                let place = Place { rank: words[WORDS - 1], doc_id: words[WORDS] };
                if group.key != words[0] {
                    group.compare(tables, &mut pairs, context)?;
                    group = Group { key: words[0], firsts: Vec::new() };
                }
                match group.firsts.last() {
                    Some((known, first)) if *known == fingerprint => {
                        // Unless a file was given twice.
                        if is_first_table(words[0]) && first.doc_id != place.doc_id {
                            copies.write(&[first.rank, first.doc_id, place.doc_id])?;
                        }
                    }
                    _ => group.firsts.push((fingerprint, place)),
                }
            }
            group.compare(tables, &mut pairs, context)?;
        }
    })?;
    Ok(threads)
}

/// The first documents of each fingerprint that has a key.
struct Group {
    key: u64,
    firsts: Vec<(u128, Place)>,
}

impl Group {
    fn compare(&self, tables: &Tables, pairs: &mut Words, context: &Context<'_>) -> Result<()> {
        for (number, (one, place)) in self.firsts.iter().enumerate() {
            if number % 1024 == 1023 {
                context.check()?;
            }
            for (other, there) in &self.firsts[..number] {
                if let Some(distance) = tables.found(self.key, *one, *other) {
                    let (earlier, later) = (place.min(there), place.max(there));
                    pairs.write(&[later.rank, later.doc_id, distance.into(), earlier.rank, earlier.doc_id])?;
                }
            }
        }
        Ok(())
    }
}

/// A file of numbers being written.
struct Words {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Words {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), path })
    }

    fn write(&mut self, words: &[u64]) -> Result<()> {
        words
            .iter()
            .try_for_each(|word| self.file.write_all(&word.to_le_bytes()))
            .map_err(Error::io("write", &self.path))
    }

    fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }
}

/// Hands the numbers of a file to `take`, so many at a time.
fn read_words(path: &Path, width: usize, mut take: impl FnMut(&[u64]) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let records = file.metadata().map_err(Error::io("read", path))?.len() / (8 * width as u64);
    let mut file = BufReader::with_capacity(1 << 16, file);
    let (mut bytes, mut words) = (vec![0; 8 * width], vec![0; width]);
    for _ in 0..records {
        file.read_exact(&mut bytes).map_err(Error::io("read", path))?;
        words.iter_mut().zip(bytes.chunks_exact(8)).for_each(|(word, bytes)| *word = number(bytes));
        take(&words)?;
    }
    Ok(())
}
