//! Sequences and the table of their pieces.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::fit::Piece;
use crate::form::{Form, Sink, Target};
use crate::part::{Part, sync_folder};
use crate::{About, DType, Document, Error, Result, Written};

/// Tokens or pieces of a row group: what is held in memory.
const GROUP: usize = 4 << 20;

/// Writes sequences in any form.
pub(super) struct PackWriter {
    path: PathBuf,
    dtype: DType,
    /// Where the tokens go, unless they stand in the table.
    sink: Option<Box<dyn Sink>>,
    name: String,
    table: ArrowWriter<Part>,
    schema: SchemaRef,
    ids: ListBuilder<Int32Builder>,
    lengths: ListBuilder<Int32Builder>,
    documents: ListBuilder<UInt64Builder>,
    offsets: ListBuilder<UInt64Builder>,
    held: usize,
    sequences: u64,
    tokens: u64,
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, false))
}

impl PackWriter {
    pub(super) fn create(target: &Target, out: &Path) -> Result<Self> {
        let in_table = target.form == Form::Parquet;
        let path = match in_table {
            true => Form::Parquet.file(out),
            false => crate::reader::with_tail(&target.form.file(out).with_extension(""), ".pieces.parquet"),
        };
        let list = |name: &str, data_type| Field::new(name, DataType::List(item(data_type)), false);
        let mut fields = vec![
            list("seq_lengths", DataType::Int32),
            list("documents", DataType::UInt64),
            list("offsets", DataType::UInt64),
        ];
        if in_table {
            if fields.iter().any(|field| *field.name() == target.column) {
                let problem = format!("`{}` is a column of the pieces", target.column);
                return Err(Error::dataset(&path, problem).hinting("give the column of ids another name"));
            }
            fields.insert(0, list(&target.column, DataType::Int32));
        }
        let schema = Arc::new(Schema::new(fields));
        let level = ZstdLevel::try_new(1).expect("a level of zstd");
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let table = ArrowWriter::try_new(Part::create(path.clone())?, schema.clone(), Some(properties));
        Ok(Self {
            sink: if in_table { None } else { Some(target.create(out)?) },
            name: out.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            table: table.map_err(|error| Error::io("write", &path)(std::io::Error::other(error)))?,
            path,
            dtype: target.dtype,
            schema,
            ids: ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32)),
            lengths: ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32)),
            documents: ListBuilder::new(UInt64Builder::new()).with_field(item(DataType::UInt64)),
            offsets: ListBuilder::new(UInt64Builder::new()).with_field(item(DataType::UInt64)),
            held: 0,
            sequences: 0,
            tokens: 0,
        })
    }

    pub(super) fn add(&mut self, bytes: &[u8], pack: &[Piece]) -> Result<()> {
        let tokens = bytes.len() / self.dtype.bytes();
        match &mut self.sink {
            Some(sink) => {
                let file = self.path.to_string_lossy();
                let about = About { source: &self.name, file: &file, row: self.sequences, ..About::default() };
                let length = i32::try_from(tokens).map_err(|_| Error::SequenceLength { tokens })?;
                let lengths = [length];
                let lengths = &lengths;
                sink.add(&Document { bytes, dtype: self.dtype, lengths, modes: &[], about, xxh3: None })?;
            }
            None => {
                let (values, mut wrong) = (self.ids.values(), None);
                let mut position = 0;
                self.dtype.for_each(bytes, |token| {
                    match i32::try_from(token) {
                        Ok(id) => values.append_value(id),
                        Err(_) => wrong = wrong.or(Some((token, position))),
                    }
                    position += 1;
                });
                if let Some((token, position)) = wrong {
                    return Err(Error::NoToken { token, position });
                }
                self.ids.append(true);
                self.held += tokens;
            }
        }
        for piece in pack {
            self.lengths.values().append_value(piece.tokens as i32);
            self.documents.values().append_value(piece.document);
            self.offsets.values().append_value(piece.offset as u64);
        }
        self.lengths.append(true);
        self.documents.append(true);
        self.offsets.append(true);
        self.held += pack.len();
        self.sequences += 1;
        self.tokens += tokens as u64;
        if self.held >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.held = 0;
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(self.lengths.finish()), Arc::new(self.documents.finish()), Arc::new(self.offsets.finish())];
        if self.sink.is_none() {
            columns.insert(0, Arc::new(self.ids.finish()));
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns).expect("the columns are the schema's");
        let written = self.table.write(&batch).and_then(|()| self.table.flush());
        written.map_err(|error| Error::io("write", &self.path)(std::io::Error::other(error)))
    }

    pub(super) fn finish(mut self) -> Result<Written> {
        self.flush()?;
        let failed = |error| Error::io("write", &self.path)(std::io::Error::other(error));
        let mut table = self.table.into_inner().map_err(failed)?;
        table.sync()?;
        // Before the tokens, so that these are there only when all is.
        table.name()?;
        let written = match self.sink {
            Some(sink) => sink.finish()?,
            None => Written {
                dtype: self.dtype,
                documents: self.sequences,
                sequences: self.sequences,
                tokens: self.tokens,
                bin_bytes: table.bytes(),
                idx_bytes: 0,
                digest: None,
            },
        };
        sync_folder(&self.path)?;
        Ok(written)
    }
}
