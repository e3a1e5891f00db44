//! Tokenizers and Megatron files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use yuan_binidx::{DTypeChoice, DocumentArray, Form};
use yuan_tokenizer::edit::Assignment;
use yuan_tokenizer::{TokenizeConfig, TokenizerKind, TrainerCompat, WordBoundaries};

use super::documents::InputArgs;
use super::parse::{
    parse_bytes, parse_document_array, parse_dtype_choice, parse_file_range, parse_form, parse_tokenizer_kind,
    parse_trainer_compat, parse_words,
};
use crate::hints::usage;

#[derive(Debug, Args)]
pub struct TrainTokenizerArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The tokenizer file to write
    #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
    pub out: PathBuf,
    /// byte_level_bpe, sentencepiece_bpe or unigram; the last two write FILE's .model, .vocab and .json [default: byte_level_bpe]
    #[arg(long, value_name = "KIND", value_parser = parse_tokenizer_kind)]
    pub kind: Option<TokenizerKind>,
    /// Learn merge for merge what `tokenizers`' trainer does: huggingface, or none [default: none]
    #[arg(long, value_name = "PEER", value_parser = parse_trainer_compat)]
    pub compat: Option<TrainerCompat>,
    /// Tokens in all: special tokens, reserved slots, added tokens, 256 bytes and merges
    #[arg(long, value_name = "N")]
    pub vocab_size: Option<u32>,
    /// Slots kept free for later at fixed ids behind the special tokens
    #[arg(long, value_name = "N")]
    pub reserved: Option<u32>,
    /// What is cut into pieces that no merge crosses: yuan, gpt2, cl100k, llama3, qwen2, o200k, deepseek3, or a regular expression
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Go on with this tokenizer instead: its ids and merges stay, new ones come behind; --vocab-size counts all
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reserved", "pattern"])]
    pub extend: Option<PathBuf>,
    /// Let no merge cross these words: none, or jieba, Chinese ones [default: none]
    #[arg(long, value_name = "WORDS", value_parser = parse_words)]
    pub words: Option<WordBoundaries>,
    /// Let no merge join characters of two scripts, or punctuation to words, whatever the pattern
    #[arg(long)]
    pub script_boundaries: bool,
    /// Make the number of tokens a multiple of this
    #[arg(long, value_name = "N")]
    pub vocab_multiple: Option<u32>,
    /// Balance the values of this column or field: `language`, `source`…
    #[arg(long, value_name = "COLUMN")]
    pub balance_by: Option<String>,
    /// With --balance-by, n bytes of a value count as n^ALPHA [default: 0.3]
    #[arg(long, value_name = "ALPHA", requires = "balance_by")]
    pub alpha: Option<f64>,
    /// Text trained on, chosen by a hash of the documents; 0 is all there is
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub sample_bytes: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum TokenizerCommand {
    /// Give reserved slots the names of control tokens; no id moves
    AssignReserved {
        /// The tokenizer.json or .model, changed in place with the files beside it
        tokenizer: PathBuf,
        /// A name and the slot's id
        #[arg(required = true, value_name = "NAME=ID")]
        assignments: Vec<Assignment>,
        /// Refuse if a slot comes in these .bin/.idx: their tokens would change their meaning
        #[arg(long, value_name = "PREFIX", num_args = 1..)]
        unless_in: Vec<PathBuf>,
    },
    /// Make a smaller vocabulary: what the documents use least goes
    Prune(PruneArgs),
    /// Put SentencePiece models together: the first keeps its ids, the others add the pieces that are not there yet
    Join {
        /// The .model files
        #[arg(required = true, num_args = 2.., value_name = "MODEL")]
        models: Vec<PathBuf>,
        /// The .model to write
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        /// Make the number of pieces a multiple of this with reserved slots
        #[arg(long, value_name = "N", default_value_t = 1)]
        vocab_multiple: u32,
    },
    /// Write a tokenizer in another form, to the same ids
    ///
    /// As ranks of tiktoken with FILE.json beside them, which has the pattern and the control tokens. A tokenizer that does what ranks
    /// cannot express is refused, with the reason.
    Export {
        /// A tokenizer.json, ranks of tiktoken, or a GGUF file
        tokenizer: PathBuf,
        /// What to write
        #[arg(long, value_name = "FORMAT", default_value = "tiktoken")]
        format: TokenizerFormat,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Forms of a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenizerFormat {
    /// Ranks of tiktoken
    Tiktoken,
    /// `tokenizer.json`, with its companions
    Huggingface,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The tokenizer.json to begin with
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// The tokenizer file to write; FILE.old_ids.json has the old id of each new one
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Tokens that stay
    #[arg(long, value_name = "N")]
    pub vocab_size: u32,
}

#[derive(Debug, Args)]
pub struct TokenizeArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The files to write, without their suffixes .bin and .idx; with --compat, a folder
    #[arg(short, long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// A tokenizer.json, or a SentencePiece .model
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// Leave out the end-of-document token
    #[arg(long, conflicts_with = "compat")]
    pub no_eod: bool,
    /// What is written: megatron (.bin, .idx), datatrove (.ds), olmo (.npy, .csv.gz) or parquet
    #[arg(long, value_name = "FORM", default_value = "megatron", value_parser = parse_form)]
    pub to: Form,
    /// The number type of the tokens: auto, u16 or i32; auto is u16 for a vocabulary under 65,500 tokens
    #[arg(long, value_name = "DTYPE", default_value = "auto", value_parser = parse_dtype_choice)]
    pub dtype: DTypeChoice,
    /// Write N sets of about as many tokens, PREFIX-00000-of-0000N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub shards: u32,
    /// Put the documents in the order of a hash of this seed, of file and of record
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u64>,
    /// The field or column that says where a document is from [default: its file]
    #[arg(long, value_name = "NAME")]
    pub source_field: Option<String>,
    /// The field or column that says its language
    #[arg(long, value_name = "NAME", default_value = "language")]
    pub language_field: String,
    /// Leave out PREFIX.documents.parquet, which says whose tokens these are and what they were when they were written
    #[arg(long)]
    pub no_documents: bool,
    /// The column of ids in Parquet
    #[arg(long, value_name = "NAME", default_value = "input_ids")]
    pub column: String,
    /// Write the datasets that `preprocess_data_yuan.py` writes: yuan
    ///
    /// Every file below INPUT, whatever it is called (but names with `.py`), is Yuan's text format and becomes
    /// PREFIX/FILE_document_context.bin and .idx, whose documents are in the order of the lines. What is whole already is not done again.
    #[arg(long, value_name = "PEER", value_parser = ["yuan"], conflicts_with_all = ["to", "dtype", "shards", "shuffle"])]
    pub compat: Option<String>,
    /// With --compat, the files A to B-1 in order of path, from 0, or one by its number
    #[arg(long, value_name = "A-B", value_parser = parse_file_range, requires = "compat")]
    pub data_idx: Option<FileRange>,
    /// What the index says of documents: documents, or zero, the lone 0 that Yuan's program writes [default: documents]
    #[arg(long, value_name = "WHAT", value_parser = parse_document_array)]
    pub document_array: Option<DocumentArray>,
    /// Also write PREFIX_loss_mask.bin and .idx: 0 for each token before its document's `<sep>`, else 1
    #[arg(long)]
    pub loss_mask: bool,
    #[command(flatten)]
    pub fim: FimArgs,
}

/// Files by their place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The first one.
    pub from: usize,
    /// The one behind the last.
    pub to: usize,
}

