//! From batches to files: one part for each work unit, and parts joined into output files of bounded size.

mod jsonl;
mod measures;
mod parquet;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Batch, Error, Result};

pub(crate) use jsonl::{Dropped, JsonlPart};
pub(crate) use measures::{MeasuredStage, MeasuresPart, column as measure_column};

/// How the documents that come through are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// Whether the documents are written at all (a run may end in tokens alone). Default true.
    pub documents: bool,
    /// The files' kind: `jsonl.zst` (default), `jsonl.gz`, `jsonl` or `parquet`.
    pub format: OutputFormat,
    /// zstd level of `jsonl.zst` and `parquet`, gzip level of `jsonl.gz`. Default 3.
    pub compression_level: i32,
    /// Size in bytes after which a new file is begun. Default 256 MiB.
    pub file_bytes: u64,
    /// Whether dropped documents are kept in `dropped/`, each with the stage and the reason. Default false.
    pub keep_dropped: bool,
    /// Whether each document is written with its `doc_id`, by which `explain` finds it. Default false.
    pub doc_id: bool,
    /// Whether what rules measure is kept: `none` (default), or `sidecar` for `measures/`, Parquet files with a
    /// row for each document by `doc_id`, which `retune` compares with other thresholds. `sidecar` measures
    /// dropped documents by every rule and keeps them in `dropped/`. Costs some 100 to 250 bytes a document.
    pub measures: Measures,
}

/// Whether what rules measure is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measures {
    /// It is forgotten.
    #[default]
    None,
    /// In `measures/`.
    Sidecar,
    /// In the documents that come through, as fields `STEP.MEASURE`.
    Columns,
}

impl Output {
    /// Whether dropped documents are kept.
    pub(crate) fn keeps_dropped(&self) -> bool {
        self.keep_dropped || self.measures == Measures::Sidecar
    }
}

impl Default for Output {
    fn default() -> Self {
        Self {
            documents: true,
            format: OutputFormat::default(),
            compression_level: 3,
            file_bytes: 256 << 20,
            keep_dropped: false,
            doc_id: false,
            measures: Measures::None,
        }
    }
}

/// The kind of the output files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OutputFormat {
    /// JSON lines in zstd, one frame for each work unit.
    #[default]
    #[serde(rename = "jsonl.zst")]
    JsonlZst,
    /// JSON lines in gzip, one member for each work unit.
    #[serde(rename = "jsonl.gz")]
    JsonlGz,
    /// JSON lines.
    #[serde(rename = "jsonl")]
    Jsonl,
    /// Apache Parquet, zstd pages, one row group for each work unit.
    #[serde(rename = "parquet")]
    Parquet,
}

impl OutputFormat {
    /// The suffix of its files.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::JsonlZst => "jsonl.zst",
            Self::JsonlGz => "jsonl.gz",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// Writes the documents of one work unit to a file of its own.
pub(crate) trait PartWriter {
    /// Writes all rows of a batch.
    fn write(&mut self, batch: &Batch) -> Result<()>;
    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Starts a part of the run's output.
pub(crate) fn part(path: &Path, output: &Output) -> Result<Box<dyn PartWriter>> {
    Ok(match output.format {
        OutputFormat::Parquet => Box::new(parquet::ParquetPart::create(path, output)),
        format => Box::new(JsonlPart::create(path, format, output.compression_level, output.doc_id)?),
    })
}

/// Joins parts into one output file and syncs it.
pub(crate) fn join(parts: &[PathBuf], target: &Path, format: OutputFormat) -> Result<()> {
    if format == OutputFormat::Parquet {
        return parquet::splice(parts, target);
    }
    let mut out = File::create(target).map_err(Error::io("create", target))?;
    for part in parts {
        let mut part_file = File::open(part).map_err(Error::io("read", part))?;
        std::io::copy(&mut part_file, &mut out).map_err(Error::io("write", target))?;
    }
    out.flush().and_then(|()| out.sync_data()).map_err(Error::io("write", target))
}

/// Whether two parts may stand in one file.
pub(crate) fn may_join(first: &Path, second: &Path, format: OutputFormat) -> Result<bool> {
    if format == OutputFormat::Parquet { parquet::same_schema(first, second) } else { Ok(true) }
}
