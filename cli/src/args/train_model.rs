//! Training of language models: `train-model`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parse::parse_duration;

#[derive(Debug, Args)]
pub struct TrainModelArgs {
    /// Token sets: PREFIX…, or WEIGHT PREFIX WEIGHT PREFIX…, as Megatron's --data-path takes them
    #[arg(value_name = "TOKENS")]
    pub data: Vec<String>,
    /// The folder of the training: checkpoints/, model/, log.jsonl, report.html; if there is a checkpoint, it goes on from there
    #[arg(short, long, value_name = "DIR", required_unless_present = "schema")]
    pub out: Option<PathBuf>,
    /// Settings in a file, under the names they have here; what is given here as well counts
    #[arg(long, value_name = "FILE.toml")]
    pub recipe: Option<PathBuf>,
    /// Stop in good order after this time, as 40m or 1h30m, with a checkpoint to go on from; a step or an evaluation is done in any case
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub time: Option<Duration>,
    /// Documents to evaluate, a token set under a name; may be repeated
    #[arg(long, value_name = "NAME=PREFIX", help_heading = "Evaluation")]
    pub valid: Vec<String>,
    #[command(flatten)]
    pub settings: TrainSettings,
    /// Print the JSON schema of recipes: every setting with its default
    #[arg(long)]
    pub schema: bool,
}

