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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_schema::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_pipeline::{Batch, Columns, Context, Document, Error, Pass, Result, Scan, Stage};

use crate::cluster;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::index::{Index, Known, Places, identity};
use crate::minhash::{Permutations, band_keys};
use crate::numbers::{Digits, append_numbers, masked};
use crate::parameters::hash_of;
use crate::scope::scope;
use crate::shingle::{Shingles, shingle_hashes, token_hashes};
use crate::verify::{Clusters, Linkage, Similarity, Verify, open_verified};

/// Seed of the keys of documents without shingles: no band has it.
const SHORT: u64 = u64::MAX;

/// Seed of the keys of whole texts.
const TEXT: u64 = u64::MAX - 1;

/// The lowest bit of a key where those of whole texts are told from those of bands.
pub(crate) const TEXT_KEY: u64 = 1;

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
    /// Other lengths of shingles for documents of these languages, by the column `language`: `{ ja = 8, zh-Hant = 6 }`. Documents of different
    /// lengths are never alike. `yuan-data plan` measures how alike unrelated documents of a language look. Default none.
    pub ngrams: BTreeMap<String, usize>,
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
    /// A folder that remembers the documents of earlier runs: what is alike to one that was kept there goes. `index_mode` says
    /// whether those of this run are added. Documents of the index come before all others, whatever `keep` says. Default empty:
    /// none.
    pub index: String,
    /// `update`: the documents that this step sees are added to the `index`, which is made if it is not there; `against`: they
    /// are only looked up. Default `update`.
    pub index_mode: IndexMode,
    /// The name by which the index knows the documents of this run. Default: the name of the run folder.
    pub crawl: String,
    /// The column or field with a document's own id, by which it can be taken out of the index later. Without one it is known by
    /// its file and record alone. Default empty: none.
    pub id_column: String,
    /// Whether digits are compared `as_is`, or all the same (`mask`): pages of one template are then copies of each other, whatever
    /// their numbers. Default `as_is`.
    pub digits: Digits,
    /// Least part of the numbers, in [0, 1], that documents must have in common, as often as they come there, to be alike: pages of
    /// one template (weather, prices) differ in little else. It is not asked of documents of fewer than `min_numbers`, nor with
    /// `digits = "mask"` or a `threshold` of 0. Default 0: numbers are not compared; 0.5 keeps
    /// pages of a template apart and loses one similar pair in 500.
    pub min_number_agreement: f64,
    /// Numbers that one of two documents must have for `min_number_agreement` to be asked of them. Default 5.
    pub min_numbers: usize,
}

