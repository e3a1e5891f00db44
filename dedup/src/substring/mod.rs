//! Repeated substrings: text that the corpus has more than once, letter for letter.
//!
//! Definition (Lee et al. 2022, "Deduplicating training data makes language models better", arXiv:2107.06499): every substring
//! of at least `min_length` units that occurs twice or more, within documents. It is the union of all windows of
//! `min_length` units that occur twice, which is what is computed here, exactly, without a suffix array: equal windows share
//! a minimizer, so windows are compared with those of the same minimizer alone.
//!
//! | step | file |
//! |---|---|
//! | a document is a sequence of bytes, characters or tokens | `symbols.rs` |
//! | its windows → minimizers, one for 26 bytes of text | `minimizers.rs` |
//! | first reading: minimizers → those that occur more than once | `filter.rs` |
//! | second reading: the text around these | `contexts.rs` |
//! | by minimizer: which windows are equal → spans | `reduce.rs`, `group.rs` |
//! | spans by document | `spans.rs` |
//! | spans → cut documents | `cut.rs`, `borders.rs` |
//!
//! Costs: two readings; on disk 0.3 bytes for each byte of the corpus, then about 6 for each byte of text that is repeated; in
//! memory 1.5 bytes for each repeated minimizer (mapped), and else what [`Context::memory`] allows.

mod borders;
mod contexts;
mod cut;
mod filter;
mod group;
mod minimizers;
mod reduce;
mod spans;
mod symbols;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Columns, Context, Error, Pass, Result, Scan, Stage};

use crate::files::{Format, Kind, write_partial};
use crate::parameters::hash_of;
use crate::scope::scope;

pub use borders::CutAt;
pub use symbols::SubstringUnit;

pub(crate) use cut::without;
pub(crate) use spans::SpansOf;

use contexts::Notes;
use cut::CutSpans;
use filter::{Filter, Seen, at_most_twice, seen};
use minimizers::{Shape, minimizers};
use symbols::{Sequence, Symbol};

/// The pass's name in a recipe.
const STAGE: &str = "repeated_substrings";

/// Longest `min_length`.
const MAX_LENGTH: usize = 1 << 20;

/// Cuts out what the corpus says more than once: every substring of `min_length` or more that occurs twice, as a suffix
/// array would find it.
///
/// Documents stay apart: no substring goes from one into the next. What was cut is counted in the report; a document with too
/// little left is dropped (`too_little_left`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedSubstrings {
    /// Shortest repetition that is cut, in units; at least 1, at most 1,048,576. Below 50 bytes set phrases are cut out of
    /// good text. Default 100 (Lee et al. 2022: 50 tokens; their tool: 100 bytes). For Chinese text 100 bytes are 33 characters.
    pub min_length: usize,
    /// What `min_length` counts: `bytes`, `characters`, or `tokens` (the ids of the column `tokens`, which are cut instead of
    /// the text). Default `bytes`.
    pub unit: SubstringUnit,
    /// Which occurrences go: `repeats`, all but the first of the corpus; or `all` of them, as in Lee et al. 2022. Default
    /// `repeats`.
    pub remove: Remove,
    /// Where a cut may begin and end: at a `character`, a `grapheme` (what a reader takes for one character), a `word`, a
    /// `sentence` or a `line`. Of what is repeated only whole ones go. Tokens are cut anywhere. Default `character`.
    pub cut_at: CutAt,
    /// A document that was cut goes if it has fewer characters left, white space not counted (with `unit = "tokens"`: fewer
    /// tokens). Default 50.
    pub min_left: usize,
    /// A document that was cut goes if less than this fraction of it is left, in [0, 1]. Default 0.
    pub min_left_fraction: f64,
    /// Only documents with the same values in these columns or fields are held against each other: `["source"]`. `source` is
    /// what the input names as its source, else the file. Default empty: all.
    pub within: Vec<String>,
}

/// Which occurrences of a repetition go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remove {
    /// A window of `min_length` units goes if an equal one stands before it in the corpus (in an earlier document, or earlier in
    /// this one without overlapping it). Then no window is left twice but in overlapping places, and of each unit that goes
    /// an equal one stays.
    #[default]
    Repeats,
    /// Every window that occurs twice goes, wherever it is.
    All,
}

impl Default for RepeatedSubstrings {
    fn default() -> Self {
        Self {
            min_length: 100,
            unit: SubstringUnit::Bytes,
            remove: Remove::Repeats,
            cut_at: CutAt::Character,
            min_left: 50,
            min_left_fraction: 0.0,
            within: Vec::new(),
        }
    }
}

