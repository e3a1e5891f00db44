//! Rows of a Parquet file as JSON objects: strings, lists and structs of them.

use std::fs::File;
use std::path::Path;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use yuan_pipeline::{Error, Result};

use super::evals::refused;

pub(super) fn rows(path: &Path) -> Result<Vec<Value>> {
    let broken = |error: &dyn std::error::Error| {
        refused(format!("cannot read `{}`: {error}", path.display()), "mend it, or leave the file out")
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(&error))?;
    let mut rows = Vec::new();
    for batch in builder.build().map_err(|error| broken(&error))? {
        let batch = batch.map_err(|error| broken(&error))?;
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let fields = schema.fields().iter().zip(batch.columns());
            let object: Map<String, Value> =
                fields.map(|(field, column)| (field.name().clone(), value(column.as_ref(), row))).collect();
            rows.push(Value::Object(object));
        }
    }
    Ok(rows)
}

/// What has no text in it is null.
fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let all = |values: &dyn Array| Value::Array((0..values.len()).map(|row| value(values, row)).collect());
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::List(_) => all(array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => all(array.as_list::<i64>().value(row).as_ref()),
        DataType::FixedSizeList(_, _) => all(array.as_fixed_size_list().value(row).as_ref()),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), value(column.as_ref(), row))).collect())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values().as_ref(), dictionary.normalized_keys()[row])
        }
        _ => Value::Null,
    }
}
