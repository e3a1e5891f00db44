//! Looking at documents, stages and finished runs.

use std::path::PathBuf;

use clap::Args;
use yuan_filters::ThresholdMethod;

use super::documents::InputArgs;
use super::parse::parse_method;
use crate::presets::Preset;

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A run folder, a file of documents, a tokenizer.json, or PREFIX of .bin/.idx
    pub path: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Documents printed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Take N documents from all over the input instead of its first ones (reads all of it)
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
    /// Only documents whose field has this value; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub r#where: Vec<String>,
    /// Fields printed beside the text
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Characters of each text; 0 for all of it
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub chars: usize,
}

#[derive(Debug, Args)]
pub struct StagesArgs {
    /// The stage
    pub name: Option<String>,
    /// The JSON schema of a recipe, for editors
    #[arg(long, conflicts_with = "name")]
    pub schema: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The run folder
    #[arg(value_name = "RUN_DIR")]
    pub run: Option<PathBuf>,
    /// The document, as `doc_id` in `dropped/` and the report give it
    #[arg(value_name = "DOC_ID", required_unless_present = "text", conflicts_with = "text")]
    pub doc_id: Option<u64>,
    /// Explain this text file (`-` for standard input) instead, by the run's recipe or the rules of `clean`
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Without a run: a published recipe's stages
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pub preset: Option<Preset>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RetuneArgs {
    /// The run folder, of a run with `--measures sidecar`
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// A threshold: `gopher_quality.min_words=30`, `gopher_quality.languages.zh.min_words=20`; may be repeated
    #[arg(long, value_name = "STEP.THRESHOLD=VALUE")]
    pub set: Vec<String>,
    /// Propose thresholds for each language from what its documents measure, and try them; what `--set` says stays
    ///
    /// ten-tail: each check drops a tenth of the documents. english: the English thresholds. mean-std: as many
    /// standard deviations from the mean as in English. quantile: the fraction that English loses. median-ratio:
    /// the English threshold times the ratio of the medians. The last three need English documents in the run.
    #[arg(long, value_name = "METHOD", value_parser = parse_method)]
    pub auto: Option<ThresholdMethod>,
    /// Languages with fewer documents than this get no proposal
    #[arg(long, value_name = "N", default_value_t = 100, requires = "auto")]
    pub min_documents: u64,
    /// Print the proposals alone, as options for `run` and `retune`
    #[arg(long, requires = "auto", conflicts_with_all = ["json", "out"])]
    pub print_set: bool,
    /// Write the documents that the new thresholds keep, as a run folder of its own
    ///
    /// It reads the inputs of the run again, which must be unchanged. Where a step behind the rules compares documents
    /// with each other (`exact`, `minhash`), it is possible if that step has nothing to decide anew.
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run folder
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// The page [default: RUN_DIR/report.html]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
