//! Evaluation of language models: `eval`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use yuan_eval::tasks::Mode;

use super::model::{RunOnArgs, SamplingArgs, ScoringArgs};
use super::parse::parse_bytes;

#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// The tasks: names, modes, examples, files
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask tasks: GSM8K, MATH, Gaokao mathematics, MMLU, ARC, TruthfulQA, HumanEval, C-Eval, CMMLU
    ///
    /// A line for each item goes to OUT/TASK.MODE.jsonl as soon as it is known, and is not asked again by the same command;
    /// OUT/summary.json has what all tasks came to. Modes `yuan` and `m32` have prompts, answer extraction and scores as these models
    /// were published with; `loglikelihood` is lm-eval's multiple choice.
    Tasks(EvalTasksArgs),
    /// Perplexity and bits per byte by domains (files, or a field), as Paloma tells them, in lm-eval's rolling windows
    ///
    /// A line for each document goes to OUT/perplexity.jsonl as soon as it is known, and is not scored again by the same command;
    /// OUT/perplexity.json has the table. A server (`--endpoint`) is sent the ids that `--tokenizer` makes, by windows of two tokens
    /// less than it reads, and must tell the log-probabilities of prompts (`echo` with `logprobs`). `--prefix eod` is then the
    /// tokenizer's `<eod>`, `<|endoftext|>`, `<|end_of_text|>` or `</s>`.
    Perplexity(EvalPerplexityArgs),
}

/// What no debug print may show: a key, or an address with a password in it.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("evaluated").required(true).args(["model", "endpoint"]))]
pub struct EvalTasksArgs {
    /// Tasks of `eval list`, or `all`
    #[arg(value_name = "TASK", required = true, value_delimiter = ',')]
    pub tasks: Vec<String>,
    /// A folder of Hugging Face's, a GGUF file, or `bundled`
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// The folder of the evaluation sets
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where results go
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Whose prompts and rules: yuan, m32 or loglikelihood [default: the task's own]
    #[arg(long, value_name = "MODE", value_parser = parse_mode)]
    pub mode: Option<Mode>,
    /// Ask so many items of each task
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Examples before the question [default: the task's own number]
    #[arg(long, value_name = "N")]
    pub shots: Option<usize>,
    /// The text before each question: of a file, or out of a driver of Yuan2.0-M32 (tasks/GSM8K/eval_for_gsm8k.py)
    #[arg(long, value_name = "FILE", conflicts_with = "shots")]
    pub shots_from: Option<PathBuf>,
    /// Texts for each item; the answer that most of them give counts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub samples: usize,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Most new tokens [default: the task's own number]
    #[arg(long, value_name = "N")]
    pub max_new_tokens: Option<NonZeroUsize>,
    /// Texts that a model on this machine writes together
    #[arg(long, value_name = "N", default_value = "8")]
    pub batch: NonZeroUsize,
    /// Tokens that go through the model together, where options are scored; of up to four times as many keys and values are held
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Run the programs of HumanEval: a model's own words, in a process that is held back (Linux)
    #[arg(long)]
    pub allow_code_execution: bool,
    /// What runs programs
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub python: PathBuf,
    /// Time a program may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub code_seconds: u64,
    /// Memory a program may take
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = parse_bytes)]
    pub code_memory: u64,
    /// Run programs even where the system has neither namespaces nor Landlock: they can write whatever you can
    #[arg(long, requires = "allow_code_execution")]
    pub allow_code_to_write: bool,
    /// Choose among samples of programs by tests that the model writes, in so many texts
    #[arg(long, value_name = "N", default_value_t = 0, requires = "allow_code_execution")]
    pub select_by_tests: usize,
    #[command(flatten)]
    pub run: RunOnArgs,
    /// The model's tokenizer, where it does not lie in its folder
    #[arg(long, value_name = "FILE", conflicts_with = "endpoint")]
    pub tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub server: ServerArgs,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// A server that is asked instead of a model's files.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// A server that speaks OpenAI's completions, as http://localhost:8000/v1
    #[arg(long, value_name = "URL", help_heading = "Servers")]
    pub endpoint: Option<Secret>,
    /// The model's name on the server [default: the first that it tells]
    #[arg(long, value_name = "NAME", requires = "endpoint", help_heading = "Servers")]
    pub model_name: Option<String>,
    /// What the server wants to see
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true, help_heading = "Servers")]
    pub api_key: Option<Secret>,
    /// Time an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, help_heading = "Servers",
        value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub timeout: u64,
    /// How often a request is made again that failed for a reason that may pass
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Servers")]
    pub retries: u32,
    /// Requests at a time
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Servers",
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
}

#[derive(Debug, Args)]
pub struct EvalPerplexityArgs {
    /// The model, a folder of Hugging Face's, a GGUF file or `bundled`, unless a server is asked; then documents: files, folders,
    /// globs, or `-` for standard input
    #[arg(value_names = ["MODEL", "INPUT"], num_args = 0.., required_unless_present = "endpoint")]
    pub given: Vec<String>,
    #[command(flatten)]
    pub how: ScoringArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Where results go
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
}

fn parse_mode(name: &str) -> Result<Mode, String> {
    Mode::from_name(name).ok_or_else(|| format!("there is no mode `{name}`: use yuan, m32 or loglikelihood"))
}
