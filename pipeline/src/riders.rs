//! The input's own columns, carried from reader to writer without being looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, LargeBinaryArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use sonic_rs::{JsonValueTrait, LazyValue};

use crate::Result;
use crate::batch::{number_value, string_value, whole_number};

const ENVELOPE: &str = "riders.json.envelope";
const TEXT_AT: &str = "riders.json.text_at";
const SPELLING: &str = "riders.json.spelling";
const COLUMN: &str = "riders.column.";
const TEXT_INDEX: &str = "riders.text_index";

/// What an input record holds beside its text.
#[derive(Clone, Debug)]
pub enum Riders {
    /// Plain text: nothing.
    None,
    /// JSON records, as their own bytes.
    Json(Box<JsonRiders>),
    /// Typed columns of a Parquet or Arrow file.
    Columns(ColumnRiders),
}

/// JSON records with their text emptied, so that key order and number spelling survive and the text is not
/// held twice.
#[derive(Clone, Debug)]
pub struct JsonRiders {
    /// The record with `""` for its text value.
    pub envelope: LargeBinaryArray,
    /// Where in the envelope that `""` stands, in bytes.
    pub text_at: UInt64Array,
    /// The text value as it was spelt, where that is not how we would spell it; else null.
    pub spelling: LargeBinaryArray,
}

/// All columns of a typed input but the text.
#[derive(Clone, Debug)]
pub struct ColumnRiders {
    /// The input's schema, the text column included.
    pub schema: SchemaRef,
    /// Where in the schema the text column stands.
    pub text_index: usize,
    /// The other columns, in the schema's order.
    pub columns: Vec<ArrayRef>,
    /// Rows, for a schema without other columns.
    pub rows: usize,
}

