//! Near-duplicates by SimHash.
//!
//! Source: Charikar 2002, "Similarity estimation techniques from rounding algorithms"; Manku, Jain and Das Sarma 2007,
//! "Detecting near-duplicates for web crawling" (fingerprints within 3 of 64 bits, tables of permuted blocks); YAYI 2
//! (arXiv:2312.14862) names it beside MinHash. Two texts whose shingles have the angle θ differ in a bit with probability θ/π.
//!
//! Scan: O(shingles) a document, and a record in each table: 32 bytes (40 with 128 bits), 10 tables by default. Bits are cut
//! into `blocks`; fingerprints that differ in at most `max_distance` bits agree in all but as many blocks, so that for one choice
//! of the others, a table each, they have the same key. Fingerprints of a key are compared in pairs. Nothing within
//! `max_distance` is missed, and nothing beyond it is taken.
//!
//! | file | what |
//! |---|---|
//! | `fingerprint.rs` | text → fingerprint |
//! | `blocks.rs` | fingerprint → keys |
//! | `star.rs` | partial files → documents within the distance → which go, for which |

mod blocks;
mod fingerprint;
mod star;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan, Stage};

use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::near::{Keep, Minhash};
use crate::parameters::hash_of;
use crate::scope::scope;
use crate::shingle::Shingles;
use crate::verify::rank;

pub use fingerprint::{SimhashCompat, Weights};

use blocks::Tables;
use fingerprint::{Fingerprint, Fingerprints};

/// Most tables: more cost more than comparing.
const MAX_TABLES: usize = 256;

/// Drops every document whose fingerprint differs in few bits from that of one that is kept. Nothing is read twice and the result is
/// exact, but fingerprints tell little of how much two texts share: of the pairs whose shingles are alike by 0.8, `minhash` finds
/// 99.7 %, this 86 % (`tests/fixtures/dedup/MEASUREMENTS.md`).
///
/// A document of fewer tokens than a shingle is compared by the whole of its tokens, and only with documents as short. A document
/// without any token is a duplicate of nothing. Documents of one fingerprint go together, with what is kept for the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Simhash {
    /// Bits of a fingerprint: 64 or 128. Default 64.
    pub bits: u32,
    /// In how many bits two documents that are alike differ at most. With 8 of 64 nearly as much is found as by `minhash`, at four
    /// times the disk. Default 3 (Manku, Jain and Das Sarma).
    pub max_distance: u32,
    /// Into how many blocks bits are cut to look others up; 0 for `max_distance + 2`. With more there are more tables with longer
    /// keys: more disk, fewer comparisons; the same is found. Default 0.
    pub blocks: u32,
    /// Tokens in a shingle, at least 1. With fewer, more is found, and more that is not alike. Default 5.
    pub ngram: usize,
    /// What a token is. Default `auto`: words, and characters in scripts without spaces.
    pub shingles: Shingles,
    /// What a shingle that a document has several times weighs: `count` or `once`. Default `count`.
    pub weights: Weights,
    /// `simhash` for the fingerprints of that Python package (1e0ng/simhash): four characters a shingle, MD5; `ngram`,
    /// `shingles` and `weights` are left aside. Default `none`.
    pub compat: SimhashCompat,
    /// Which of the documents that are alike is kept: the `first` read, the `longest` (in characters), or that with the
    /// `highest` number in `keep_column`; of equals the first. Default `first`.
    pub keep: Keep,
    /// The column or field by which the `highest` is kept, such as `quality`. Default empty.
    pub keep_column: String,
    /// Sources in the order in which their documents are kept, as for `minhash`. Default empty.
    pub prefer_sources: Vec<String>,
    /// Only documents with the same values in these columns or fields are duplicates of each other. Default empty: all.
    pub within: Vec<String>,
}

impl Default for Simhash {
    fn default() -> Self {
        Self {
            bits: 64,
            max_distance: 3,
            blocks: 0,
            ngram: 5,
            shingles: Shingles::Auto,
            weights: Weights::Count,
            compat: SimhashCompat::None,
            keep: Keep::First,
            keep_column: String::new(),
            prefer_sources: Vec::new(),
            within: Vec::new(),
        }
    }
}

/// In how many bits two fingerprints differ.
pub fn hamming_distance(one: u128, other: u128) -> u32 {
    (one ^ other).count_ones()
}

