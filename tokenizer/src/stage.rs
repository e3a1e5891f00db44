//! `tokenize`: the documents' token ids.
//!
//! Adds `tokens`, a list of u32 for each document, with the vocabulary's size, the end-of-document id and the
//! tokenizer's fingerprint in the column's metadata, and the id of `sep` if there is such a token. A document without text has no tokens, not even the
//! end of document, as in Megatron's preprocessing. O(bytes).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow_array::{LargeListArray, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_pipeline::{Batch, Columns, Document, Error, Result, Stage};
use yuan_random_state::RandomState;

use crate::{Fim, Scratch, Tokenizer};

/// The step's name in a recipe.
const NAME: &str = "tokenize";

/// Turns each document's text into token ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizeConfig {
    /// A `tokenizer.json` of Hugging Face `tokenizers`, such as `train_tokenizer` writes, a SentencePiece `.model` with the files beside
    /// it that name and add tokens, ranks of tiktoken, or a GGUF file. Default `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// Whether each document's tokens end in the end-of-document token. Default true (Megatron-LM
    /// `--append-eod`, Yuan 2.0).
    pub append_eod: bool,
    /// Name of the end-of-document token. Default `<eod>` (Yuan 2.0).
    pub eod: String,
    /// Whether a control token written out in a text becomes that control token. By default it is text, so
    /// that no document can end itself or begin a turn. Default false.
    pub parse_special: bool,
    /// `yuan`: the `.model` has the control tokens of Yuan 2.0's programs, and those written out in a text are taken for what they are, whatever
    /// `parse_special` says. Default none.
    pub compat: Option<TokenizeCompat>,
    /// Name of the token between a question and its answer, which the loss mask of `write_binidx` goes by. Default `<sep>` (Yuan 2.0).
    pub sep: String,
    /// Part of the documents, in [0, 1], that are turned round for learning to fill in the middle. Default 0 (Yuan 2.0 trains with 0.5, and turns
    /// the pieces of each training step round anew).
    pub fim_rate: f64,
    /// Part of these, in [0, 1], whose suffix comes first (SPM). Default 0.5 (Yuan 2.0).
    pub fim_spm_rate: f64,
    /// What is drawn for a document depends on this and its `doc_id` alone. Default 1234.
    pub fim_seed: u64,
    /// Name of the token before a prefix. Default `<FIM_PREFIX>` (Yuan 2.0; StarCoder has `<fim_prefix>`).
    pub fim_prefix: String,
    /// Name of the token before a suffix. Default `<FIM_SUFFIX>`.
    pub fim_suffix: String,
    /// Name of the token before a middle. Default `<FIM_MIDDLE>`.
    pub fim_middle: String,
}

/// Programs whose tokens are wanted, to the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenizeCompat {
    /// Those of Yuan 2.0 ([`Tokenizer::load_yuan`]).
    Yuan,
}

impl Default for TokenizeConfig {
    fn default() -> Self {
        Self {
            tokenizer: "tokenizer.json".into(),
            append_eod: true,
            eod: "<eod>".into(),
            parse_special: false,
            compat: None,
            sep: "<sep>".into(),
            fim_rate: 0.0,
            fim_spm_rate: 0.5,
            fim_seed: 1234,
            fim_prefix: "<FIM_PREFIX>".into(),
            fim_suffix: "<FIM_SUFFIX>".into(),
            fim_middle: "<FIM_MIDDLE>".into(),
        }
    }
}

impl TokenizeConfig {
    /// Loads the tokenizer.
    ///
    /// # Errors
    /// If the file cannot be loaded or has no such end-of-document token, or, with a `fim_rate`, no such tokens for its parts; if a rate is
    /// none.
    pub fn build(&self) -> Result<Tokenize> {
        let tokenizer = match self.compat {
            Some(TokenizeCompat::Yuan) => Tokenizer::load_yuan(&self.tokenizer)?,
            None => Tokenizer::load(&self.tokenizer)?.parsing_special(self.parse_special),
        };
        let eod = match self.append_eod {
            true => Some(tokenizer.token_to_id(&self.eod).ok_or_else(|| self.no_eod(&tokenizer))?),
            false => None,
        };
        let (sep, fim) = (tokenizer.token_to_id(&self.sep), self.fim(&tokenizer)?);
        Ok(Tokenize { tokenizer, eod, sep, fim, fim_seed: self.fim_seed, scratches: Mutex::default() })
    }

