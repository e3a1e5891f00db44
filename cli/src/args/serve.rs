//! Answering others: `serve`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::model::RunOnArgs;
use super::parse::{parse_bytes, parse_seconds};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A folder of Hugging Face's, a file of weights in one, or a GGUF file
    pub model: PathBuf,
    /// Where to listen; 0.0.0.0 lets other machines ask
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// What clients must show as `Authorization: Bearer KEY`
    #[arg(long, value_name = "KEY", env = "YUAN_DATA_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// What requests call the model [default: the name of its folder or file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The model's tokenizer, where it does not lie in its folder
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunOnArgs,
    /// Largest request
    #[arg(long, value_name = "BYTES", default_value = "4MiB", value_parser = parse_bytes)]
    pub max_body: u64,
    /// Most new tokens of a text [default: as many as there is room for]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<NonZeroUsize>,
    /// Most tokens of a prompt and its text together, up to 1048576 [default: what the model was trained for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_positions: Option<u32>,
    /// Texts that are made at one time
    #[arg(long, value_name = "N", default_value = "64")]
    pub max_concurrent: NonZeroUsize,
    /// Tokens that they may come to, prompts included; more wait [default: those whose keys and values half of `--memory` holds, or half of what
    /// a GPU has free beside the model]
    #[arg(long, value_name = "N")]
    pub cache_tokens: Option<NonZeroUsize>,
    /// Tokens of prompts that are read in one step: those who write wait for it
    #[arg(long, value_name = "N", default_value = "512")]
    pub batch_tokens: NonZeroUsize,
    /// Texts that may wait; requests beyond are told to come back (429)
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub queue: usize,
    /// Time for an answer, from the head of its request to its end
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = parse_seconds)]
    pub timeout: Duration,
    /// Time for a client to send the head of a request, its body, and to read what it is sent
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub client_timeout: Duration,
    /// Time for what is being made when the server is stopped (SIGTERM, Ctrl-C)
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub grace: Duration,
}