impl Riders {
    pub(crate) fn rows(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Json(json) => Some(json.envelope.len()),
            Self::Columns(columns) => Some(columns.rows),
        }
    }

    /// The rows, so many, that `of` takes of each column.
    pub(crate) fn choose(&self, rows: usize, of: &dyn Fn(&dyn Array) -> Result<ArrayRef>) -> Result<Self> {
        Ok(match self {
            Self::None => Self::None,
            Self::Json(json) => Self::Json(Box::new(JsonRiders {
                envelope: of(&json.envelope)?.as_binary().clone(),
                text_at: of(&json.text_at)?.as_primitive().clone(),
                spelling: of(&json.spelling)?.as_binary().clone(),
            })),
            Self::Columns(riders) => Self::Columns(ColumnRiders {
                schema: riders.schema.clone(),
                text_index: riders.text_index,
                columns: riders.columns.iter().map(|array| of(array)).collect::<Result<_>>()?,
                rows,
            }),
        })
    }

    /// The record's field, if the record is JSON and has it. The text's own field reads as an empty string.
    fn json_field(&self, name: &str, row: usize) -> Option<LazyValue<'_>> {
        let Self::Json(json) = self else { return None };
        sonic_rs::get(json.envelope.value(row), [name]).ok()
    }

    pub(crate) fn str_at(&self, name: &str, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::None => None,
            Self::Json(_) => {
                let value = self.json_field(name, row)?;
                value.is_str().then(|| value.as_str().map(|text| Cow::Owned(text.to_owned()))).flatten()
            }
            Self::Columns(riders) => riders.column(name).and_then(|array| string_value(array, row)).map(Cow::Borrowed),
        }
    }

    pub(crate) fn f64_at(&self, name: &str, row: usize) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Json(_) => self.json_field(name, row)?.as_f64(),
            Self::Columns(riders) => riders.column(name).and_then(|array| number_value(array, row)),
        }
    }

    pub(crate) fn whole_number_at(&self, name: &str, row: usize) -> Option<String> {
        match self {
            Self::None => None,
            Self::Json(_) => {
                let value = self.json_field(name, row)?;
                (value.is_u64() || value.is_i64()).then(|| value.as_raw_str().to_owned())
            }
            Self::Columns(riders) => riders.column(name).and_then(|array| whole_number(array, row)),
        }
    }

    /// A field of the record as its JSON spelling, for showing; strings keep their quotes.
    pub fn json_at(&self, name: &str, row: usize) -> Option<String> {
        self.json_field(name, row).map(|value| value.as_raw_str().to_owned())
    }

    pub(crate) fn append_to(&self, fields: &mut Vec<FieldRef>, columns: &mut Vec<ArrayRef>) -> HashMap<String, String> {
        let mut metadata = HashMap::new();
        match self {
            Self::None => {}
            Self::Json(json) => {
                fields.push(Arc::new(Field::new(ENVELOPE, DataType::LargeBinary, false)));
                columns.push(Arc::new(json.envelope.clone()));
                fields.push(Arc::new(Field::new(TEXT_AT, DataType::UInt64, false)));
                columns.push(Arc::new(json.text_at.clone()));
                fields.push(Arc::new(Field::new(SPELLING, DataType::LargeBinary, true)));
                columns.push(Arc::new(json.spelling.clone()));
            }
            Self::Columns(riders) => {
                for (field, column) in riders.fields().zip(&riders.columns) {
                    fields.push(Arc::new(field.as_ref().clone().with_name(format!("{COLUMN}{}", field.name()))));
                    columns.push(column.clone());
                }
                let text = riders.schema.field(riders.text_index);
                metadata.insert(TEXT_INDEX.into(), riders.text_index.to_string());
                metadata.insert("riders.text_name".into(), text.name().clone());
                metadata.insert("riders.text_type".into(), spell_type(text.data_type()).into());
                metadata.insert("riders.text_nullable".into(), text.is_nullable().to_string());
            }
        }
        metadata
    }

    pub(crate) fn from_record(record: &RecordBatch) -> Result<Self> {
        let schema = record.schema();
        let metadata = schema.metadata();
        if let Some(envelope) = record.column_by_name(ENVELOPE) {
            let missing = || arrow_schema::ArrowError::SchemaError("a JSON record lacks a part".into());
            let text_at = record.column_by_name(TEXT_AT).ok_or_else(missing)?;
            let spelling = record.column_by_name(SPELLING).ok_or_else(missing)?;
            return Ok(Self::Json(Box::new(JsonRiders {
                envelope: envelope.as_binary().clone(),
                text_at: text_at.as_primitive::<UInt64Type>().clone(),
                spelling: spelling.as_binary().clone(),
            })));
        }
        let Some(text_index) = metadata.get(TEXT_INDEX).and_then(|index| index.parse::<usize>().ok()) else {
            return Ok(Self::None);
        };
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut columns = Vec::new();
        for (field, column) in schema.fields().iter().zip(record.columns()) {
            if let Some(name) = field.name().strip_prefix(COLUMN) {
                fields.push(Arc::new(field.as_ref().clone().with_name(name)));
                columns.push(column.clone());
            }
        }
        let text = Field::new(
            metadata.get("riders.text_name").cloned().unwrap_or_else(|| "text".into()),
            read_type(metadata.get("riders.text_type").map_or("", String::as_str)),
            metadata.get("riders.text_nullable").is_some_and(|nullable| nullable == "true"),
        );
        fields.insert(text_index.min(fields.len()), Arc::new(text));
        let schema = Arc::new(Schema::new(fields));
        Ok(Self::Columns(ColumnRiders { schema, text_index, columns, rows: record.num_rows() }))
    }
}

impl ColumnRiders {
    /// The fields of [`Self::columns`].
    pub fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        let text = self.text_index;
        self.schema.fields().iter().enumerate().filter(move |(index, _)| *index != text).map(|(_, field)| field)
    }

    /// One of the columns by name.
    pub fn column(&self, name: &str) -> Option<&dyn Array> {
        self.fields().position(|field| field.name() == name).map(|index| self.columns[index].as_ref())
    }
}

fn spell_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 => "utf8",
        DataType::Utf8View => "utf8_view",
        _ => "large_utf8",
    }
}

fn read_type(spelling: &str) -> DataType {
    match spelling {
        "utf8" => DataType::Utf8,
        "utf8_view" => DataType::Utf8View,
        _ => DataType::LargeUtf8,
    }
}
