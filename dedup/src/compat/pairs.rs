//! Pairs of documents in files, and datatrove's: those with a signature in common.
//!
//! A band's records are sorted by signature, rank and document; each that has the signature of the one before it makes a
//! pair with it. Bands are sorted by as many threads as there are, each within its part of the memory.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use yuan_pipeline::{Context, Error, Result};

use super::partial::Units;
use crate::cluster::in_parallel;
use crate::sorter::Sorter;

/// Two documents, each as rank and number in one word.
pub(super) type Pair = (u64, u64);

/// Files of pairs, in the order in which they are read.
pub(super) struct PairFiles {
    pub(super) files: Vec<PathBuf>,
}

impl PairFiles {
    /// Hands each pair to `take`.
    pub(super) fn read(&self, context: &Context<'_>, mut take: impl FnMut(Pair) -> Result<()>) -> Result<()> {
        for path in &self.files {
            context.check()?;
            read_file(path, |words: [u32; 4]| {
                let place = |rank: u32, number: u32| u64::from(rank) << 32 | u64::from(number);
                take((place(words[0], words[1]), place(words[2], words[3])))
            })?;
        }
        Ok(())
    }
}

/// Appends a pair to a file.
pub(super) fn write_pair(file: &mut impl Write, pair: Pair) -> std::io::Result<()> {
    for place in [pair.0, pair.1] {
        file.write_all(&((place >> 32) as u32).to_le_bytes())?;
        file.write_all(&(place as u32).to_le_bytes())?;
    }
    Ok(())
}

/// Hands each record of so many 32-bit numbers to `take`.
pub(super) fn read_file<const WORDS: usize>(
    path: &std::path::Path,
    mut take: impl FnMut([u32; WORDS]) -> Result<()>,
) -> Result<()> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let record = 4 * WORDS as u64;
    if !bytes.is_multiple_of(record) {
        return Err(Error::Stage {
            stage: "minhash_datatrove".into(),
            problem: format!("`{}` is damaged: {bytes} bytes are no records of {record}", path.display()),
            hint: Some("remove it and make it again".into()),
        });
    }
    let mut file = BufReader::with_capacity(1 << 16, file);
    for _ in 0..bytes / record {
        let mut words = [0; WORDS];
        for word in &mut words {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map_err(Error::io("read", path))?;
            *word = u32::from_le_bytes(bytes);
        }
        take(words)?;
    }
    Ok(())
}

/// Where the records of a band are read from: each handed on as minima, then what sorts documents of the same signature.
pub(super) type ReadBand<'a> = &'a (dyn Fn(usize, &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> + Sync);

/// The pairs of all bands, one file for each, in the scratch folder.
pub(super) fn find(
    bands: usize,
    rows: usize,
    bound: u64,
    read: ReadBand<'_>,
    context: &Context<'_>,
) -> Result<PairFiles> {
    let threads = context.threads.clamp(1, bands);
    let memory = context.memory / 2 / threads as u64;
    let path = |band: usize| context.scratch.join(format!("pairs-{band:05}"));
    in_parallel(threads, |_, next| {
        loop {
            let band = next();
            if band >= bands {
                return Ok(());
            }
            let mut sorter = Sorter::new(rows + 1, memory, context.scratch.join(format!("sort-{band:05}")));
            read(band, &mut |record| if record[0] < bound { sorter.push(record) } else { Ok(()) })?;
            let mut sorted = sorter.finish()?;
            let path = path(band);
            let mut file = BufWriter::with_capacity(1 << 16, File::create(&path).map_err(Error::io("create", &path))?);
            let mut last: Vec<u64> = Vec::new();
            let mut count = 0_u64;
            while let Some(record) = sorted.next()? {
                count += 1;
                if count.is_multiple_of(1 << 16) {
                    context.check()?;
                }
                if !last.is_empty() && last[..rows] == record[..rows] {
                    write_pair(&mut file, (last[rows], record[rows])).map_err(Error::io("write", &path))?;
                }
                last.clear();
                last.extend_from_slice(record);
            }
            file.flush().map_err(Error::io("write", &path))?;
        }
    })?;
    Ok(PairFiles { files: (0..bands).map(path).collect() })
}

/// The pairs of all units.
pub(super) fn of_units(units: &Units, bound: u64, context: &Context<'_>) -> Result<PairFiles> {
    let read = |band: usize, take: &mut dyn FnMut(&[u64]) -> Result<()>| units.read_band(band, None, context, take);
    find(units.bands, units.rows, bound, &read, context)
}
