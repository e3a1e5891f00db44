//! `write_binidx`: the documents' tokens as a Megatron dataset.
//!
//! Reads `tokens`. One sequence for each document and a boundary after each, in input order; a document
//! without tokens is a boundary without a sequence, as Megatron writes it. Each work unit's tokens go to a
//! partial file in the final dtype, and the reduction copies these behind one another: O(bytes), memory
//! of four bytes for each document of a unit, eight with a loss mask ([`crate::loss_mask()`]).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Columns, Context, Error, Pass, Result, Scan};

use crate::{DType, Writer, prompt_tokens};

/// The step's name in a recipe.
const NAME: &str = "write_binidx";
/// The column read.
const TOKENS: &str = "tokens";
/// The first bytes of a partial file; the dtype's code follows, 0 if the unit had no document.
const PARTIAL_MAGIC: [u8; 8] = *b"YDTOKENS";
/// Bytes of magic and dtype.
const PARTIAL_HEAD_BYTES: u64 = 9;
/// `u64` documents and `u64` token bytes, at the end of a partial file.
const FOOTER_BYTES: u64 = 16;

/// Writes the `tokens` column as a Megatron-Core dataset: PREFIX.bin and PREFIX.idx.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WriteBinidx {
    /// Path of the two files without `.bin` and `.idx`; its folder is made. Default `tokens`.
    pub prefix: PathBuf,
    /// Number type of the tokens: `u16`, `i32`, or `auto`, which takes u16 for a vocabulary known to be
    /// under 65,500 tokens and else i32. Default `auto` (Megatron-Core, `DType.optimal_dtype`).
    pub dtype: DTypeChoice,
    /// What the index says of documents: `documents`, or `zero`, the lone 0 that Yuan's preprocessor leaves. Default `documents`.
    pub document_array: DocumentArray,
    /// Also write PREFIX_loss_mask.bin and .idx, a u8 for each token: 1 if it is learnt, 0 before the first separator of its document
    /// (`sep` of `tokenize`); documents without one are all 1. Default false.
    pub loss_mask: bool,
}