impl Simhash {
    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// Names the field that does not.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::stage("simhash", problem));
        if self.bits != 64 && self.bits != 128 {
            return refuse(format!("`bits` is {}, it must be 64 or 128", self.bits));
        }
        if self.compat == SimhashCompat::Simhash && self.bits != 64 {
            return refuse("`compat = \"simhash\"` has 64 `bits`".into());
        }
        if self.ngram == 0 {
            return refuse("`ngram` is 0, it must be at least 1".into());
        }
        if self.max_distance >= self.bits / 2 {
            return refuse(format!("`max_distance` is {}, it must be below half of the bits", self.max_distance));
        }
        if self.blocks > self.bits || self.blocks != 0 && self.blocks <= self.max_distance {
            return refuse(format!(
                "`blocks` is {}, it must be more than `max_distance`, {}, and at most `bits`",
                self.blocks, self.max_distance
            ));
        }
        let tables = blocks::count(self.blocks(), self.max_distance);
        if tables > MAX_TABLES {
            return refuse(format!(
                "{} blocks of which {} may differ make {tables} tables, there may be {MAX_TABLES}: lower `max_distance` or \
                 set `blocks` to {}",
                self.blocks(),
                self.max_distance,
                self.max_distance + 1
            ));
        }
        match (self.keep == Keep::Highest, self.keep_column.is_empty()) {
            (true, true) => {
                refuse("`keep = \"highest\"` needs `keep_column`, the column whose highest number is kept".into())
            }
            (false, false) => refuse(format!("`keep_column` is `{}` without `keep = \"highest\"`", self.keep_column)),
            _ => Ok(()),
        }
    }

    fn blocks(&self) -> u32 {
        if self.blocks == 0 { self.max_distance + 2 } else { self.blocks }
    }

    /// The fingerprint of a text, in the lower `bits`; `None` if it has fewer tokens than a shingle.
    pub fn fingerprint(&self, text: &str) -> Option<u128> {
        match Fingerprints::new(self).of(text) {
            Fingerprint::Of(bits) => Some(bits),
            Fingerprint::Short(_) | Fingerprint::None => None,
        }
    }

    fn format(&self) -> Format {
        Format { stage: "simhash", kind: Kind::Fingerprints, parameters: hash_of(self) }
    }

    /// The part of the settings by which documents are ranked.
    fn ranking(&self) -> Minhash {
        Minhash {
            keep: self.keep,
            keep_column: self.keep_column.clone(),
            prefer_sources: self.prefer_sources.clone(),
            ..Minhash::default()
        }
    }
}

impl Pass for Simhash {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        self.validate()?;
        match self.bits {
            64 => Ok(Box::new(SimhashScan::<3>::new(self, partial))),
            _ => Ok(Box::new(SimhashScan::<4>::new(self, partial))),
        }
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let tables = Tables::new(self.bits, self.blocks(), self.max_distance);
        match self.bits {
            64 => star::reduce::<3>(partials, &tables, self.format(), outcome, context),
            _ => star::reduce::<4>(partials, &tables, self.format(), outcome, context),
        }
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let duplicates = Duplicates::of_format(outcome, self.format())?;
        let looks_at = self.within.iter().chain([&self.keep_column]).filter(|name| !name.is_empty()).cloned().collect();
        Ok(Some(Box::new(DropDuplicates { duplicates, code: "near_duplicate", looks_at, places: None })))
    }
}

/// Records of a document in each table: the key, the fingerprint in one word or two, the document's rank.
struct SimhashScan<const WORDS: usize> {
    config: Simhash,
    ranking: Minhash,
    fingerprints: Fingerprints,
    tables: Tables,
    partial: PathBuf,
    records: Vec<Record<WORDS>>,
}

impl<const WORDS: usize> SimhashScan<WORDS> {
    fn new(config: &Simhash, partial: &Path) -> Self {
        Self {
            config: config.clone(),
            ranking: config.ranking(),
            fingerprints: Fingerprints::new(config),
            tables: Tables::new(config.bits, config.blocks(), config.max_distance),
            partial: partial.into(),
            records: Vec::new(),
        }
    }
}

impl<const WORDS: usize> Scan for SimhashScan<WORDS> {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let (doc_id, scope) = (document.doc_id(), scope(&document, &self.config.within));
            let rank = rank(&document, &self.ranking);
            let mut push = |key, bits| {
                let mut words = [key; WORDS];
                words[1] = bits as u64;
                if WORDS == 4 {
                    words[2] = (bits >> 64) as u64;
                }
                words[WORDS - 1] = rank;
                self.records.push(Record { key: words, doc_id });
            };
            match self.fingerprints.of(document.text()) {
                Fingerprint::None => {}
                Fingerprint::Short(bits) => push(blocks::short_key(bits, scope), bits.into()),
                Fingerprint::Of(bits) => self.tables.keys(bits, scope, |key| push(key, bits)),
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.config.format(), &mut self.records)
    }
}
