//! The command line, flag by flag.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use yuan_dedup::{ShingleHash, WordLanguage};
use yuan_filters::{KenLmFormat, ThresholdMethod, Tokens};
use yuan_pipeline::{Format, Input, Measures, OnBadRecord, Output, OutputFormat};

use crate::hints::did_you_mean;
use crate::presets::Preset;

/// Raw text in, training-ready tokens out: clean, deduplicate, train a tokenizer, tokenize.
///
/// Every run is resumable: stopped or killed, the same command goes on where it was. Its result does not
/// depend on the number of threads. Documents that are dropped are counted by reason, and kept if you ask.
///
/// Start with `yuan-data demo`.
#[derive(Debug, Parser)]
#[command(name = "yuan-data", version, max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Workers [default: one for each core]
    #[arg(long, global = true, value_name = "N", value_parser = parse_threads, help_heading = "Everywhere")]
    pub threads: Option<usize>,
    /// Memory for documents in work and for sorting, as 512MiB or 8GiB [default: half the machine's]
    ///
    /// A budget that holds: large documents wait for each other, passes spill sorted runs to disk. Tables that
    /// are always there (the Chinese dictionary, a tokenizer) come on top: some 100 MiB.
    #[arg(long, global = true, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Everywhere")]
    pub memory: Option<u64>,
    /// How progress is shown
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", help_heading = "Everywhere")]
    pub progress: ProgressKind,
    /// Say nothing but errors
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, a line every 30 seconds elsewhere
    Auto,
    /// A bar
    Bar,
    /// A line every 30 seconds
    Plain,
    /// A JSON object every 30 seconds
    Json,
    /// Nothing
    None,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every step of a recipe; go on where an earlier run was stopped
    Run(RunArgs),
    /// Check a recipe, its inputs and columns, and print what `run` would do
    Plan(PlanArgs),
    /// Take the bundled corpus through the whole chain
    Demo(DemoArgs),
    /// Normalise, identify the language, apply quality rules
    Clean(CleanArgs),
    /// Remove documents that were seen before
    Dedup(DedupArgs),
    /// Do one step of datatrove's MinHash: its files in, its files out
    #[command(subcommand)]
    DatatroveMinhash(DatatroveMinhashCommand),
    /// Find documents that hold text of evaluation sets; drop or cut them, or only tell
    ///
    /// What was found where is in `outcomes/00-decontaminate` of the run folder: matches.parquet, a row for each document and
    /// item, and items.parquet, a row for each item that was found.
    Decontaminate(DecontaminateArgs),
    /// Train a byte-level BPE tokenizer
    TrainTokenizer(TrainTokenizerArgs),
    /// Turn documents into Megatron .bin/.idx
    Tokenize(TokenizeArgs),
    /// Count the tokens of documents, for each file or source
    Count(CountArgs),
    /// Score documents by classifiers and language models; keep those of which an expression holds
    Score(ScoreArgs),
    /// Train a fastText classifier on labelled documents, or on good and bad ones, and test it
    #[command(name = "train-fasttext")]
    TrainFastText(TrainFastTextArgs),
    /// Train n-gram language models (KenLM), one for each language
    #[command(name = "train-kenlm")]
    TrainKenLm(TrainKenLmArgs),
    /// Look after an index of earlier crawls, made by `dedup --update`
    #[command(subcommand)]
    Index(IndexCommand),
    /// Look at and check Megatron .bin/.idx
    #[command(subcommand)]
    Binidx(BinidxCommand),
    /// Say what a file or folder is: a run, documents, a tokenizer, tokens
    Info(InfoArgs),
    /// Print documents of any format that is read
    Show(ShowArgs),
    /// List the stages, or all about one
    Stages(StagesArgs),
    /// Show what every stage measures and decides on one document
    Explain(ExplainArgs),
    /// Try other thresholds on a finished run, from the measures it kept; write what they keep
    ///
    /// What is kept and dropped is told by language (both scripts of Chinese together, as thresholds are), by source (a
    /// document's file, or what `[input] source_field` of the run names) and by reason.
    Retune(RetuneArgs),
    /// Write the report of a run as one HTML page
    Report(ReportArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Where documents come from.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// Files, folders, globs, or `-` for standard input
    ///
    /// Kinds by suffix: .jsonl .json .ndjson .txt (also .gz, .zst), .parquet, .arrow. A folder is read to its
    /// bottom in order of name.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
    #[command(flatten)]
    pub read: ReadArgs,
}

