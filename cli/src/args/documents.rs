//! What is read, and where it goes.

use std::path::PathBuf;

use clap::Args;
use yuan_pipeline::{Format, Input, Measures, OnBadRecord, Output, OutputFormat};

use super::parse::{parse_bytes, parse_format, parse_measures, parse_on_bad_record, parse_output_format};

/// Where documents come from.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// Files, folders, globs, or `-` for standard input
    ///
    /// Kinds by suffix: .jsonl .json .ndjson .txt (also .gz, .zst), .parquet, .arrow. A folder is read to its
    /// bottom in order of name.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// How documents are read.
#[derive(Clone, Debug, Args)]
pub struct ReadArgs {
    /// What the files are, where the suffix does not tell
    #[arg(long, value_name = "KIND", value_parser = parse_format)]
    pub format: Option<Format>,
    /// The field or column that holds the text
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub text_field: String,
    /// The field or column that holds the document's own id
    #[arg(long, value_name = "NAME", default_value = "id")]
    pub id_field: String,
    /// What to do with a record that is no document: `stop`, or `set-aside` (kept, counted, exit status 3)
    #[arg(long, value_name = "WHAT", default_value = "stop", value_parser = parse_on_bad_record)]
    pub on_bad_record: OnBadRecord,
    /// Records above this size are set aside
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_bytes)]
    pub max_document_bytes: u64,
}

impl InputArgs {
    pub fn input(&self) -> Input {
        self.read.input(&self.inputs)
    }
}

impl ReadArgs {
    /// These inputs, read so.
    pub fn input(&self, paths: &[String]) -> Input {
        Input {
            paths: paths.to_vec(),
            format: self.format,
            text_field: self.text_field.clone(),
            id_field: self.id_field.clone(),
            on_bad_record: self.on_bad_record,
            max_document_bytes: self.max_document_bytes,
            ..Input::default()
        }
    }
}

/// Where documents go.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// The run folder: `out/`, `manifest.sqlite`, `report.html`…
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// The kind of the files in `out/`
    #[arg(long, value_name = "KIND", default_value = "jsonl.zst", value_parser = parse_output_format)]
    pub output_format: OutputFormat,
    /// Keep dropped documents in `dropped/`, each with the stage and the reason
    #[arg(long)]
    pub keep_dropped: bool,
    /// Keep what the rules measure: `none`, `sidecar` (in `measures/`, for `retune`), or `columns` of the documents
    #[arg(long, value_name = "HOW", default_value = "none", value_parser = parse_measures)]
    pub measures: Measures,
    #[command(flatten)]
    pub resume: ResumeArgs,
}

impl OutputArgs {
    pub fn output(&self) -> Output {
        Output {
            format: self.output_format,
            keep_dropped: self.keep_dropped,
            measures: self.measures,
            ..Output::default()
        }
    }
}

/// Where a run begins and ends.
#[derive(Clone, Debug, Default, Args)]
pub struct ResumeArgs {
    /// Do this step and all behind it again
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Stop once this step is done
    #[arg(long, value_name = "STEP")]
    pub until: Option<String>,
    /// Keep the files between sweeps, so that `--from` can go back to any step
    #[arg(long)]
    pub keep_work: bool,
}
