//! The settings of the stage `moe`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Check, Error, Result};

use super::{BITS, LOG_PROB, NAME, PERPLEXITY, TOKENS};
use crate::{Place, bundled};

/// Scores documents with a neural language model (Yuan 2.0, Yuan2.0-M32, Qwen1.5-MoE, Qwen2-MoE), and drops those that are
/// too unlikely as `high_perplexity` or `high_bits_per_byte`, those too likely as `low_perplexity`.
///
/// Long documents are read in windows that overlap; every token is predicted once. Documents are read together without padding, and
/// each gets the same score in any company. As such a model is slow, `uncertain` may name what cheaper scores leave
/// undecided: only that is scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoeConfig {
    /// A folder of Hugging Face's with `config.json` and weights (safetensors, PyTorch, GPTQ), a GGUF file, or `bundled`: a small model
    /// of Chinese and English that is part of this program (`model/bundled/MODEL_CARD.md`).
    pub model: PathBuf,
    /// The model's tokenizer, where it does not lie in its folder or file.
    pub tokenizer_file: Option<PathBuf>,
    /// A column with the tokens' ids, made by an earlier step with the model's tokenizer, instead of the text; the end of the
    /// document is not scored. Default none.
    pub ids_column: Option<String>,
    /// Where the model runs: `auto` (default; a GPU if this program was built for one and finds it), `cpu`, `cuda:0`…
    pub device: String,
    /// The type of the weights in memory: `fp32`, `bf16` or `fp16`. Default: as in the files.
    pub dtype: Option<String>,
    /// What activations are rounded to in products on a CPU: `fp32` (default), or `bf16`, which is several times as fast where
    /// the CPU has AMX, and slower elsewhere.
    pub precision: String,
    /// What stands before each document, so that its first token is predicted as well: `eod` (default: the token documents end
    /// with), `none`, or an id.
    pub prefix: String,
    /// Most tokens read at once of a document. Default 0: as many as the model was trained for, at most 4096. Beyond what it was
    /// trained for a model without YaRN reads badly, but it reads.
    pub window: usize,
    /// Tokens by which windows go on: a smaller stride gives each token more context, and takes longer. Default 0: half of
    /// the window; `stride` equal to `window` is lm-eval's rolling log-likelihood.
    pub stride: usize,
    /// Bytes scored of a document, from its beginning (a character that would be cut is left out): long documents cost no more than
    /// others. Default 0: all, which may be many: a run can be stopped between documents, not within one.
    pub max_document_bytes: usize,
    /// Tokens scored of a document, from its beginning; bits per byte are then not known. Default 0: all.
    pub max_document_tokens: usize,
    /// Tokens of all documents that go through the model together, which bounds its memory. Default 4096.
    pub batch_tokens: usize,
    /// Score only documents of these languages, by the `language` column: others are nothing to a model that has not learnt them. Default
    /// empty: all, or what the bundled model has learnt: `en`, and `zh` but for `zh-Hant`.
    pub only_languages: Vec<String>,
    /// Score only documents whose columns lie between two values, both included: `uncertain = { kenlm_perplexity = [300, 2000] }`. A
    /// document without one of the columns is scored. Default empty: all.
    pub uncertain: BTreeMap<String, [f64; 2]>,
    /// The column with the perplexity of a token. Default `moe_perplexity`.
    pub perplexity_column: String,
    /// The column with the bits per byte of text; empty for none. Default `moe_bits_per_byte`.
    pub bits_column: String,
    /// The column with the sum of the natural logarithms of the tokens' probabilities. Default empty: none.
    pub log_prob_column: String,
    /// The column with the number of tokens predicted. Default empty: none.
    pub count_column: String,
    /// Greatest perplexity kept. Default 0: off.
    pub max_perplexity: f64,
    /// Least perplexity kept: text that repeats itself is very likely. Default 0: off.
    pub min_perplexity: f64,
    /// Most bits per byte kept. Default 0: off.
    pub max_bits_per_byte: f64,
    /// Thresholds for documents of one language, by the `language` column: `languages.zh = { max_perplexity = 80 }`. Default
    /// empty.
    pub languages: BTreeMap<String, Limits>,
}

