//! Repeated n-grams by a Bloom filter: paragraphs, and whole documents, most of whose n-grams have been seen before.
//!
//! Sources: DCLM's `bff` (Li et al. 2024, arXiv:2406.11794, appendix on deduplication; mlfoundations/dclm at 77e7bf5,
//! `dedup/bff/src/main.rs`, mode `old-both`) and Dolma's deduper (Soldaini et al. 2024, arXiv:2402.00159; allenai/dolma 1.2.1,
//! `paragraphs.by_ngram`). Theirs depend on which thread comes first and on random hash seeds; here documents are put to
//! the filter in the order of the corpus, with fixed hashes, so that the result is the same for any number of threads.
//!
//! Scan, in parallel: 8 bytes for each n-gram, in order. Reduction, in one thread: one cache miss for each n-gram. Memory: the
//! filter, 10 bits for each n-gram at 1 % (`filter.rs`), counted before it is made.

mod filter;
mod ngrams;
mod notes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Context, Error, Pass, Reason, Result, Scan, Stage, Verdict};

use crate::cuts::{Cuts, rewrite_cut};
use crate::files::{Format, Kind, Writer};
use crate::parameters::hash_of;
use crate::repeats::{Cutting, rejoined};
use crate::scope::scope;
use crate::shingle::Shingles;

use filter::{BLOCK_BYTES, BloomFilter, Size};
use ngrams::{Cutter, Grams};
use notes::{Noted, Notes};

const STAGE: &str = "repeated_ngrams";

/// Cuts lines out of documents if most of their n-grams have been seen before, by a Bloom filter, and drops documents most of
/// whose n-grams have been.
///
/// Unlike `repeated_text` it finds lines that differ in a few words. It decides by chance where the filter answers wrongly
/// (`false_positive_rate`), and what is seen first decides what stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedNgrams {
    /// Tokens in an n-gram, at least 1. Default 13 (DCLM).
    pub ngram: usize,
    /// A line or document goes if more than this part of its n-grams, in [0, 1], has been seen before. Default 0.8 (DCLM).
    pub threshold: f64,
    /// What goes: `paragraphs` (lines), `documents`, or `both`. Default `both`.
    pub remove: NgramRemoval,
    /// Lines of fewer tokens are left alone, those between this and `ngram` are compared as a whole. Default 0: as many as an
    /// n-gram has.
    pub min_tokens: usize,
    /// What a token is. Default `auto`: words in lower case, and characters in scripts without spaces.
    pub shingles: Shingles,
    /// Share of n-grams never seen that the filter takes for seen once it is full, in [0, 1]. Default 0.01 (DCLM).
    pub false_positive_rate: f64,
    /// N-grams that the filter is made for. Default 0: they are counted, copies too.
    pub expected_ngrams: u64,
    /// With `compat = "dolma"`: tokens from one n-gram to the next. Default 1.
    pub stride: usize,
    /// Only documents with the same values in these columns or fields are held against each other: `["source"]`.
    /// `source` is what the input names as its source, else the file. Default empty: all.
    pub within: Vec<String>,
    /// Whose definition is followed: `dclm` (`bff` in its mode `old-both`, words of UAX #29, case and marks count), `dolma` (its
    /// `paragraphs.by_ngram`, blank paragraphs skipped: n-grams are put in even if their paragraph goes, paragraphs of fewer
    /// than two n-grams are compared as a whole, and go at the threshold itself; documents never). Default `none`.
    pub compat: NgramCompat,
}

/// What goes if its n-grams have been seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NgramRemoval {
    /// Lines.
    Paragraphs,
    /// Documents.
    Documents,
    /// Lines, and documents most of whose n-grams have been seen.
    #[default]
    Both,
}

/// Whose definition of repeated n-grams is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NgramCompat {
    /// Ours: right in every script.
    #[default]
    None,
    /// DCLM's `bff`, mode `old-both`.
    Dclm,
    /// Dolma's deduper of paragraphs by n-grams.
    Dolma,
}

impl Default for RepeatedNgrams {
    fn default() -> Self {
        Self {
            ngram: 13,
            threshold: 0.8,
            remove: NgramRemoval::Both,
            min_tokens: 0,
            shingles: Shingles::Auto,
            false_positive_rate: 0.01,
            expected_ngrams: 0,
            stride: 1,
            within: Vec::new(),
            compat: NgramCompat::None,
        }
    }
}

