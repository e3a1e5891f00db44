//! Reads `measures/`: what every document of a sweep measured.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::manifest::Manifest;
use crate::run::Folder;
use crate::{Error, Result};

/// Rows looked at together.
const ROWS: usize = 16 << 10;
/// The columns that are there whatever was measured.
const VERDICTS: [&str; 9] =
    ["doc_id", "bytes", "chars", "source", "language", "dropped_by", "reason", "fixed_by", "fixed_reason"];

/// The sidecar of one sweep of a run.
pub(super) struct Sidecar {
    files: Vec<PathBuf>,
}

impl Sidecar {
    /// # Errors
    /// If the run keeps no measures, or is not finished.
    pub(super) fn open(run: &Path, sweep: u32) -> Result<Self> {
        let manifest = Manifest::open_existing(&Folder::new(run).manifest)?;
        let name = run.display();
        let refuse = |problem: String, hint: String| Err(Error::Plan { problem, hint: Some(hint) });
        if let Some(origin) = manifest.meta("retuned_from")? {
            return refuse(
                format!("`{name}` was made by `retune` from the run in `{origin}` and keeps no measures of its own"),
                format!("give the thresholds to that one: `yuan-data retune {origin} --set …`"),
            );
        }
        let settings: Option<serde_json::Value> =
            manifest.meta("settings")?.and_then(|text| serde_json::from_str(&text).ok());
        if settings.is_some_and(|settings| settings["output"]["measures"] != "sidecar") {
            return refuse(
                format!("the run in `{name}` keeps no measures"),
                "run it with `[output] measures = \"sidecar\"` (`clean --measures sidecar`)".into(),
            );
        }
        if !manifest.sweep_done(sweep)? {
            return refuse(
                format!("the run in `{name}` is not finished"),
                "let it finish first: the command that began it goes on".into(),
            );
        }
        let names = manifest.names_of(crate::sweep::MEASURES, sweep)?;
        Ok(Self { files: names.into_iter().map(|name| run.join(crate::sweep::MEASURES).join(name)).collect() })
    }

    /// Calls `sink` with all rows in order, some thousand at a time.
    pub(super) fn for_each(&self, sink: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()> {
        self.walk(false, sink)
    }

    /// The same, without what was measured.
    pub(super) fn for_each_verdict(&self, sink: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()> {
        self.walk(true, sink)
    }

    fn walk(&self, only_verdicts: bool, sink: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()> {
        for path in &self.files {
            let file = File::open(path).map_err(Error::io("read", path))?;
            let mut builder =
                ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| Error::measures(path, error))?;
            if only_verdicts {
                let columns = ProjectionMask::columns(builder.parquet_schema(), VERDICTS);
                builder = builder.with_projection(columns);
            }
            let reader = builder.with_batch_size(ROWS).build().map_err(|error| Error::measures(path, error))?;
            for record in reader {
                let record = record.map_err(|error| Error::measures(path, error))?;
                sink(&Rows::new(&record, path)?)?;
            }
        }
        Ok(())
    }
}

/// A column of a few distinct words.
pub(super) struct WordColumn {
    words: StringArray,
    keys: arrow_array::Int32Array,
}

impl WordColumn {
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.keys.is_valid(row).then(|| self.words.value(self.keys.value(row) as usize))
    }
}

/// A column of measures.
pub(super) enum ValueColumn {
    Count(UInt64Array),
    Number(Float64Array),
}

impl ValueColumn {
    /// NaN where nothing was measured.
    pub(super) fn get(&self, row: usize) -> f64 {
        match self {
            Self::Count(column) if column.is_valid(row) => column.value(row) as f64,
            Self::Number(column) if column.is_valid(row) => column.value(row),
            _ => f64::NAN,
        }
    }
}

/// Some rows of a sidecar.
pub(super) struct Rows {
    record: RecordBatch,
    path: PathBuf,
    pub(super) doc_ids: UInt64Array,
    pub(super) bytes: UInt64Array,
    pub(super) chars: arrow_array::UInt32Array,
    pub(super) source: WordColumn,
    pub(super) language: WordColumn,
    pub(super) dropped_by: WordColumn,
    pub(super) reason: WordColumn,
    pub(super) fixed_by: WordColumn,
    pub(super) fixed_reason: WordColumn,
}

impl Rows {
    fn new(record: &RecordBatch, path: &Path) -> Result<Self> {
        let column = |name: &str| column(record, path, name);
        let words = |name: &str| word_column(&column(name)?).ok_or_else(|| wrong(path, name));
        let number = |name: &str| -> Result<UInt64Array> {
            column(name)?.as_primitive_opt::<UInt64Type>().cloned().ok_or_else(|| wrong(path, name))
        };
        Ok(Self {
            doc_ids: number("doc_id")?,
            bytes: number("bytes")?,
            chars: column("chars")?.as_primitive_opt::<UInt32Type>().cloned().ok_or_else(|| wrong(path, "chars"))?,
            source: words("source")?,
            language: words("language")?,
            dropped_by: words("dropped_by")?,
            reason: words("reason")?,
            fixed_by: words("fixed_by")?,
            fixed_reason: words("fixed_reason")?,
            record: record.clone(),
            path: path.to_path_buf(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.record.num_rows()
    }

    /// The language whose thresholds a step held each row to; none where it measured nothing.
    pub(super) fn language_for(&self, step: &str) -> Result<WordColumn> {
        let name = format!("{step}.language");
        word_column(&column(&self.record, &self.path, &name)?).ok_or_else(|| wrong(&self.path, &name))
    }

    /// The column of a measure.
    pub(super) fn values(&self, step: &str, measure: &str) -> Result<ValueColumn> {
        let name = format!("{step}.{measure}");
        let column = column(&self.record, &self.path, &name)?;
        if let Some(column) = column.as_primitive_opt::<UInt64Type>() {
            return Ok(ValueColumn::Count(column.clone()));
        }
        let column = column.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(&self.path, &name))?;
        Ok(ValueColumn::Number(column.clone()))
    }
}

fn word_column(column: &ArrayRef) -> Option<WordColumn> {
    let dictionary = column.as_dictionary_opt::<Int32Type>()?;
    let words = dictionary.values().as_string_opt::<i32>()?.clone();
    Some(WordColumn { words, keys: dictionary.keys().clone() })
}

fn column(record: &RecordBatch, path: &Path, name: &str) -> Result<ArrayRef> {
    record.column_by_name(name).cloned().ok_or_else(|| wrong(path, name))
}

fn wrong(path: &Path, column: &str) -> Error {
    Error::measures(path, format!("it has no column `{column}` of the kind that runs write"))
}
