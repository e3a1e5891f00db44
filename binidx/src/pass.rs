//! `write_binidx`: the documents' tokens as a dataset.
//!
//! Reads `tokens`. One sequence for each document and a boundary after each; a document without tokens is a boundary without a
//! sequence, as Megatron writes it. Each work unit's tokens go to a partial file in the final dtype, with what is known of
//! their documents; the reduction writes them behind one another, or in the order of a [hash](crate::shuffle_key).
//! O(bytes), memory of some 100 bytes for each document of a unit, and the budget for another order.

mod unit;

use std::path::{Path, PathBuf};

use arrow_schema::Field;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use yuan_pipeline::{Columns, Context, Error, Pass, Progress, Result, Scan};

use crate::form::Target;
use crate::sets::{Mask, Sets};
use crate::shuffle::Shuffle;
use crate::work::Job;
use crate::{DType, Form, Vocabulary, shuffle_key};
use unit::{Partial, Unit};

/// The step's name in a recipe.
const NAME: &str = "write_binidx";
/// The column read.
const TOKENS: &str = "tokens";

/// Writes the `tokens` column as a dataset: Megatron-Core's PREFIX.bin and PREFIX.idx, or what others read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WriteBinidx {
    /// Path of the files without their suffixes; its folder is made. Default `tokens`.
    pub prefix: PathBuf,
    /// What is written: `megatron` (`.bin`, `.idx`), `datatrove` (`.ds`), `olmo` (`.npy`, `.csv.gz`) or `parquet`. Default `megatron`.
    pub form: Form,
    /// Number type of the tokens: `u16`, `i32`, or `auto`, which takes u16 for a vocabulary known to be
    /// under 65,500 tokens and else i32. Default `auto` (Megatron-Core, `DType.optimal_dtype`).
    pub dtype: DTypeChoice,
    /// Sets of about as many tokens, `PREFIX-00000-of-00004`; 0 is one set, named `PREFIX`. Default 0.
    pub shards: u32,
    /// Whether documents are put in the order of a hash of seed, file and record, the same for any threads, memory and shards; by
    /// default they stay in input order. Default false.
    pub shuffle: bool,
    /// The seed of that hash. Default 0.
    pub shuffle_seed: u64,
    /// Whether `PREFIX.documents.parquet` is written beside Megatron's files: for each document its id, source, file, record,
    /// language and a hash of its tokens. Default true.
    pub documents: bool,
    /// What the index says of documents: `documents`, or `zero`, the lone 0 that Yuan's preprocessor leaves. Default `documents`.
    pub document_array: DocumentArray,
    /// Also write PREFIX_loss_mask.bin and .idx, a u8 for each token: 1 if it is learnt, 0 before the first separator of its document
    /// (`sep` of `tokenize`); documents without one are all 1. Default false.
    pub loss_mask: bool,
    /// The column or field that holds a document's language. Default `language` (what `language_id` adds).
    pub language_column: String,
    /// The column of the ids in Parquet. Default `input_ids` (what `datasets` and trainers of Hugging Face take).
    pub column: String,
}

impl Default for WriteBinidx {
    fn default() -> Self {
        Self {
            prefix: "tokens".into(),
            form: Form::Megatron,
            dtype: DTypeChoice::Auto,
            shards: 0,
            shuffle: false,
            shuffle_seed: 0,
            documents: true,
            document_array: DocumentArray::Documents,
            loss_mask: false,
            language_column: "language".into(),
            column: "input_ids".into(),
        }
    }
}

/// What the index says of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentArray {
    /// Where each begins and ends, which Megatron-Core asks for.
    #[default]
    Documents,
    /// Nothing but a 0, as in the datasets of Yuan 2.0: each sequence is a document.
    Zero,
}

/// How the number type of the tokens is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DTypeChoice {
    /// By the size of the vocabulary.
    #[default]
    Auto,
    /// Two bytes a token, up to id 65,535.
    U16,
    /// Four bytes a token.
    I32,
}

impl WriteBinidx {
    /// The dtype for tokens of this vocabulary.
    fn dtype(&self, vocabulary: &Vocabulary) -> DType {
        match self.dtype {
            DTypeChoice::U16 => DType::U16,
            DTypeChoice::I32 => DType::I32,
            DTypeChoice::Auto => DType::for_vocabulary(vocabulary.vocab_size),
        }
    }
}

/// What the column's metadata tell of its tokens.
fn vocabulary(field: Option<&Field>) -> Vocabulary {
    let said = |key: &str| field.and_then(|field| field.metadata().get(key).cloned());
    Vocabulary {
        tokenizer: said("tokenizer"),
        vocab_size: said("vocab_size").and_then(|size| size.parse().ok()),
        eod: said("eod").and_then(|eod| eod.parse().ok()),
    }
}

impl Pass for WriteBinidx {
    fn columns(&self) -> Columns {
        Columns::reads([TOKENS])
    }

    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(Unit::create(self.clone(), partial)?))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        if let Some(folder) = self.prefix.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        if self.form != Form::Megatron && (self.loss_mask || self.document_array == DocumentArray::Zero) {
            return Err(Error::stage(NAME, "`loss_mask` and `document_array` are of Megatron's form alone"));
        }
        let (mut dtype, mut vocabulary, mut sep, mut tokens) = (None, None, None, 0);
        for path in partials {
            let partial = Partial::open(path)?;
            let Some((unit_dtype, unit_vocabulary)) = partial.kind() else { continue };
            tokens += partial.tokens();
            if *dtype.get_or_insert(unit_dtype) != unit_dtype {
                let problem = format!("some work units hold {unit_dtype}, others another type");
                return Err(Error::stage(NAME, problem));
            }
            vocabulary.get_or_insert_with(|| unit_vocabulary.clone());
            sep = sep.or(partial.sep());
        }
        let vocabulary = vocabulary.unwrap_or_default();
        let target = Target {
            form: self.form,
            dtype: dtype.unwrap_or_else(|| self.dtype(&vocabulary)),
            documents: self.documents,
            marks: self.document_array == DocumentArray::Documents,
            vocabulary,
            column: self.column.clone(),
        };
        let progress = Progress::default();
        let job = Job {
            memory: context.memory,
            threads: context.threads,
            cancelled: context.cancelled(),
            progress: &progress,
        };
        let mask = self.loss_mask.then(|| Mask::new(sep, &target));
        let mut sets = Sets::new(&target, mask, &self.prefix, self.shards, tokens)?;
        if self.shuffle {
            let mut shuffle = Shuffle::new(context.scratch.join("shuffle"), &job);
            for path in partials {
                context.check()?;
                let partial = Partial::open(path)?;
                partial
                    .for_each(|document| shuffle.add(shuffle_key(self.shuffle_seed, &document.about, 0), document))?;
            }
            shuffle.finish(&mut |document| sets.add(document))?;
        } else {
            for path in partials {
                context.check()?;
                Partial::open(path)?.for_each(|document| sets.add(document))?;
            }
        }
        let written = sets.finish()?;
        let (documents, tokens) =
            written.iter().fold((0, 0), |(documents, tokens), set| (documents + set.documents, tokens + set.tokens));
        context.tally("tokens", "written", documents, tokens);
        let json = match written.as_slice() {
            [one] if self.shards == 0 => json!(one),
            sets => json!({ "documents": documents, "tokens": tokens, "sets": sets }),
        };
        let json = serde_json::to_vec_pretty(&json).expect("plain numbers and strings are JSON");
        std::fs::write(outcome, json).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}
