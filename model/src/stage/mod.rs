//! How likely a text is to a neural language model.
//!
//! Reads `text`, or token ids that an earlier step made of it; adds columns with perplexity and bits per byte. Cost: one pass of
//! the model over each token that is scored.

mod config;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use yuan_pipeline::{Check, Document, Measured, Result, Rules};

pub use self::config::{Limits, MoeConfig};
use self::config::{failed, known, wrong};

use crate::config::{folder_of, gguf_in};
use crate::perplexity::{DocumentScore, Scoring, score};
use crate::weights::Weights;
use crate::{Description, Model, Options, bundled};

const NAME: &str = "moe";

// The places of measures.
const PERPLEXITY: usize = 0;
const BITS: usize = 1;
const LOG_PROB: usize = 2;
const TOKENS: usize = 3;

/// Turns text into the model's tokens.
pub trait Encode: Send + Sync {
    /// Appends the ids of a text.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()>;

    /// Ids are below this.
    fn vocab_size(&self) -> usize;
}

impl MoeConfig {
    /// The stage. Configuration and the weights' names and shapes are checked; the weights are read when the first document comes.
    /// `encoder` is not needed where the ids come from a column.
    ///
    /// # Errors
    /// If a setting makes no sense, the model cannot be opened, or a tensor is missing.
    pub fn build(self, encoder: Option<Arc<dyn Encode>>) -> Result<Moe> {
        if self.model.as_os_str().is_empty() {
            let hint = "name a folder with `config.json` and weights, or a GGUF file";
            return Err(wrong("there is no `model`", Some(hint.into())));
        }
        let description = Description::read(&self.model).map_err(|error| failed(&error))?;
        let weights = Weights::open(&self.model).map_err(|error| failed(&error))?;
        weights.check(&description.config).map_err(|error| {
            wrong(error.to_string(), Some("is it a checkpoint of the model that `config.json` describes?".into()))
        })?;
        let vocab_size = description.config.vocab_size();
        match &encoder {
            Some(encoder) if encoder.vocab_size() > vocab_size => {
                let problem =
                    format!("the tokenizer has ids up to {}, the model {vocab_size} tokens", encoder.vocab_size() - 1);
                return Err(wrong(problem, Some("set `tokenizer_file` to the model's own tokenizer".into())));
            }
            None if self.ids_column.is_none() => {
                let problem = format!("there is no tokenizer in `{}`", self.model.display());
                return Err(wrong(
                    problem,
                    Some("set `tokenizer_file` (`score --moe-tokenizer FILE`), or `ids_column`".into()),
                ));
            }
            _ => {}
        }
        if self.max_document_bytes > 0 && self.ids_column.is_some() {
            let problem = "`max_document_bytes` cuts text, and the tokens are read of `ids_column`";
            return Err(wrong(problem, Some("set `max_document_tokens`".into())));
        }
        if let Some((column, [low, high])) = self.uncertain.iter().find(|(_, [low, high])| (*low..=*high).is_empty()) {
            let problem = format!("`uncertain.{column}` is [{low}, {high}], and nothing lies between");
            return Err(wrong(problem, Some("write the smaller number first".into())));
        }
        let options =
            Options { place: self.place()?, dtype: self.dtype()?, precision: known(&self.precision)?, widen: None };
        let scoring = Scoring::of(&description, &self.prefix, self.window, self.stride, self.batch_tokens)
            .map_err(|error| failed(&error))?;
        let eod = description.config.eod();
        Ok(Moe {
            config: self,
            encoder,
            options,
            scoring,
            vocab_size,
            eod,
            model: OnceLock::new(),
            turn: Mutex::default(),
        })
    }
}

/// The stage of a [`MoeConfig`].
pub struct Moe {
    config: MoeConfig,
    encoder: Option<Arc<dyn Encode>>,
    options: Options,
    scoring: Scoring,
    vocab_size: usize,
    eod: Option<u32>,
    model: OnceLock<Model>,
    /// One batch goes through the model at a time, on all threads: memory does not grow with them.
    turn: Mutex<()>,
}

/// The checks that hold for a language.
pub struct PreparedMoe(Vec<Check>);