/// What is done with an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexMode {
    /// Documents are held against it and added to it.
    #[default]
    Update,
    /// Documents are held against it.
    Against,
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
            ngrams: BTreeMap::new(),
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
            index: String::new(),
            index_mode: IndexMode::Update,
            crawl: String::new(),
            id_column: String::new(),
            digits: Digits::AsIs,
            min_number_agreement: 0.0,
            min_numbers: 5,
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
        if let Some((language, _)) = self.ngrams.iter().find(|(_, ngram)| **ngram == 0) {
            return refuse(format!("`ngrams.{language}` is 0, it must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return refuse(format!("`threshold` is {}, it must be from 0 to 1", self.threshold));
        }
        if !(0.0..=1.0).contains(&self.min_number_agreement) {
            return refuse(format!("`min_number_agreement` is {}, it must be from 0 to 1", self.min_number_agreement));
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
            let (ngrams, within) = (self.ngrams.clone(), self.within.clone());
            let own = Self { ngrams, seed: self.seed, shingles: self.shingles, within, threshold: 0.0, ..own };
            let own = Self { digits: self.digits, min_numbers: self.min_numbers, ..own };
            if own != *self {
                return refuse(
                    "`threshold` is 0, so that nothing is verified: the first document of a cluster is kept, and \
                     `similarity`, `linkage`, `keep`, `prefer_sources`, `cluster_size_column`, `min_number_agreement` and `index` \
                     need a threshold"
                        .into(),
                );
            }
        }
        if self.index.is_empty() {
            let own = Self::default();
            if (self.index_mode, &self.crawl, &self.id_column) != (own.index_mode, &own.crawl, &own.id_column) {
                return refuse("`index_mode`, `crawl` and `id_column` need an `index`, the folder of one".into());
            }
        } else if self.index_mode == IndexMode::Update && self.crawl.is_empty() {
            return refuse("`crawl` is empty: the index needs a name for the documents of this run".into());
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

    /// Whether numbers decide beside shingles.
    pub(crate) fn compares_numbers(&self) -> bool {
        self.min_number_agreement > 0.0 && self.digits == Digits::AsIs && self.threshold > 0.0
    }

    fn format(&self) -> Format {
        // Where an index lies says nothing of the records.
        let parameters = hash_of(&Self { index: String::new(), crawl: String::new(), ..self.clone() });
        let kind = if self.marks_texts() { Kind::BandAndTextKeys } else { Kind::BandKeys };
        Format { stage: "minhash", kind, parameters }
    }

    /// Whether the first reading tells documents of the same text, whose shingles the second one need not compute for each. What
    /// goes into an index is noted in full.
    fn marks_texts(&self) -> bool {
        self.reads_twice() && self.index.is_empty()
    }

    /// Tokens in a shingle of this document: by its language, written `zh-Hans` or `zh`.
    fn ngram_of(&self, document: &Document<'_>) -> usize {
        if self.ngrams.is_empty() {
            return self.ngram;
        }
        let language = document.str("language").unwrap_or_default();
        let main = language.split_once('-').map_or(&*language, |(main, _)| main);
        self.ngrams.get(&*language).or_else(|| self.ngrams.get(main)).copied().unwrap_or(self.ngram)
    }

    /// What is done with an index, if there is one.
    pub(crate) fn index_mode(&self) -> Option<IndexMode> {
        (!self.index.is_empty()).then_some(self.index_mode)
    }
}

/// What the first reading leaves if there is an index: a folder.
#[derive(Serialize, Deserialize)]
pub(crate) struct First {
    /// The partial files of the first reading.
    pub partials: Vec<PathBuf>,
    /// A hash of what is in them.
    pub identity: u64,
}

impl First {
    /// Where the candidates are.
    pub(crate) fn candidates(folder: &Path) -> PathBuf {
        folder.join("candidates")
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("first.json");
        let text = serde_json::to_vec(self).expect("paths and a number");
        std::fs::write(&path, text).map_err(Error::io("write", &path))
    }

    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("first.json");
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::stage("minhash", format!("`{}` is damaged: {error}", path.display())))
    }

    /// The documents of the index that came before this run's.
    pub(crate) fn known(&self, index: &Index, config: &Minhash) -> Result<Known> {
        match config.index_mode {
            IndexMode::Update => Known::before(index, &config.crawl, self.identity, config.linkage),
            IndexMode::Against => Known::all(index, config.linkage),
        }
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
        self.signature_of(text, self.config.ngram)
    }

    fn signature_of(&mut self, text: &str, ngram: usize) -> Option<&[u32]> {
        self.shingle(text, ngram);
        if self.shingles.is_empty() {
            return None;
        }
        self.permutations.minima(&self.shingles, &mut self.minima);
        Some(&self.minima)
    }

    fn shingle(&mut self, text: &str, ngram: usize) {
        self.tokens.clear();
        self.shingles.clear();
        match self.config.digits {
            Digits::AsIs => token_hashes(text, self.config.shingles, &mut self.tokens),
            Digits::Mask => token_hashes(&masked(text), self.config.shingles, &mut self.tokens),
        }
        shingle_hashes(&self.tokens, ngram, &mut self.shingles);
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

    /// As [`Self::distinct_shingles`], and behind them the numbers of its text, if they are compared.
    pub(crate) fn shingles_and_numbers(&mut self, text: &str) -> &[u32] {
        if !self.config.compares_numbers() {
            return self.distinct_shingles();
        }
        append_numbers(text, &mut self.shingles);
        &self.shingles
    }

    /// Hands the document's keys to `take`: one for each band; one in all for a document of fewer tokens than a shingle,
    /// that no longer document has; none for a document without tokens. Documents that have a key in common are a
    /// candidate pair.
    pub fn keys(&mut self, text: &str, take: impl FnMut(u64)) {
        self.keys_of(text, self.config.ngram, 0, take);
    }

    /// The keys of a document among those of its scope and language.
    pub(crate) fn document_keys(&mut self, document: &Document<'_>, take: impl FnMut(u64)) {
        let (ngram, apart) = self.ngram_and_scope(document);
        self.keys_of(document.text(), ngram, apart, take);
    }

    /// As [`Self::document_keys`], with [`TEXT_KEY`] unset in all of them, and a key with it set that documents of the same text have.
    fn document_and_text_keys(&mut self, document: &Document<'_>, mut take: impl FnMut(u64)) {
        let (ngram, apart) = self.ngram_and_scope(document);
        self.keys_of(document.text(), ngram, apart, |key| take(key & !TEXT_KEY));
        if !self.tokens.is_empty() {
            take((xxh3_64_with_seed(document.text().as_bytes(), TEXT) ^ apart) | TEXT_KEY);
        }
    }

    /// The tokens of the document's shingles, and a number that sets the keys of its scope and its language apart.
    fn ngram_and_scope(&self, document: &Document<'_>) -> (usize, u64) {
        let mut apart = scope(document, &self.config.within);
        let ngram = self.config.ngram_of(document);
        if ngram != self.config.ngram {
            apart ^= xxh3_64_with_seed(&ngram.to_le_bytes(), SHORT);
        }
        (ngram, apart)
    }

    /// Takes the document in, for [`Self::shingles_and_numbers`].
    pub(crate) fn read(&mut self, document: &Document<'_>) {
        let ngram = self.config.ngram_of(document);
        self.shingle(document.text(), ngram);
    }

    fn keys_of(&mut self, text: &str, ngram: usize, apart: u64, mut take: impl FnMut(u64)) {
        if self.signature_of(text, ngram).is_some() {
            band_keys(&self.minima, self.config.rows_per_band).for_each(|key| take(key ^ apart));
        } else if !self.tokens.is_empty() {
            let bytes: Vec<u8> = self.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            take(xxh3_64_with_seed(&bytes, SHORT) ^ apart);
        }
    }
}

impl Pass for Minhash {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let (signer, marks_texts) = (self.signer()?, self.marks_texts());
        Ok(Box::new(MinhashScan { signer, marks_texts, partial: partial.into(), records: Vec::new() }))
    }

    fn columns(&self) -> Columns {
        let reads = if self.ngrams.is_empty() { None } else { Some("language") };
        let columns = Columns::reads(reads);
        match self.cluster_size_column.as_str() {
            "" => columns,
            name => columns.adding(name.to_owned(), DataType::UInt32),
        }
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        if !self.reads_twice() {
            return cluster::reduce::<1>(partials, self.format(), outcome, context);
        }
        if self.index.is_empty() {
            return cluster::candidates(partials, None, self.format(), outcome, context);
        }
        let index = Index::for_pass(self)?;
        let first = First { partials: partials.into(), identity: identity(partials, context)? };
        let known = first.known(&index, self)?;
        std::fs::create_dir_all(outcome).map_err(Error::io("create", outcome))?;
        cluster::candidates(partials, Some(&known), self.format(), &First::candidates(outcome), context)?;
        first.write(outcome)
    }

    fn ready(&self) -> Result<()> {
        if self.index.is_empty() { Ok(()) } else { Index::check(self) }
    }

    fn reads_twice(&self) -> bool {
        self.threshold > 0.0
    }

    fn second(&self, first: &Path) -> Result<Option<Box<dyn Pass>>> {
        if self.reads_twice() { Ok(Some(Box::new(Verify::new(self, self.format(), first)?))) } else { Ok(None) }
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let columns = self.within.iter().chain([&self.keep_column]);
        let looks_at: Vec<String> = columns.filter(|name| !name.is_empty()).cloned().collect();
        let places = match self.index_mode() {
            None => None,
            Some(_) => Some(Places::open(outcome, self.format())?),
        };
        let drop = |duplicates| DropDuplicates { duplicates, code: "near_duplicate", looks_at, places };
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
    marks_texts: bool,
    partial: PathBuf,
    records: Vec<Record<1>>,
}

impl Scan for MinhashScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let doc_id = document.doc_id();
            let take = |key| self.records.push(Record { key: [key], doc_id });
            if self.marks_texts {
                self.signer.document_and_text_keys(&document, take);
            } else {
                self.signer.document_keys(&document, take);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.signer.config.format(), &mut self.records)
    }
}
