//! The partial file of a work unit: tokens as they will lie in the dataset, and what is known of their documents.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Batch, Error, Result, Scan};

use super::{NAME, TOKENS, WriteBinidx, vocabulary};
use crate::documents::{Row, Rows, RowsBuilder};
use crate::index::Mapping;
use crate::{About, DType, Document, Vocabulary};

/// The last bytes of a partial file, behind `u64` bytes of tokens, of rows and of words about them.
const MAGIC: [u8; 8] = *b"YDTOKENS";
/// Bytes of these three numbers and the magic.
const FOOTER_BYTES: usize = 32;

/// What the tokens of a unit are.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kind {
    dtype: DType,
    vocabulary: Vocabulary,
    /// The separator of questions and answers, for a loss mask.
    sep: Option<u32>,
}

/// One work unit: `tokens | rows | kind | footer`.
pub(super) struct Unit {
    config: WriteBinidx,
    path: PathBuf,
    out: BufWriter<File>,
    kind: Option<Kind>,
    rows: RowsBuilder,
    token_bytes: u64,
    encoded: Vec<u8>,
}

impl Unit {
    pub(super) fn create(config: WriteBinidx, path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        Ok(Self {
            config,
            path: path.to_path_buf(),
            out: BufWriter::with_capacity(1 << 18, file),
            kind: None,
            rows: RowsBuilder::default(),
            token_bytes: 0,
            encoded: Vec::new(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }
}

impl Scan for Unit {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let column = batch.column(TOKENS).ok_or_else(|| missing("no column `tokens`"))?;
        let dtype = match &self.kind {
            Some(kind) => kind.dtype,
            None => {
                let field = batch.field(TOKENS).map(AsRef::as_ref);
                let sep = if self.config.loss_mask { Some(separator(field)?) } else { None };
                let vocabulary = vocabulary(field);
                let dtype = self.config.dtype(&vocabulary);
                self.kind = Some(Kind { dtype, vocabulary, sep });
                dtype
            }
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
            let (id, source, language) = (document.id(), document.source(), document.str(&self.config.language_column));
            let about = About {
                id: id.as_deref(),
                source: &source,
                file: &document.file().map(Path::to_string_lossy).unwrap_or_default(),
                row: document.doc_id() & 0xffff_ffff,
                language: language.as_deref(),
                text_bytes: document.text().len() as u64,
            };
            self.rows.add(&about, tokens.len() as u64, xxh3_64(&self.encoded));
            self.token_bytes += self.encoded.len() as u64;
            self.out.write_all(&self.encoded).map_err(Error::io("write", &self.path))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let batch = self.rows.finish();
        let mut rows = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        rows.write(&batch)?;
        let rows = rows.into_inner()?;
        let kind = serde_json::to_vec(&self.kind).expect("plain numbers and strings are JSON");
        self.write(&rows)?;
        self.write(&kind)?;
        for bytes in [self.token_bytes, rows.len() as u64, kind.len() as u64] {
            self.write(&bytes.to_le_bytes())?;
        }
        self.write(&MAGIC)?;
        self.out.flush().map_err(Error::io("write", &self.path))
    }
}

/// A finished unit.
pub(super) struct Partial {
    path: PathBuf,
    map: Mapping,
    kind: Option<Kind>,
    token_bytes: usize,
    rows_end: usize,
}

impl Partial {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let map = Mapping::open(path)?;
        let read = || {
            let (body, footer) = map.split_at_checked(map.len().checked_sub(FOOTER_BYTES)?)?;
            let (sizes, magic) = footer.split_at_checked(FOOTER_BYTES - MAGIC.len())?;
            let [tokens, rows, kind] =
                [0, 8, 16].map(|at| u64::from_le_bytes(sizes[at..at + 8].try_into().expect("eight bytes")));
            let rows_end = tokens.checked_add(rows)?;
            let whole = magic == MAGIC && rows_end.checked_add(kind) == Some(body.len() as u64);
            let kind: Option<Kind> = serde_json::from_slice(body.get(rows_end as usize..)?).ok()?;
            whole.then_some((kind, tokens as usize, rows_end as usize))
        };
        let (kind, token_bytes, rows_end) = read().ok_or_else(|| damaged(path))?;
        Ok(Self { path: path.to_path_buf(), map, kind, token_bytes, rows_end })
    }

    /// What its tokens are; `None` if it had no document.
    pub(super) fn kind(&self) -> Option<(DType, &Vocabulary)> {
        self.kind.as_ref().map(|kind| (kind.dtype, &kind.vocabulary))
    }

    /// The separator of questions and answers, if a loss mask is asked for.
    pub(super) fn sep(&self) -> Option<u32> {
        self.kind.as_ref().and_then(|kind| kind.sep)
    }

    pub(super) fn tokens(&self) -> u64 {
        self.kind.as_ref().map_or(0, |kind| (self.token_bytes / kind.dtype.bytes()) as u64)
    }

    /// Hands its documents to `take`, in order.
    pub(super) fn for_each(&self, mut take: impl FnMut(&Document<'_>) -> crate::Result<()>) -> Result<()> {
        let Some(kind) = &self.kind else { return Ok(()) };
        let rows = StreamReader::try_new(Cursor::new(&self.map[self.token_bytes..self.rows_end]), None)?;
        let mut at = 0;
        for batch in rows {
            let rows = Rows::new(&batch?).ok_or_else(|| damaged(&self.path))?;
            for row in 0..rows.len() {
                let Row { about, tokens, xxh3 } = rows.row(row);
                let length = i32::try_from(tokens).map_err(|_| damaged(&self.path))?;
                let end = at + length as usize * kind.dtype.bytes();
                let bytes = self.map[..self.token_bytes].get(at..end).ok_or_else(|| damaged(&self.path))?;
                let lengths = [length];
                // As Megatron writes it, a document without tokens has no sequence.
                let lengths = if length == 0 { &[][..] } else { &lengths };
                take(&Document { bytes, dtype: kind.dtype, lengths, modes: &[], about, xxh3: Some(xxh3) })?;
                at = end;
            }
        }
        if at == self.token_bytes { Ok(()) } else { Err(damaged(&self.path)) }
    }
}

fn damaged(path: &Path) -> Error {
    Error::stage(NAME, format!("`{}` is no partial file of this step", path.display()))
}

fn token_row(column: &ArrayRef, row: usize) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::LargeList(_) => Ok(column.as_list::<i64>().value(row)),
        DataType::List(_) => Ok(column.as_list::<i32>().value(row)),
        other => Err(missing(&format!("column `tokens` is {other}, no list"))),
    }
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

fn missing(problem: &str) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: Some("put `tokenize` before it".into()) }
}
