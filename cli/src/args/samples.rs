//! What a trainer reads: `binidx samples`.

use std::path::PathBuf;

use clap::Args;
use yuan_binidx::gpt::{Part, Split};

use super::parse::parse_part;

#[derive(Debug, Args)]
pub struct SamplesArgs {
    /// PREFIX…, or WEIGHT PREFIX WEIGHT PREFIX…, as Megatron's --data-path takes them
    #[arg(value_name = "PREFIX", required_unless_present = "blend")]
    pub data: Vec<String>,
    /// The same in one word: "0.3 a 0.7 b"
    #[arg(long, visible_alias = "data-path", value_name = "DATA", conflicts_with = "data")]
    pub blend: Option<String>,
    /// Tokens of a sample
    #[arg(short = 'L', long, value_name = "L")]
    pub sequence_length: usize,
    /// Samples of the whole run, Megatron's train_iters × global_batch_size; without it, one epoch of each dataset
    #[arg(long, value_name = "N")]
    pub samples: Option<u64>,
    /// Seed of the run
    #[arg(long, value_name = "S", default_value_t = 1234)]
    pub seed: u32,
    /// Cut each dataset into train, valid and test, as 969,30,1; without it all of it is the part
    #[arg(long, value_name = "SPLIT", value_parser = Split::parse)]
    pub split: Option<Split>,
    /// train, valid or test
    #[arg(long, value_name = "PART", default_value = "train", value_parser = parse_part)]
    pub part: Part,
    /// Share of samples built beyond those that a blend asks for; Megatron's mid_level_dataset_surplus
    #[arg(long, value_name = "SHARE", default_value_t = 0.005)]
    pub surplus: f64,
    /// Samples take no token more than L, and do not overlap
    #[arg(long)]
    pub no_extra_token: bool,
    /// With --part valid, fill the last sample up instead of leaving it out
    #[arg(long)]
    pub keep_partial: bool,
    /// Split, blend and count as Yuan's fork of Megatron-LM does
    #[arg(long, conflicts_with_all = ["cache", "surplus", "no_extra_token", "keep_partial"])]
    pub yuan: bool,
    /// Samples of a step
    #[arg(short = 'B', long, value_name = "B")]
    pub global_batch_size: Option<usize>,
    /// Print the samples of this step, counted from 1 as in Megatron's log
    #[arg(long, value_name = "K", requires = "global_batch_size")]
    pub step: Option<usize>,
    /// Print the sample at this place of the run, counted from 0; may be given again
    #[arg(long, value_name = "I")]
    pub sample: Vec<usize>,
    /// Decode samples, and look names of tokens up, with this tokenizer.json or .model
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// The token at the end of a document: an id, or a name in the tokenizer
    #[arg(long, value_name = "TOKEN")]
    pub eod: Option<String>,
    /// The token between an instruction and its answer
    #[arg(long, value_name = "TOKEN")]
    pub sep: Option<String>,
    /// The token of padding, if it is used for nothing else
    #[arg(long, value_name = "TOKEN")]
    pub pad: Option<String>,
    /// Positions begin anew behind each document
    #[arg(long, requires = "eod")]
    pub reset_position_ids: bool,
    /// Attention does not reach into the document before
    #[arg(long, requires = "eod")]
    pub reset_attention_mask: bool,
    /// No loss behind the end of a document
    #[arg(long, requires = "eod", conflicts_with = "sft")]
    pub eod_mask_loss: bool,
    /// No loss on instructions: Yuan's sft_stage
    #[arg(long, requires = "eod", requires = "sep")]
    pub sft: bool,
    /// Write the index cache that Megatron-Core finds with --data-cache-path DIR
    #[arg(long, value_name = "DIR", requires = "tokenizer_identity")]
    pub cache: Option<PathBuf>,
    /// With --cache, what the trainer's tokenizer says of itself: JSON, or a description.txt that Megatron wrote
    #[arg(long, value_name = "JSON|FILE", requires = "cache")]
    pub tokenizer_identity: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
