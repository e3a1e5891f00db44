//! The rows, one after the other or one of them.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{About, HEADER_KEY, Header, documents_path};
use yuan_pipeline::{check_parquet, guarded, guarded_batches};

use crate::{Error, Result};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 4096;

/// The file of documents beside a dataset.
pub struct Documents {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    header: Header,
}

/// Rows in columns.
pub(crate) struct Rows {
    id: StringArray,
    source: StringArray,
    file: StringArray,
    language: StringArray,
    row: UInt64Array,
    text_bytes: UInt64Array,
    tokens: UInt64Array,
    xxh3: UInt64Array,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub about: About<'a>,
    pub tokens: u64,
    pub xxh3: u64,
}

impl Documents {
    /// Opens the file of a dataset; `None` if it has none.
    ///
    /// # Errors
    /// If it cannot be read or is no such file.
    pub fn open(prefix: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = documents_path(prefix);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::io("read", &path))?,
        };
        let wrong = |problem: String| Error::malformed(&path, "documents", problem);
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, Default::default()))
            .map_err(wrong)?
            .map_err(|error| wrong(error.to_string()))?;
        let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
        check_parquet(metadata.metadata(), bytes).map_err(wrong)?;
        let ours = super::write::schema();
        for field in ours.fields() {
            let theirs = metadata.schema().field_with_name(field.name());
            if !theirs.is_ok_and(|theirs| theirs.data_type() == field.data_type()) {
                return Err(wrong(format!("no column `{}` of {}", field.name(), field.data_type())));
            }
        }
        let entries = metadata.metadata().file_metadata().key_value_metadata();
        let json = entries.and_then(|entries| entries.iter().find(|entry| entry.key == HEADER_KEY)?.value.as_ref());
        let header = json.ok_or_else(|| wrong(format!("its metadata have no `{HEADER_KEY}`")))?;
        let header: Header = serde_json::from_str(header).map_err(|error| wrong(format!("`{HEADER_KEY}`: {error}")))?;
        let rows = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows).ok() != Some(header.documents) {
            return Err(wrong(format!("{rows} rows for {} documents", header.documents)));
        }
        Ok(Some(Self { path, metadata, header }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the dataset as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Hands the documents of a range of rows to `take`, each with its number, tokens and the hash of their bytes.
    ///
    /// # Errors
    /// If the file is damaged, and what `take` returns.
    pub fn for_each(
        &self,
        rows: Range<u64>,
        mut take: impl FnMut(u64, About<'_>, u64, u64) -> Result<()>,
    ) -> Result<()> {
        let mut number = rows.start;
        for batch in self.batches(rows)? {
            let batch = batch?;
            for row in 0..batch.len() {
                let Row { about, tokens, xxh3 } = batch.row(row);
                take(number, about, tokens, xxh3)?;
                number += 1;
            }
        }
        Ok(())
    }

    /// The rows of a range, some at a time.
    pub(crate) fn batches(&self, rows: Range<u64>) -> Result<impl Iterator<Item = Result<Rows>> + use<'_>> {
        let damaged = move |error: String| Error::malformed(&self.path, "documents", error);
        // A clone of one opened file would share its place with all others, and several threads read at once.
        let file = File::open(&self.path).map_err(Error::io("read", &self.path))?;
        // Whole row groups are passed over by their numbers alone, and the rest within one.
        let (mut first, mut groups) = (0, Vec::new());
        let mut offset = rows.start;
        for (group, metadata) in self.metadata.metadata().row_groups().iter().enumerate() {
            let held = u64::try_from(metadata.num_rows()).unwrap_or(0);
            if first + held <= rows.start {
                offset -= held;
            } else if first < rows.end {
                groups.push(group);
            }
            first += held;
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let reader: ParquetRecordBatchReader = builder
            .with_row_groups(groups)
            .with_offset(offset as usize)
            .with_limit(rows.end.saturating_sub(rows.start) as usize)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| damaged(error.to_string()))?;
        Ok(guarded_batches(reader).map(move |batch| {
            let batch = batch.map_err(|error| damaged(error.to_string()))?;
            Rows::new(&batch).ok_or_else(|| damaged("a value is null".into()))
        }))
    }
}

impl Rows {
    /// The columns of a batch; `None` if one is missing or has a null where it must not.
    pub(crate) fn new(batch: &RecordBatch) -> Option<Self> {
        let text = |name| Some(batch.column_by_name(name)?.as_string_opt::<i32>()?.clone());
        let number = |name| {
            let column: UInt64Array = batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>()?.clone();
            (column.null_count() == 0).then_some(column)
        };
        let (source, file) = (text("source")?, text("file")?);
        (source.null_count() == 0 && file.null_count() == 0).then_some(())?;
        Some(Self {
            id: text("id")?,
            source,
            file,
            language: text("language")?,
            row: number("row")?,
            text_bytes: number("text_bytes")?,
            tokens: number("tokens")?,
            xxh3: number("xxh3")?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.row.len()
    }

    pub(crate) fn row(&self, row: usize) -> Row<'_> {
        let some = |column: &'_ StringArray| column.is_valid(row);
        Row {
            about: About {
                id: some(&self.id).then(|| self.id.value(row)),
                source: self.source.value(row),
                file: self.file.value(row),
                row: self.row.value(row),
                language: some(&self.language).then(|| self.language.value(row)),
                text_bytes: self.text_bytes.value(row),
            },
            tokens: self.tokens.value(row),
            xxh3: self.xxh3.value(row),
        }
    }
}
