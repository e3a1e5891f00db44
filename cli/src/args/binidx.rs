//! Token datasets: `binidx`.

use std::path::PathBuf;

use clap::Subcommand;

use super::samples::SamplesArgs;

#[derive(Debug, Subcommand)]
pub enum BinidxCommand {
    /// Counts, dtype and sizes
    Info {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print documents as token ids, or as text
    Cat {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// Decode with this tokenizer.json or .model
        #[arg(long, value_name = "FILE")]
        tokenizer: Option<PathBuf>,
        /// First document, from 0
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: usize,
        /// Documents printed
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
    /// Check structure, pointers, token ids and document ends; exit status 1 if something is wrong
    Verify {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// Check token ids against this tokenizer.json or .model
        #[arg(long, value_name = "FILE")]
        tokenizer: Option<PathBuf>,
        /// Each document must end with this token
        #[arg(long, value_name = "TOKEN", requires = "tokenizer")]
        eod: Option<String>,
    },
    /// Which samples a Megatron trainer reads: epochs and shares of each dataset, the tokens of any step
    Samples(Box<SamplesArgs>),
}
