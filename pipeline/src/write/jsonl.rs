//! JSON lines out: the record's own bytes with the text put back and the new columns at its end.

mod frames;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Schema};

use frames::Frames;

use super::{OutputFormat, PartWriter};
use crate::batch::{number_value, string_value};
use crate::read::escape_into;
use crate::stage::{Detail, Reason};
use crate::{Batch, Error, Result, Riders};

/// A part of JSON lines. Plain parts hold lines, compressed ones whole frames or a whole member.
pub(crate) struct JsonlPart {
    path: PathBuf,
    out: Encoder,
    doc_id: bool,
    line: Vec<u8>,
    text: Vec<u8>,
}

enum Encoder {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<File>),
    Zstd(Frames),
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write_all(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(_) => Ok(()),
        }
    }
}

/// Why and where a document was dropped, written behind its own fields.
pub(crate) struct Dropped<'a> {
    pub stage: &'a str,
    pub reason: &'a Reason,
}

impl JsonlPart {
    pub(crate) fn create(path: &Path, format: OutputFormat, level: i32, doc_id: bool) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let out = match format {
            OutputFormat::JsonlZst => Encoder::Zstd(Frames::new(file, level)),
            OutputFormat::JsonlGz => {
                let level = flate2::Compression::new(level.clamp(0, 9) as u32);
                Encoder::Gzip(flate2::write::GzEncoder::new(file, level))
            }
            OutputFormat::Jsonl | OutputFormat::Parquet => Encoder::Plain(BufWriter::with_capacity(256 << 10, file)),
        };
        Ok(Self { path: path.to_path_buf(), out, doc_id, line: Vec::new(), text: Vec::new() })
    }

    /// Writes one row.
    pub(crate) fn write_row(&mut self, batch: &Batch, row: usize, dropped: Option<&Dropped<'_>>) -> Result<()> {
        self.line.clear();
        record_into(batch, row, self.doc_id, dropped, &mut self.line, &mut self.text)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line).map_err(Error::io("write", &self.path))
    }

    /// Writes a line made elsewhere.
    pub(crate) fn write_line(&mut self, line: &[u8]) -> Result<()> {
        self.out.write_all(line).and_then(|()| self.out.write_all(b"\n")).map_err(Error::io("write", &self.path))
    }
}

impl PartWriter for JsonlPart {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        (0..batch.rows()).try_for_each(|row| self.write_row(batch, row, None))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let written = match self.out {
            Encoder::Plain(mut out) => out.flush(),
            Encoder::Gzip(out) => out.finish().map(drop),
            Encoder::Zstd(out) => out.finish(),
        };
        written.map_err(Error::io("write", &self.path))
    }
}

/// Columns that can stand in a JSON record; token lists do not.
fn is_plain(field: &Field) -> bool {
    !matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_))
}

