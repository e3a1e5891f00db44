//! Chains of stages: recipes, presets, the demo.

use std::path::PathBuf;

use clap::Args;

use super::documents::{InputArgs, OutputArgs, ResumeArgs};
use crate::presets::Preset;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The recipe
    #[arg(value_name = "RECIPE.toml")]
    pub recipe: PathBuf,
    /// The run folder
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Change a setting: `minhash.bands=10`, `input.paths=["a.jsonl"]`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub resume: ResumeArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The recipe
    #[arg(value_name = "RECIPE.toml")]
    pub recipe: PathBuf,
    /// Change a setting: `minhash.bands=10`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The run folder
    #[arg(short, long, value_name = "DIR", default_value = "yuan-demo")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct CleanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// A published recipe's stages [default: normalize, language_id, gopher_quality, gopher_repetition]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
    /// Follow a peer's exact definitions, faults included: datatrove, c4, fineweb, dclm, dolma, ccnet, roots,
    /// data-juicer
    #[arg(long, value_name = "PEER")]
    pub compat: Option<String>,
    /// Languages kept, as zh,en (zh is both scripts); all by default
    #[arg(long, value_name = "LANGUAGES", value_delimiter = ',')]
    pub lang: Vec<String>,
}
