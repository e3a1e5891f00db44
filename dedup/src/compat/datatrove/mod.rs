//! datatrove's MinHash, bit for bit.
//!
//! Source: datatrove 0.10.1, `pipeline/dedup/minhash.py` (Penedo et al. 2024, arXiv:2406.17557), with its words (spaCy's English
//! rules, jieba), `simplify_text` and numpy's permutations. Four steps there, one pass here; its files can be written and
//! read, so that any one step may be the other tool's.
//!
//! | datatrove | here | its files |
//! |---|---|---|
//! | `MinhashDedupSignature` | `signature.rs`, `../partial.rs` | `bucket_BBB/RRRRR.minhash.sig`: minima, number of the document in its rank |
//! | `MinhashDedupBuckets` | `../pairs.rs` | `BBBBB_WW.dups`: rank, document, rank, document |
//! | `MinhashDedupCluster` | `../clusters.rs` | `RRRRRR.remove`, `.clusters`, `.sizes` |
//! | `MinhashDedupFilter` | [`DropDuplicates`] | |
//!
//! Which document of a cluster stays depends on the order of pairs: the root of a union by size. Pairs come in datatrove's
//! order (by bucket, signature, rank, document), so it is the same one. Costs: 8 bytes a minimum on disk for each document
//! (0.9 KB with the defaults), one sort of them by all threads within the memory given, then for each document in a pair
//! 24 bytes while clusters are found by one thread.

mod files;
mod signature;
mod simplify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Context, Detail, Error, Pass, Reason, Result, Scan, Stage, Verdict};

use super::clusters::{self, Clusters, Union};
use super::pairs;
use super::partial::{PartialWriter, Units};
use super::{WordCutter, WordLanguage};
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind};
use crate::parameters::hash_of;

pub use files::{ClusterOptions, cluster_files, match_files};
pub use signature::{DatatroveSigner, ShingleHash};
pub use simplify::TextNorm;

use signature::Precision;

const STAGE: &str = "minhash_datatrove";
const CODE: &str = "near_duplicate";
const MAX_PERMUTATIONS: usize = 1 << 16;

/// Drops what datatrove's MinHash drops: same signatures, same pairs, same document kept of each cluster, on the same files in
/// the same order. All documents are cut into words as one language's; documents of fewer words than a shingle stay.
///
/// Nothing is verified, and whichever document is the root of its cluster is kept; `minhash` does better on both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinhashDatatrove {
    /// How words are cut: `en` by spaCy's rules, which datatrove uses unless told otherwise, or `zh` by jieba. Default `en`.
    pub language: WordLanguage,
    /// Words in a shingle, at least 1: `n_grams`. Default 5.
    pub ngram: usize,
    /// Bands, at least 1: `num_buckets`. Default 14.
    pub bands: usize,
    /// Minima in a band, at least 1: `hashes_per_bucket`. Default 8.
    pub rows_per_band: usize,
    /// Seed of the permutations. Default 1.
    pub seed: u32,
    /// What hashes shingles: `xxhash`, or `sha1` (FineWeb's first release). Default `xxhash`.
    pub hash: ShingleHash,
    /// Bits of hashes and minima: 32 or 64. Default 64.
    pub precision: u32,
    /// What is made alike before texts are compared. Default: datatrove's `TextNormConfig`.
    pub norm: TextNorm,
    /// In how many ranks (tasks) the input files are dealt out, file by file, as datatrove's readers do; 0 makes each file a
    /// rank. The document kept can depend on it. Default 0.
    pub ranks: u32,
    /// What is done: `all`; `sign`, which writes signatures and drops nothing; `filter`, which drops what `.remove` files name.
    /// Default `all`.
    pub step: DatatroveStep,
    /// The folder of datatrove's files: `all` writes `signatures/`, `duplicates/` and `remove/` in it, `sign` its
    /// `bucket_…/`, both below the run folder; `filter` reads its `….remove`. Default empty: none, for `all` alone.
    pub folder: PathBuf,
}

/// Which steps of datatrove's MinHash are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatatroveStep {
    /// All four.
    #[default]
    All,
    /// The first: signatures.
    Sign,
    /// The last: documents that `.remove` files name go.
    Filter,
}

impl Default for MinhashDatatrove {
    fn default() -> Self {
        Self {
            language: WordLanguage::En,
            ngram: 5,
            bands: 14,
            rows_per_band: 8,
            seed: 1,
            hash: ShingleHash::Xxhash,
            precision: 64,
            norm: TextNorm::default(),
            ranks: 0,
            step: DatatroveStep::All,
            folder: PathBuf::new(),
        }
    }
}

