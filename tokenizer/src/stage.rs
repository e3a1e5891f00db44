//! `tokenize`: the documents' token ids.
//!
//! Adds `tokens`, a list of u32 for each document, with the vocabulary's size, the end-of-document id and the
//! tokenizer's fingerprint in the column's metadata. A document without text has no tokens, not even the
//! end of document, as in Megatron's preprocessing. O(bytes).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow_array::{LargeListArray, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Columns, Error, Result, Stage};

use crate::{Scratch, Tokenizer};

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
}

impl Default for TokenizeConfig {
    fn default() -> Self {
        Self { tokenizer: "tokenizer.json".into(), append_eod: true, eod: "<eod>".into(), parse_special: false }
    }
}

impl TokenizeConfig {
    /// Loads the tokenizer.
    ///
    /// # Errors
    /// If the file cannot be loaded or has no such end-of-document token.
    pub fn build(&self) -> Result<Tokenize> {
        let tokenizer = Tokenizer::load(&self.tokenizer)?.parsing_special(self.parse_special);
        let eod = match self.append_eod {
            true => Some(tokenizer.token_to_id(&self.eod).ok_or_else(|| self.no_eod(&tokenizer))?),
            false => None,
        };
        Ok(Tokenize { tokenizer, eod, scratches: Mutex::default() })
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
    /// Scratches not in use: as many as there were batches at one time.
    scratches: Mutex<Vec<Scratch>>,
}

impl Tokenize {
    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn field(&self) -> Field {
        let mut metadata = HashMap::from([
            ("vocab_size".to_owned(), self.tokenizer.vocab_size().to_string()),
            ("tokenizer".to_owned(), self.tokenizer.fingerprint().to_owned()),
        ]);
        if let Some(eod) = self.eod {
            metadata.insert("eod".into(), eod.to_string());
        }
        Field::new("tokens", column_type(), false).with_metadata(metadata)
    }
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
        let mut ids = Vec::with_capacity(batch.texts().value_data().len() / 4);
        let mut offsets: Vec<i64> = Vec::with_capacity(batch.rows() + 1);
        offsets.push(0);
        let mut documents = 0;
        for row in 0..batch.rows() {
            if batch.reason(row).is_none() {
                let start = ids.len();
                self.tokenizer.encode_into(batch.document(row).text(), &mut scratch, &mut ids)?;
                if ids.len() > start {
                    ids.extend(self.eod);
                }
                documents += 1;
            }
            offsets.push(ids.len() as i64);
        }
        self.scratches.lock().expect("no holder panics").push(scratch);
        batch.tally("tokens", "encoded", documents, ids.len() as u64);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let tokens = LargeListArray::try_new(Arc::new(item()), offsets, Arc::new(UInt32Array::from(ids)), None)?;
        batch.annotate(self.field(), Arc::new(tokens))
    }
}