impl RepeatedSubstrings {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// Names the one that does not.
    pub fn validate(&self) -> Result<()> {
        if self.min_length == 0 || self.min_length > MAX_LENGTH {
            let problem = format!("`min_length` is {}, it must be from 1 to {MAX_LENGTH}", self.min_length);
            return Err(Error::stage(STAGE, problem));
        }
        if !(0.0..=1.0).contains(&self.min_left_fraction) {
            let problem = format!("`min_left_fraction` is {}, it must be from 0 to 1", self.min_left_fraction);
            return Err(Error::stage(STAGE, problem));
        }
        if self.unit == SubstringUnit::Tokens && self.cut_at != CutAt::Character {
            let problem = "`cut_at` is for text, and `unit = \"tokens\"` cuts tokens";
            return Err(Error::stage(STAGE, problem));
        }
        Ok(())
    }

    fn format(&self) -> Format {
        Format { stage: STAGE, kind: Kind::Minimizers, parameters: hash_of(self) }
    }

    fn shape(&self) -> Shape {
        Shape::of_window(self.min_length)
    }
}

impl Pass for RepeatedSubstrings {
    fn columns(&self) -> Columns {
        match self.unit {
            SubstringUnit::Tokens => Columns::reads([symbols::TOKENS]),
            SubstringUnit::Bytes | SubstringUnit::Characters => Columns::default(),
        }
    }

    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        self.validate()?;
        Ok(Box::new(FirstScan { config: self.clone(), partial: partial.into(), seen: Vec::new(), hashes: Vec::new() }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        filter::reduce(partials, self.format(), outcome, context)
    }

    fn reads_twice(&self) -> bool {
        true
    }

    fn second(&self, first: &Path) -> Result<Option<Box<dyn Pass>>> {
        let filter = Arc::new(Filter::open(first, self.format())?);
        Ok(Some(Box::new(Second { config: self.clone(), filter })))
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        self.validate()?;
        Ok(Some(Box::new(CutSpans { config: self.clone(), spans: SpansOf::open(outcome, self.format())? })))
    }
}

/// A unit of the first reading.
struct FirstScan {
    config: RepeatedSubstrings,
    partial: PathBuf,
    seen: Vec<Seen>,
    hashes: Vec<u64>,
}

impl FirstScan {
    fn sequence<S: Symbol>(&mut self, units: &[S], scope: u64) {
        let mut last = None;
        let mut times = 0;
        minimizers(units, self.config.shape(), &mut self.hashes, |minimizer| {
            // In text with a period, the same comes again and again.
            times = if last == Some(minimizer.hash) { times + 1 } else { 1 };
            last = Some(minimizer.hash);
            if times <= 2 {
                self.seen.push(seen(minimizer.hash ^ scope));
            }
        });
    }
}

impl Scan for FirstScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let scope = scope(&document, &self.config.within);
            match Sequence::of(&document, batch, self.config.unit)? {
                Sequence::Bytes(units) => self.sequence(units, scope),
                Sequence::Wide(units) => self.sequence(&units, scope),
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        at_most_twice(&mut self.seen);
        write_partial(&self.partial, self.config.format(), &mut self.seen)
    }
}

/// The pass of the second reading.
struct Second {
    config: RepeatedSubstrings,
    filter: Arc<Filter>,
}

impl Pass for Second {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(SecondScan {
            config: self.config.clone(),
            filter: self.filter.clone(),
            partial: partial.into(),
            notes: Notes::new(self.config.shape()),
            hashes: Vec::new(),
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let (format, shape, remove) = (self.config.format(), self.config.shape(), self.config.remove);
        match self.config.unit {
            SubstringUnit::Bytes => reduce::reduce::<u8>(partials, format, shape, remove, outcome, context),
            SubstringUnit::Characters | SubstringUnit::Tokens => {
                reduce::reduce::<u32>(partials, format, shape, remove, outcome, context)
            }
        }
    }
}

/// A unit of the second reading.
struct SecondScan {
    config: RepeatedSubstrings,
    filter: Arc<Filter>,
    partial: PathBuf,
    notes: Notes,
    hashes: Vec<u64>,
}

impl SecondScan {
    fn sequence<S: Symbol>(&mut self, doc_id: u64, units: &[S], scope: u64) {
        let mut notes = self.notes.document(doc_id, units);
        minimizers(units, self.config.shape(), &mut self.hashes, |minimizer| {
            let key = minimizer.hash ^ scope;
            if self.filter.may_have(key) {
                notes.note(key, minimizer);
            }
        });
    }
}

impl Scan for SecondScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let scope = scope(&document, &self.config.within);
            match Sequence::of(&document, batch, self.config.unit)? {
                Sequence::Bytes(units) => self.sequence(document.doc_id(), units, scope),
                Sequence::Wide(units) => self.sequence(document.doc_id(), &units, scope),
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        match self.config.unit {
            SubstringUnit::Bytes => self.notes.write::<u8>(&self.partial, self.config.format()),
            SubstringUnit::Characters | SubstringUnit::Tokens => {
                self.notes.write::<u32>(&self.partial, self.config.format())
            }
        }
    }
}
