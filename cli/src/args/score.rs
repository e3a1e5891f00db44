//! Scores of documents, and the models that give them.

use std::path::PathBuf;

use clap::Args;
use yuan_filters::{KenLmFormat, Tokens};

use super::documents::{InputArgs, OutputArgs, ReadArgs};
use super::parse::{parse_kenlm_format, parse_tokens};

#[derive(Debug, Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// A fastText classifier, as `quality.bin`, `toxicity=toxic.ftz` (its column) or `hq=dclm.bin:__label__hq` (and the label
    /// whose probability is the score), or `bundled`; may be repeated
    #[arg(long, value_name = "[COLUMN=]MODEL[:LABEL]")]
    pub fasttext: Vec<String>,
    /// Language models: a folder of `train-kenlm` or cc_net, a file, or `bundled`
    #[arg(long, value_name = "FOLDER")]
    pub kenlm: Option<PathBuf>,
    /// A neural language model, as `yuan=Yuan2-M32-hf` (the name of its columns) or `qwen2.gguf`: a folder of Hugging Face's,
    /// a GGUF file, or `bundled`, a small one of Chinese and English; may be repeated
    #[arg(long, value_name = "[NAME=]MODEL")]
    pub moe: Vec<String>,
    /// Give `--moe` only documents with this score between two values, as `kenlm_perplexity=300..2000`; may be repeated
    #[arg(long, value_name = "COLUMN=LOW..HIGH", requires = "moe")]
    pub uncertain: Vec<String>,
    /// Give `--moe` no more of a document than this many bytes, from its beginning
    #[arg(long, value_name = "BYTES", requires = "moe", default_value_t = 0, hide_default_value = true)]
    pub moe_bytes: usize,
    /// Where `--moe` runs: auto, cpu, cuda:0
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
    /// What `--moe` computes with on a CPU: fp32, or bf16, which is several times as fast where the CPU has AMX, and slower elsewhere
    #[arg(long, value_name = "PRECISION", requires = "moe", default_value = "fp32")]
    pub precision: String,
    /// The tokenizer of `--moe`, where it does not lie in the model's folder
    #[arg(long, value_name = "FILE", requires = "moe")]
    pub moe_tokenizer: Option<PathBuf>,
    /// Score as this tool does: ccnet
    #[arg(long, value_name = "PEER", requires = "kenlm")]
    pub compat: Option<String>,
    /// A fastText model that names the language, instead of the built-in identifier: lid.176.ftz, GlotLID…
    #[arg(long, value_name = "MODEL")]
    pub language_model: Option<PathBuf>,
    /// Cut documents into head, middle and tail of each language by this score, at 30 and 60 percent [without COLUMN:
    /// kenlm_perplexity, or bits per byte of --moe]
    #[arg(long, value_name = "COLUMN", num_args = 0..=1, default_missing_value = "")]
    pub buckets: Option<String>,
    /// Cut by this table instead of these documents' own percentiles: the cutoffs.csv of another run, of clean text say, cc_net's
    /// cutoff.csv, or `bundled`, for bits per byte of `--moe bundled`
    #[arg(long, value_name = "FILE", requires = "buckets")]
    pub cutoffs: Option<PathBuf>,
    /// Percent of documents, by that table or of these, that are head, and that are head or middle
    #[arg(long, value_name = "HEAD,MIDDLE", requires = "buckets", value_delimiter = ',', default_values_t = [30, 60])]
    pub percentiles: Vec<u8>,
    /// Buckets dropped, as `tail`
    #[arg(long, value_name = "BUCKETS", value_delimiter = ',', requires = "buckets")]
    pub drop: Vec<String>,
    /// Keep documents of which this holds, as 'kenlm_perplexity < 2000 && quality > 0.3'
    #[arg(long, value_name = "EXPRESSION")]
    pub keep_where: Option<String>,
}

#[derive(Debug, Args)]
pub struct TrainFastTextArgs {
    /// Labelled documents: files, folders, globs
    #[arg(value_name = "INPUT", required_unless_present = "good", conflicts_with_all = ["good", "bad"])]
    pub inputs: Vec<String>,
    /// Files or folders of good documents
    #[arg(long, value_name = "FILES", num_args = 1.., requires = "bad")]
    pub good: Vec<String>,
    /// Files or folders of bad documents
    #[arg(long, value_name = "FILES", num_args = 1.., requires = "good")]
    pub bad: Vec<String>,
    #[command(flatten)]
    pub read: ReadArgs,
    /// The model to write: .bin, or .ftz for a quantised one; a card, .json, is put beside it
    #[arg(short, long, value_name = "FILE", default_value = "classifier.bin")]
    pub out: PathBuf,
    /// The field with the label
    #[arg(long, value_name = "NAME", default_value = "label")]
    pub label_field: String,
    /// The label whose probability is the score
    #[arg(long, value_name = "LABEL")]
    pub positive_label: Option<String>,
    /// The field whose value keeps documents together, on one side of the test: a site, a source
    #[arg(long, value_name = "NAME")]
    pub group_field: Option<String>,
    /// Fraction of the documents held out for the test
    #[arg(long, value_name = "FRACTION", default_value_t = 0.1)]
    pub holdout: f64,
    /// What tokens are: words, units, white-space
    #[arg(long, value_name = "KIND", default_value = "words", value_parser = parse_tokens)]
    pub tokens: Tokens,
    /// Passes over the documents
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub epoch: i32,
    /// Longest n-gram of words
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub word_ngrams: i32,
    /// Length of the vectors
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub dim: i32,
    /// Learning rate at the start
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub learning_rate: f64,
    /// Words and n-grams kept in a quantised model; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub cutoff: usize,
    /// Train on all threads: faster, and never twice the same model
    #[arg(long)]
    pub hogwild: bool,
    /// Any other setting of the stage `train_fasttext`: `min_count=5`; may be repeated
    #[arg(long, value_name = "SETTING=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct TrainKenLmArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The folder to write: a model for each language, and their card
    #[arg(short, long, value_name = "DIR", default_value = "kenlm")]
    pub out: PathBuf,
    /// Languages learnt, as zh,en; by default all with 100 documents and more
    #[arg(long, value_name = "LANGUAGES", value_delimiter = ',')]
    pub lang: Vec<String>,
    /// Length of the longest n-grams
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub order: usize,
    /// N-grams seen this often or less are left out, for each order from the first
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "0,0,1")]
    pub prune: Vec<u64>,
    /// What tokens are: units, words, white-space, sentencepiece
    #[arg(long, value_name = "KIND", default_value = "units", value_parser = parse_tokens)]
    pub tokens: Tokens,
    /// The SentencePiece model
    #[arg(long, value_name = "FILE")]
    pub sentencepiece: Option<PathBuf>,
    /// The kind of the files: trie, probing, arpa
    #[arg(long, value_name = "KIND", default_value = "trie", value_parser = parse_kenlm_format)]
    pub model_format: KenLmFormat,
    /// Bits of a number in a trie; 0 keeps them exact
    #[arg(long, value_name = "BITS", default_value_t = 8)]
    pub quantize_bits: u8,
    /// Any other setting of the stage `train_kenlm`: `min_documents=10`; may be repeated
    #[arg(long, value_name = "SETTING=VALUE")]
    pub set: Vec<String>,
}
