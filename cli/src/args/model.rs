//! Neural language models: `model`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use yuan_model::{DType, Options, Place, Precision};

use super::documents::ReadArgs;
use super::parse::{parse_bytes, parse_model_dtype, parse_place, parse_precision};

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// What a model is: shape, parameters, types of its weights; what is missing or of no use
    Info {
        /// A folder of Hugging Face's, a GGUF file, a Megatron checkpoint, or a name such as yuan2-m32
        model: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare what a model computes with the reference values that lie in its folder (fixtures.safetensors)
    ///
    /// Prints the greatest difference of each value; exit status 1 if one is above the tolerance.
    Check {
        /// The model's folder, or its file of weights beside fixtures.safetensors
        model: PathBuf,
        /// Greatest difference of a value
        #[arg(long, value_name = "DIFFERENCE", default_value_t = 2e-4)]
        tolerance: f32,
        #[command(flatten)]
        run: RunOnArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a model as safetensors: a Megatron checkpoint of Yuan's, PyTorch, GGUF or GPTQ files
    Convert(ConvertArgs),
    /// Perplexity and bits per byte of documents, or of a token set
    Perplexity(PerplexityArgs),
    /// Continue prompts, or answer as in a chat
    Generate(GenerateArgs),
    /// Measure how fast a model scores, with its own weights or random ones
    Bench {
        /// A folder of Hugging Face's, a GGUF file, or `bundled`
        #[arg(required_unless_present = "random_weights")]
        model: Option<PathBuf>,
        /// A config.json, or a name (yuan2-m32, yuan2-2b, qwen2-57b-a14b, qwen1.5-moe-a2.7b…): weights are drawn
        #[arg(long, value_name = "CONFIG", conflicts_with = "model")]
        random_weights: Option<PathBuf>,
        #[command(flatten)]
        run: RunOnArgs,
        /// Tokens scored
        #[arg(long, value_name = "N", default_value_t = 16384)]
        tokens: usize,
        /// Tokens of a document
        #[arg(long, value_name = "N", default_value = "1024")]
        length: NonZeroUsize,
        /// Tokens that go through the model together
        #[arg(long, value_name = "N", default_value_t = 4096)]
        batch_tokens: usize,
        /// What the device does at best, to say how much of it is used
        #[arg(long, value_name = "TFLOPS")]
        peak: Option<f64>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// One of some numbers.
fn one_of<const N: usize>(numbers: [&'static str; N]) -> impl TypedValueParser<Value = u32> {
    PossibleValuesParser::new(numbers).map(|number| number.parse().expect("numbers are listed"))
}

/// Where and how a model runs.
#[derive(Clone, Debug, Args)]
pub struct RunOnArgs {
    /// auto, cpu, cuda:0
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = parse_place)]
    pub device: Place,
    /// The type of the weights in memory: fp32, bf16, fp16 [default: as in the files]
    #[arg(long, value_name = "TYPE", value_parser = parse_model_dtype)]
    pub dtype: Option<DType>,
    /// What activations are rounded to in products on a CPU: fp32, or bf16, which is several times as fast where the CPU has AMX
    #[arg(long, value_name = "TYPE", default_value = "fp32", value_parser = parse_precision)]
    pub precision: Precision,
}

impl RunOnArgs {
    /// These options.
    pub fn options(&self) -> Options {
        Options { place: self.device, dtype: self.dtype, precision: self.precision, widen: None }
    }
}

#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A folder with latest_checkpointed_iteration.txt, a folder of Hugging Face's, or a GGUF file
    pub model: PathBuf,
    /// The folder to write
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// The type of the weights written [default: as they are; bf16 for quantised ones]
    #[arg(long, value_name = "TYPE", value_parser = parse_model_dtype)]
    pub dtype: Option<DType>,
    /// A config.json, where the checkpoint does not say what it is
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Round matrices to 4 or 8 bits, in GPTQ's packing (without its calibration: 8 bits lose next to nothing)
    #[arg(long, value_name = "BITS", value_parser = one_of(["4", "8"]))]
    pub bits: Option<u32>,
    /// Inputs that share a scale: 32, 64 or 128
    #[arg(long, value_name = "N", default_value = "128", value_parser = one_of(["32", "64", "128"]), requires = "bits")]
    pub group_size: u32,
    /// Round the embedding and the output layer too: only yuan-data reads that
    #[arg(long, requires = "bits")]
    pub with_embeddings: bool,
    /// Largest file of weights
    #[arg(long, value_name = "BYTES", default_value = "5GB", value_parser = parse_bytes)]
    pub max_shard_bytes: u64,
}

#[derive(Clone, Debug, Args)]
pub struct PerplexityArgs {
    /// A folder of Hugging Face's, a GGUF file, or `bundled`
    pub model: PathBuf,
    /// Documents: files, folders, globs, or `-` for standard input
    #[arg(value_name = "INPUT", required_unless_present = "tokens", conflicts_with = "tokens")]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub how: ScoringArgs,
}

/// What is scored, and how.
#[derive(Clone, Debug, Args)]
pub struct ScoringArgs {
    #[command(flatten)]
    pub read: ReadArgs,
    /// Token sets instead: PREFIX of PREFIX.bin and PREFIX.idx
    #[arg(long, value_name = "PREFIX", num_args = 1..)]
    pub tokens: Vec<PathBuf>,
    #[command(flatten)]
    pub run: RunOnArgs,
    /// The model's tokenizer, where it does not lie in its folder; for token sets it tells their bytes
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// What stands before each document: eod (the token documents end with), none, or an id
    #[arg(long, value_name = "TOKEN", default_value = "eod")]
    pub prefix: String,
    /// Most tokens read at once of a document [default: what the model was trained for, at most 4096]
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
    /// Tokens by which windows go on [default: half of the window]
    #[arg(long, value_name = "N")]
    pub stride: Option<usize>,
    /// Cut long documents as this tool does: lm-eval (rolling log-likelihood), transformers (its guide to perplexity, whose
    /// `max_length` is a token more than `--window`)
    #[arg(long, value_name = "PEER")]
    pub compat: Option<String>,
    /// Begin positions again behind each end of document within a sequence, as Yuan's trainer does: for packed sequences
    #[arg(long)]
    pub reset_positions: bool,
    /// See nothing across an end of document within a sequence
    #[arg(long)]
    pub reset_attention: bool,
    /// Tokens that go through the model together
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Score this many documents and no more
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Tell documents apart by this field or column, as `language`
    #[arg(long, value_name = "FIELD", conflicts_with = "tokens")]
    pub by: Option<String>,
    /// A JSON line for each document: tokens, log-probability, perplexity, bits per byte
    #[arg(long, conflicts_with = "json")]
    pub each: bool,
    /// With the log-probability of each token
    #[arg(long, requires = "each")]
    pub per_token: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// How tokens are drawn.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// What logits are divided by; 0 always takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 0.0, allow_negative_numbers = true)]
    pub temperature: f64,
    /// Choose among the K likeliest tokens; 0 for all
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub top_k: usize,
    /// Choose among the likeliest tokens that make up this share
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub top_p: f64,
    /// Other seeds, other texts; what is drawn for a prompt depends on which it is too
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// A folder of Hugging Face's, a file of weights in one, or a GGUF file
    pub model: PathBuf,
    /// A prompt; may be repeated
    #[arg(short, long, value_name = "TEXT", required_unless_present = "prompts")]
    pub prompt: Vec<String>,
    /// Prompts, one a line: text, or JSON objects with `prompt` or `messages`; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// Write prompts as what a user says, by the model's chat template
    #[arg(long)]
    pub chat: bool,
    /// What the system says first, with `--chat`
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub system: Option<String>,
    #[command(flatten)]
    pub run: RunOnArgs,
    /// The model's tokenizer, where it does not lie in its folder
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Most new tokens
    #[arg(short = 'n', long, value_name = "N", default_value_t = 256)]
    pub max_new_tokens: usize,
    /// Most tokens of a prompt and its text together, up to 1048576 [default: what the model was trained for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_positions: Option<u32>,
    /// Prompts that are continued together; memory grows with them, texts stay the same on a CPU
    #[arg(long, value_name = "N", default_value = "64")]
    pub batch: NonZeroUsize,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Above 1 repeats less
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub repetition_penalty: f64,
    /// End a text before this string; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// A JSON line for each prompt: text, tokens, why it ended
    #[arg(long)]
    pub json: bool,
}