/// How documents are read.
#[derive(Clone, Debug, Args)]
pub struct ReadArgs {
    /// What the files are, where the suffix does not tell
    #[arg(long, value_name = "KIND", value_parser = parse_format)]
    pub format: Option<Format>,
    /// The field or column that holds the text
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub text_field: String,
    /// The field or column that holds the document's own id
    #[arg(long, value_name = "NAME", default_value = "id")]
    pub id_field: String,
    /// What to do with a record that is no document: `stop`, or `set-aside` (kept, counted, exit status 3)
    #[arg(long, value_name = "WHAT", default_value = "stop", value_parser = parse_on_bad_record)]
    pub on_bad_record: OnBadRecord,
    /// Records above this size are set aside
    #[arg(long, value_name = "BYTES", default_value = "64MiB", value_parser = parse_bytes)]
    pub max_document_bytes: u64,
}

impl InputArgs {
    pub fn input(&self) -> Input {
        self.read.input(&self.inputs)
    }
}

impl ReadArgs {
    /// These inputs, read so.
    pub fn input(&self, paths: &[String]) -> Input {
        Input {
            paths: paths.to_vec(),
            format: self.format,
            text_field: self.text_field.clone(),
            id_field: self.id_field.clone(),
            on_bad_record: self.on_bad_record,
            max_document_bytes: self.max_document_bytes,
            ..Input::default()
        }
    }
}

/// Where documents go.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// The run folder: `out/`, `manifest.sqlite`, `report.html`…
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// The kind of the files in `out/`
    #[arg(long, value_name = "KIND", default_value = "jsonl.zst", value_parser = parse_output_format)]
    pub output_format: OutputFormat,
    /// Keep dropped documents in `dropped/`, each with the stage and the reason
    #[arg(long)]
    pub keep_dropped: bool,
    /// Keep what the rules measure: `none`, `sidecar` (in `measures/`, for `retune`), or `columns` of the documents
    #[arg(long, value_name = "HOW", default_value = "none", value_parser = parse_measures)]
    pub measures: Measures,
    #[command(flatten)]
    pub resume: ResumeArgs,
}

impl OutputArgs {
    pub fn output(&self) -> Output {
        Output {
            format: self.output_format,
            keep_dropped: self.keep_dropped,
            measures: self.measures,
            ..Output::default()
        }
    }
}

/// Where a run begins and ends.
#[derive(Clone, Debug, Default, Args)]
pub struct ResumeArgs {
    /// Do this step and all behind it again
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Stop once this step is done
    #[arg(long, value_name = "STEP")]
    pub until: Option<String>,
    /// Keep the files between sweeps, so that `--from` can go back to any step
    #[arg(long)]
    pub keep_work: bool,
}

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