/// Thresholds for one language; those that are not given are those of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Greatest perplexity kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_perplexity: Option<f64>,
    /// Least perplexity kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_perplexity: Option<f64>,
    /// Most bits per byte kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bits_per_byte: Option<f64>,
}

impl Default for MoeConfig {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            tokenizer_file: None,
            ids_column: None,
            device: "auto".into(),
            dtype: None,
            precision: "fp32".into(),
            prefix: "eod".into(),
            window: 0,
            stride: 0,
            max_document_bytes: 0,
            max_document_tokens: 0,
            batch_tokens: 4096,
            only_languages: Vec::new(),
            uncertain: BTreeMap::new(),
            perplexity_column: "moe_perplexity".into(),
            bits_column: "moe_bits_per_byte".into(),
            log_prob_column: String::new(),
            count_column: String::new(),
            max_perplexity: 0.0,
            min_perplexity: 0.0,
            max_bits_per_byte: 0.0,
            languages: BTreeMap::new(),
        }
    }
}

pub(super) fn wrong(problem: impl Into<String>, hint: impl Into<Option<String>>) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: hint.into() }
}

pub(super) fn failed(error: &crate::Error) -> Error {
    wrong(error.to_string(), None)
}

impl MoeConfig {
    /// Where it runs; what is not there is told before the documents are read.
    pub(super) fn place(&self) -> Result<Place> {
        let place: Place = known(&self.device)?;
        let hint = "set `device` to `cpu`, or build this program with `--features cuda` where there is a GPU";
        place.check().map_err(|error| wrong(error.to_string(), Some(hint.into())))?;
        Ok(place)
    }

    pub(super) fn dtype(&self) -> Result<Option<crate::DType>> {
        let Some(name) = &self.dtype else { return Ok(None) };
        let known = crate::DType::from_name(name);
        known.map(Some).ok_or_else(|| wrong(format!("`dtype` is `{name}`: it is `fp32`, `bf16` or `fp16`"), None))
    }

    /// Whether documents of a language are scored.
    pub(super) fn takes(&self, language: &str) -> bool {
        let is_one = |own: &str| own == language || own == primary(language);
        match self.only_languages.as_slice() {
            [] if bundled::is_bundled(&self.model) => bundled::knows(language),
            [] => true,
            languages => languages.iter().any(|own| is_one(own)),
        }
    }

    /// The checks that documents of a language are held to.
    pub(super) fn checks(&self, language: &str) -> Vec<Check> {
        let primary = primary(language);
        let own = self.languages.get(language).or_else(|| self.languages.get(primary)).copied().unwrap_or_default();
        let checks = [
            Check::at_most("high_perplexity", PERPLEXITY, own.max_perplexity.unwrap_or(self.max_perplexity)),
            Check::at_least("low_perplexity", PERPLEXITY, own.min_perplexity.unwrap_or(self.min_perplexity)),
            Check::at_most("high_bits_per_byte", BITS, own.max_bits_per_byte.unwrap_or(self.max_bits_per_byte)),
        ];
        checks.into_iter().filter(|check| check.threshold > 0.0).collect()
    }

    /// The columns it adds, by the place of their measure.
    pub fn score_columns(&self) -> Vec<(usize, String)> {
        let columns = [
            (PERPLEXITY, &self.perplexity_column),
            (BITS, &self.bits_column),
            (LOG_PROB, &self.log_prob_column),
            (TOKENS, &self.count_column),
        ];
        columns.into_iter().filter(|(_, name)| !name.is_empty()).map(|(place, name)| (place, name.clone())).collect()
    }
}

/// The language of `zh-Hans`.
fn primary(language: &str) -> &str {
    language.split(['-', '_']).next().unwrap_or(language)
}

/// What a setting names.
pub(super) fn known<T: std::str::FromStr<Err = crate::Error>>(name: &str) -> Result<T> {
    name.parse().map_err(|error: crate::Error| failed(&error))
}
