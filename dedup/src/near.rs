//! Near-duplicates by MinHash and locality-sensitive hashing.
//!
//! Source: Broder 1997, "On the resemblance and containment of documents"; the bands as in FineWeb (Penedo et al. 2024,
//! arXiv:2406.17557, section 3.4). Scan: O(shingles × permutations) a document, 16 bytes a band. Documents that share a
//! band are candidates. Their shingles are compared in a second reading, and a document goes if it is as alike to one
//! that stays as `threshold` says (`verify/`). Without a threshold sharing a band is enough: connected components are
//! clusters, and the first document of each stays, as in the published pipelines.
//!
//! A document of fewer tokens than a shingle has no shingles; it is compared by the whole of its tokens, and only with
//! documents as short. A document without any token is a duplicate of nothing.

use std::path::{Path, PathBuf};

use arrow_schema::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_pipeline::{Batch, Columns, Context, Error, Pass, Result, Scan, Stage};

use crate::cluster;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::minhash::{Permutations, band_keys};
use crate::parameters::hash_of;
use crate::scope::scope;
use crate::shingle::{Shingles, shingle_hashes, token_hashes};
use crate::verify::{Clusters, Linkage, Similarity, Verify, open_verified};

/// Seed of the keys of documents without shingles: no band has it.
const SHORT: u64 = u64::MAX;

/// Most permutations: more cost time and tell nothing new.
const MAX_PERMUTATIONS: usize = 1 << 16;

/// Drops every document that is a near-duplicate of one that is kept. A pair of Jaccard similarity s over its shingles is
/// found with probability 1 − (1 − s^rows_per_band)^bands: with the defaults 0.56 for s = 0.7, 0.92 for 0.8, 1.00 for 0.9.
/// What is found is verified: its shingles are compared, in one more reading of the documents.
///
/// Every cluster, its members and how alike they are is in `outcomes/…-minhash/clusters.parquet` of the run folder.
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
    /// Least similarity, in [0, 1], of a document that goes to the one that is kept for it. Default 0.7. 0 verifies nothing:
    /// whatever shares a band goes, as in FineWeb and RefinedWeb, and among it texts that are not alike at all.
    pub threshold: f64,
    /// How alike two documents are: `jaccard` of their shingles, or `containment` of the one with fewer in the other. LSH finds
    /// pairs by their Jaccard similarity: a short text within a long one may not be found. Default `jaccard`.
    pub similarity: Similarity,
    /// How far that carries: `star`, a document goes only if it is alike to the one kept for it; `components`, if a chain of
    /// documents that are alike leads there. Default `star`.
    pub linkage: Linkage,
    /// Which of the documents that are alike is kept: the `first` read, the `longest` (in characters), or that with the
    /// `highest` number in `keep_column`; of equals the first. Default `first`.
    pub keep: Keep,
    /// The column or field by which the `highest` is kept, such as `quality`. Documents without a number there come last.
    pub keep_column: String,
    /// Sources in the order in which their documents are kept: one of an earlier source is kept rather than one of a later
    /// one, and any of these rather than one of a source that is not named. Within a source `keep` decides. Default empty.
    pub prefer_sources: Vec<String>,
    /// Only documents with the same values in these columns or fields are duplicates of each other: `["source"]`,
    /// `["language", "crawl"]`. `source` is what the input names as its source, else the file. Default empty: all.
    pub within: Vec<String>,
    /// A column that is added: how many documents a kept one stands for, itself included (to weigh it, or to repeat it).
    /// Default empty: none.
    pub cluster_size_column: String,
}

/// Which of several documents that are alike is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first read.
    #[default]
    First,
    /// The one with most characters.
    Longest,
    /// The one with the highest number in a column.
    Highest,
}

impl Default for Minhash {
    fn default() -> Self {
        Self {
            ngram: 5,
            bands: 14,
            rows_per_band: 8,
            seed: 1,
            shingles: Shingles::Auto,
            threshold: 0.7,
            similarity: Similarity::Jaccard,
            linkage: Linkage::Star,
            keep: Keep::First,
            keep_column: String::new(),
            prefer_sources: Vec::new(),
            within: Vec::new(),
            cluster_size_column: String::new(),
        }
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
        if !(0.0..=1.0).contains(&self.threshold) {
            return refuse(format!("`threshold` is {}, it must be from 0 to 1", self.threshold));
        }
        if self.keep == Keep::Highest && self.keep_column.is_empty() {
            return refuse("`keep = \"highest\"` needs `keep_column`, the column whose highest number is kept".into());
        }
        if self.keep != Keep::Highest && !self.keep_column.is_empty() {
            return refuse(format!("`keep_column` is `{}` without `keep = \"highest\"`", self.keep_column));
        }
        if self.threshold == 0.0 {
            let own =
                Self { ngram: self.ngram, bands: self.bands, rows_per_band: self.rows_per_band, ..Self::default() };
            let own =
                Self { seed: self.seed, shingles: self.shingles, within: self.within.clone(), threshold: 0.0, ..own };
            if own != *self {
                return refuse(
                    "`threshold` is 0, so that nothing is verified: the first document of a cluster is kept, and \
                     `similarity`, `linkage`, `keep`, `prefer_sources` and `cluster_size_column` need a threshold"
                        .into(),
                );
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

    /// How many tokens the document that was last asked about has.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The shingles of the document that was last asked about, sorted, each once.
    pub(crate) fn distinct_shingles(&mut self) -> &[u32] {
        self.shingles.sort_unstable();
        self.shingles.dedup();
        &self.shingles
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

    fn columns(&self) -> Columns {
        match self.cluster_size_column.as_str() {
            "" => Columns::default(),
            name => Columns::default().adding(name.to_owned(), DataType::UInt32),
        }
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        if self.reads_twice() {
            cluster::candidates(partials, self.format(), outcome, context)
        } else {
            cluster::reduce::<1>(partials, self.format(), outcome, context)
        }
    }

    fn reads_twice(&self) -> bool {
        self.threshold > 0.0
    }

    fn second(&self, first: &Path) -> Result<Option<Box<dyn Pass>>> {
        if self.reads_twice() { Ok(Some(Box::new(Verify::new(self, self.format(), first)?))) } else { Ok(None) }
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let looks_at = || self.within.iter().chain([&self.keep_column]).filter(|name| !name.is_empty()).cloned();
        let drop = |duplicates| DropDuplicates { duplicates, code: "near_duplicate", looks_at: looks_at().collect() };
        if self.reads_twice() {
            let size_column = Some(self.cluster_size_column.clone()).filter(|name| !name.is_empty());
            let (duplicates, sizes) = open_verified(outcome, self.format())?;
            return Ok(Some(Box::new(Clusters { drop: drop(duplicates), sizes, size_column })));
        }
        Ok(Some(Box::new(drop(Duplicates::of_format(outcome, self.format())?))))
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
            let scope = scope(&document, &self.signer.config.within);
            self.signer.keys(document.text(), |key| self.records.push(Record { key: [key ^ scope], doc_id }));
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.signer.config.format(), &mut self.records)
    }
}