#[derive(Debug, Args)]
pub struct DedupArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// How copies are found; may be repeated, applied in order [default: exact, then minhash; with an index minhash]
    #[arg(long, value_name = "METHOD")]
    pub method: Vec<DedupMethod>,
    /// minhash: also drop what is alike to documents of earlier crawls, which this folder remembers, and add these documents to it;
    /// no text of earlier crawls is read. It is made if it is not there
    #[arg(long, value_name = "INDEX", help_heading = "Crawl after crawl")]
    pub update: Option<PathBuf>,
    /// minhash: also drop what is alike to documents that this folder remembers; nothing is added
    #[arg(long, value_name = "INDEX", conflicts_with = "update", help_heading = "Crawl after crawl")]
    pub against: Option<PathBuf>,
    /// The name by which the index knows these documents [default: the name of the folder that is written]
    #[arg(long, value_name = "NAME", requires = "update", help_heading = "Crawl after crawl")]
    pub crawl: Option<String>,
    /// minhash: least similarity of a document that goes to the one that is kept, by their shingles (Jaccard); 0 compares
    /// nothing and drops whatever LSH brings together [default: 0.7]
    #[arg(long, value_name = "SIMILARITY")]
    pub threshold: Option<f64>,
    /// minhash: a document goes if it is alike to the one kept for it (star), or if a chain leads there (components)
    /// [default: star]
    #[arg(long, value_name = "HOW", value_parser = ["star", "components"])]
    pub linkage: Option<String>,
    /// minhash: what is kept of documents that are alike, the first, the longest, or that with the highest number in a
    /// column or field [default: first]
    #[arg(long, value_name = "first|longest|COLUMN")]
    pub keep: Option<String>,
    /// Only documents with the same values in these columns or fields are copies of each other: source (what the input names
    /// so, else the file), language and the like
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub within: Vec<String>,
    /// minhash: add a column with the number of documents that a kept one stands for
    #[arg(long, value_name = "COLUMN")]
    pub cluster_size: Option<String>,
    /// Drop what a peer's MinHash drops, bit for bit and no more: datatrove, text-dedup, data-juicer. Their settings are those
    /// of the stages `minhash_datatrove`, `minhash_text_dedup`, `minhash_data_juicer`
    #[arg(long, value_name = "PEER", value_parser = ["datatrove", "text-dedup", "data-juicer"])]
    #[arg(conflicts_with_all = ["method", "threshold", "linkage", "keep", "within", "cluster_size"])]
    pub compat: Option<String>,
    /// With `--compat datatrove`: the language whose words are compared, en or zh [default: en]
    #[arg(long, value_name = "LANGUAGE", value_parser = parse_word_language, requires = "compat")]
    pub language: Option<WordLanguage>,
    /// substring: shortest passage that is cut, in bytes [default: 100]
    #[arg(long, value_name = "BYTES")]
    pub min_length: Option<usize>,
    /// substring: which occurrences of a passage go, all but the first (repeats) or all of them [default: repeats]
    #[arg(long, value_name = "WHICH", value_parser = ["repeats", "all"])]
    pub remove: Option<String>,
}

/// A step of datatrove's MinHash.
#[derive(Debug, Subcommand)]
pub enum DatatroveMinhashCommand {
    /// Signatures of documents: `bucket_BBB/RRRRR.minhash.sig`; each input file is a rank
    Sign {
        #[command(flatten)]
        input: InputArgs,
        /// The folder to write
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        ranks: RanksArgs,
        #[command(flatten)]
        signatures: SignatureArgs,
        /// The language whose words are compared: en or zh
        #[arg(long, value_name = "LANGUAGE", default_value = "en", value_parser = parse_word_language)]
        language: WordLanguage,
        /// Words in a shingle
        #[arg(long, value_name = "N", default_value_t = 5)]
        ngram: usize,
        /// Seed of the permutations
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u32,
        /// What hashes shingles: xxhash or sha1
        #[arg(long, value_name = "HASH", default_value = "xxhash", value_parser = parse_shingle_hash)]
        hash: ShingleHash,
    },
    /// Pairs of documents with a signature in common: `BBBBB_WW.dups`
    Match {
        /// The folder of `bucket_BBB/`
        #[arg(value_name = "SIGNATURES")]
        signatures_folder: PathBuf,
        /// The folder to write
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        signatures: SignatureArgs,
        /// Files for each bucket
        #[arg(long, value_name = "N", default_value_t = 1)]
        workers: u32,
    },
    /// What goes, by pairs: `RRRRRR.remove`
    Cluster {
        /// The folder of `.dups` files
        #[arg(value_name = "PAIRS")]
        pairs: PathBuf,
        /// The folder to write
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        /// Write `RRRRRR.clusters` too (`save_cluster_id`)
        #[arg(long)]
        clusters: bool,
        /// Write `RRRRRR.sizes` too (`save_cluster_size`)
        #[arg(long)]
        sizes: bool,
        /// Leave out pairs with a document of an index
        #[arg(long)]
        ignore_index_matches: bool,
    },
    /// Documents without those that `.remove` files name
    Filter {
        #[command(flatten)]
        input: InputArgs,
        #[command(flatten)]
        output: OutputArgs,
        /// The folder of `.remove` files
        #[arg(long, value_name = "DIR")]
        remove: PathBuf,
        #[command(flatten)]
        ranks: RanksArgs,
    },
}