impl Moe {
    fn model(&self) -> Result<&Model> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let model = Model::open(&self.config.model, self.options, &mut |_, _| {}).map_err(|error| failed(&error))?;
        Ok(self.model.get_or_init(|| model))
    }

    /// Whether a document's language is asked for, and cheaper scores leave it undecided.
    fn is_wanted(&self, document: &Document<'_>) -> bool {
        if !self.config.takes(&document.measure::<NamedLanguage>().0) {
            return false;
        }
        // Columns of scores are 32 bits wide: the ends of a band are what people read there.
        let lies_in = |value: f64, [low, high]: [f64; 2]| (low as f32..=high as f32).contains(&(value as f32));
        self.config
            .uncertain
            .iter()
            .all(|(column, band)| document.f64(column).is_none_or(|value| lies_in(value, *band)))
    }

    /// What is scored of a text.
    fn text<'d>(&self, document: &'d Document<'_>) -> &'d str {
        let text = document.text();
        match self.config.max_document_bytes {
            0 => text,
            most => &text[..text.floor_char_boundary(most)],
        }
    }

    fn tokens(&self, document: &Document<'_>) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        match (&self.config.ids_column, &self.encoder) {
            (Some(column), _) => {
                let found = document.ids(column).ok_or_else(|| {
                    let problem = format!("document {} has no list of token ids in `{column}`", document.doc_id());
                    wrong(problem, Some("`tokenize` adds such a column".into()))
                })?;
                // What ends a document is none of its text.
                ids.extend_from_slice(found.strip_suffix(self.eod.as_slice()).unwrap_or(found));
            }
            (None, Some(encoder)) => encoder.encode(self.text(document), &mut ids)?,
            (None, None) => return Err(wrong("there is no tokenizer", None)),
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocab_size) {
            let problem =
                format!("document {} holds the token {id}, and the model has {}", document.doc_id(), self.vocab_size);
            return Err(wrong(problem, Some("take ids of the model's own tokenizer".into())));
        }
        if self.config.max_document_tokens > 0 {
            ids.truncate(self.config.max_document_tokens);
        }
        Ok(ids)
    }

    /// How likely documents are; `None` for those that are not scored.
    fn score(&self, documents: &[Document<'_>]) -> Result<Vec<Option<DocumentScore>>> {
        let chosen: Vec<usize> = (0..documents.len()).filter(|place| self.is_wanted(&documents[*place])).collect();
        let mut scores = vec![None; documents.len()];
        let texts = chosen.iter().map(|place| self.tokens(&documents[*place])).collect::<Result<Vec<_>>>()?;
        if texts.iter().all(Vec::is_empty) {
            return Ok(scores);
        }
        let ids: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let found = score(self.model()?.engine(), &ids, &self.scoring, None).map_err(|error| failed(&error))?;
        for (place, score) in chosen.into_iter().zip(found) {
            score.check().map_err(|error| wrong(format!("document {}: {error}", documents[place].doc_id()), None))?;
            scores[place] = (score.tokens > 0).then_some(score);
        }
        Ok(scores)
    }
}

impl Rules for Moe {
    type Prepared = PreparedMoe;

    const MEASURES: &'static [Measured] = &[
        Measured::ratio("perplexity", "Perplexity of a token."),
        Measured::ratio("bits_per_byte", "Bits for each byte of the text."),
        Measured::ratio("log_prob", "Sum of the natural logarithms of the tokens' probabilities."),
        Measured::count("tokens", "Tokens predicted."),
    ];

    fn columns(&self) -> yuan_pipeline::Columns {
        yuan_pipeline::Columns::reads(self.config.ids_column.clone())
    }

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        &document.measure::<NamedLanguage>().0
    }

    fn prepare(&self, language: &str) -> PreparedMoe {
        PreparedMoe(self.config.checks(language))
    }

    fn checks<'p>(&self, prepared: &'p PreparedMoe) -> &'p [Check] {
        &prepared.0
    }

    /// One document alone, for `explain`; why a model fails is told when the document is judged.
    fn measure(&self, _: &PreparedMoe, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        if let Ok(Some(measured)) = self.measure_together(std::slice::from_ref(document)) {
            values.copy_from_slice(&measured);
        }
        None
    }

    fn measure_together(&self, documents: &[Document<'_>]) -> Result<Option<Vec<f64>>> {
        let mut values = vec![f64::NAN; documents.len() * Self::MEASURES.len()];
        let scores = self.score(documents)?;
        let rows = values.chunks_exact_mut(Self::MEASURES.len());
        for ((values, score), document) in rows.zip(scores).zip(documents) {
            let Some(score) = score else { continue };
            // What the columns hold is what is compared.
            let column = |value: f64| f64::from(value as f32);
            values[PERPLEXITY] = score.perplexity().map_or(f64::NAN, column);
            if self.config.max_document_tokens == 0 {
                values[BITS] = score.bits_per_byte(self.text(document).len() as u64).map_or(f64::NAN, column);
            }
            values[LOG_PROB] = score.log_prob;
            values[TOKENS] = score.tokens as f64;
        }
        Ok(Some(values))
    }

    fn batch_bytes(&self) -> Option<u64> {
        // A token has three to five bytes; a batch for the model should be full, also where few documents
        // or little of each go to it.
        let is_part = !self.config.uncertain.is_empty()
            || !self.config.takes("")
            || self.config.max_document_bytes > 0
            || self.config.max_document_tokens > 0;
        let share = if is_part { 16 } else { 1 };
        Some(4 * share * self.scoring.batch_tokens as u64)
    }

    fn score_columns(&self) -> Vec<(usize, String)> {
        self.config.score_columns()
    }

    fn names_looked_up(&self) -> Vec<&str> {
        self.config.uncertain.keys().map(String::as_str).collect()
    }

    fn is_expected_to_drop(&self) -> bool {
        let thresholds = [self.config.max_perplexity, self.config.min_perplexity, self.config.max_bits_per_byte];
        thresholds.iter().any(|threshold| *threshold > 0.0) || !self.config.languages.is_empty()
    }

    fn shaping_settings(&self) -> &'static [&'static str] {
        &["max_document_bytes", "max_document_tokens"]
    }
}

/// The language an earlier step found; empty if none did.
struct NamedLanguage(String);

impl yuan_pipeline::Measure for NamedLanguage {
    const NAME: &'static str = "moe_language";

    fn of(document: &Document<'_>) -> Self {
        Self(document.str("language").unwrap_or_default().into_owned())
    }
}

/// The tokenizer that lies with a model, or beside its file of weights: its path, if there is one.
pub fn tokenizer_of(model: &Path) -> Option<PathBuf> {
    if model.is_file() && model.extension().is_some_and(|extension| extension == "gguf") {
        return Some(model.to_path_buf());
    }
    let model = folder_of(model);
    let known =
        ["tokenizer.json", "tokenizer.model"].iter().map(|name| model.join(name)).find(|path| bundled::exists(path));
    known.or_else(|| (!model.join("config.json").exists()).then(|| gguf_in(model)).flatten())
}
