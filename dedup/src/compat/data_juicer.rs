//! Data-Juicer's MinHash, bit for bit.
//!
//! Source: Data-Juicer 1.6.1, `document_minhash_deduplicator.py` (after BigCode's). A document without a shingle has the largest
//! number in all places of its signature, so that all of these are duplicates of the first. The first document of a connected
//! component is kept. Costs: 24 bytes a band for each document on disk; clusters as for [`Minhash`](crate::Minhash).

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan, Stage};

use super::permutations::{Draw, Permutations, Width};
use super::python::is_punctuation;
use super::text_dedup::{fitted, sha1_32};
use crate::cluster;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::parameters::hash_of;

const STAGE: &str = "minhash_data_juicer";

/// Drops what Data-Juicer's `document_minhash_deduplicator` drops: same bands, same documents kept, on the same documents in the
/// same order. `ignore_pattern` and tokens of SentencePiece are not offered.
///
/// Nothing is verified, and all documents shorter than a shingle are taken for copies of each other; `minhash` does better on
/// both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinhashDataJuicer {
    /// What a token is: `space`, `punctuation` or `character`. Default `space`.
    pub tokenization: Tokenization,
    /// Tokens in a shingle, at least 1. Default 5.
    pub window_size: usize,
    /// Whether texts are compared in lower case. Default true.
    pub lowercase: bool,
    /// Permutations, 1 to 65536: `num_permutations`. Default 256.
    pub permutations: usize,
    /// The similarity that bands and rows are fitted to, in [0, 1]: `jaccard_threshold`. Default 0.7.
    pub threshold: f64,
    /// Bands: `num_bands`; 0 fits them to `threshold`. Default 0.
    pub bands: usize,
    /// Minima in a band: `num_rows_per_band`; 0 fits them to `threshold`. Default 0.
    pub rows_per_band: usize,
}

/// What a token of a shingle is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokenization {
    /// What lies between spaces; line ends are part of it.
    #[default]
    Space,
    /// What lies between punctuation marks, empty or not.
    Punctuation,
    /// A character.
    Character,
}

impl Default for MinhashDataJuicer {
    fn default() -> Self {
        Self {
            tokenization: Tokenization::Space,
            window_size: 5,
            lowercase: true,
            permutations: 256,
            threshold: 0.7,
            bands: 0,
            rows_per_band: 0,
        }
    }
}

impl MinhashDataJuicer {
    /// Checks the parameters, and fits bands and rows to the threshold.
    ///
    /// # Errors
    /// Names the field that makes no sense.
    pub fn build(mut self) -> Result<DataJuicerPass> {
        if self.window_size == 0 {
            return Err(Error::stage(STAGE, "`window_size` is 0, it must be at least 1"));
        }
        (self.bands, self.rows_per_band) =
            fitted(STAGE, self.permutations, self.threshold, self.bands, self.rows_per_band)?;
        Ok(DataJuicerPass { config: self })
    }

    fn format(&self) -> Format {
        Format { stage: STAGE, kind: Kind::Keys, parameters: hash_of(self) }
    }
}

/// The pass of [`MinhashDataJuicer`].
pub struct DataJuicerPass {
    config: MinhashDataJuicer,
}

/// Computes bands, one document after the other, in space it keeps.
pub struct DataJuicerSigner {
    config: MinhashDataJuicer,
    permutations: Permutations,
    joined: String,
    places: Vec<(usize, usize)>,
    shingles: Vec<u64>,
    minima: Vec<u64>,
}

impl DataJuicerPass {
    /// What computes bands with these parameters.
    pub fn signer(&self) -> DataJuicerSigner {
        let permutations = Permutations::new(self.config.permutations, 42, Draw::InPairs, Width::Lower32);
        let (joined, places, shingles, minima) = Default::default();
        DataJuicerSigner { config: self.config.clone(), permutations, joined, places, shingles, minima }
    }
}

impl DataJuicerSigner {
    /// Hands the bytes of each band to `take`.
    pub fn bands(&mut self, text: &str, mut take: impl FnMut(&[u8])) {
        let lower;
        let text = if self.config.lowercase {
            lower = text.to_lowercase();
            lower.as_str()
        } else {
            text
        };
        self.joined.clear();
        self.places.clear();
        // One string of which every shingle is a piece.
        match self.config.tokenization {
            Tokenization::Character => {
                self.joined.push_str(text);
                self.places.extend(text.char_indices().map(|(at, character)| (at, at + character.len_utf8())));
            }
            Tokenization::Space => text.split(' ').filter(|token| !token.is_empty()).for_each(|token| self.push(token)),
            Tokenization::Punctuation => text.split(is_punctuation).for_each(|token| self.push(token)),
        }
        self.shingles.clear();
        let pieces = self.places.windows(self.config.window_size).map(|tokens| tokens[0].0..tokens[tokens.len() - 1].1);
        self.shingles.extend(pieces.map(|piece| sha1_32(&self.joined.as_bytes()[piece])));
        self.permutations.minima(&self.shingles, &mut self.minima);
        let mut bytes = Vec::new();
        for rows in self.minima.chunks_exact(self.config.rows_per_band).take(self.config.bands) {
            bytes.clear();
            bytes.extend(rows.iter().flat_map(|minimum| minimum.to_be_bytes()));
            take(&bytes);
        }
    }

    fn push(&mut self, token: &str) {
        if !self.places.is_empty() {
            self.joined.push(' ');
        }
        let start = self.joined.len();
        self.joined.push_str(token);
        self.places.push((start, self.joined.len()));
    }
}

impl Pass for DataJuicerPass {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let (signer, format) = (self.signer(), self.config.format());
        Ok(Box::new(DataJuicerScan { signer, format, partial: partial.into(), records: Vec::new() }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        cluster::reduce::<2>(partials, self.config.format(), outcome, context)
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let duplicates = Duplicates::of_format(outcome, self.config.format())?;
        Ok(Some(Box::new(DropDuplicates { duplicates, code: "near_duplicate", looks_at: Vec::new(), places: None })))
    }
}

struct DataJuicerScan {
    signer: DataJuicerSigner,
    format: Format,
    partial: PathBuf,
    records: Vec<Record<2>>,
}

impl Scan for DataJuicerScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let (doc_id, mut band) = (document.doc_id(), 0);
            self.signer.bands(document.text(), |bytes| {
                let hash = xxh3_128_with_seed(bytes, band);
                band += 1;
                self.records.push(Record { key: [(hash >> 64) as u64, hash as u64], doc_id });
            });
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.format, &mut self.records)
    }
}
