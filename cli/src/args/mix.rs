//! Mixes of token sets: `mix`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct MixArgs {
    /// The recipe: sources, and phases made of them
    #[arg(value_name = "RECIPE.toml", required_unless_present = "schema")]
    pub recipe: Option<PathBuf>,
    /// The folder of the phases: DIR/PHASE/tokens.bin, .idx, .documents.parquet and blend.txt
    #[arg(short, long, value_name = "DIR", required_unless_present_any = ["preview", "schema"])]
    pub out: Option<PathBuf>,
    /// Only print what the phases would be, to the token; no token is read
    #[arg(long, visible_alias = "plan")]
    pub preview: bool,
    /// The preview as JSON
    #[arg(long, requires = "preview")]
    pub json: bool,
    /// Change a setting: `phase.stage1.tokens=5000000`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Print the JSON schema of recipes: every setting with its default, for reading and for editors
    #[arg(long)]
    pub schema: bool,
}