impl MinhashDatatrove {
    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// Names the field that does not.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::stage(STAGE, problem));
        for (field, value) in [("ngram", self.ngram), ("bands", self.bands), ("rows_per_band", self.rows_per_band)] {
            if value == 0 {
                return refuse(format!("`{field}` is 0, it must be at least 1"));
            }
        }
        if self.bands.checked_mul(self.rows_per_band).is_none_or(|count| count > MAX_PERMUTATIONS) {
            return refuse(format!(
                "`bands` × `rows_per_band` is {} × {}, it must be at most {MAX_PERMUTATIONS}",
                self.bands, self.rows_per_band
            ));
        }
        if self.precision != 32 && self.precision != 64 {
            return refuse(format!("`precision` is {}, it must be 32 or 64", self.precision));
        }
        if self.step != DatatroveStep::All && self.folder.as_os_str().is_empty() {
            return refuse("`step` needs `folder`, which it writes or reads".into());
        }
        Ok(())
    }

    /// The pass, with what cuts words.
    ///
    /// # Errors
    /// If the parameters make no sense.
    pub fn build(self, cutter: Arc<dyn WordCutter>) -> Result<DatatrovePass> {
        self.validate()?;
        Ok(DatatrovePass { config: self, cutter })
    }

    /// What computes signatures with these parameters.
    ///
    /// # Errors
    /// If the parameters make no sense.
    pub fn signer(&self, cutter: Arc<dyn WordCutter>) -> Result<DatatroveSigner> {
        self.validate()?;
        Ok(DatatroveSigner::new(self, cutter))
    }

    fn precision(&self) -> Precision {
        if self.precision == 32 { Precision::Bits32 } else { Precision::Bits64 }
    }

    fn format(&self) -> Format {
        // Where files go changes nothing in them.
        let config = Self { folder: PathBuf::new(), ..self.clone() };
        Format { stage: STAGE, kind: Kind::Signatures, parameters: hash_of(&config) }
    }
}

/// The pass of [`MinhashDatatrove`].
pub struct DatatrovePass {
    config: MinhashDatatrove,
    cutter: Arc<dyn WordCutter>,
}

impl Pass for DatatrovePass {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let signs = self.config.step != DatatroveStep::Filter;
        let signer = signs.then(|| DatatroveSigner::new(&self.config, self.cutter.clone()));
        let rows = if signs { self.config.rows_per_band } else { 0 };
        let bands = if signs { self.config.bands } else { 0 };
        Ok(Box::new(DatatroveScan { signer, writer: PartialWriter::new(partial, self.config.format(), bands, rows) }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.config;
        let units = Units::open(partials, config.format(), config.bands, config.rows_per_band, config.ranks)?;
        let folder = |name: &str| match config.folder.as_os_str().is_empty() {
            true => None,
            false => Some(config.folder.join(name)),
        };
        match config.step {
            DatatroveStep::Sign => {
                files::write_signatures(&units, config.precision(), &config.folder, context)?;
                std::fs::write(outcome, []).map_err(Error::io("write", outcome))
            }
            DatatroveStep::Filter => {
                let removed = files::read_removed(&config.folder, &units, context)?;
                clusters::write_outcome(&units, removed, config.format(), outcome, context)
            }
            DatatroveStep::All => {
                if let Some(folder) = folder("signatures") {
                    files::write_signatures(&units, config.precision(), &folder, context)?;
                }
                let pairs = pairs::of_units(&units, config.precision().bound(), context)?;
                if let Some(folder) = folder("duplicates") {
                    files::write_pairs(&pairs, &folder)?;
                }
                let clusters = Clusters::of(&pairs, Union::Larger, STAGE, context)?;
                if let Some(folder) = folder("remove") {
                    files::write_clusters(
                        &clusters,
                        &folder,
                        ClusterOptions { clusters: true, sizes: true, ignore_index: false },
                    )?;
                }
                clusters.tally(config.format(), context);
                clusters::write_outcome(&units, clusters.removed(), config.format(), outcome, context)
            }
        }
    }

    fn ends_in_stage(&self) -> bool {
        self.config.step != DatatroveStep::Sign
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        if self.config.step == DatatroveStep::Sign {
            return Ok(None);
        }
        let duplicates = Duplicates::of_format(outcome, self.config.format())?;
        if self.config.step == DatatroveStep::Filter {
            return Ok(Some(Box::new(DropListed(duplicates))));
        }
        Ok(Some(Box::new(DropDuplicates { duplicates, code: CODE, looks_at: Vec::new(), places: None })))
    }
}

/// Drops documents that files name, which do not say what is kept for them.
struct DropListed(Duplicates);

impl Stage for DropListed {
    fn process(&self, batch: Batch) -> Result<Batch> {
        batch.judge(|document| match self.0.keeper_of(document.doc_id()) {
            Some(_) => Verdict::Drop(Reason { code: CODE, detail: Detail::None }),
            None => Verdict::Keep,
        })
    }
}

struct DatatroveScan {
    signer: Option<DatatroveSigner>,
    writer: PartialWriter,
}

impl Scan for DatatroveScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let signature = self.signer.as_mut().and_then(|signer| signer.signature(document.text()));
            self.writer.push(document.doc_id(), signature);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish()
    }
}
