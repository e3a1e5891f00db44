//! A Parquet file with a list of ids in each row: what `datasets` loads as it lies, and Levanter takes as prebuilt.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use yuan_pipeline::{check_parquet, guarded, guarded_batches};

use super::{Form, Sink, Target, Tokens};
use crate::part::{Part, sync_folder};
use crate::{About, DType, Document, Error, Result, Vocabulary, Written};

/// Tokens of a row group: what is held in memory.
const GROUP_TOKENS: usize = 4 << 20;
/// What a row takes beside ids and texts, in tokens.
const ROW_TOKENS: usize = 8;
/// Rows decoded at a time.
const BATCH_ROWS: usize = 256;

/// Writes documents as rows of ids, with what is known of them.
pub(super) struct ParquetWriter {
    path: PathBuf,
    dtype: DType,
    writer: ArrowWriter<Part>,
    schema: SchemaRef,
    ids: ListBuilder<Int32Builder>,
    id: StringBuilder,
    source: StringBuilder,
    file: StringBuilder,
    language: StringBuilder,
    row: UInt64Builder,
    held: usize,
    documents: u64,
    count: u64,
}

fn item() -> Field {
    Field::new("item", DataType::Int32, false)
}

impl ParquetWriter {
    pub(super) fn create(prefix: &Path, dtype: DType, target: &Target) -> Result<Self> {
        let path = Form::Parquet.file(prefix);
        if ["id", "source", "file", "language", "row"].contains(&target.column.as_str()) {
            let problem = format!("`{}` is a column of what is known of the documents", target.column);
            return Err(Error::dataset(&path, problem).hinting("give the column of ids another name"));
        }
        let schema = Arc::new(Schema::new(vec![
            Field::new(target.column.clone(), DataType::List(Arc::new(item())), false),
            Field::new("id", DataType::Utf8, true),
            Field::new("source", DataType::Utf8, false),
            Field::new("file", DataType::Utf8, false),
            Field::new("language", DataType::Utf8, true),
            Field::new("row", DataType::UInt64, false),
        ]));
        let level = ZstdLevel::try_new(1).expect("a level of zstd");
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let writer = ArrowWriter::try_new(Part::create(path.clone())?, schema.clone(), Some(properties));
        Ok(Self {
            writer: writer.map_err(|error| Error::io("write", &path)(std::io::Error::other(error)))?,
            path,
            dtype,
            schema,
            ids: ListBuilder::new(Int32Builder::new()).with_field(item()),
            id: StringBuilder::new(),
            source: StringBuilder::new(),
            file: StringBuilder::new(),
            language: StringBuilder::new(),
            row: UInt64Builder::new(),
            held: 0,
            documents: 0,
            count: 0,
        })
    }

    fn flush(&mut self) -> Result<()> {
        self.held = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.ids.finish()),
            Arc::new(self.id.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.file.finish()),
            Arc::new(self.language.finish()),
            Arc::new(self.row.finish()),
        ];
        let batch = RecordBatch::try_new(self.schema.clone(), columns).expect("the columns are the schema's");
        let written = self.writer.write(&batch).and_then(|()| self.writer.flush());
        written.map_err(|error| Error::io("write", &self.path)(std::io::Error::other(error)))
    }
}

