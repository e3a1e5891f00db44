//! Parquet, Arrow IPC, and the files between sweeps.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;

use super::{BATCH_BYTES, BATCH_ROWS, BatchBuilder, Payload, ShardReader, Start, Unit, lines};
use crate::guard::{guarded, guarded_batches};
use crate::input::{Input, OnBadRecord, Shard};
use crate::riders::ColumnRiders;
use crate::{Batch, Error, Result, Riders};

/// The row groups of a Parquet file, one unit each.
pub(super) struct ParquetUnits {
    number: u32,
    /// Rows and compressed bytes of each row group.
    groups: Vec<(u64, u64, u64)>,
    next: usize,
    row: u64,
}

impl ParquetUnits {
    pub(super) fn open(shard: &Shard, number: u32, start: Start) -> Result<Self> {
        let path = &shard.path;
        if shard.is_stdin() {
            return Err(Error::input(path, "Parquet cannot be read from a pipe: name a file"));
        }
        if shard.bytes == 0 {
            return Ok(Self { number, groups: Vec::new(), next: 0, row: 0 });
        }
        let builder = open_parquet(path)?;
        let groups = builder
            .metadata()
            .row_groups()
            .iter()
            .map(|group| (group.num_rows() as u64, group.compressed_size() as u64, group.total_byte_size() as u64))
            .collect();
        Ok(Self { number, groups, next: start.index as usize, row: start.row })
    }
}

impl ShardReader for ParquetUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        let Some(&(rows, compressed, bytes)) = self.groups.get(self.next) else { return Ok(None) };
        let first_row = self.row;
        self.row += rows;
        self.next += 1;
        Ok(Some(Unit {
            shard: self.number,
            index: self.next as u32 - 1,
            first_row,
            end: self.next as u64,
            next_row: self.row,
            // Pages are read one at a time: a column chunk is never held whole.
            weight: (16 * BATCH_BYTES as u64).max(bytes / rows.max(1) * 8),
            input_bytes: compressed,
            payload: Payload::RowGroup(self.next - 1),
            set_aside: Vec::new(),
        }))
    }
}

fn open_parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file))
        .map_err(|problem| Error::input(path, problem))?
        .map_err(|error| Error::input(path, parquet_problem(&error)))?;
    check_parquet(builder.metadata(), bytes).map_err(|problem| Error::input(path, problem))?;
    Ok(builder)
}

/// Whether the metadata of a Parquet file of so many bytes make sense: the crate takes rows and places of columns as they are
/// written, and panics where they lie outside the file.
///
/// # Errors
/// What makes no sense.
pub fn check_parquet(metadata: &ParquetMetaData, bytes: u64) -> std::result::Result<(), String> {
    let mut rows = 0_i64;
    for (number, group) in metadata.row_groups().iter().enumerate() {
        rows = rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0).ok_or("rows are below zero")?;
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let within = start >= 0 && column.compressed_size() >= 0 && column.num_values() >= 0;
            if !within || end.is_none_or(|end| end.cast_unsigned() > bytes) {
                return Err(format!("a column of row group {number} does not lie within the file"));
            }
        }
    }
    if rows == metadata.file_metadata().num_rows() {
        return Ok(());
    }
    Err(format!("row groups of {rows} rows in a file of {}", metadata.file_metadata().num_rows()))
}

fn parquet_problem(error: &dyn std::fmt::Display) -> String {
    format!("it is no whole Parquet file ({error})")
}

pub(super) fn parse_row_group(group: usize, first_row: u64, builder: &mut BatchBuilder<'_>) -> Result<()> {
    let path = builder.shard.path.clone();
    let parquet = open_parquet(&path)?;
    let metadata = parquet.metadata().row_group(group);
    let row_bytes = (metadata.total_byte_size() / metadata.num_rows().max(1)).max(1) as usize;
    let rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS);
    let reader = parquet
        .with_row_groups(vec![group])
        .with_batch_size(rows)
        .build()
        .map_err(|error| Error::input(&path, parquet_problem(&error)))?;
    let mut row = first_row;
    for record in guarded_batches(reader) {
        let record = match record {
            Ok(record) => record,
            Err(error) if builder.input.on_bad_record == OnBadRecord::Stop => {
                return Err(Error::input(
                    &path,
                    format!("row group {group} is damaged behind document {row} ({error})"),
                ));
            }
            Err(error) => {
                return builder.bad(row, &[], format!("row group {group} is damaged from here on ({error})"), false);
            }
        };
        let rows = record.num_rows() as u64;
        push_record(&record, row, builder)?;
        row += rows;
    }
    Ok(())
}

/// An Arrow file or stream, read front to back.
pub(super) struct ArrowUnits {
    path: std::path::PathBuf,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    number: u32,
    unit_bytes: usize,
    on_bad_record: OnBadRecord,
    index: u32,
    row: u64,
    bytes: u64,
}

impl ArrowUnits {
    pub(super) fn open(shard: &Shard, number: u32, input: &Input) -> Result<Self> {
        let path = &shard.path;
        let problem = |error: ArrowError| Error::input(path, format!("it is no whole Arrow file ({error})"));
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send> = if shard.is_stdin() {
            let (stream, _) = lines::open_stream(shard, &Arc::new(AtomicU64::new(0)), 0)?;
            Box::new(StreamReader::try_new(stream, None).map_err(problem)?)
        } else if shard.bytes == 0 {
            Box::new(std::iter::empty())
        } else {
            let mut file = File::open(path).map_err(Error::io("read", path))?;
            let mut magic = [0; 6];
            let is_file = file.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
            file.rewind().map_err(Error::io("read", path))?;
            let file = BufReader::with_capacity(256 << 10, file);
            if is_file {
                Box::new(FileReader::try_new(file, None).map_err(problem)?)
            } else {
                Box::new(StreamReader::try_new(file, None).map_err(problem)?)
            }
        };
        Ok(Self {
            path: path.clone(),
            batches: Box::new(guarded_batches(batches)),
            number,
            unit_bytes: input.unit_bytes as usize,
            on_bad_record: input.on_bad_record,
            index: 0,
            row: 0,
            bytes: shard.bytes,
        })
    }
}

