//! The sidecar: what every document of a sweep measured, in Parquet, a row group for each work unit.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringDictionaryBuilder, UInt64Builder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use parquet::arrow::ArrowWriter;

use super::parquet::{problem, properties};
use crate::batch::Mark;
use crate::rules::{Measured, Unit};
use crate::{Batch, Error, Result};

/// A stage whose measures are kept: its place in the sweep, its step's name, what it measures.
pub(crate) struct MeasuredStage {
    pub place: u16,
    pub step: String,
    pub measures: &'static [Measured],
}

/// A part of the sidecar.
pub(crate) struct MeasuresPart {
    path: PathBuf,
    writer: Option<ArrowWriter<File>>,
}

impl MeasuresPart {
    pub(crate) fn create(path: &Path) -> Self {
        Self { path: path.to_path_buf(), writer: None }
    }

    /// Writes a row for every document of the batch, dropped ones included. `source` names where a row's
    /// document is from, `step_of` the step at a place of the sweep.
    pub(crate) fn write(
        &mut self,
        batch: &Batch,
        stages: &[MeasuredStage],
        source: &dyn Fn(usize) -> String,
        step_of: &dyn Fn(u16) -> String,
    ) -> Result<()> {
        let record = record(batch, stages, source, step_of)?;
        if self.writer.is_none() {
            let file = File::create(&self.path).map_err(Error::io("create", &self.path))?;
            let writer = ArrowWriter::try_new(file, record.schema(), Some(properties(3)));
            self.writer = Some(writer.map_err(|error| problem(error, &self.path))?);
        }
        let writer = self.writer.as_mut().expect("made above");
        writer.write(&record).map_err(|error| problem(error, &self.path))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let Self { path, writer } = self;
        writer.map_or(Ok(()), |writer| writer.close().map(drop).map_err(|error| problem(error, &path)))
    }
}

/// The values of one measure, row by row; `place` is the measure's within its stage.
pub(crate) fn column(batch: &Batch, stage: &MeasuredStage, place: usize) -> (Field, ArrayRef) {
    let values = batch.measured().iter().find(|measured| measured.stage == stage.place);
    let (width, rows) = (stage.measures.len(), batch.rows());
    let value = |row: usize| values.map(|stage| stage.values[row * width + place]).filter(|value| !value.is_nan());
    let measured = &stage.measures[place];
    let (data_type, column): (DataType, ArrayRef) = match measured.unit {
        Unit::Count => {
            let mut builder = UInt64Builder::with_capacity(rows);
            (0..rows).for_each(|row| builder.append_option(value(row).map(|value| value as u64)));
            (DataType::UInt64, Arc::new(builder.finish()))
        }
        Unit::Fraction | Unit::Ratio => {
            let mut builder = Float64Builder::with_capacity(rows);
            (0..rows).for_each(|row| builder.append_option(value(row)));
            (DataType::Float64, Arc::new(builder.finish()))
        }
    };
    let about = std::collections::HashMap::from([("about".to_owned(), measured.about.to_owned())]);
    (Field::new(format!("{}.{}", stage.step, measured.name), data_type, true).with_metadata(about), column)
}

fn record(
    batch: &Batch,
    stages: &[MeasuredStage],
    source: &dyn Fn(usize) -> String,
    step_of: &dyn Fn(u16) -> String,
) -> Result<RecordBatch> {
    let rows = batch.rows();
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut add = |field: Field, column: ArrayRef| {
        fields.push(Arc::new(field));
        columns.push(column);
    };
    let word = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let words = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        (0..rows).for_each(|row| builder.append_option(value(row).as_deref()));
        Arc::new(builder.finish())
    };
    add(Field::new("doc_id", DataType::UInt64, false), Arc::new(batch.doc_ids().clone()));
    add(Field::new("source", word(), false), words(&|row| Some(source(row))));
    // What the document says of itself: rules may hold it to the thresholds of another language, each to its own.
    let language = |row: usize| batch.document(row).str("language").map(Into::into).or_else(|| batch.language_of(row));
    add(Field::new("language", word(), true), words(&language));
    let bytes = UInt64Array::from_iter_values((0..rows).map(|row| batch.texts().value(row).len() as u64));
    add(Field::new("bytes", DataType::UInt64, false), Arc::new(bytes));
    let chars = UInt32Array::from_iter_values((0..rows).map(|row| batch.texts().value(row).chars().count() as u32));
    add(Field::new("chars", DataType::UInt32, false), Arc::new(chars));
    let step = |mark: Option<&Mark>| mark.map(|mark| step_of(mark.stage));
    let reason = |mark: Option<&Mark>| mark.map(|mark| mark.reason.code.to_owned());
    add(Field::new("dropped_by", word(), true), words(&|row| step(batch.mark(row))));
    add(Field::new("reason", word(), true), words(&|row| reason(batch.mark(row))));
    add(Field::new("fixed_by", word(), true), words(&|row| step(batch.fixed(row))));
    add(Field::new("fixed_reason", word(), true), words(&|row| reason(batch.fixed(row))));
    for stage in stages {
        let language = |row: usize| batch.language_for(stage.place, row).map(str::to_owned);
        add(Field::new(format!("{}.language", stage.step), word(), true), words(&language));
        for place in 0..stage.measures.len() {
            let (field, column) = column(batch, stage, place);
            add(field, column);
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