fn record_into(
    batch: &Batch,
    row: usize,
    doc_id: bool,
    dropped: Option<&Dropped<'_>>,
    line: &mut Vec<u8>,
    text: &mut Vec<u8>,
) -> Result<()> {
    let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
    if doc_id || dropped.is_some() || matches!(batch.riders(), Riders::None) {
        fields.push(("doc_id", batch.doc_ids().value(row).to_string().into_bytes()));
    }
    for (field, array) in batch.added().iter().filter(|(field, _)| is_plain(field)) {
        fields.push((field.name(), value_json(field, array, row)?));
    }
    if let Some(dropped) = dropped {
        fields.push(("dropped_by", string_json(dropped.stage)));
        fields.push(("drop_reason", string_json(dropped.reason.code)));
        match &dropped.reason.detail {
            Detail::None => {}
            Detail::Measure { value, threshold } => {
                fields.push(("drop_value", float_json(*value)));
                fields.push(("drop_threshold", float_json(*threshold)));
            }
            Detail::Document(id) => fields.push(("duplicate_of", id.to_string().into_bytes())),
            Detail::Text(detail) => fields.push(("drop_detail", string_json(detail))),
        }
    }
    text.clear();
    escape_into(batch.texts().value(row), text);
    match batch.riders() {
        Riders::None => {
            line.push(b'{');
            for (name, value) in fields.iter().filter(|(name, _)| *name == "doc_id") {
                put(name, value, line);
            }
            put("text", text, line);
            fields.retain(|(name, _)| *name != "doc_id");
            finish_object(&fields, line);
        }
        Riders::Json(json) => {
            let envelope = json.envelope.value(row);
            let at = json.text_at.value(row) as usize;
            // The text keeps its own spelling if no stage changed it.
            let kept = json.spelling.is_valid(row).then(|| json.spelling.value(row)).filter(|spelling| {
                sonic_rs::from_slice::<String>(spelling).is_ok_and(|spelt| spelt == batch.texts().value(row))
            });
            let text = kept.unwrap_or(text);
            if fields.is_empty() {
                line.extend_from_slice(&envelope[..at]);
                line.extend_from_slice(text);
                line.extend_from_slice(&envelope[at + 2..]);
                return Ok(());
            }
            // Fields that the record has already are replaced where they stand.
            let mut edits: Vec<(usize, usize, &[u8])> = vec![(at, at + 2, text)];
            let mut rest: Vec<(&str, Vec<u8>)> = Vec::new();
            let mut values: Vec<(usize, usize, Vec<u8>)> = Vec::new();
            for (name, value) in fields {
                match sonic_rs::get(envelope, [name]) {
                    Ok(old) => {
                        let raw = old.as_raw_str();
                        let start = raw.as_ptr() as usize - envelope.as_ptr() as usize;
                        values.push((start, start + raw.len(), value));
                    }
                    Err(_) => rest.push((name, value)),
                }
            }
            edits.extend(values.iter().map(|(start, end, value)| (*start, *end, value.as_slice())));
            edits.sort_unstable_by_key(|edit| edit.0);
            let close = envelope.iter().rposition(|byte| *byte == b'}').expect("a record ends in a brace");
            let mut copied = 0;
            for (start, end, value) in edits {
                line.extend_from_slice(&envelope[copied..start]);
                line.extend_from_slice(value);
                copied = end;
            }
            line.extend_from_slice(&envelope[copied..close]);
            finish_object(&rest, line);
        }
        Riders::Columns(riders) => {
            line.push(b'{');
            let mut columns = riders.columns.iter();
            for (index, field) in riders.schema.fields().iter().enumerate() {
                if index == riders.text_index {
                    put(field.name(), text, line);
                    continue;
                }
                let array = columns.next().expect("a column for each field but the text");
                match fields.iter().position(|(name, _)| name == field.name()) {
                    Some(replaced) => {
                        let (name, value) = fields.remove(replaced);
                        put(name, &value, line);
                    }
                    None if array.is_null(row) => put(field.name(), b"null", line),
                    None => put(field.name(), &value_json(field, array, row)?, line),
                }
            }
            finish_object(&fields, line);
        }
    }
    Ok(())
}

/// Appends `"name":value`, behind a comma unless it is the object's first.
fn put(name: &str, value: &[u8], line: &mut Vec<u8>) {
    if line.last() != Some(&b'{') {
        line.push(b',');
    }
    escape_into(name, line);
    line.push(b':');
    line.extend_from_slice(value);
}

fn finish_object(fields: &[(&str, Vec<u8>)], line: &mut Vec<u8>) {
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.pop();
    }
    for (name, value) in fields {
        put(name, value, line);
    }
    line.push(b'}');
}

fn string_json(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape_into(text, &mut out);
    out
}

fn float_json(value: f64) -> Vec<u8> {
    serde_json::Number::from_f64(value).map_or_else(|| b"null".to_vec(), |number| number.to_string().into_bytes())
}

/// One value of a column as JSON.
pub(super) fn value_json(field: &FieldRef, array: &ArrayRef, row: usize) -> Result<Vec<u8>> {
    if array.is_null(row) {
        return Ok(b"null".to_vec());
    }
    if let Some(text) = string_value(array.as_ref(), row) {
        return Ok(string_json(text));
    }
    match array.data_type() {
        DataType::Boolean => return Ok(array.as_boolean().value(row).to_string().into_bytes()),
        DataType::UInt64 => {
            return Ok(array.as_primitive::<arrow_array::types::UInt64Type>().value(row).to_string().into());
        }
        DataType::Int64 => {
            return Ok(array.as_primitive::<arrow_array::types::Int64Type>().value(row).to_string().into());
        }
        // The shortest spelling that reads back as the same single-precision number.
        DataType::Float32 => {
            let value = array.as_primitive::<arrow_array::types::Float32Type>().value(row);
            return Ok(if value.is_finite() { value.to_string().into_bytes() } else { b"null".to_vec() });
        }
        DataType::Float64 => return Ok(number_value(array.as_ref(), row).map_or_else(|| b"null".to_vec(), float_json)),
        _ => {}
    }
    let schema = Schema::new(vec![field.as_ref().clone().with_name("v")]);
    let record = RecordBatch::try_new(schema.into(), vec![array.slice(row, 1)])?;
    let mut out = Vec::new();
    let mut writer = arrow_json::LineDelimitedWriter::new(&mut out);
    writer.write(&record)?;
    writer.finish()?;
    drop(writer);
    // `{"v":…}` and a line end.
    let out = out.trim_ascii();
    Ok(out.get(5..out.len().saturating_sub(1)).unwrap_or(b"null").to_vec())
}