/// How input files are dealt out.
#[derive(Clone, Debug, Args)]
pub struct RanksArgs {
    /// Ranks (tasks) of the run that this is a step of; files are dealt out to them in turn [default: a rank for each file]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub ranks: u32,
}

/// What describes signature files.
#[derive(Clone, Debug, Args)]
pub struct SignatureArgs {
    /// Bands: `num_buckets`
    #[arg(long, value_name = "N", default_value_t = 14)]
    pub bands: usize,
    /// Minima in a band: `hashes_per_bucket`
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub rows_per_band: usize,
    /// Bits of a minimum: 32 or 64
    #[arg(long, value_name = "BITS", default_value_t = 64)]
    pub precision: u32,
}

#[derive(Debug, Args)]
pub struct DecontaminateArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Evaluation sets, files or folders: .jsonl .json .csv .tsv .parquet .txt (also .gz, .zst); may be repeated
    #[arg(long, value_name = "PATH", required = true)]
    pub evals: Vec<PathBuf>,
    /// Fields of an item that hold its texts [default: question, choices, answer and what else published sets call them]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Words in an n-gram [default: 13]
    #[arg(long, value_name = "N")]
    pub ngram: Option<usize>,
    /// Characters in an n-gram, in scripts without spaces between words [default: 25]
    #[arg(long, value_name = "N")]
    pub characters: Option<usize>,
    /// An n-gram that more documents have is a set phrase and says nothing by itself [default: 10]
    #[arg(long, value_name = "N")]
    pub max_documents: Option<u32>,
    /// Least fraction of an item's n-grams that a contaminated document has [default: 0, one is enough]
    #[arg(long, value_name = "FRACTION")]
    pub min_overlap: Option<f64>,
    /// What is done with contaminated documents: drop them, cut the sentences with text of items out, or report
    #[arg(long, value_name = "WHAT", default_value = "drop", value_parser = ["drop", "cut", "report"])]
    pub action: String,
}

/// How copies are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DedupMethod {
    /// Same text, by a 128-bit hash of the normalised text
    Exact,
    /// Same address: the field `url`, in one spelling
    Url,
    /// Nearly the same text: candidates by MinHash (14 bands of 8 rows over 5-grams), then compared
    Minhash,
    /// Nearly the same text: fingerprints by SimHash that differ in at most 3 of 64 bits
    Simhash,
    /// Passages that occur again, letter for letter: they are cut out, and documents with too little left go
    Substring,
}

#[derive(Debug, Args)]
pub struct TrainTokenizerArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The tokenizer file to write
    #[arg(short, long, value_name = "FILE", default_value = "tokenizer.json")]
    pub out: PathBuf,
    /// Tokens in all: special tokens, reserved slots, added tokens, 256 bytes and merges
    #[arg(long, value_name = "N")]
    pub vocab_size: Option<u32>,
    /// Slots kept free for later at fixed ids behind the special tokens
    #[arg(long, value_name = "N")]
    pub reserved: Option<u32>,
    /// Text trained on; more is sampled down to this
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub sample_bytes: Option<u64>,
}