impl RepeatedNgrams {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// Names the setting that does not.
    pub fn validate(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::stage(STAGE, problem));
        if self.ngram == 0 || self.stride == 0 {
            let field = if self.ngram == 0 { "ngram" } else { "stride" };
            return refuse(format!("`{field}` is 0, it must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return refuse(format!("`threshold` is {}, it must be from 0 to 1", self.threshold));
        }
        if !(self.false_positive_rate > 0.0 && self.false_positive_rate < 1.0) {
            return refuse(format!(
                "`false_positive_rate` is {}, it must be more than 0 and less than 1",
                self.false_positive_rate
            ));
        }
        Ok(())
    }

    fn format(&self, kind: Kind) -> Format {
        Format { stage: STAGE, kind, parameters: hash_of(self) }
    }

    fn cutting(&self) -> Cutting {
        if self.compat == NgramCompat::None { Cutting::Lines } else { Cutting::BareLines }
    }

    /// The filter for so many n-grams.
    ///
    /// # Errors
    /// If it does not fit; says which rate would.
    fn size(&self, ngrams: u64, memory: u64) -> Result<Size> {
        let size = Size::for_rate(ngrams, self.false_positive_rate);
        if size.bytes() <= memory {
            return Ok(size);
        }
        let fits = memory / BLOCK_BYTES;
        let achievable = if fits == 0 { 1.0 } else { Size::of_blocks(fits, ngrams).1 };
        Err(Error::Stage {
            stage: STAGE.into(),
            problem: format!(
                "a filter of {ngrams} n-grams with {} false positives takes {} bytes, {memory} are allowed",
                self.false_positive_rate,
                size.bytes()
            ),
            hint: Some(format!(
                "allow more memory (`--memory {}GiB`), or set `false_positive_rate` to {:.4} or more",
                size.bytes().div_ceil(1 << 30),
                (achievable * 1.0001 + 0.00005).min(1.0)
            )),
        })
    }

    /// The verdict on each document of a partial file, in order.
    fn fill(
        &self,
        noted: &mut Noted,
        filter: &mut BloomFilter,
        cuts: &mut Writer,
        context: &Context<'_>,
    ) -> Result<()> {
        let mut grams = Grams::default();
        while let Some((doc_id, paragraphs)) = noted.next_document()? {
            context.check()?;
            let (mut all, mut all_seen) = (0_u64, 0_u64);
            let mut cut: Vec<u64> = Vec::new();
            for paragraph in 0..paragraphs {
                noted.next_paragraph(&mut grams)?;
                let (count, seen, goes) = if self.compat == NgramCompat::Dolma {
                    self.dolma(&grams, filter)
                } else {
                    self.bff(&grams, filter)
                };
                all += count;
                all_seen += seen;
                if goes {
                    cut.push(paragraph);
                }
            }
            let fraction = all_seen as f64 / all as f64;
            let is_whole = self.compat != NgramCompat::Dolma && self.remove != NgramRemoval::Paragraphs;
            if is_whole && fraction > self.threshold {
                cuts.pair(doc_id, u64::from((fraction as f32).to_bits()) << 32 | WHOLE_DOCUMENT)?;
            } else if self.remove != NgramRemoval::Documents || self.compat == NgramCompat::Dolma {
                cut.into_iter().filter(|&at| at < WHOLE_DOCUMENT).try_for_each(|at| cuts.pair(doc_id, at))?;
            }
        }
        Ok(())
    }

    /// Counts the n-grams of a paragraph and those seen before; whether it goes. Only what stays is put in.
    fn bff(&self, grams: &Grams, filter: &mut BloomFilter) -> (u64, u64, bool) {
        let count = grams.hashes.len() as u64;
        let seen = grams.hashes.iter().filter(|&&hash| filter.contains(hash)).count() as u64;
        let goes = seen as f64 / count as f64 > self.threshold;
        if !goes {
            grams.hashes.iter().for_each(|&hash| filter.insert(hash));
        }
        (count, seen, goes)
    }

    /// The same as Dolma has it: an n-gram is put in at once.
    fn dolma(&self, grams: &Grams, filter: &mut BloomFilter) -> (u64, u64, bool) {
        let (mut seen, mut last_seen) = (0_u64, false);
        for &hash in &grams.hashes {
            last_seen = filter.contains(hash);
            seen += u64::from(last_seen);
            if !last_seen {
                filter.insert(hash);
            }
        }
        let count = grams.hashes.len() as u64;
        let fraction = if grams.whole_decides { f32::from(u8::from(last_seen)) } else { seen as f32 / count as f32 };
        (count, seen, fraction >= self.threshold as f32)
    }
}

/// In the place of a paragraph's number: the document, its share of n-grams seen in the upper half.
const WHOLE_DOCUMENT: u64 = 0xffff_ffff;

impl Pass for RepeatedNgrams {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        self.validate()?;
        Ok(Box::new(NgramScan {
            config: self.clone(),
            cutter: Cutter::default(),
            grams: Grams::default(),
            notes: Notes::create(partial)?,
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let format = self.format(Kind::Grams);
        let ngrams = if self.expected_ngrams > 0 {
            self.expected_ngrams
        } else {
            partials.iter().try_fold(0, |sum, path| Ok::<_, Error>(sum + Noted::open(path, format)?.words()))?
        };
        let size = self.size(ngrams, context.memory)?;
        let mut filter = BloomFilter::new(size);
        let mut cuts = Writer::create(outcome)?;
        for path in partials {
            self.fill(&mut Noted::open(path, format)?, &mut filter, &mut cuts, context)?;
        }
        context.tally("repeats", "ngrams", ngrams, size.bytes());
        cuts.finish(self.format(Kind::Cuts))
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let cuts = Cuts::open(outcome, self.format(Kind::Cuts))?;
        Ok(Some(Box::new(CutNgrams { cuts, config: self.clone() })))
    }
}

struct NgramScan {
    config: RepeatedNgrams,
    cutter: Cutter,
    grams: Grams,
    notes: Notes,
}

impl Scan for NgramScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let scope = scope(&document, &self.config.within);
            let text = document.text();
            for piece in self.config.cutting().pieces(text) {
                self.cutter.cut(&self.config, &text[piece.content], scope, &mut self.grams);
                self.notes.paragraph(&self.grams);
            }
            self.notes.document(document.doc_id())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.notes.finish(self.config.format(Kind::Grams))
    }
}

/// Cuts what an outcome names.
struct CutNgrams {
    cuts: Cuts,
    config: RepeatedNgrams,
}

impl CutNgrams {
    /// The text without the paragraphs of these numbers.
    fn left(&self, text: &str, places: &[u64]) -> String {
        let pieces = self.config.cutting().pieces(text);
        let is_cut: Vec<bool> = (0..pieces.len() as u64).map(|at| places.binary_search(&at).is_ok()).collect();
        if self.config.compat == NgramCompat::None {
            return rejoined(text, &pieces, &is_cut);
        }
        // A line goes with the line end before it in bff, with the one behind it in Dolma.
        let before = self.config.compat == NgramCompat::Dclm;
        let mut left = String::with_capacity(text.len());
        let mut start = 0;
        for (piece, cut) in pieces.iter().zip(is_cut) {
            let end = if before { piece.content.end } else { piece.end };
            if !cut {
                left.push_str(&text[start..end]);
            }
            start = end;
        }
        left
    }
}

impl Stage for CutNgrams {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut texts: BTreeMap<usize, String> = BTreeMap::new();
        let (mut documents, mut units, mut bytes) = (0, 0, 0);
        let batch = batch.judge(|document| {
            let places: Vec<u64> = self.cuts.of(document.doc_id()).map(|(_, place)| place).collect();
            match places.as_slice() {
                [] => return Verdict::Keep,
                [place] if place & WHOLE_DOCUMENT == WHOLE_DOCUMENT => {
                    let fraction = f32::from_bits((place >> 32) as u32);
                    return Verdict::drop("repeated_ngrams", fraction.into(), self.config.threshold);
                }
                _ => {}
            }
            let left = self.left(document.text(), &places);
            documents += 1;
            units += places.len() as u64;
            bytes += (document.text().len() - left.len()) as u64;
            if left.trim().is_empty() {
                return Verdict::Drop(Reason { code: "nothing_left", detail: yuan_pipeline::Detail::None });
            }
            texts.insert(document.row(), left);
            Verdict::Keep
        })?;
        rewrite_cut(batch, texts, (documents, units, bytes))
    }

    fn is_expected_to_drop(&self) -> bool {
        false
    }
}