impl ShardReader for ArrowUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        let first_row = self.row;
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut set_aside = Vec::new();
        while bytes < self.unit_bytes {
            match self.batches.next() {
                None => break,
                Some(Ok(record)) => {
                    bytes += record.get_array_memory_size();
                    self.row += record.num_rows() as u64;
                    records.push(record);
                }
                Some(Err(error)) if self.on_bad_record == OnBadRecord::Stop => {
                    return Err(Error::input(
                        &self.path,
                        format!("it is damaged behind document {} ({error})", self.row),
                    ));
                }
                Some(Err(error)) => {
                    let reason = format!("the file is damaged from here on ({error})");
                    set_aside.push(super::SetAside { row: self.row, reason, bytes: Vec::new(), file: None });
                    self.row += 1;
                    self.batches = Box::new(std::iter::empty());
                }
            }
        }
        if records.is_empty() && set_aside.is_empty() {
            return Ok(None);
        }
        self.index += 1;
        Ok(Some(Unit {
            shard: self.number,
            index: self.index - 1,
            first_row,
            end: 0,
            next_row: self.row,
            weight: 4 * bytes as u64,
            input_bytes: (bytes as u64).min(self.bytes),
            payload: Payload::Records(records),
            set_aside,
        }))
    }
}

pub(super) fn parse_records(records: &[RecordBatch], first_row: u64, builder: &mut BatchBuilder<'_>) -> Result<()> {
    let mut row = first_row;
    for record in records {
        let rows = record.num_rows();
        for at in (0..rows).step_by(BATCH_ROWS) {
            push_record(&record.slice(at, BATCH_ROWS.min(rows - at)), row + at as u64, builder)?;
        }
        row += rows as u64;
    }
    Ok(())
}

/// Takes the text column out of typed rows; rows without a usable text are set aside.
fn push_record(record: &RecordBatch, first_row: u64, builder: &mut BatchBuilder<'_>) -> Result<()> {
    let schema = record.schema();
    let text_index = text_column(&schema, builder)?;
    let column = record.column(text_index);
    let limit = builder.input.max_document_bytes;
    let texts = arrow_cast::cast(column, &DataType::LargeUtf8)?;
    let texts = texts.as_string::<i64>();
    let mut keep = Vec::with_capacity(record.num_rows());
    for row in 0..record.num_rows() {
        let number = first_row + row as u64;
        let length = if texts.is_null(row) { 0 } else { texts.value_length(row) as u64 };
        keep.push(!texts.is_null(row) && length <= limit);
        if texts.is_null(row) {
            let problem = format!("field `{}` is null, not a string", schema.field(text_index).name());
            builder.bad(number, &as_json(record, row), problem, true)?;
        } else if length > limit {
            builder.oversize(number, texts.value(row).as_bytes());
        }
    }
    let ids = UInt64Array::from_iter_values((first_row..).take(record.num_rows()).map(|row| builder.doc_id(row)));
    let columns: Vec<ArrayRef> = record
        .columns()
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != text_index)
        .map(|(_, array)| array.clone())
        .collect();
    let keep = BooleanArray::from(keep);
    let riders = Riders::Columns(ColumnRiders { schema, text_index, columns, rows: record.num_rows() });
    if keep.true_count() == keep.len() {
        return builder.pass_on(Batch::new(ids, texts.clone(), riders)?);
    }
    let filter = |array: &dyn Array| Ok(arrow_select::filter::filter(array, &keep)?);
    let riders = riders.choose(keep.true_count(), &filter)?;
    builder.pass_on(Batch::new(
        filter(&ids)?.as_primitive().clone(),
        filter(texts)?.as_string::<i64>().clone(),
        riders,
    )?)
}

fn text_column(schema: &SchemaRef, builder: &BatchBuilder<'_>) -> Result<usize> {
    let name = &builder.input.text_field;
    let names = || schema.fields().iter().map(|field| format!("`{}`", field.name())).collect::<Vec<_>>().join(", ");
    let index = schema.index_of(name).map_err(|_| Error::Plan {
        problem: format!("`{}` has no column `{name}`: its columns are {}", builder.shard.path.display(), names()),
        hint: Some("name the text column with `--text-field` (`[input] text_field = \"…\"`)".into()),
    })?;
    let data_type = schema.field(index).data_type();
    let is_text = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => matches!(value.as_ref(), DataType::Utf8 | DataType::LargeUtf8),
        _ => false,
    };
    if is_text {
        return Ok(index);
    }
    Err(Error::Plan {
        problem: format!("column `{name}` of `{}` is {data_type}, not a string", builder.shard.path.display()),
        hint: Some("name the text column with `--text-field` (`[input] text_field = \"…\"`)".into()),
    })
}

fn as_json(record: &RecordBatch, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = arrow_json::LineDelimitedWriter::new(&mut out);
    // A row that has no JSON form is still counted and named; only its bytes cannot be shown.
    let written = writer.write(&record.slice(row, 1)).and_then(|()| writer.finish());
    drop(writer);
    if written.is_err() {
        out.clear();
    }
    out.trim_ascii().to_vec()
}
