//! text-dedup's MinHash, bit for bit.
//!
//! Source: text-dedup (Chenghao Mou; the source whose defaults are 250 permutations and SHA-1), `text_dedup/minhash.py`. Tokens are what lies between characters that are no `\w`,
//! empty ones included; documents of fewer than `min_length` tokens are dropped. Bands are compared in turn, the members of a
//! bucket are united with its first in the order of a Python set, by rank: the root of that is kept, often the last.
//! Costs: 24 bytes a band for each document on disk, one sort of them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};
use yuan_pipeline::{Batch, Context, Detail, Error, Pass, Reason, Result, Scan, Stage, Verdict};

use super::clusters::{Clusters, Union, write_outcome};
use super::optimal::bands_and_rows;
use super::pairs::{PairFiles, write_pair};
use super::partial::{PartialWriter, Units};
use super::permutations::{Draw, Permutations, Width};
use super::python::is_word;
use super::python_set::iteration_order;
use crate::cluster::in_parallel;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind};
use crate::parameters::hash_of;
use crate::sorter::Sorter;

const STAGE: &str = "minhash_text_dedup";
/// Words of a record: the hash of a band, before the place of the document.
const ROWS: usize = 2;

/// Drops what text-dedup's `minhash` drops: same bands, same document kept of each cluster, on the same documents in the same
/// order. Documents of fewer tokens than `min_length` go too, as `too_few_tokens`.
///
/// Nothing is verified; `minhash` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinhashTextDedup {
    /// Tokens in a shingle, at least 1. Default 5.
    pub ngram: usize,
    /// Fewest tokens of a document that is kept. Default 5.
    pub min_length: usize,
    /// Permutations, 1 to 65536: `num_perm`. Default 250.
    pub permutations: usize,
    /// The similarity that bands and rows are fitted to, in [0, 1]. Default 0.7.
    pub threshold: f64,
    /// Bands: `b`; 0 fits them to `threshold`. Default 0.
    pub bands: usize,
    /// Minima in a band: `r`; 0 fits them to `threshold`. Default 0.
    pub rows_per_band: usize,
    /// What hashes shingles: `sha1` or `xxh3`. Default `sha1`.
    pub hash: TextDedupHash,
    /// Bits that permutations are computed with: 64 or 32. Default 64.
    pub hash_bits: u32,
}

/// What hashes a shingle, to 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextDedupHash {
    /// The first four bytes of SHA-1.
    #[default]
    Sha1,
    /// The lower half of XXH3.
    Xxh3,
}

impl Default for MinhashTextDedup {
    fn default() -> Self {
        Self {
            ngram: 5,
            min_length: 5,
            permutations: 250,
            threshold: 0.7,
            bands: 0,
            rows_per_band: 0,
            hash: TextDedupHash::Sha1,
            hash_bits: 64,
        }
    }
}

impl MinhashTextDedup {
    /// Checks the parameters, and fits bands and rows to the threshold.
    ///
    /// # Errors
    /// Names the field that makes no sense.
    pub fn build(mut self) -> Result<TextDedupPass> {
        if self.ngram == 0 {
            return Err(Error::stage(STAGE, "`ngram` is 0, it must be at least 1"));
        }
        if self.hash_bits != 64 && self.hash_bits != 32 {
            return Err(Error::stage(STAGE, format!("`hash_bits` is {}, it must be 32 or 64", self.hash_bits)));
        }
        (self.bands, self.rows_per_band) =
            fitted(STAGE, self.permutations, self.threshold, self.bands, self.rows_per_band)?;
        Ok(TextDedupPass { config: self })
    }

    fn format(&self) -> Format {
        Format { stage: STAGE, kind: Kind::Signatures, parameters: hash_of(self) }
    }
}

