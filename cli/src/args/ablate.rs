//! Comparison of recipes by what models learn of their documents: `ablate`.

use std::path::PathBuf;

use clap::Args;

use super::NumberType;

#[derive(Debug, Args)]
pub struct AblateArgs {
    /// Recipes of `run`, as `cleaned=clean.toml` (its name in the table) or `raw.toml`; the others are compared with the first
    #[arg(value_name = "[NAME=]RECIPE", required = true, num_args = 2..)]
    pub recipes: Vec<String>,
    /// The folder of results: ablation.md, ablation.json, results.jsonl; the same command goes on where it was stopped
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Held-out documents of a domain, a file or a folder, as `news=news.jsonl.zst`; no model is trained on what has text of them; may
    /// be repeated
    #[arg(long, value_name = "NAME=FILE", required = true)]
    pub held_out: Vec<String>,
    /// The field that holds the text of held-out documents
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub text_field: String,
    /// Tokens that models read of each held-out set, in some order of its documents [default: 0, all]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub held_out_tokens: u64,
    /// Tokens that each model is trained on
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub tokens: u64,
    /// Trainings of each recipe, with other first weights and another order: intervals are over them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: u32,
    /// The tokenizer of all models
    #[arg(long, value_name = "FILE", default_value = "bundled")]
    pub tokenizer: PathBuf,
    /// The shape of the models: a config.json, a name, or that of the bundled one
    #[arg(long, value_name = "FILE|NAME", default_value = "bundled")]
    pub config: PathBuf,
    /// Settings of `train-model`, but for data, model, length and seeds [default: those the bundled model was trained with]
    #[arg(long, value_name = "FILE.toml")]
    pub train: Option<PathBuf>,
    /// What products are computed in: fp32, or bf16, which is faster where the CPU has AMX [default: fp32, or as --train says]
    #[arg(long, value_name = "TYPE")]
    pub precision: Option<NumberType>,
    /// Keep the models, in NAME/seed-N/model
    #[arg(long)]
    pub keep_models: bool,
}
