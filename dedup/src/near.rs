//! Near-duplicates by MinHash and locality-sensitive hashing.
//!
//! Source: Broder 1997, "On the resemblance and containment of documents"; the bands as in FineWeb (Penedo et al. 2024,
//! arXiv:2406.17557, section 3.4). Scan: O(shingles × permutations) a document, 16 bytes a band. Documents that share a
//! band are candidate pairs, their connected components are clusters, and the first document of each stays.
//!
//! A document of fewer tokens than a shingle has no shingles; it is compared by the whole of its tokens, and only with
//! documents as short. A document without any token is a duplicate of nothing.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan, Stage};

use crate::cluster;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::minhash::{Permutations, band_keys};
use crate::parameters::hash_of;
use crate::shingle::{Shingles, shingle_hashes, token_hashes};

/// Seed of the keys of documents without shingles: no band has it.
const SHORT: u64 = u64::MAX;

/// Most permutations: more cost time and tell nothing new.
const MAX_PERMUTATIONS: usize = 1 << 16;

/// Drops every document that is a near-duplicate of an earlier one. A pair of Jaccard similarity s over its shingles is
/// found with probability 1 − (1 − s^rows_per_band)^bands: with the defaults 0.56 for s = 0.7, 0.92 for 0.8, 1.00 for 0.9.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Minhash {
    /// Tokens in a shingle, at least 1. More make documents look less alike. Default 5 (FineWeb).
    pub ngram: usize,
    /// Bands of a signature, at least 1. More find pairs that are less alike. Default 14 (FineWeb).
    pub bands: usize,
    /// Minima in a band, at least 1. More pass over pairs that are less alike. Default 8 (FineWeb).
    pub rows_per_band: usize,
    /// Seed of the permutations. Another one draws other chances for pairs near the threshold. Default 1.
    pub seed: u64,
    /// What a token is. Default `auto`: words, and characters in scripts without spaces.
    pub shingles: Shingles,
}

impl Default for Minhash {
    fn default() -> Self {
        Self { ngram: 5, bands: 14, rows_per_band: 8, seed: 1, shingles: Shingles::Auto }
    }
}

impl Minhash {
    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// Names the field that does not.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::stage("minhash", problem));
        for (field, value) in [("ngram", self.ngram), ("bands", self.bands), ("rows_per_band", self.rows_per_band)] {
            if value == 0 {
                return refuse(format!("`{field}` is 0, it must be at least 1"));
            }
        }
        match self.bands.checked_mul(self.rows_per_band) {
            Some(permutations) if permutations <= MAX_PERMUTATIONS => Ok(()),
            _ => refuse(format!(
                "`bands` × `rows_per_band` is {} × {}, it must be at most {MAX_PERMUTATIONS}",
                self.bands, self.rows_per_band
            )),
        }
    }

    /// What computes signatures with these parameters.
    ///
    /// # Errors
    /// If the parameters make no sense.
    pub fn signer(&self) -> Result<Signer> {
        self.validate()?;
        let permutations = Permutations::new(self.bands * self.rows_per_band, self.seed);
        let (tokens, shingles, minima) = Default::default();
        Ok(Signer { config: self.clone(), permutations, tokens, shingles, minima })
    }

    fn format(&self) -> Format {
        Format { stage: "minhash", kind: Kind::BandKeys, parameters: hash_of(self) }
    }
}

/// Computes signatures and keys, one document after the other, in space it keeps.
pub struct Signer {
    config: Minhash,
    permutations: Permutations,
    tokens: Vec<u64>,
    shingles: Vec<u32>,
    minima: Vec<u32>,
}

impl Signer {
    /// The document's signature, `bands × rows_per_band` minima; `None` if it has fewer tokens than a shingle.
    pub fn signature(&mut self, text: &str) -> Option<&[u32]> {
        self.tokens.clear();
        self.shingles.clear();
        token_hashes(text, self.config.shingles, &mut self.tokens);
        shingle_hashes(&self.tokens, self.config.ngram, &mut self.shingles);
        if self.shingles.is_empty() {
            return None;
        }
        self.permutations.minima(&self.shingles, &mut self.minima);
        Some(&self.minima)
    }

    /// Hands the document's keys to `take`: one for each band; one in all for a document of fewer tokens than a shingle,
    /// that no longer document has; none for a document without tokens. Documents that have a key in common are a
    /// candidate pair.
    pub fn keys(&mut self, text: &str, take: impl FnMut(u64)) {
        if self.signature(text).is_some() {
            band_keys(&self.minima, self.config.rows_per_band).for_each(take);
        } else if !self.tokens.is_empty() {
            let bytes: Vec<u8> = self.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            std::iter::once(xxh3_64_with_seed(&bytes, SHORT)).for_each(take);
        }
    }
}

impl Pass for Minhash {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(MinhashScan { signer: self.signer()?, partial: partial.into(), records: Vec::new() }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        cluster::reduce::<1>(partials, self.format(), outcome, context)
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let duplicates = Duplicates::of_format(outcome, self.format())?;
        Ok(Some(Box::new(DropDuplicates { duplicates, code: "near_duplicate" })))
    }
}

struct MinhashScan {
    signer: Signer,
    partial: PathBuf,
    records: Vec<Record<1>>,
}

impl Scan for MinhashScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let doc_id = document.doc_id();
            self.signer.keys(document.text(), |key| self.records.push(Record { key: [key], doc_id }));
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.signer.config.format(), &mut self.records)
    }
}
