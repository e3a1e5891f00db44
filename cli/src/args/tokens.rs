//! Tokenizers and Megatron files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use yuan_binidx::{DTypeChoice, Form};
use yuan_tokenizer::edit::Assignment;
use yuan_tokenizer::{TokenizerKind, TrainerCompat, WordBoundaries};

use super::documents::InputArgs;
use super::parse::{
    parse_bytes, parse_dtype_choice, parse_form, parse_tokenizer_kind, parse_trainer_compat, parse_words,
};

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
    /// The files to write, without their suffixes .bin and .idx
    #[arg(short, long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// A tokenizer.json, or a SentencePiece .model
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// Leave out the end-of-document token
    #[arg(long)]
    pub no_eod: bool,
    /// What is written: megatron (.bin, .idx), datatrove (.ds), olmo (.npy, .csv.gz) or parquet
    #[arg(long, value_name = "FORM", default_value = "megatron", value_parser = parse_form)]
    pub to: Form,
    /// The number type of the tokens: auto, u16 or i32; auto is u16 for a vocabulary under 65,500 tokens
    #[arg(long, value_name = "DTYPE", default_value = "auto", value_parser = parse_dtype_choice)]
    pub dtype: DTypeChoice,
    /// Write N sets of about as many tokens, PREFIX-00000-of-0000N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
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