/// Bands and rows: those given, or those for a threshold.
pub(super) fn fitted(
    stage: &'static str,
    permutations: usize,
    threshold: f64,
    bands: usize,
    rows: usize,
) -> Result<(usize, usize)> {
    let refuse = |problem: String| Err(Error::stage(stage, problem));
    if !(1..=1 << 16).contains(&permutations) {
        return refuse(format!("`permutations` is {permutations}, it must be from 1 to 65536"));
    }
    if !(0.0..=1.0).contains(&threshold) {
        return refuse(format!("`threshold` is {threshold}, it must be from 0 to 1"));
    }
    let (bands, rows) = match (bands, rows) {
        (0, _) | (_, 0) => bands_and_rows(threshold, permutations),
        given => given,
    };
    match bands.checked_mul(rows) {
        Some(used) if used <= permutations => Ok((bands, rows)),
        _ => refuse(format!("`bands` × `rows_per_band` is {bands} × {rows}, there are {permutations} permutations")),
    }
}

/// The pass of [`MinhashTextDedup`].
pub struct TextDedupPass {
    config: MinhashTextDedup,
}

/// Computes bands, one document after the other, in space it keeps.
pub struct TextDedupSigner {
    config: MinhashTextDedup,
    permutations: Permutations,
    shingles: Vec<u64>,
    minima: Vec<u64>,
}

impl TextDedupPass {
    /// What computes bands with these parameters.
    pub fn signer(&self) -> TextDedupSigner {
        let width = if self.config.hash_bits == 32 { Width::Bits32 } else { Width::Lower32 };
        let permutations = Permutations::new(self.config.permutations, 42, Draw::InTurn, width);
        TextDedupSigner { config: self.config.clone(), permutations, shingles: Vec::new(), minima: Vec::new() }
    }
}

/// How many tokens a text in lower case has: the characters between them are no `\w`, and there are empty ones.
fn tokens(lower: &str) -> usize {
    lower.chars().filter(|character| !is_word(*character)).count() + 1
}

impl TextDedupSigner {
    /// Hands the bytes of each band to `take`; `false` if the document has fewer tokens than `min_length`.
    pub fn bands(&mut self, text: &str, mut take: impl FnMut(&[u8])) -> bool {
        let lower = text.to_lowercase();
        if tokens(&lower) < self.config.min_length {
            return false;
        }
        // Whatever separates is one character: with spaces in its place, a shingle is a piece of the text.
        let mut spaced = String::with_capacity(lower.len());
        let mut places = vec![0];
        for character in lower.chars() {
            if is_word(character) {
                spaced.push(character);
            } else {
                spaced.push(' ');
                places.push(spaced.len());
            }
        }
        places.push(spaced.len() + 1);
        let hash: fn(&[u8]) -> u64 = match self.config.hash {
            TextDedupHash::Sha1 => sha1_32,
            TextDedupHash::Xxh3 => |bytes| xxh3_64(bytes) & u64::from(u32::MAX),
        };
        self.shingles.clear();
        // A document of fewer tokens than a shingle is one shingle.
        let ngram = self.config.ngram.min(places.len() - 1);
        let shingles = places.windows(ngram + 1).map(|ends| hash(&spaced.as_bytes()[ends[0]..ends[ngram] - 1]));
        self.shingles.extend(shingles);
        self.permutations.minima(&self.shingles, &mut self.minima);
        let half = self.config.hash_bits == 32;
        let mut bytes = Vec::new();
        for rows in self.minima.chunks_exact(self.config.rows_per_band).take(self.config.bands) {
            bytes.clear();
            for minimum in rows {
                match half {
                    true => bytes.extend((*minimum as u32).to_be_bytes()),
                    false => bytes.extend(minimum.to_be_bytes()),
                }
            }
            take(&bytes);
        }
        true
    }
}

/// The first four bytes of SHA-1.
pub(super) fn sha1_32(bytes: &[u8]) -> u64 {
    crate::files::number(&Sha1::digest(bytes)) & u64::from(u32::MAX)
}