/// Filling in the middle.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filling in the middle")]
pub struct FimArgs {
    /// Turn this part of the documents round, in [0, 1], so that their middle comes last
    #[arg(long, value_name = "RATE")]
    pub fim_rate: Option<f64>,
    /// The part of these whose suffix comes first [default: 0.5]
    #[arg(long, value_name = "RATE", requires = "fim_rate")]
    pub fim_spm_rate: Option<f64>,
    /// What is drawn for a document depends on this and its place in the input alone [default: 1234]
    #[arg(long, value_name = "N", requires = "fim_rate")]
    pub fim_seed: Option<u64>,
    /// Tokens before prefix, suffix and middle; Yuan's `<FIM_PREFIX>,<FIM_SUFFIX>,<FIM_MIDDLE>` by default
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', requires = "fim_rate")]
    pub fim_tokens: Option<Vec<String>>,
}

impl FimArgs {
    /// The settings of `tokenize` that the options ask for.
    pub fn settings(&self) -> anyhow::Result<TokenizeConfig> {
        let mut settings = TokenizeConfig::default();
        settings.fim_rate = self.fim_rate.unwrap_or(settings.fim_rate);
        settings.fim_spm_rate = self.fim_spm_rate.unwrap_or(settings.fim_spm_rate);
        settings.fim_seed = self.fim_seed.unwrap_or(settings.fim_seed);
        match self.fim_tokens.as_deref() {
            None => {}
            Some([prefix, suffix, middle]) => {
                settings.fim_prefix.clone_from(prefix);
                settings.fim_suffix.clone_from(suffix);
                settings.fim_middle.clone_from(middle);
            }
            Some(other) => {
                let problem = format!("`--fim-tokens` takes three tokens, not {}", other.len());
                return Err(usage(problem, "as `<fim_prefix>,<fim_suffix>,<fim_middle>`".to_owned()));
            }
        }
        Ok(settings)
    }
}

#[derive(Debug, Args)]
pub struct CountArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// A tokenizer.json, or a SentencePiece .model
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// Count by what this field or column holds (`source`, `language`…), instead of by file
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CompressionArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// A tokenizer.json, a SentencePiece .model or a folder with one, by the name it is to have; may be repeated
    #[arg(short, long = "tokenizer", value_name = "NAME=PATH", required = true)]
    pub tokenizers: Vec<String>,
    /// The tokenizer whose tokens count as 1 [default: the first]
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// The field that documents are grouped by; `file`, and `source` where there is no such field, is their file [default: language
    /// if the first document has it, else file]
    #[arg(long, value_name = "FIELD")]
    pub group_by: Option<String>,
    /// Tokens of the samples of which mean and standard deviation are taken
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub sample_tokens: u64,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
