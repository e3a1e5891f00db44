//! What was seen before: copies, text of evaluation sets, an index of crawls.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use yuan_dedup::{ShingleHash, WordLanguage};

use super::documents::{InputArgs, OutputArgs};
use super::parse::{parse_shingle_hash, parse_word_language};

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
