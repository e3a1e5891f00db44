//! `train_kenlm`: n-gram language models learnt from the documents, one for each language.
//!
//! Source: Heafield et al. 2013, "Scalable Modified Kneser-Ney Language Model Estimation"; the models are those of KenLM's
//! `lmplz`. Reads `text`, `language` where it is there. The scan counts n-grams, unit by unit; the reduction adds the counts up
//! within the memory budget and estimates. The files depend on the documents and these settings alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_kenlm::build::{BuildOptions, build_binary};
use yuan_kenlm::estimate::{DEFAULT_DISCOUNT_FALLBACK, EstimateOptions, SpecialSymbols};
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan, Stage};

use super::kenlm::{CARD, KenLmCard, KenLmModelCard};
use super::only_where::OnlyWhere;
use super::prepare::{Preparation, Spelling, Tokens};
use crate::rules::DocumentLanguage;
use crate::words::{Language, Words};

/// The step's name in a recipe.
const NAME: &str = "train_kenlm";

/// Learns n-gram language models from the documents, as KenLM's `lmplz` does, one for each language.
///
/// The folder written has a file for each language and a card, `kenlm.json`, by which the stage `kenlm` spells and cuts texts as
/// they were here. Train on good text: perplexity then says how unlike it a document is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainKenLmConfig {
    /// Documents learnt from: an expression as in `keep_where`, `source in ["wiki", "books"]`; `source` is what the input names
    /// as its source, else the file. Default empty: all.
    pub only_where: String,
    /// Languages learnt, as `["zh", "en"]`. Default empty: all that have `min_documents`.
    pub only_languages: Vec<String>,
    /// Fewest documents of a language for a model of it. Default 100.
    pub min_documents: u64,
    /// Length of the longest n-grams, in tokens, 1 to 16. Default 5 (CCNet).
    pub order: usize,
    /// N-grams seen this often or less are left out, for each order from the first; the last number holds for the orders behind
    /// it. Default [0, 0, 1]: of three tokens and more, those seen once. [] leaves none out.
    pub prune: Vec<u64>,
    /// How texts are spelt. Default `ccnet_fixed`.
    pub spelling: Spelling,
    /// What their tokens are. Default `units`.
    pub tokens: Tokens,
    /// The SentencePiece model, where the tokens are its pieces.
    pub sentencepiece_file: Option<PathBuf>,
    /// The kind of the files: `trie` (small), `probing` (twice as fast, three times as large) or `arpa` (text, zstd). Default
    /// `trie`.
    pub format: KenLmFormat,
    /// Bits of a probability and of a back-off weight in a trie, 2 to 25; 0 keeps them exact. Default 8.
    pub quantize_bits: u8,
    /// Whether a language whose counts give no discounts (small or artificial text) takes 0.5, 1 and 1.5, instead of ending the
    /// run. Default true.
    pub discount_fallback: bool,
    /// The folder written. Default `kenlm`.
    pub output: PathBuf,
}

/// The kind of a model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KenLmFormat {
    /// A trie of bit-packed n-grams.
    #[default]
    Trie,
    /// Hash tables.
    Probing,
    /// Text, compressed by zstd.
    Arpa,
}

impl Default for TrainKenLmConfig {
    fn default() -> Self {
        Self {
            only_where: String::new(),
            only_languages: Vec::new(),
            min_documents: 100,
            order: 5,
            prune: vec![0, 0, 1],
            spelling: Spelling::CcNetFixed,
            tokens: Tokens::Units,
            sentencepiece_file: None,
            format: KenLmFormat::Trie,
            quantize_bits: 8,
            discount_fallback: true,
            output: "kenlm".into(),
        }
    }
}

fn wrong(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: Some(hint.into()) }
}

fn failed(error: yuan_kenlm::Error) -> Error {
    match error {
        yuan_kenlm::Error::Io { action, path, source } => Error::Io { action, path, source },
        other => Error::stage(NAME, other.to_string()),
    }
}

impl TrainKenLmConfig {
    /// Checks the settings and gets ready to scan.
    ///
    /// # Errors
    /// If a setting is out of range, or the SentencePiece model cannot be read.
    pub fn build(&self) -> Result<TrainKenLm> {
        self.options().validate().map_err(failed)?;
        if !(self.quantize_bits == 0 || (2..=25).contains(&self.quantize_bits)) {
            return Err(wrong(
                format!("`quantize_bits` is {}", self.quantize_bits),
                "it is 2 to 25, or 0 for exact values",
            ));
        }
        let named = |name: &String| {
            crate::language::language_of_key(name).map_err(|problem| {
                let (problem, hint) = problem.split_once('\n').unwrap_or((&problem, ""));
                wrong(format!("`only_languages`: {problem}"), hint)
            })
        };
        Ok(TrainKenLm(Arc::new(Shared {
            only: self.only_languages.iter().map(named).collect::<Result<_>>()?,
            only_where: OnlyWhere::new(NAME, &self.only_where)?,
            preparation: Preparation::new(self.spelling, self.tokens, self.sentencepiece_file.as_deref())?,
            config: self.clone(),
        })))
    }

    fn options(&self) -> EstimateOptions {
        EstimateOptions {
            order: self.order,
            prune: self.prune.iter().take(self.order).copied().collect(),
            // A document may well hold `<s>` or `<unk>`: it says something of the web, not of sentences.
            special_symbols: SpecialSymbols::Skip,
            discount_fallback: self.discount_fallback.then_some(DEFAULT_DISCOUNT_FALLBACK),
            ..EstimateOptions::default()
        }
    }

    fn build_options(&self, context: &Context<'_>) -> BuildOptions {
        use yuan_kenlm::ModelKind;
        let kind = match (self.format, self.quantize_bits) {
            (KenLmFormat::Probing, _) => ModelKind::Probing,
            (_, 0) => ModelKind::ArrayTrie,
            _ => ModelKind::QuantisedArrayTrie,
        };
        let bits = self.quantize_bits.clamp(2, 25);
        BuildOptions {
            kind,
            prob_bits: bits,
            backoff_bits: bits,
            memory: context.memory / 2,
            temporary_directory: Some(context.scratch.clone()),
            ..BuildOptions::default()
        }
    }
}

/// The pass of a [`TrainKenLmConfig`].
pub struct TrainKenLm(Arc<Shared>);

struct Shared {
    config: TrainKenLmConfig,
    only: Vec<Language>,
    only_where: OnlyWhere,
    preparation: Preparation,
}

/// A unit being scanned.
struct Unit {
    shared: Arc<Shared>,
    partial: PathBuf,
    counts: BTreeMap<String, LanguageCounts>,
}

/// What a unit has of a language.
#[derive(Default)]
struct LanguageCounts {
    documents: u64,
    counts: PartialCounts,
}