impl Default for WriteBinidx {
    fn default() -> Self {
        Self {
            prefix: "tokens".into(),
            dtype: DTypeChoice::Auto,
            document_array: DocumentArray::Documents,
            loss_mask: false,
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
    /// A dataset to be written.
    fn writer(&self, prefix: &Path, dtype: DType) -> Result<Writer> {
        let writer = Writer::create(prefix, dtype).map_err(failed)?;
        Ok(match self.document_array {
            DocumentArray::Documents => writer,
            DocumentArray::Zero => writer.without_documents(),
        })
    }

    /// The dtype for tokens of this column, whose metadata may tell the vocabulary's size.
    fn dtype(&self, tokens: Option<&Field>) -> DType {
        match self.dtype {
            DTypeChoice::U16 => DType::U16,
            DTypeChoice::I32 => DType::I32,
            DTypeChoice::Auto => DType::for_vocabulary(
                tokens.and_then(|field| field.metadata().get("vocab_size")).and_then(|size| size.parse().ok()),
            ),
        }
    }
}

impl Pass for WriteBinidx {
    fn columns(&self) -> Columns {
        Columns::reads([TOKENS])
    }

    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let file = File::create(partial).map_err(Error::io("create", partial))?;
        Ok(Box::new(Unit {
            config: self.clone(),
            path: partial.to_path_buf(),
            out: BufWriter::with_capacity(1 << 18, file),
            dtype: None,
            lengths: Vec::new(),
            prompts: Vec::new(),
            token_bytes: 0,
            encoded: Vec::new(),
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        if let Some(folder) = self.prefix.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let partials: Vec<Partial> =
            partials.iter().map(|path| Partial::open(path, self.loss_mask)).collect::<Result<_>>()?;
        let mut dtypes = partials.iter().filter_map(|partial| partial.dtype);
        let dtype = dtypes.next().unwrap_or_else(|| self.dtype(None));
        if let Some(other) = dtypes.find(|other| *other != dtype) {
            return Err(Error::stage(NAME, format!("some work units hold {dtype}, others {other}")));
        }
        if self.loss_mask {
            // Before the tokens, so that these are there only when all is.
            let mut writer = self.writer(&loss_mask_prefix(&self.prefix), DType::U8)?;
            for partial in &partials {
                context.check()?;
                partial.append_mask_to(&mut writer)?;
            }
            writer.finish().map_err(failed)?;
        }
        let mut writer = self.writer(&self.prefix, dtype)?;
        for partial in partials {
            context.check()?;
            partial.append_to(&mut writer)?;
        }
        let written = writer.finish().map_err(failed)?;
        context.tally("tokens", "written", written.documents, written.tokens);
        let json = serde_json::to_vec_pretty(&written).expect("plain numbers and strings are JSON");
        std::fs::write(outcome, json).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}

/// One work unit: `magic | dtype | tokens | u32 lengths | u32 prompt lengths, for a loss mask | footer`.
struct Unit {
    config: WriteBinidx,
    path: PathBuf,
    out: BufWriter<File>,
    dtype: Option<DType>,
    lengths: Vec<u32>,
    prompts: Vec<u32>,
    token_bytes: u64,
    encoded: Vec<u8>,
}

impl Unit {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    fn start(&mut self, dtype: Option<DType>) -> Result<()> {
        self.write(&PARTIAL_MAGIC)?;
        self.write(&[dtype.map_or(0, DType::code)])
    }
}

impl Scan for Unit {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let column = batch.column(TOKENS).ok_or_else(|| missing("no column `tokens`"))?;
        let dtype = self.config.dtype(batch.field(TOKENS).map(AsRef::as_ref));
        if self.dtype.is_none() {
            self.start(Some(dtype))?;
            self.dtype = Some(dtype);
        }
        let sep = match self.config.loss_mask {
            true => Some(separator(batch.field(TOKENS).map(AsRef::as_ref))?),
            false => None,
        };
        for document in batch.documents() {
            let row = token_row(column, document.row())?;
            let tokens = row.as_primitive_opt::<UInt32Type>().filter(|tokens| tokens.null_count() == 0);
            let tokens = tokens.ok_or_else(|| missing("column `tokens` is no list of u32"))?.values();
            self.encoded.clear();
            let failed = |problem: String| {
                let (file, record) = (document.doc_id() >> 32, document.doc_id() & 0xffff_ffff);
                Error::stage(NAME, format!("document {record} of input file {file}: {problem}"))
            };
            dtype.encode(tokens, &mut self.encoded).map_err(|error| failed(error.to_string()))?;
            if i32::try_from(tokens.len()).is_err() {
                let error = crate::Error::SequenceLength { tokens: tokens.len() };
                return Err(failed(error.to_string()));
            }
            self.lengths.push(tokens.len() as u32);
            self.prompts.extend(sep.map(|sep| prompt_tokens(tokens, sep) as u32));
            self.token_bytes += self.encoded.len() as u64;
            self.out.write_all(&self.encoded).map_err(Error::io("write", &self.path))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.dtype.is_none() {
            self.start(None)?;
        }
        let (lengths, prompts) = (std::mem::take(&mut self.lengths), std::mem::take(&mut self.prompts));
        lengths.iter().chain(&prompts).try_for_each(|length| self.write(&length.to_le_bytes()))?;
        self.write(&(lengths.len() as u64).to_le_bytes())?;
        self.write(&self.token_bytes.to_le_bytes())?;
        self.out.flush().map_err(Error::io("write", &self.path))
    }
}

/// A finished unit.
struct Partial {
    path: PathBuf,
    dtype: Option<DType>,
    documents: u64,
    token_bytes: u64,
}

impl Partial {
    fn open(path: &Path, has_prompts: bool) -> Result<Self> {
        let damaged = || Error::stage(NAME, format!("`{}` is no partial file of this step", path.display()));
        let file = File::open(path).map_err(Error::io("read", path))?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let mut file = BufReader::new(file);
        let mut head = [0; PARTIAL_HEAD_BYTES as usize];
        let mut foot = [0; FOOTER_BYTES as usize];
        file.read_exact(&mut head)
            .and_then(|()| file.seek(SeekFrom::Start(bytes.saturating_sub(FOOTER_BYTES))))
            .and_then(|_| file.read_exact(&mut foot))
            .map_err(|_| damaged())?;
        let (documents, token_bytes) = foot.split_at(8);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of sixteen bytes"));
        let (documents, token_bytes) = (number(documents), number(token_bytes));
        let dtype = DType::from_code(head[8]);
        let sizes =
            [PARTIAL_HEAD_BYTES, token_bytes, documents.saturating_mul(if has_prompts { 8 } else { 4 }), FOOTER_BYTES];
        let whole = sizes.into_iter().try_fold(0_u64, u64::checked_add) == Some(bytes);
        let typed = dtype.is_some() || (head[8], documents, token_bytes) == (0, 0, 0);
        if !head.starts_with(&PARTIAL_MAGIC) || !whole || !typed {
            return Err(damaged());
        }
        Ok(Self { path: path.to_path_buf(), dtype, documents, token_bytes })
    }

    fn open_at(&self, offset: u64) -> Result<File> {
        File::open(&self.path)
            .and_then(|mut file| file.seek(SeekFrom::Start(offset)).map(|_| file))
            .map_err(Error::io("read", &self.path))
    }

    /// The numbers that the unit has for each document: its lengths are the first, the lengths of its prompts the second.
    fn numbers(&self, which: u64) -> Result<impl Iterator<Item = Result<usize>>> {
        let start = PARTIAL_HEAD_BYTES + self.token_bytes + which * 4 * self.documents;
        let mut numbers = BufReader::new(self.open_at(start)?);
        Ok((0..self.documents).map(move |_| {
            let mut number = [0; 4];
            numbers.read_exact(&mut number).map_err(Error::io("read", &self.path))?;
            Ok(u32::from_le_bytes(number) as usize)
        }))
    }

    fn append_mask_to(&self, writer: &mut Writer) -> Result<()> {
        let mut mask = Vec::new();
        for (length, prompt) in self.numbers(0)?.zip(self.numbers(1)?) {
            let (length, prompt) = (length?, prompt?);
            if prompt > length {
                return Err(Error::stage(NAME, format!("`{}` is damaged", self.path.display())));
            }
            if length > 0 {
                mask.clear();
                mask.resize(prompt, 0);
                mask.resize(length, 1);
                writer.add_sequence(&mask).map_err(failed)?;
            }
            writer.end_document().map_err(failed)?;
        }
        Ok(())
    }

    fn append_to(&self, writer: &mut Writer) -> Result<()> {
        let mut tokens = 0;
        for length in self.numbers(0)? {
            let length = length?;
            tokens += length as u64;
            if length > 0 {
                writer.add_length(length).map_err(failed)?;
            }
            writer.end_document().map_err(failed)?;
        }
        if tokens * writer.dtype().bytes() as u64 != self.token_bytes {
            return Err(Error::stage(NAME, format!("`{}` is damaged", self.path.display())));
        }
        let tokens = self.open_at(PARTIAL_HEAD_BYTES)?.take(self.token_bytes);
        writer.append_encoded(tokens, &self.path).map_err(failed)?;
        Ok(())
    }
}

/// The prefix of the loss mask that `write_binidx` writes beside a dataset.
pub fn loss_mask_prefix(prefix: &Path) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push("_loss_mask");
    name.into()
}

/// The separator's id, which the step that made the tokens leaves with the column.
fn separator(tokens: Option<&Field>) -> Result<u32> {
    let sep = tokens.and_then(|field| field.metadata().get("sep")).and_then(|sep| sep.parse().ok());
    sep.ok_or_else(|| Error::Stage {
        stage: NAME.into(),
        problem: "`loss_mask` goes by a separator, and the tokenizer has no such token".into(),
        hint: Some("name one that it has with `sep` of `tokenize`".into()),
    })
}

fn token_row(column: &ArrayRef, row: usize) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::LargeList(_) => Ok(column.as_list::<i64>().value(row)),
        DataType::List(_) => Ok(column.as_list::<i32>().value(row)),
        other => Err(missing(&format!("column `tokens` is {other}, no list"))),
    }
}

fn missing(problem: &str) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: Some("put `tokenize` before it".into()) }
}

fn failed(error: crate::Error) -> Error {
    match error {
        crate::Error::Io { action, path, source } => Error::Io { action, path, source },
        other => Error::stage(NAME, other),
    }
}
