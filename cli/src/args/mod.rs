//! The command line, flag by flag.
//!
//! | commands | file |
//! |---|---|
//! | what is read and written, by all that take documents | `documents.rs` |
//! | `run`, `plan`, `demo`, `clean` | `run.rs` |
//! | `dedup`, `datatrove-minhash`, `decontaminate`, `index` | `dedup.rs` |
//! | `score`, `train-fasttext`, `train-kenlm` | `score.rs` |
//! | `train-tokenizer`, `compression`, `tokenize` | `tokens.rs` |
//! | `binidx` | `binidx.rs`, `samples.rs` |
//! | `model` | `model.rs` |
//! | `train-model` | `train_model.rs` |
//! | `eval` | `eval.rs` |
//! | `serve` | `serve.rs` |
//! | `info`, `show`, `stages`, `explain`, `retune`, `report` | `look.rs` |
//! | words of the command line → values | `parse.rs` |

mod ablate;
mod binidx;
mod dedup;
mod documents;
mod eval;
mod look;
mod mix;
mod model;
mod parse;
mod run;
mod samples;
mod score;
mod serve;
mod tokens;
mod train_model;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use ablate::AblateArgs;
pub use binidx::{BinidxCommand, CutArgs};
pub use dedup::{DatatroveMinhashCommand, DecontaminateArgs, DedupArgs, DedupMethod, IndexCommand, SignatureArgs};
pub use documents::ResumeArgs;
pub use eval::{EvalCommand, EvalPerplexityArgs, EvalTasksArgs, ServerArgs};
pub use look::{ExplainArgs, InfoArgs, ReportArgs, RetuneArgs, ShowArgs, StagesArgs};
pub use mix::MixArgs;
pub use model::{ConvertArgs, GenerateArgs, ModelCommand, PerplexityArgs, RunOnArgs, ScoringArgs};
pub use run::{CleanArgs, DemoArgs, PlanArgs, RunArgs};
pub use samples::SamplesArgs;
pub use score::{ScoreArgs, TrainFastTextArgs, TrainKenLmArgs};
pub use serve::ServeArgs;
pub use tokens::{
    CompressionArgs, CountArgs, FileRange, PruneArgs, TokenizeArgs, TokenizerCommand, TokenizerFormat,
    TrainTokenizerArgs,
};
pub use train_model::{Decline, Documents, NumberType, TrainModelArgs};

use parse::{parse_bytes, parse_threads};

