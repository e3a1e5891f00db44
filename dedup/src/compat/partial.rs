//! What a work unit leaves: ids of all its documents, signatures of those that have one.
//!
//! | words of 8 bytes | what |
//! |---|---|
//! | 4 | documents, signatures, bands, rows of a band |
//! | documents | `doc_id`, in order |
//! | bands × signatures × (rows + 1) | band by band: minima, then the document's number within the unit |
//!
//! Peers number the documents that reach them, datatrove those of each rank: so a unit's documents are counted on from those of the units
//! before it in the same rank.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use crate::files::{Format, HEADER_BYTES, Writer, number};

const COUNTS: usize = 4;

/// The partial file of a unit in the making: all of it in memory until the unit ends.
pub(super) struct PartialWriter {
    path: PathBuf,
    format: Format,
    rows: usize,
    doc_ids: Vec<u64>,
    bands: Vec<Vec<u64>>,
    signatures: u64,
}

impl PartialWriter {
    pub(super) fn new(path: &Path, format: Format, bands: usize, rows: usize) -> Self {
        Self { path: path.into(), format, rows, doc_ids: Vec::new(), bands: vec![Vec::new(); bands], signatures: 0 }
    }

    pub(super) fn push(&mut self, doc_id: u64, signature: Option<&[u64]>) {
        if let Some(signature) = signature {
            let number = self.doc_ids.len() as u64;
            for (band, minima) in self.bands.iter_mut().zip(signature.chunks_exact(self.rows)) {
                band.extend_from_slice(minima);
                band.push(number);
            }
            self.signatures += 1;
        }
        self.doc_ids.push(doc_id);
    }

    pub(super) fn finish(self) -> Result<()> {
        let mut file = Writer::create(&self.path)?;
        let counts = [self.doc_ids.len() as u64, self.signatures, self.bands.len() as u64, self.rows as u64];
        let mut words = 0;
        for part in [counts.as_slice(), &self.doc_ids].into_iter().chain(self.bands.iter().map(Vec::as_slice)) {
            part.iter().try_for_each(|word| file.write(&word.to_le_bytes()))?;
            words += part.len() as u64;
        }
        file.finish_with(self.format, words)
    }
}

/// All units, in the order of their documents, with where they stand in the peer's numbering.
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
    pub(super) bands: usize,
    pub(super) rows: usize,
}

/// A partial file.
pub(super) struct Unit {
    path: PathBuf,
    /// The rank that its file is dealt to.
    pub(super) rank: u32,
    /// The number of its first document within the rank.
    pub(super) base: u32,
    pub(super) documents: u32,
    signatures: u64,
}

impl Units {
    pub(super) fn open(partials: &[PathBuf], format: Format, bands: usize, rows: usize, ranks: u32) -> Result<Self> {
        let mut counted: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
        let mut units = Vec::with_capacity(partials.len());
        for path in partials {
            let mut file = File::open(path).map_err(Error::io("read", path))?;
            let mut start = vec![0; HEADER_BYTES + 8 * (COUNTS + 1)];
            let read = read_up_to(&mut file, &mut start).map_err(Error::io("read", path))?;
            let bytes = file.metadata().map_err(Error::io("read", path))?.len();
            format.check(path, &start[..read.min(HEADER_BYTES)], bytes, 8)?;
            let word = |at: usize| number(&start[HEADER_BYTES + 8 * at..]);
            let (documents, signatures) = (word(0), word(1));
            if documents == 0 {
                continue;
            }
            let file = (word(COUNTS) >> 32) as u32;
            let rank = if ranks == 0 { file } else { file % ranks };
            let base = counted.entry(rank).or_default();
            let many = || {
                Error::stage(format.stage, format!("rank {rank} has 2^32 documents and more, which are not numbered"))
            };
            let documents = u32::try_from(documents).map_err(|_| many())?;
            units.push(Unit { path: path.clone(), rank, base: *base, documents, signatures });
            *base = base.checked_add(documents).ok_or_else(many)?;
        }
        Ok(Self { units, bands, rows })
    }

    /// The ranks that have documents, in order.
    pub(super) fn ranks(&self) -> Vec<u32> {
        let mut ranks: Vec<u32> = self.units.iter().map(|unit| unit.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// Hands the records of a band to `take`, unit by unit: minima, then rank and number of the document in one word.
    pub(super) fn read_band(
        &self,
        band: usize,
        only: Option<u32>,
        context: &Context<'_>,
        mut take: impl FnMut(&[u64]) -> Result<()>,
    ) -> Result<()> {
        let mut record = vec![0_u64; self.rows + 1];
        let mut bytes = vec![0; 8 * record.len()];
        for unit in self.units.iter().filter(|unit| only.is_none_or(|rank| rank == unit.rank)) {
            context.check()?;
            let mut file = File::open(&unit.path).map_err(Error::io("read", &unit.path))?;
            let before =
                COUNTS as u64 + u64::from(unit.documents) + band as u64 * unit.signatures * record.len() as u64;
            file.seek(SeekFrom::Start(HEADER_BYTES as u64 + 8 * before)).map_err(Error::io("read", &unit.path))?;
            let mut file = BufReader::with_capacity(1 << 16, file);
            for _ in 0..unit.signatures {
                file.read_exact(&mut bytes).map_err(Error::io("read", &unit.path))?;
                record.iter_mut().zip(bytes.chunks_exact(8)).for_each(|(word, bytes)| *word = number(bytes));
                let last = record.len() - 1;
                record[last] = u64::from(unit.rank) << 32 | (u64::from(unit.base) + record[last]);
                take(&record)?;
            }
        }
        Ok(())
    }

    /// What finds `doc_id`s by rank and number, one file at a time in memory.
    pub(super) fn places(&self) -> Places<'_> {
        let mut order: Vec<&Unit> = self.units.iter().collect();
        order.sort_by_key(|unit| (unit.rank, unit.base));
        Places { order, held: None }
    }
}

/// The documents of all units by rank and number.
pub(super) struct Places<'a> {
    order: Vec<&'a Unit>,
    held: Option<(usize, Vec<u8>)>,
}

impl Places<'_> {
    /// The `doc_id` of a document; `None` if the rank has no such one. Cheap if asked in the order of places.
    pub(super) fn doc_id(&mut self, place: u64) -> Result<Option<u64>> {
        let key = |unit: &Unit| u64::from(unit.rank) << 32 | u64::from(unit.base);
        let Some(at) = self.order.partition_point(|unit| key(unit) <= place).checked_sub(1) else { return Ok(None) };
        let unit = self.order[at];
        let number = place - key(unit);
        if number >= unit.documents.into() {
            return Ok(None);
        }
        if self.held.as_ref().is_none_or(|(held, _)| *held != at) {
            let mut file = File::open(&unit.path).map_err(Error::io("read", &unit.path))?;
            let mut bytes = vec![0; 8 * unit.documents as usize];
            file.seek(SeekFrom::Start(HEADER_BYTES as u64 + 8 * COUNTS as u64))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(Error::io("read", &unit.path))?;
            self.held = Some((at, bytes));
        }
        Ok(self.held.as_ref().map(|(_, bytes)| crate::files::number(&bytes[8 * number as usize..])))
    }
}

fn read_up_to(file: &mut File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read(&mut bytes[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
