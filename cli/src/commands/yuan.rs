//! `tokenize --compat yuan`: the datasets of Yuan 2.0's `preprocess_data_yuan.py`, one for each input file.
//!
//! Each file is a run of its own, so that all of it can be killed and goes on. A dataset that is whole has a record beside it,
//! `NAME_document_context.json`, of what it was made of and with: by it a later call knows that there is nothing to do, and
//! that a dataset of another file or of other settings is not to be written over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use yuan_binidx::{DTypeChoice, WriteBinidx, bin_path, idx_path, loss_mask_prefix};
use yuan_pipeline::{Error, Format, Input, Output};
use yuan_tokenizer::{TokenizeCompat, TokenizeConfig, Tokenizer};

use super::tokens::{done_with, run_beside, write_binidx};
use super::{beside, say, write_whole};
use crate::Done;
use crate::args::{FileRange, Global, TokenizeArgs};
use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig};

/// What Yuan's program puts behind a file's name.
const SUFFIX: &str = "_document_context";
/// What a file's name holds that is none of data.
const NO_DATA: &str = ".py";

pub fn preprocess(args: &TokenizeArgs, tokenize: TokenizeConfig, global: &Global) -> anyhow::Result<Done> {
    if args.input.read.format.is_some() {
        return Err(usage("`--compat yuan` reads Yuan's text format", "leave out `--format`".to_owned()));
    }
    let files = chosen(listed(&args.input.inputs)?, args.data_idx)?;
    let datasets = datasets(&files, &args.out)?;
    std::fs::create_dir_all(&args.out).map_err(Error::io("create", &args.out))?;
    let tokenize = TokenizeConfig { compat: Some(TokenizeCompat::Yuan), ..tokenize };
    let tokenizer = Tokenizer::load_yuan(&tokenize.tokenizer)?.fingerprint().to_owned();
    let mut total = Counts::default();
    let mut done = Done::All;
    for Dataset { file, prefix } in datasets {
        let input = Input { paths: vec![file], format: Some(Format::YuanPreprocess), ..args.input.input() };
        let write = WriteBinidx { dtype: DTypeChoice::I32, ..write_binidx(args, &prefix)? };
        let origin = Origin::of(&input, &tokenize, &tokenizer, &write)?;
        let record = beside(&prefix, ".json");
        let counts = match there(&prefix, args.loss_mask, &record, &origin)? {
            Some(counts) => {
                say(global, &format!("{}: whole already", prefix.display()));
                counts
            }
            None => {
                let stages = vec![StageConfig::Tokenize(tokenize.clone()), StageConfig::WriteBinidx(write)];
                let output = Output { documents: false, ..Output::default() };
                let recipe = Recipe { input, output, stages, ..Recipe::default() };
                let (summary, folder) = run_beside(&prefix, &recipe, global)?;
                let written = summary.steps.last().map_or_else(Default::default, |step| step.tally("tokens"));
                let counts = Counts {
                    documents: written.documents,
                    tokens: written.bytes,
                    blank_lines: summary.blank_lines,
                    undecodable_bytes: summary.undecodable_bytes,
                };
                say(global, &format!("{}.bin, .idx: {}", prefix.display(), counts.told()));
                let file_bytes = sizes(&prefix, args.loss_mask)
                    .with_context(|| format!("the files of `{}` have gone", prefix.display()))?;
                let whole = || write_record(&record, &Record { origin, counts, file_bytes });
                match done_with(&summary, &folder, global, whole)? {
                    Done::All => {}
                    other => done = other,
                }
                counts
            }
        };
        total.add(counts);
    }
    say(global, &format!("{} files: {}", HumanCount(files.len() as u64), total.told()));
    Ok(done)
}