    fn fim(&self, tokenizer: &Tokenizer) -> Result<Option<Fim>> {
        for (setting, rate) in [("fim_rate", self.fim_rate), ("fim_spm_rate", self.fim_spm_rate)] {
            if !(0.0..=1.0).contains(&rate) {
                return Err(Error::stage(NAME, format!("`{setting}` must be in [0, 1], not {rate}")));
            }
        }
        if self.fim_rate == 0.0 {
            return Ok(None);
        }
        let id = |setting: &str, token: &str| {
            tokenizer.token_to_id(token).ok_or_else(|| Error::Stage {
                stage: NAME.into(),
                problem: format!("`{}` has no token `{token}`, which `fim_rate` needs", self.tokenizer.display()),
                hint: Some(match self.compat {
                    Some(TokenizeCompat::Yuan) => format!("set `{setting}` to one that it has"),
                    None => format!("set `{setting}` to one that it has; with `compat = \"yuan\"` Yuan's model has it"),
                }),
            })
        };
        Ok(Some(Fim {
            rate: self.fim_rate,
            spm_rate: self.fim_spm_rate,
            prefix: id("fim_prefix", &self.fim_prefix)?,
            suffix: id("fim_suffix", &self.fim_suffix)?,
            middle: id("fim_middle", &self.fim_middle)?,
        }))
    }

    fn no_eod(&self, tokenizer: &Tokenizer) -> Error {
        let known: Vec<String> =
            tokenizer.special_tokens().iter().take(8).map(|(token, _)| format!("`{token}`")).collect();
        let hint = match known.is_empty() {
            true => "it has no special tokens at all: set `append_eod = false`".into(),
            false => format!("set `eod` to one of its special tokens: {}…", known.join(", ")),
        };
        Error::Stage {
            stage: NAME.into(),
            problem: format!("`{}` has no token `{}`", self.tokenizer.display(), self.eod),
            hint: Some(hint),
        }
    }
}

/// The stage of a [`TokenizeConfig`].
pub struct Tokenize {
    tokenizer: Tokenizer,
    eod: Option<u32>,
    sep: Option<u32>,
    fim: Option<Fim>,
    fim_seed: u64,
    /// Scratches not in use: as many as there were batches at one time.
    scratches: Mutex<Vec<Scratch>>,
}

impl Tokenize {
    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Appends a document's tokens; whether it was turned round.
    fn encode(&self, document: Document<'_>, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<bool> {
        let text = document.text();
        if let Some(fim) = self.fim.as_ref().filter(|_| !text.is_empty()) {
            let mut random = fim_random(self.fim_seed, document.doc_id());
            if fim.encode_into(&self.tokenizer, &mut random, text, scratch, ids)? {
                return Ok(true);
            }
        }
        self.tokenizer.encode_into(text, scratch, ids)?;
        Ok(false)
    }

    fn field(&self) -> Field {
        let mut metadata = HashMap::from([
            ("vocab_size".to_owned(), self.tokenizer.vocab_size().to_string()),
            ("tokenizer".to_owned(), self.tokenizer.fingerprint().to_owned()),
        ]);
        if let Some(eod) = self.eod {
            metadata.insert("eod".into(), eod.to_string());
        }
        if let Some(sep) = self.sep {
            metadata.insert("sep".into(), sep.to_string());
        }
        Field::new("tokens", column_type(), false).with_metadata(metadata)
    }
}

/// The draws of a document: by a hash of seed and `doc_id` (XXH3-64, its lower half), so that neither order nor threads matter.
fn fim_random(seed: u64, doc_id: u64) -> RandomState {
    RandomState::new(xxh3_64_with_seed(&doc_id.to_le_bytes(), seed) as u32)
}

fn column_type() -> DataType {
    DataType::LargeList(Arc::new(item()))
}

fn item() -> Field {
    Field::new("item", DataType::UInt32, false)
}

impl Stage for Tokenize {
    fn columns(&self) -> Columns {
        Columns::default().adding("tokens", column_type())
    }

    fn process(&self, mut batch: Batch) -> Result<Batch> {
        let idle = self.scratches.lock().expect("no holder panics").pop();
        let mut scratch = idle.unwrap_or_default();
        let mut ids = Vec::with_capacity(batch.text_bytes() as usize / 4);
        let mut offsets: Vec<i64> = Vec::with_capacity(batch.rows() + 1);
        offsets.push(0);
        let (mut documents, mut turned) = (0, 0);
        for row in 0..batch.rows() {
            if batch.reason(row).is_none() {
                let start = ids.len();
                if self.encode(batch.document(row), &mut scratch, &mut ids)? {
                    turned += 1;
                }
                if ids.len() > start {
                    ids.extend(self.eod);
                }
                documents += 1;
            }
            offsets.push(ids.len() as i64);
        }
        self.scratches.lock().expect("no holder panics").push(scratch);
        batch.tally("tokens", "encoded", documents, ids.len() as u64);
        if self.fim.is_some() {
            batch.tally("tokens", "turned_round", turned, 0);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let tokens = LargeListArray::try_new(Arc::new(item()), offsets, Arc::new(UInt32Array::from(ids)), None)?;
        batch.annotate(self.field(), Arc::new(tokens))
    }
}