impl Pass for TextDedupPass {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let writer = PartialWriter::new(partial, self.config.format(), self.config.bands, ROWS);
        Ok(Box::new(TextDedupScan { signer: self.signer(), writer }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let format = self.config.format();
        let units = Units::open(partials, format, self.config.bands, ROWS, 1)?;
        let pairs = buckets(&units, context)?;
        let clusters = Clusters::of(&pairs, Union::HigherRank, STAGE, context)?;
        clusters.tally(format, context);
        write_outcome(&units, clusters.removed(), format, outcome, context)
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let duplicates = Duplicates::of_format(outcome, self.config.format())?;
        let drop = DropDuplicates { duplicates, code: "near_duplicate", looks_at: Vec::new(), places: None };
        Ok(Some(Box::new(DropShort { min_length: self.config.min_length, drop })))
    }
}

/// The pairs of all bands, in the order in which text-dedup unites them: within a band by the first document of a bucket, within
/// a bucket as a Python set is walked through.
fn buckets(units: &Units, context: &Context<'_>) -> Result<PairFiles> {
    let threads = context.threads.clamp(1, units.bands.max(1));
    let memory = context.memory / 4 / threads as u64;
    let path = |band: usize| context.scratch.join(format!("pairs-{band:05}"));
    in_parallel(threads, |_, next| {
        loop {
            let band = next();
            if band >= units.bands {
                return Ok(());
            }
            let sorting =
                |what: &str, width| Sorter::new(width, memory, context.scratch.join(format!("{what}-{band:05}")));
            let mut by_hash = sorting("hash", ROWS + 1);
            units.read_band(band, None, context, |record| by_hash.push(record))?;
            let mut by_first = sorting("first", 3);
            let mut by_hash = by_hash.finish()?;
            let (mut hash, mut members) = ([0; ROWS], Vec::new());
            loop {
                let record = by_hash.next()?;
                if let Some(record) = record
                    && !members.is_empty()
                    && hash[..] == record[..ROWS]
                {
                    members.push(record[ROWS]);
                    continue;
                }
                let record: Option<[u64; ROWS + 1]> = record.and_then(|record| record.try_into().ok());
                if members.len() > 1 {
                    context.check()?;
                    for (member, number) in iteration_order(&members).into_iter().zip(0..) {
                        by_first.push(&[members[0], number, member])?;
                    }
                }
                let Some([high, low, place]) = record else { break };
                hash = [high, low];
                members.clear();
                members.push(place);
            }
            let mut by_first = by_first.finish()?;
            let path = path(band);
            let mut file = BufWriter::with_capacity(1 << 16, File::create(&path).map_err(Error::io("create", &path))?);
            while let Some(record) = by_first.next()? {
                write_pair(&mut file, (record[2], record[0])).map_err(Error::io("write", &path))?;
            }
            file.flush().map_err(Error::io("write", &path))?;
        }
    })?;
    Ok(PairFiles { files: (0..units.bands).map(path).collect() })
}

struct TextDedupScan {
    signer: TextDedupSigner,
    writer: PartialWriter,
}

impl Scan for TextDedupScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let mut keys = Vec::new();
        for document in batch.documents() {
            keys.clear();
            let has_bands = self.signer.bands(document.text(), |bytes| {
                let hash = xxh3_128(bytes);
                keys.extend([(hash >> 64) as u64, hash as u64]);
            });
            self.writer.push(document.doc_id(), has_bands.then_some(&keys));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish()
    }
}

/// Drops documents of too few tokens, then duplicates.
struct DropShort {
    min_length: usize,
    drop: DropDuplicates,
}

impl Stage for DropShort {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let batch = batch.judge(|document| match tokens(&document.text().to_lowercase()) < self.min_length {
            true => Verdict::Drop(Reason { code: "too_few_tokens", detail: Detail::None }),
            false => Verdict::Keep,
        })?;
        self.drop.process(batch)
    }
}