/// Every file below the folders in order of path, and the files named themselves.
fn listed(inputs: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        let path = Path::new(input);
        let metadata = std::fs::metadata(path).map_err(|source| match input.as_str() {
            "-" => usage("standard input has no name to call a dataset by", "name files or folders".to_owned()),
            _ => Error::io("read", path)(source).into(),
        })?;
        if metadata.is_dir() {
            below(path, &mut files)?;
        } else {
            files.push(path.to_path_buf());
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

/// Like Yuan's walk: hidden files too, links to folders not followed.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let list = || -> std::io::Result<Vec<_>> {
        let entries = std::fs::read_dir(folder)?;
        entries.map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))).collect()
    };
    let mut entries = list().map_err(Error::io("list", folder))?;
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    for (path, kind) in entries {
        let is_data = path.file_name().is_some_and(|name| !name.to_string_lossy().contains(NO_DATA));
        if kind.is_dir() {
            below(&path, files)?;
        } else if is_data && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// The files of a range, all without one.
fn chosen(files: Vec<PathBuf>, range: Option<FileRange>) -> anyhow::Result<Vec<PathBuf>> {
    let Some(FileRange { from, to }) = range else {
        return match files.is_empty() {
            true => Err(usage("there are no files of data", format!("names with `{NO_DATA}` are left out"))),
            false => Ok(files),
        };
    };
    if to > files.len() {
        let problem = format!("`--data-idx` asks for file {} of {}", to - 1, files.len());
        return Err(usage(problem, "files count from 0 in order of path, and A-B leaves B out".to_owned()));
    }
    Ok(files[from..to].to_vec())
}

/// A file and the dataset made of it.
struct Dataset {
    file: String,
    prefix: PathBuf,
}

/// Datasets have the names of files, so no two files may share one.
fn datasets(files: &[PathBuf], out: &Path) -> anyhow::Result<Vec<Dataset>> {
    let mut names: HashMap<&str, &Path> = HashMap::new();
    let mut datasets = Vec::new();
    for path in files {
        let file = path.to_str().with_context(|| format!("the name of `{}` is no UTF-8", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str()).with_context(|| format!("`{file}` has no name"))?;
        if let Some(other) = names.insert(name, path) {
            let problem = format!("`{}` and `{file}` would both become `{name}{SUFFIX}`", other.display());
            return Err(usage(problem, "rename one, or write them to folders of their own".to_owned()));
        }
        datasets.push(Dataset { file: file.to_owned(), prefix: out.join(format!("{name}{SUFFIX}")) });
    }
    Ok(datasets)
}

/// What came of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    documents: u64,
    tokens: u64,
    blank_lines: u64,
    undecodable_bytes: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.blank_lines += other.blank_lines;
        self.undecodable_bytes += other.undecodable_bytes;
    }

    fn told(self) -> String {
        format!(
            "{} documents, {} tokens; {} lines skipped, {} bytes that are no UTF-8 dropped",
            HumanCount(self.documents),
            HumanCount(self.tokens),
            HumanCount(self.blank_lines),
            HumanCount(self.undecodable_bytes)
        )
    }
}

/// What a dataset is made of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    input: PathBuf,
    input_fingerprint: String,
    tokenizer_fingerprint: String,
    settings: Value,
}

impl Origin {
    fn of(input: &Input, tokenize: &TokenizeConfig, tokenizer: &str, write: &WriteBinidx) -> anyhow::Result<Self> {
        let shard = input.shards()?.pop().context("a file that is there is an input")?;
        // Where files lie changes nothing of what they hold.
        let tokenize = TokenizeConfig { tokenizer: PathBuf::new(), ..tokenize.clone() };
        let write = WriteBinidx { prefix: PathBuf::new(), ..write.clone() };
        Ok(Self {
            input: std::path::absolute(&shard.path).map_err(Error::io("find", &shard.path))?,
            input_fingerprint: format!("{:016x}", shard.fingerprint),
            tokenizer_fingerprint: tokenizer.to_owned(),
            settings: serde_json::json!({
                "tokenize": tokenize, "write_binidx": write, "max_document_bytes": input.max_document_bytes
            }),
        })
    }

    /// What is not the same.
    fn difference(&self, now: &Self) -> Option<String> {
        if self.input != now.input {
            Some(format!("of `{}`, now it is to be of `{}`", self.input.display(), now.input.display()))
        } else if self.input_fingerprint != now.input_fingerprint {
            Some(format!("of `{}`, which has changed since", self.input.display()))
        } else if self.tokenizer_fingerprint != now.tokenizer_fingerprint {
            Some("with another tokenizer".into())
        } else {
            (self.settings != now.settings).then(|| "with other settings".into())
        }
    }
}

/// The record beside a whole dataset.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    origin: Origin,
    #[serde(flatten)]
    counts: Counts,
    /// Sizes of .bin and .idx, then of those of the loss mask.
    file_bytes: Vec<u64>,
}

/// The sizes of a dataset's files; `None` if one is not there.
fn sizes(prefix: &Path, loss_mask: bool) -> Option<Vec<u64>> {
    let prefixes = std::iter::once(prefix.to_path_buf()).chain(loss_mask.then(|| loss_mask_prefix(prefix)));
    let files = prefixes.flat_map(|prefix| [bin_path(&prefix), idx_path(&prefix)]);
    files.map(|file| Some(std::fs::metadata(file).ok()?.len())).collect()
}

/// What the dataset that is there holds; `None` if it is to be made or gone on with.
fn there(prefix: &Path, loss_mask: bool, record: &Path, origin: &Origin) -> anyhow::Result<Option<Counts>> {
    let folder = beside(prefix, ".run");
    let in_the_way = |how: String| -> anyhow::Error {
        let problem = format!("`{}.bin` is there already, made {how}", prefix.display());
        usage(problem, "remove it and the files of its name, or write to another folder".to_owned())
    };
    let bytes = match std::fs::read(record) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return match folder.exists() || sizes(prefix, false).is_none() {
                true => Ok(None),
                false => Err(in_the_way(format!("by another program: there is no `{}`", record.display()))),
            };
        }
        Err(error) => return Err(Error::io("read", record)(error).into()),
    };
    let known: Record = serde_json::from_slice(&bytes)
        .with_context(|| format!("`{}` is no record of a dataset: remove it", record.display()))?;
    if let Some(difference) = known.origin.difference(origin) {
        return Err(in_the_way(difference));
    }
    if sizes(prefix, loss_mask) != Some(known.file_bytes) {
        return Ok(None);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    Ok(Some(known.counts))
}

fn write_record(path: &Path, record: &Record) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(record).context("a record")?;
    Ok(write_whole(path, json)?)
}
