//! Token datasets: `binidx`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use yuan_binidx::pack::Method;
use yuan_binidx::{DType, Form};

use super::parse::{parse_dtype, parse_form, parse_packing};
use super::samples::SamplesArgs;

#[derive(Debug, Subcommand)]
pub enum BinidxCommand {
    /// Counts, dtype, sizes, and what is known of tokenizer and documents
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
        /// A JSON object for each document: number, tokens, text, and what is known of it
        #[arg(long)]
        json: bool,
    },
    /// Say which document a token is of, or where documents are
    ///
    /// Tokens are counted from 0 through the whole set, as they lie in the .bin file.
    Where {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// The tokens' places
        #[arg(value_name = "TOKEN", required_unless_present_any = ["id", "ids"])]
        tokens: Vec<u64>,
        /// The documents with these ids instead
        #[arg(long, value_name = "ID")]
        id: Vec<String>,
        /// The documents whose ids stand in this file, one a line
        #[arg(long, value_name = "FILE")]
        ids: Option<PathBuf>,
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Check structure, pointers, hashes, token ids and document ends; exit status 1 if something is wrong
    ///
    /// Vocabulary and end of document are taken from the file of documents where they are not given.
    Verify {
        /// PREFIX of PREFIX.bin and PREFIX.idx, or several
        #[arg(required = true)]
        prefixes: Vec<PathBuf>,
        /// Check token ids against this tokenizer.json or .model
        #[arg(long, value_name = "FILE")]
        tokenizer: Option<PathBuf>,
        /// Each document must end with this token: an id, or a name of the tokenizer's
        #[arg(long, value_name = "TOKEN")]
        eod: Option<String>,
    },
    /// Save the whole documents of a set whose writing was cut short, or that is damaged
    ///
    /// By the index as far as it goes; without one, as behind a killed preprocess_data.py, by the file of documents or by
    /// `--eod` and `--dtype`. The set itself stays as it is.
    Repair {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// PREFIX of the set to write
        #[arg(short, long, value_name = "PREFIX")]
        out: PathBuf,
        /// The id that ends documents, where no index tells
        #[arg(long, value_name = "ID")]
        eod: Option<u32>,
        /// The number type of the tokens, where no index tells
        #[arg(long, value_name = "DTYPE", value_parser = parse_dtype)]
        dtype: Option<DType>,
    },
    /// Join sets in the order given, as Megatron's merge_datasets.py does
    Concat {
        /// PREFIX of PREFIX.bin and PREFIX.idx, of each set
        #[arg(required = true)]
        prefixes: Vec<PathBuf>,
        /// PREFIX of the set to write
        #[arg(short, long, value_name = "PREFIX")]
        out: PathBuf,
        /// Write this number type; without it all sets must have the same
        #[arg(long, value_name = "DTYPE", value_parser = parse_dtype)]
        dtype: Option<DType>,
    },
    /// Cut a set into several, OUT-00000-of-0000N; joined again they are the set
    Split {
        /// PREFIX of PREFIX.bin and PREFIX.idx
        prefix: PathBuf,
        /// What the sets to write begin with
        #[arg(short, long, value_name = "PREFIX")]
        out: PathBuf,
        #[command(flatten)]
        cut: CutArgs,
    },
    /// Take documents out of sets, without tokenizing anything again
    ///
    /// The sets are replaced, each as a whole, unless --out is given. Ids that no set has are told, and the exit status is 3.
    Remove {
        /// PREFIX of PREFIX.bin and PREFIX.idx, of each set
        #[arg(required = true)]
        prefixes: Vec<PathBuf>,
        /// Their ids, one a line
        #[arg(long, value_name = "FILE", required_unless_present = "documents")]
        ids: Option<PathBuf>,
        /// Their numbers, from 0; for one set
        #[arg(long, value_name = "N", value_delimiter = ',')]
        documents: Vec<u64>,
        /// PREFIX of the set to write instead of replacing the one that is given
        #[arg(short, long, value_name = "PREFIX")]
        out: Option<PathBuf>,
    },
    /// Write sets in another form: megatron, datatrove (.ds), olmo (.npy) or parquet
    Convert {
        /// The sets, one behind the other; their form is told by their suffix
        #[arg(required = true)]
        sets: Vec<PathBuf>,
        /// Path of the set to write
        #[arg(short, long, value_name = "PATH")]
        out: PathBuf,
        /// What to write [default: told by the suffix of --out]
        #[arg(long, value_name = "FORM", value_parser = parse_form)]
        to: Option<Form>,
        /// What the sets are, where their suffix does not tell
        #[arg(long, value_name = "FORM", value_parser = parse_form)]
        from: Option<Form>,
        /// The number type of .npy, and of .ds without its metadata [default: what table or metadata tell]
        #[arg(long, value_name = "DTYPE", value_parser = parse_dtype)]
        from_dtype: Option<DType>,
        /// The number type to write [default: that of the sets]
        #[arg(long, value_name = "DTYPE", value_parser = parse_dtype)]
        dtype: Option<DType>,
        /// The column of ids in Parquet
        #[arg(long, value_name = "NAME", default_value = "input_ids")]
        column: String,
    },
    /// Put the documents of sets in the order of a hash, as one set
    Shuffle {
        /// PREFIX of PREFIX.bin and PREFIX.idx, of each set
        #[arg(required = true)]
        prefixes: Vec<PathBuf>,
        /// PREFIX of the set to write
        #[arg(short, long, value_name = "PREFIX")]
        out: PathBuf,
        /// Another seed is another order
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
    },
    /// Pack documents into sequences of one length, for trainers that take sequences as they lie
    ///
    /// Beside them OUT.pieces.parquet tells, for each sequence, the tokens of each document in it (`seq_lengths`, from which positions and
    /// attention follow), which documents these are, and from which token on. In Parquet the same columns stand beside the ids.
    Pack {
        /// PREFIX of PREFIX.bin and PREFIX.idx, of each set
        #[arg(required = true)]
        prefixes: Vec<PathBuf>,
        /// Path of the set to write
        #[arg(short, long, value_name = "PATH")]
        out: PathBuf,
        /// Tokens of a sequence
        #[arg(long, value_name = "N")]
        length: usize,
        /// best_fit: no document is cut that fits, little is padded; next_fit: the same, in the order of the set; concat: nothing is
        /// padded, documents are cut where a sequence is full
        #[arg(long, value_name = "METHOD", default_value = "best_fit", value_parser = parse_packing)]
        method: Method,
        /// The id that fills sequences up; without it they are left short
        #[arg(long, value_name = "ID")]
        pad: Option<u32>,
        /// What to write: megatron, datatrove, olmo or parquet
        #[arg(long, value_name = "FORM", default_value = "megatron", value_parser = parse_form)]
        to: Form,
        /// The column of ids in Parquet
        #[arg(long, value_name = "NAME", default_value = "input_ids")]
        column: String,
    },
    /// Which samples a Megatron trainer reads: epochs and shares of each dataset, the tokens of any step
    Samples(Box<SamplesArgs>),
}

/// Where a set is cut.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct CutArgs {
    /// Into so many sets of about as many tokens
    #[arg(long, value_name = "N")]
    pub parts: Option<usize>,
    /// After each so many documents
    #[arg(long, value_name = "N")]
    pub documents: Option<u64>,
    /// So that no set has more tokens, but for longer documents
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,
    /// Into sets whose tokens stand to each other as these: 98,1,1
    #[arg(long, value_name = "W,W…", value_delimiter = ',')]
    pub weights: Option<Vec<f64>>,
}
