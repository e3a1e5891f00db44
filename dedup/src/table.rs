//! Parquet files that a pass leaves for its users.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use yuan_pipeline::{Error, Result};

/// A Parquet file being written.
pub(crate) struct Table {
    stage: &'static str,
    path: PathBuf,
    schema: Arc<Schema>,
    writer: ArrowWriter<File>,
}

impl Table {
    /// A table of these columns; `stage` is whose errors are told.
    pub(crate) fn create(stage: &'static str, path: &Path, fields: Vec<Field>) -> Result<Self> {
        let schema = Arc::new(Schema::new(fields));
        let file = File::create(path).map_err(Error::io("create", path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("yuan-data".into())
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
        let writer = writer.map_err(|error| failed(stage, path, &error))?;
        Ok(Self { stage, path: path.into(), schema, writer })
    }

    pub(crate) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&batch).map_err(|error| failed(self.stage, &self.path, &error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.writer.close().map(drop).map_err(|error| failed(self.stage, &self.path, &error))
    }
}

fn failed(stage: &'static str, path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Stage {
        stage: stage.into(),
        problem: format!("cannot write `{}`: {error}", path.display()),
        hint: Some("free some space and run the step again".into()),
    }
}
