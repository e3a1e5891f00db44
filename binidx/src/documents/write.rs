//! The rows are written as they come; a row group is held.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{About, GROUP_BYTES, GROUP_ROWS, HEADER_KEY, Header};
use crate::part::Part;
use crate::{Error, Result};

pub(super) fn schema() -> SchemaRef {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name| Field::new(name, DataType::UInt64, false);
    Arc::new(Schema::new(vec![
        text("id", true),
        text("source", false),
        text("file", false),
        number("row"),
        text("language", true),
        number("text_bytes"),
        number("tokens"),
        number("xxh3"),
    ]))
}

/// Rows in the making.
#[derive(Default)]
pub(crate) struct RowsBuilder {
    rows: usize,
    text_bytes: usize,
    id: StringBuilder,
    source: StringBuilder,
    file: StringBuilder,
    language: StringBuilder,
    /// `row`, `text_bytes`, `tokens`, `xxh3`.
    numbers: [UInt64Builder; 4],
}

impl RowsBuilder {
    pub(crate) fn add(&mut self, about: &About<'_>, tokens: u64, xxh3: u64) {
        self.id.append_option(about.id);
        self.source.append_value(about.source);
        self.file.append_value(about.file);
        self.language.append_option(about.language);
        let values = [about.row, about.text_bytes, tokens, xxh3];
        self.numbers.iter_mut().zip(values).for_each(|(column, value)| column.append_value(value));
        self.text_bytes += about.file.len() + about.source.len() + about.id.map_or(0, str::len);
        self.rows += 1;
    }

    /// The rows so far; it goes on empty.
    pub(crate) fn finish(&mut self) -> RecordBatch {
        (self.rows, self.text_bytes) = (0, 0);
        let [row, text_bytes, tokens, xxh3] = &mut self.numbers;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.id.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.file.finish()),
            Arc::new(row.finish()),
            Arc::new(self.language.finish()),
            Arc::new(text_bytes.finish()),
            Arc::new(tokens.finish()),
            Arc::new(xxh3.finish()),
        ];
        RecordBatch::try_new(schema(), columns).expect("the columns are the schema's")
    }
}

/// Writes a file of documents.
pub(crate) struct DocumentsWriter {
    writer: ArrowWriter<Part>,
    rows: RowsBuilder,
}

impl DocumentsWriter {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let level = ZstdLevel::try_new(1).expect("a level of zstd");
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_dictionary_enabled(false);
        for few in ["source", "file", "language"] {
            properties = properties.set_column_dictionary_enabled(few.into(), true);
        }
        for number in ["row", "text_bytes", "tokens"] {
            properties = properties.set_column_encoding(number.into(), Encoding::DELTA_BINARY_PACKED);
        }
        let part = Part::create(path.to_path_buf())?;
        let writer = ArrowWriter::try_new(part, schema(), Some(properties.build()));
        Ok(Self { writer: writer.map_err(|error| failed(path, error))?, rows: RowsBuilder::default() })
    }

    pub(crate) fn add(&mut self, about: &About<'_>, tokens: u64, xxh3: u64) -> Result<()> {
        self.rows.add(about, tokens, xxh3);
        if self.rows.rows == GROUP_ROWS || self.rows.text_bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.rows == 0 {
            return Ok(());
        }
        let batch = self.rows.finish();
        self.writer.write(&batch).and_then(|()| self.writer.flush()).map_err(|error| failed(self.path(), error))
    }

    fn path(&self) -> &Path {
        self.writer.inner().path()
    }

    /// Writes the rest; the file waits for its name.
    pub(crate) fn finish(mut self, header: &Header) -> Result<Part> {
        self.flush()?;
        let json = serde_json::to_string(header).expect("plain numbers and strings are JSON");
        self.writer.append_key_value_metadata(KeyValue::new(HEADER_KEY.to_owned(), json));
        let path = self.path().to_path_buf();
        self.writer.into_inner().map_err(|error| failed(&path, error))
    }
}

fn failed(path: &Path, error: parquet::errors::ParquetError) -> Error {
    Error::io("write", path)(std::io::Error::other(error))
}