/// Raw text in, training-ready tokens out: clean, deduplicate, train a tokenizer, tokenize.
///
/// Every run is resumable: stopped or killed, the same command goes on where it was. Its result does not
/// depend on the number of threads. Documents that are dropped are counted by reason, and kept if you ask.
///
/// Start with `yuan-data demo`.
#[derive(Debug, Parser)]
#[command(name = "yuan-data", version, max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Workers [default: one for each core]
    #[arg(long, global = true, value_name = "N", value_parser = parse_threads, help_heading = "Everywhere")]
    pub threads: Option<usize>,
    /// Memory for documents in work and for sorting, as 512MiB or 8GiB [default: half the machine's]
    ///
    /// A budget that holds: large documents wait for each other, passes spill sorted runs to disk. Tables that
    /// are always there (the Chinese dictionary, a tokenizer) come on top: some 100 MiB.
    #[arg(long, global = true, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Everywhere")]
    pub memory: Option<u64>,
    /// How progress is shown
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", help_heading = "Everywhere")]
    pub progress: ProgressKind,
    /// Say nothing but errors
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, a line every 30 seconds elsewhere
    Auto,
    /// A bar
    Bar,
    /// A line every 30 seconds
    Plain,
    /// A JSON object every 30 seconds
    Json,
    /// Nothing
    None,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every step of a recipe; go on where an earlier run was stopped
    Run(RunArgs),
    /// Check a recipe, its inputs and columns, and print what `run` would do
    Plan(PlanArgs),
    /// Take the bundled corpus through the whole chain
    Demo(DemoArgs),
    /// Normalise, identify the language, apply quality rules
    Clean(CleanArgs),
    /// Remove documents that were seen before
    Dedup(DedupArgs),
    /// Do one step of datatrove's MinHash: its files in, its files out
    #[command(subcommand)]
    DatatroveMinhash(DatatroveMinhashCommand),
    /// Find documents that hold text of evaluation sets; drop or cut them, or only tell
    ///
    /// What was found where is in `outcomes/00-decontaminate` of the run folder: matches.parquet, a row for each document and
    /// item, and items.parquet, a row for each item that was found.
    Decontaminate(DecontaminateArgs),
    /// Train a byte-level BPE tokenizer
    TrainTokenizer(TrainTokenizerArgs),
    /// Compare how well tokenizers compress documents, and what these show of their vocabularies
    ///
    /// Any tokenizer.json and SentencePiece models beside ours. Figures are YAYI 2's (tokens / length, in characters and in bytes,
    /// over samples of 10,000 tokens) and PolyLM's (tokens beside those of a baseline).
    Compression(CompressionArgs),
    /// Turn documents into Megatron .bin/.idx
    Tokenize(TokenizeArgs),
    /// Count the tokens of documents, for each file or source
    Count(CountArgs),
    /// Score documents by classifiers and language models; keep those of which an expression holds
    Score(ScoreArgs),
    /// Train a fastText classifier on labelled documents, or on good and bad ones, and test it
    #[command(name = "train-fasttext")]
    TrainFastText(TrainFastTextArgs),
    /// Train n-gram language models (KenLM), one for each language
    #[command(name = "train-kenlm")]
    TrainKenLm(TrainKenLmArgs),
    /// Train a neural language model (Yuan 2.0, dense or mixture of experts) on token sets
    ///
    /// Stopped or killed, the same command goes on from the last checkpoint and ends with the same bits. A checkpoint is a model: `score
    /// --moe`, `model perplexity` and `--from` take it as it is.
    TrainModel(TrainModelArgs),
    /// Compare recipes: train the same small model on equally many tokens of each, and report what is held out
    ///
    /// Each recipe is run, documents with text of the held-out sets are dropped, all are tokenized alike, and of each `--seeds` models
    /// are trained. The table has bits per byte by domain, 95 % intervals over seeds, and differences from the first recipe. Stopped or
    /// killed, the same command goes on.
    Ablate(AblateArgs),
    /// Neural language models (Yuan 2.0, Yuan2.0-M32, Qwen2-MoE): look at, check, convert, score, generate, measure
    #[command(subcommand)]
    Model(ModelCommand),
    /// Evaluate a language model, here or behind a server: benchmark tasks, perplexity by domains
    #[command(subcommand)]
    Eval(EvalCommand),
    /// Serve a model over HTTP: OpenAI's completions and chats, Yuan's `PUT /yuan`
    ///
    /// `/v1/completions` (log-probabilities, echo, streams), `/v1/chat/completions`, `/v1/models`, `/yuan`, `/health`, `/metrics`. Texts of
    /// all clients are made together and are the same as alone. A line for each request goes to standard error.
    Serve(ServeArgs),
    /// Look after an index of earlier crawls, made by `dedup --update`
    #[command(subcommand)]
    Index(IndexCommand),
    /// Change a tokenizer that is there already
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// Look at, check, mend, join, cut, shuffle and convert token sets (Megatron .bin/.idx); take documents out of them
    #[command(subcommand)]
    Binidx(BinidxCommand),
    /// Mix token sets into the phases of a training, after an exact preview
    ///
    /// Sources are token sets or parts of them; a phase takes of each a share, a number of times or of tokens, goes on where
    /// the phase before stopped, and is written as one shuffled set. `recipes/polylm-curriculum.toml` and
    /// `recipes/yayi2-mix.toml` are examples.
    Mix(MixArgs),
    /// Say what a file or folder is: a run, documents, a tokenizer, tokens
    Info(InfoArgs),
    /// Print documents of any format that is read
    Show(ShowArgs),
    /// List the stages, or all about one
    Stages(StagesArgs),
    /// Show what every stage measures and decides on one document
    Explain(ExplainArgs),
    /// Try other thresholds on a finished run, from the measures it kept; write what they keep
    ///
    /// What is kept and dropped is told by language (both scripts of Chinese together, as thresholds are), by source (a
    /// document's file, or what `[input] source_field` of the run names) and by reason.
    Retune(RetuneArgs),
    /// Write the report of a run as one HTML page
    Report(ReportArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