impl Sink for ParquetWriter {
    fn add(&mut self, document: &Document<'_>) -> Result<()> {
        document.check()?;
        let (mut wrong, mut position) = (None, 0);
        let values = self.ids.values();
        document.dtype.for_each(document.bytes, |token| {
            match i32::try_from(token) {
                Ok(id) if id >= 0 => values.append_value(id),
                _ => {
                    wrong.get_or_insert((token, position));
                }
            }
            position += 1;
        });
        if let Some((token, position)) = wrong {
            return Err(Error::NoToken { token, position });
        }
        self.ids.append(true);
        let about = &document.about;
        self.id.append_option(about.id);
        self.source.append_value(about.source);
        self.file.append_value(about.file);
        self.language.append_option(about.language);
        self.row.append_value(about.row);
        self.documents += 1;
        self.count += document.tokens();
        // Four bytes a token; texts and rows count as so many tokens.
        let texts = about.file.len() + about.source.len() + about.id.map_or(0, str::len);
        self.held += position + texts / 4 + ROW_TOKENS;
        if self.held >= GROUP_TOKENS { self.flush() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.flush()?;
        let failed = |error| Error::io("write", &self.path)(std::io::Error::other(error));
        let mut part = self.writer.into_inner().map_err(failed)?;
        part.sync()?;
        part.name()?;
        sync_folder(&self.path)?;
        Ok(Written {
            dtype: self.dtype,
            documents: self.documents,
            sequences: self.documents,
            tokens: self.count,
            bin_bytes: part.bytes(),
            idx_bytes: 0,
            digest: None,
        })
    }
}

/// A Parquet file with a column of ids.
pub(super) struct ParquetSet {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    column: String,
}

impl ParquetSet {
    pub(super) fn open(path: &Path, column: &str) -> Result<Self> {
        let path = Form::Parquet.file(path);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let wrong = |problem: String| Error::malformed(&path, "columns", problem);
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, Default::default()))
            .map_err(wrong)?
            .map_err(|error| wrong(error.to_string()))?;
        let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
        check_parquet(metadata.metadata(), bytes).map_err(wrong)?;
        let is_list = |field: &Field| matches!(field.data_type(), DataType::List(item) | DataType::LargeList(item) if item.data_type().is_integer());
        let field = metadata.schema().field_with_name(column);
        if !field.is_ok_and(is_list) {
            let lists: Vec<String> = metadata
                .schema()
                .fields()
                .iter()
                .filter(|field| is_list(field))
                .map(|field| format!("`{}`", field.name()))
                .collect();
            let hint = match lists.is_empty() {
                true => "no column of it is".to_owned(),
                false => format!("there are {}: `--column`", lists.join(", ")),
            };
            return Err(Error::dataset(&path, format!("no column `{column}` is a list of whole numbers")).hinting(hint));
        }
        Ok(Self { path, file, metadata, column: column.to_owned() })
    }

    fn damaged(&self, problem: impl std::fmt::Display) -> Error {
        Error::malformed(&self.path, "columns", problem)
    }

    fn batch(&self, batch: &RecordBatch, first: u64, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        let column = batch.column_by_name(&self.column).ok_or_else(|| self.damaged("the ids are gone"))?;
        let text = |name| batch.column_by_name(name);
        let (id, source, file, language) = (text("id"), text("source"), text("file"), text("language"));
        let rows = batch.column_by_name("row").and_then(|rows| rows.as_primitive_opt::<UInt64Type>());
        let (path, name) = (self.path.to_string_lossy(), self.path.file_stem().unwrap_or_default().to_string_lossy());
        let (mut ids, mut bytes) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            if column.is_null(row) {
                return Err(self.damaged(format!("row {} of `{}` is null", first + row as u64, self.column)));
            }
            let values = match column.data_type() {
                DataType::LargeList(_) => column.as_list::<i64>().value(row),
                _ => column.as_list::<i32>().value(row),
            };
            let number = first + row as u64;
            let wrong = || self.damaged(format!("row {number} of `{}` holds what is no token id", self.column));
            ids.clear();
            numbers(&values, &mut ids).ok_or_else(wrong)?;
            bytes.clear();
            DType::I32.encode(&ids, &mut bytes)?;
            let length = i32::try_from(ids.len()).map_err(|_| Error::SequenceLength { tokens: ids.len() })?;
            let said = |column: Option<&ArrayRef>| column.and_then(|column| text_at(column, row));
            let [id, source, file, language] = [id, source, file, language].map(said);
            let about = About {
                id: id.as_deref(),
                source: source.as_deref().unwrap_or(&name),
                file: file.as_deref().unwrap_or(&path),
                row: rows.map_or(number, |rows| rows.value(row)),
                language: language.as_deref(),
                text_bytes: 0,
            };
            let lengths = [length];
            let lengths = if length == 0 { &[][..] } else { &lengths };
            let document = Document { bytes: &bytes, dtype: DType::I32, lengths, modes: &[], about, xxh3: None };
            take(&document).map_err(|error| error.of_document(&self.path, number))?;
        }
        Ok(())
    }
}

/// The text of a row, of any string column.
fn text_at(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Some(column.as_string_view().value(row).to_owned()),
        _ => None,
    }
}

/// Appends whole numbers of any type; `None` if one is null, negative or too large.
fn numbers(values: &dyn Array, ids: &mut Vec<u32>) -> Option<()> {
    macro_rules! append {
        ($type:ty) => {
            for value in values.as_primitive::<$type>().values() {
                ids.push(u32::try_from(*value).ok()?);
            }
        };
    }
    if values.null_count() > 0 {
        return None;
    }
    match values.data_type() {
        DataType::Int8 => append!(Int8Type),
        DataType::UInt8 => append!(UInt8Type),
        DataType::Int16 => append!(Int16Type),
        DataType::UInt16 => append!(UInt16Type),
        DataType::Int32 => append!(Int32Type),
        DataType::UInt32 => append!(UInt32Type),
        DataType::Int64 => append!(Int64Type),
        DataType::UInt64 => append!(UInt64Type),
        _ => return None,
    }
    Some(())
}

impl Tokens for ParquetSet {
    fn dtype(&self) -> DType {
        DType::I32
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::default()
    }

    fn for_each(&self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        let file = self.file.try_clone().map_err(Error::io("read", &self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| self.damaged(error))?;
        let mut first = 0;
        for batch in guarded_batches(reader) {
            let batch = batch.map_err(|error| self.damaged(error))?;
            self.batch(&batch, first, take)?;
            first += batch.num_rows() as u64;
        }
        Ok(())
    }
}
