//! Documents that hold text of evaluation sets.
//!
//! The n-grams of all items are indexed; the corpus is read once, and what it has of them noted with its place. Then it is known
//! in how many documents each n-gram is, so that set phrases can be told from items, and for each document how much it has of
//! each item. Costs: memory for the sets alone, some 40 bytes a token of theirs; on disk 16 bytes for each n-gram found.
//!
//! | step | file |
//! |---|---|
//! | files of all kinds → items → texts | `evals.rs`, `fields.rs`, `lenient.rs`, `columnar.rs` |
//! | texts → n-grams → look-up | `tokens.rs`, `index.rs` |
//! | documents → n-grams found | `scan.rs` |
//! | n-grams found → contaminated documents and items | `reduce.rs`, `outcome.rs` |
//! | these → dropped or cut documents | `act.rs` |

mod act;
mod columnar;
mod evals;
mod fields;
mod index;
mod lenient;
mod outcome;
mod reduce;
mod scan;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Context, Error, Pass, Result, Scan, Stage};

use crate::files::{Format, Kind};
use crate::parameters::hash_of;
use crate::substring::CutAt;

use act::Act;
use evals::EvalFile;
use fields::Fields;
use index::Index;
use scan::DecontaminateScan;

/// The pass's name in a recipe.
const STAGE: &str = "decontaminate";

/// What is done with contaminated documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The document goes, with the item as the reason.
    #[default]
    Drop,
    /// What it has of the item is cut out; it goes if nothing is left.
    Cut,
    /// It stays as it is; only the report tells.
    Report,
}

/// Finds documents that hold text of evaluation sets, and drops or cuts them.
///
/// Which document has what of which item is in `outcomes/…-decontaminate/matches.parquet` of the run folder, and in how many
/// documents each item was found in `items.parquet`; the summary counts contaminated items by set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecontaminateConfig {
    /// Evaluation sets: files, or folders, which are read to their bottom: .jsonl, .json, .csv, .tsv, .parquet, .txt, also
    /// compressed (.gz, .zst). A set is called by its folder and its file: `gsm8k/test`.
    pub eval_files: Vec<PathBuf>,
    /// Fields of an item that hold its texts. By default those that question, choices and answer are called in published sets;
    /// passages are left out. Default empty.
    pub fields: Vec<String>,
    /// Words in an n-gram, for texts in scripts with spaces. Default 13 (GPT-3, Brown et al. 2020).
    pub words: usize,
    /// Characters in an n-gram, for texts in scripts without: Han, kana, Thai… Default 25, as many as 13
    /// Chinese words have (`tests/fixtures/dedup/MEASUREMENTS.md`).
    pub characters: usize,
    /// Fewest words of a text that is shorter than an n-gram and is looked for as a whole; shorter ones say nothing. Default 8
    /// (GPT-3).
    pub min_words: usize,
    /// The same in characters. Default 14.
    pub min_characters: usize,
    /// An n-gram that more documents have is a set phrase: alone, it makes no document contaminated. Default 10 (GPT-3).
    pub max_documents: u32,
    /// With set phrases alone a document is contaminated if it has at least this fraction of an item's n-grams, in [0, 1], and
    /// the item has as many as an n-gram has words: an item that is copied often is one all the same. Default 0.5.
    pub min_common_overlap: f64,
    /// Least fraction of an item's n-grams, in [0, 1], that a contaminated document has. Default 0: one is enough.
    pub min_overlap: f64,
    /// What is done: `drop` the document, `cut` the text out of it, or `report` it. Default `drop`.
    pub action: Action,
    /// How much is cut: the `sentence`s, `line`s, `word`s, `grapheme`s or `character`s that have something of the item in them.
    /// Default `sentence`.
    pub cut_at: CutAt,
}

impl Default for DecontaminateConfig {
    fn default() -> Self {
        Self {
            eval_files: Vec::new(),
            fields: Vec::new(),
            words: 13,
            characters: 25,
            min_words: 8,
            min_characters: 14,
            max_documents: 10,
            min_common_overlap: 0.5,
            min_overlap: 0.0,
            action: Action::Drop,
            cut_at: CutAt::Sentence,
        }
    }
}

impl DecontaminateConfig {
    /// Reads the evaluation sets.
    ///
    /// # Errors
    /// If a setting makes no sense or a set cannot be read.
    pub fn build(&self) -> Result<Decontaminate> {
        let refuse = |problem: String| Err(Error::stage(STAGE, problem));
        for (name, length, least_name, least) in [
            ("words", self.words, "min_words", self.min_words),
            ("characters", self.characters, "min_characters", self.min_characters),
        ] {
            if least == 0 || least > length {
                return refuse(format!("`{least_name}` is {least}, it must be from 1 to `{name}` ({length})"));
            }
        }
        for (name, value) in [("min_overlap", self.min_overlap), ("min_common_overlap", self.min_common_overlap)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("`{name}` is {value}, it must be from 0 to 1"));
            }
        }
        let files = evals::read(&self.eval_files, &Fields::new(&self.fields))?;
        let sets = files.iter().map(EvalSet::of).collect();
        let index = Index::new(files, self);
        if index.len() == 0 {
            return Err(evals::refused(
                "no item of the evaluation sets is long enough to be looked for",
                "lower `min_words` and `min_characters`, or name the fields that hold the texts in `fields`",
            ));
        }
        Ok(Decontaminate { found: Arc::new(Evals { config: self.clone(), index, sets }) })
    }

    /// Tokens in a seed: no n-gram has fewer.
    fn seed_tokens(&self) -> usize {
        self.min_words.min(self.min_characters)
    }
}

/// A file of items, without them.
struct EvalSet {
    path: PathBuf,
    name: String,
    items: u64,
}

impl EvalSet {
    fn of(file: &EvalFile) -> Self {
        Self { path: file.path.clone(), name: file.set.clone(), items: file.items.len() as u64 }
    }
}

/// What was read of the evaluation sets.
struct Evals {
    config: DecontaminateConfig,
    index: Index,
    sets: Vec<EvalSet>,
}

impl Evals {
    /// An item by its set and number, for people.
    fn name_of(&self, item: u32) -> String {
        let entry = &self.index.entries[item as usize];
        format!("{} {}", self.sets[entry.file as usize].name, entry.number)
    }
}

/// The pass.
pub struct Decontaminate {
    found: Arc<Evals>,
}

impl Decontaminate {
    fn format(&self) -> Format {
        // Wherever the sets lie and however their paths are spelt: what is in them counts.
        let config = DecontaminateConfig { eval_files: Vec::new(), ..self.found.config.clone() };
        let parameters = hash_of(&config) ^ self.found.index.fingerprint;
        Format { stage: STAGE, kind: Kind::EvalHits, parameters }
    }
}

impl Pass for Decontaminate {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(DecontaminateScan::create(self.found.clone(), self.format(), partial)?))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        reduce::reduce(&self.found, partials, self.format(), outcome, context)
    }

    fn ends_in_stage(&self) -> bool {
        self.found.config.action != Action::Report
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let (documents, spans) = outcome::open(outcome, self.format())?;
        let (action, cut_at) = (self.found.config.action, self.found.config.cut_at);
        Ok(Some(Box::new(Act { evals: self.found.clone(), action, cut_at, documents, spans })))
    }
}