#[derive(Debug, Args)]
pub struct TokenizeArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The files to write, without their suffixes .bin and .idx
    #[arg(short, long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// The tokenizer.json
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// Leave out the end-of-document token
    #[arg(long)]
    pub no_eod: bool,
}

#[derive(Debug, Args)]
pub struct CountArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The tokenizer.json
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
    /// Score as this tool does: ccnet
    #[arg(long, value_name = "PEER", requires = "kenlm")]
    pub compat: Option<String>,
    /// A fastText model that names the language, instead of the built-in identifier: lid.176.ftz, GlotLID…
    #[arg(long, value_name = "MODEL")]
    pub language_model: Option<PathBuf>,
    /// Cut documents into head, middle and tail of each language by this score, at 30 and 60 percent
    #[arg(long, value_name = "COLUMN", num_args = 0..=1, default_missing_value = "kenlm_perplexity")]
    pub buckets: Option<String>,
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
        /// Decode with this tokenizer.json
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
        /// Check token ids against this tokenizer.json
        #[arg(long, value_name = "FILE")]
        tokenizer: Option<PathBuf>,
        /// Each document must end with this token
        #[arg(long, value_name = "TOKEN", requires = "tokenizer")]
        eod: Option<String>,
    },
}

/// What to do with an index.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Its crawls, how many documents they have, what was done to it
    Info {
        /// The folder of the index
        index: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every document with the one that is kept for it, as JSON lines
    List {
        /// The folder of the index
        index: PathBuf,
    },
    /// Hold every file against its checksum; exit status 1 if something is wrong
    Verify {
        /// The folder of the index
        index: PathBuf,
    },
    /// Take documents out, or a whole crawl; print what is to be kept instead, as JSON lines
    ///
    /// Documents that were dropped for one that goes are decided on anew: each is `promoted` (its text is to be put back: it
    /// lies in `dropped/` of its run, if that was kept), or `moved` (dropped for another document now). Nothing that was kept
    /// goes. Texts in the outputs of earlier runs are not touched.
    Remove {
        /// The folder of the index
        index: PathBuf,
        /// A file with a document in each line: its own id (`--id-field` when it was added), or FILE:RECORD, or
        /// `CRAWL: FILE:RECORD` as `list` and the reasons of dropped documents name it
        #[arg(long, value_name = "FILE", required_unless_present = "crawl")]
        ids: Option<PathBuf>,
        /// Of this crawl alone; without `--ids` all of it
        #[arg(long, value_name = "NAME")]
        crawl: Option<String>,
    },
    /// Add the crawls of another index behind those of the first; print the documents of which another thing holds now, as JSON
    /// lines
    ///
    /// As if they had been added to it in the first place: a document is `dropped` now, for one that the first index knew, or
    /// `promoted`, as the one that was kept for it is dropped. The other index stays as it is.
    Merge {
        /// The folder of the index that is added to
        index: PathBuf,
        /// The folder of the other index
        other: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A run folder, a file of documents, a tokenizer.json, or PREFIX of .bin/.idx
    pub path: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Documents printed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Take N documents from all over the input instead of its first ones (reads all of it)
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub sample: Option<usize>,
    /// Only documents whose field has this value; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub r#where: Vec<String>,
    /// Fields printed beside the text
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Characters of each text; 0 for all of it
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub chars: usize,
}

#[derive(Debug, Args)]
pub struct StagesArgs {
    /// The stage
    pub name: Option<String>,
    /// The JSON schema of a recipe, for editors
    #[arg(long, conflicts_with = "name")]
    pub schema: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The run folder
    #[arg(value_name = "RUN_DIR")]
    pub run: Option<PathBuf>,
    /// The document, as `doc_id` in `dropped/` and the report give it
    #[arg(value_name = "DOC_ID", required_unless_present = "text", conflicts_with = "text")]
    pub doc_id: Option<u64>,
    /// Explain this text file (`-` for standard input) instead, by the run's recipe or the rules of `clean`
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Without a run: a published recipe's stages
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    pub preset: Option<Preset>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RetuneArgs {
    /// The run folder, of a run with `--measures sidecar`
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// A threshold: `gopher_quality.min_words=30`, `gopher_quality.languages.zh.min_words=20`; may be repeated
    #[arg(long, value_name = "STEP.THRESHOLD=VALUE")]
    pub set: Vec<String>,
    /// Propose thresholds for each language from what its documents measure, and try them; what `--set` says stays
    ///
    /// ten-tail: each check drops a tenth of the documents. english: the English thresholds. mean-std: as many
    /// standard deviations from the mean as in English. quantile: the fraction that English loses. median-ratio:
    /// the English threshold times the ratio of the medians. The last three need English documents in the run.
    #[arg(long, value_name = "METHOD", value_parser = parse_method)]
    pub auto: Option<ThresholdMethod>,
    /// Languages with fewer documents than this get no proposal
    #[arg(long, value_name = "N", default_value_t = 100, requires = "auto")]
    pub min_documents: u64,
    /// Print the proposals alone, as options for `run` and `retune`
    #[arg(long, requires = "auto", conflicts_with_all = ["json", "out"])]
    pub print_set: bool,
    /// Write the documents that the new thresholds keep, as a run folder of its own
    ///
    /// It reads the inputs of the run again, which must be unchanged. Where a step behind the rules compares documents
    /// with each other (`exact`, `minhash`), it is possible if that step has nothing to decide anew.
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run folder
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// The page [default: RUN_DIR/report.html]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Reads `512`, `64MiB`, `8GiB`, `1.5 GB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "ki" | "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mi" | "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gi" | "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "ti" | "tib" => 1 << 40,
        other => return Err(format!("`{other}` is no unit of bytes: use KiB, MiB, GiB or TiB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no size: write 512MiB or 8GiB"))?;
    Ok((number * factor as f64) as u64)
}

fn parse_threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| *threads > 0).ok_or_else(|| "it takes at least 1 worker".to_owned())
}