/// Settings of a recipe, each of which counts if it is given.
#[derive(Debug, Args, Serialize)]
pub struct TrainSettings {
    /// The model's shape: a config.json, or a name such as yuan-moe-tiny
    #[arg(long, value_name = "FILE|NAME", conflicts_with = "from")]
    pub config: Option<PathBuf>,
    /// Begin with the weights of this model: a folder of Hugging Face's, a checkpoint, a GGUF file
    #[arg(long, value_name = "MODEL")]
    pub from: Option<PathBuf>,
    /// The tokenizer the tokens were made with [default: the one in --from]
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Where it is trained: cpu; candle, slow and to compare with; cuda:0 if built with candle-cuda [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// What products are computed in: fp32, or bf16, which is faster where the CPU has AMX [default: fp32]
    #[arg(long, value_name = "TYPE")]
    pub precision: Option<NumberType>,
    /// Seed of the first weights and of the order of texts [default: 1234]
    #[arg(long, value_name = "S")]
    pub seed: Option<u32>,
    /// Deviation of the first weights of matrices [default: 0.02]
    #[arg(long, value_name = "STD")]
    pub init_std: Option<f64>,
    /// Train on this many tokens
    #[arg(long, value_name = "N", group = "length", help_heading = "Data")]
    pub tokens: Option<u64>,
    /// Train for this many steps
    #[arg(long, value_name = "N", group = "length", help_heading = "Data")]
    pub steps: Option<u64>,
    /// Train on all tokens this many times
    #[arg(long, value_name = "N", group = "length", help_heading = "Data")]
    pub epochs: Option<f64>,
    /// Tokens of a text [default: 1024, or what the model is made for]
    #[arg(short = 'L', long, value_name = "L", help_heading = "Data")]
    pub sequence_length: Option<usize>,
    /// Tokens of a step [default: 65536]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub batch_tokens: Option<u64>,
    /// Tokens that go through the model together, what memory is needed for [default: 8192]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub micro_batch_tokens: Option<u64>,
    /// Documents of a text: each a sequence of its own, or all one sequence [default: apart]
    #[arg(long, value_name = "HOW", help_heading = "Data")]
    pub documents: Option<Documents>,
    /// With --documents together, positions begin anew behind each
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Data")]
    pub reset_position_ids: Option<bool>,
    /// With --documents together, attention does not reach into the one before
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Data")]
    pub reset_attention_mask: Option<bool>,
    /// Learn only what PREFIX_loss_mask.bin beside each set marks
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Data")]
    pub loss_mask: Option<bool>,
    /// The id of padding, which is not learnt
    #[arg(long, value_name = "ID", help_heading = "Data")]
    pub pad: Option<u32>,
    /// Highest learning rate [default: 0.001]
    #[arg(long, value_name = "RATE", help_heading = "Optimizer")]
    pub learning_rate: Option<f64>,
    /// How it falls [default: cosine]
    #[arg(long, value_name = "HOW", help_heading = "Optimizer")]
    pub schedule: Option<Decline>,
    /// Steps over which it grows from 0 [default: 2 % of all]
    #[arg(long, value_name = "N", help_heading = "Optimizer")]
    pub warmup_steps: Option<u64>,
    /// With --schedule wsd, the last steps, in which it falls [default: 20 % of all]
    #[arg(long, value_name = "N", help_heading = "Optimizer")]
    pub decay_steps: Option<u64>,
    /// What is left of it at the last step, in [0, 1], unless it is constant [default: 0.1]
    #[arg(long, value_name = "FRACTION", help_heading = "Optimizer")]
    pub floor_fraction: Option<f64>,
    /// Longest gradient; a longer one is shortened to it, 0 for none [default: 1]
    #[arg(long, value_name = "NORM", help_heading = "Optimizer")]
    pub max_gradient_norm: Option<f64>,
    /// Part of each matrix that is taken off it, times the learning rate [default: 0.1]
    #[arg(long, value_name = "FRACTION", help_heading = "Optimizer")]
    pub weight_decay: Option<f64>,
    /// How long AdamW remembers gradients [default: 0.9]
    #[arg(long, value_name = "BETA", help_heading = "Optimizer")]
    pub beta1: Option<f64>,
    /// How long AdamW remembers their squares [default: 0.95]
    #[arg(long, value_name = "BETA", help_heading = "Optimizer")]
    pub beta2: Option<f64>,
    /// AdamW's epsilon [default: 1e-8]
    #[arg(long, value_name = "NUMBER", help_heading = "Optimizer")]
    pub epsilon: Option<f64>,
    /// What the auxiliary loss of load balance counts [default: 0, as of Yuan2.0-M32]
    #[arg(long, value_name = "NUMBER", help_heading = "Optimizer")]
    pub balance: Option<f64>,
    /// Steps between evaluations; 0 for the one at the end alone [default: 200]
    #[arg(long, value_name = "N", help_heading = "Evaluation")]
    pub eval_every: Option<u64>,
    /// Tokens of each set evaluated on the way [default: 100000]
    #[arg(long, value_name = "N", help_heading = "Evaluation")]
    pub eval_tokens: Option<u64>,
    /// Tokens of each set evaluated at the end [default: 0, all]
    #[arg(long, value_name = "N", help_heading = "Evaluation")]
    pub final_eval_tokens: Option<u64>,
    /// Steps between checkpoints; 0 for the one at the end alone [default: 200]
    #[arg(long, value_name = "N", help_heading = "Checkpoints")]
    pub save_every: Option<u64>,
    /// Checkpoints kept [default: 2]
    #[arg(long, value_name = "N", help_heading = "Checkpoints")]
    pub keep: Option<usize>,
    /// The type of saved weights; training goes on in fp32 [default: fp32]
    #[arg(long, value_name = "TYPE", help_heading = "Checkpoints")]
    pub save_dtype: Option<NumberType>,
}

/// A type of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NumberType {
    /// IEEE single precision
    #[default]
    Fp32,
    /// The upper half of a single
    Bf16,
}

/// How documents of a text are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    /// Each is a sequence of its own, behind the end of the one before: read as it is scored
    #[default]
    Apart,
    /// All are one sequence, as in Megatron
    Together,
}

/// How the learning rate falls behind the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decline {
    /// Along half a cosine
    #[default]
    Cosine,
    /// Along a line
    Linear,
    /// Not at all
    Constant,
    /// Not at all up to the last steps, then as 1 − √x
    Wsd,
}