/// A name of a plain enum, through serde, with the names there are in the message.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str, names: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| match did_you_mean(text, names.split(", ")) {
        Some(meant) => format!("did you mean `{meant}`? There are {names}"),
        None => format!("there are {names}"),
    })
}

fn parse_format(text: &str) -> Result<Format, String> {
    parse_name(text, "jsonl, parquet, arrow, text, text-file, yuan")
}

fn parse_output_format(text: &str) -> Result<OutputFormat, String> {
    parse_name(text, "jsonl.zst, jsonl.gz, jsonl, parquet")
}

fn parse_method(text: &str) -> Result<ThresholdMethod, String> {
    parse_name(text, "ten-tail, english, mean-std, quantile, median-ratio")
}

fn parse_measures(text: &str) -> Result<Measures, String> {
    parse_name(text, "none, sidecar, columns")
}

fn parse_tokens(text: &str) -> Result<Tokens, String> {
    parse_name(&text.replace('-', "_"), "words, units, white_space, sentencepiece")
}

fn parse_kenlm_format(text: &str) -> Result<KenLmFormat, String> {
    parse_name(text, "trie, probing, arpa")
}

fn parse_word_language(text: &str) -> Result<WordLanguage, String> {
    parse_name(text, "en, zh")
}

fn parse_shingle_hash(text: &str) -> Result<ShingleHash, String> {
    parse_name(text, "xxhash, sha1")
}

fn parse_on_bad_record(text: &str) -> Result<OnBadRecord, String> {
    parse_name(&text.replace('-', "_"), "stop, set-aside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_in_powers_of_two_and_of_ten() {
        assert_eq!(parse_bytes("8GiB"), Ok(8 << 30));
        assert_eq!(parse_bytes("1.5 kB"), Ok(1500));
        assert_eq!(parse_bytes("12"), Ok(12));
        assert!(parse_bytes("many").is_err() && parse_bytes("3 apples").is_err());
    }
}
