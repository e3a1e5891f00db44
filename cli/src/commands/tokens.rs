//! `train-tokenizer`, `tokenize`, `binidx`: text to ids, ids on disk.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use yuan_pipeline::{Error, Output, Summary};
use yuan_tokenizer::Tokenizer;

use super::{beside, print, run, say};
use crate::Done;
use crate::args::{BinidxCommand, Global, ResumeArgs, TokenizeArgs, TrainTokenizerArgs};
use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig};

pub fn train_tokenizer(args: &TrainTokenizerArgs, global: &Global) -> anyhow::Result<Done> {
    let mut train = yuan_tokenizer::TrainTokenizerConfig::default();
    train.kind = args.kind.unwrap_or(train.kind);
    train.compat = args.compat.unwrap_or(train.compat);
    train.vocab_size = args.vocab_size.unwrap_or(train.vocab_size);
    train.reserved = args.reserved.unwrap_or(train.reserved);
    train.pattern = args.pattern.clone().unwrap_or(train.pattern);
    if let Some(extend) = &args.extend {
        train.extend = std::path::absolute(extend).map_err(Error::io("find", extend))?;
    }
    train.words = args.words.unwrap_or(train.words);
    train.script_boundaries = args.script_boundaries;
    train.vocab_multiple = args.vocab_multiple.unwrap_or(train.vocab_multiple);
    train.balance_by = args.balance_by.clone().unwrap_or(train.balance_by);
    train.alpha = args.alpha.unwrap_or(train.alpha);
    train.sample_bytes = args.sample_bytes.unwrap_or(train.sample_bytes);
    train.output = std::path::absolute(&args.out).map_err(Error::io("find", &args.out))?;
    let (done, summary) = towards(&args.out, vec![StageConfig::TrainTokenizer(train)], &args.input.input(), global)?;
    let tokenizer = Tokenizer::load(&args.out)?;
    let text = HumanBytes(summary.kept.bytes);
    say(
        global,
        &format!("{}: {} tokens, from {text} of text", args.out.display(), HumanCount(tokenizer.vocab_size() as u64)),
    );
    Ok(done)
}

pub fn tokenize(args: &TokenizeArgs, global: &Global) -> anyhow::Result<Done> {
    let tokenizer = std::path::absolute(&args.tokenizer).map_err(Error::io("find", &args.tokenizer))?;
    let prefix = std::path::absolute(&args.out).map_err(Error::io("find", &args.out))?;
    let tokenize = yuan_tokenizer::TokenizeConfig { tokenizer, append_eod: !args.no_eod, ..Default::default() };
    let write = yuan_binidx::WriteBinidx { prefix, ..Default::default() };
    let stages = vec![StageConfig::Tokenize(tokenize), StageConfig::WriteBinidx(write)];
    let (done, _) = towards(&args.out, stages, &args.input.input(), global)?;
    let summary = yuan_binidx::Reader::open(&args.out)?.summary()?;
    let size = HumanBytes(summary.bin_bytes + summary.idx_bytes);
    say(
        global,
        &format!(
            "{}.bin, .idx: {} documents, {} tokens, {:?}, {size}",
            args.out.display(),
            HumanCount(summary.documents),
            HumanCount(summary.tokens),
            summary.dtype
        ),
    );
    Ok(done)
}

/// Runs stages whose result is a file: the run folder `FILE.run` is there until it is done.
pub fn towards(
    out: &Path,
    stages: Vec<StageConfig>,
    input: &yuan_pipeline::Input,
    global: &Global,
) -> anyhow::Result<(Done, Summary)> {
    let output = Output { documents: false, ..Output::default() };
    let recipe = Recipe { input: input.clone(), output, stages, ..Recipe::default() };
    make(out, &recipe, global)
}

/// Runs a recipe whose result is a file or folder: the run folder `FILE.run` is there until it is done.
pub fn make(out: &Path, recipe: &Recipe, global: &Global) -> anyhow::Result<(Done, Summary)> {
    let folder = beside(out, ".run");
    let made = run::engine(recipe, Path::new(""), &folder, &ResumeArgs::default(), global);
    let summary = made.map_err(|error| match error.downcast::<Error>() {
        // These commands have no `--from`, and their run folder has no name that was chosen.
        Ok(Error::OtherRun { problem, .. }) if problem.contains("was made by another recipe") => {
            let hint =
                format!("to go on with it, give the same settings; to begin anew, remove `{}`", folder.display());
            Error::OtherRun { problem, hint }.into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    })?;
    let done = run::ending(&summary, &folder, global);
    if matches!(done, Done::All) {
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    Ok((done, summary))
}

pub fn binidx(command: &BinidxCommand) -> anyhow::Result<Done> {
    match command {
        BinidxCommand::Info { prefix, json } => info(prefix, *json),
        BinidxCommand::Cat { prefix, tokenizer, from, limit } => cat(prefix, tokenizer.as_deref(), *from, *limit),
        BinidxCommand::Verify { prefix, tokenizer, eod } => verify(prefix, tokenizer.as_deref(), eod.as_deref()),
    }
}

/// `tokens` from `tokens`, `tokens.bin` or `tokens.idx`.
pub fn prefix_of(path: &Path) -> std::path::PathBuf {
    match path.extension() {
        Some(suffix) if suffix == "bin" || suffix == "idx" => path.with_extension(""),
        _ => path.to_path_buf(),
    }
}

pub fn info(prefix: &Path, as_json: bool) -> anyhow::Result<Done> {
    let reader = yuan_binidx::Reader::open(prefix_of(prefix))?;
    let summary = reader.summary()?;
    let mean = summary.tokens as f64 / summary.documents.max(1) as f64;
    if as_json {
        let value = json!({
            "dtype": format!("{:?}", summary.dtype).to_lowercase(), "documents": summary.documents, "empty_documents": summary.empty_documents,
            "sequences": summary.sequences, "tokens": summary.tokens, "bin_bytes": summary.bin_bytes, "idx_bytes": summary.idx_bytes,
            "min_sequence_tokens": summary.min_sequence_tokens, "max_sequence_tokens": summary.max_sequence_tokens,
        });
        print(&value.to_string())?;
        return Ok(Done::All);
    }
    let mut out = String::new();
    let _ =
        writeln!(out, "documents  {} ({} empty)", HumanCount(summary.documents), HumanCount(summary.empty_documents));
    let _ = writeln!(
        out,
        "sequences  {}, of {} to {} tokens",
        HumanCount(summary.sequences),
        summary.min_sequence_tokens,
        summary.max_sequence_tokens
    );
    let _ = writeln!(out, "tokens     {} ({mean:.1} a document), {:?}", HumanCount(summary.tokens), summary.dtype);
    let _ = writeln!(out, "files      .bin {}, .idx {}", HumanBytes(summary.bin_bytes), HumanBytes(summary.idx_bytes));
    print(&out)?;
    Ok(Done::All)
}

fn cat(prefix: &Path, tokenizer: Option<&Path>, from: usize, limit: usize) -> anyhow::Result<Done> {
    let reader = yuan_binidx::Reader::open(prefix_of(prefix))?;
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    for document in from..reader.document_count().min(from.saturating_add(limit)) {
        let mut ids = Vec::new();
        for sequence in reader.document(document)? {
            for id in sequence.ids() {
                ids.push(u32::try_from(id).with_context(|| format!("document {document} holds the token {id}"))?);
            }
        }
        match &tokenizer {
            Some(tokenizer) => {
                print(&format!("── document {document}, {} tokens\n{}", ids.len(), tokenizer.decode(&ids)?))?
            }
            None => print(&ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?,
        }
    }
    Ok(Done::All)
}

fn verify(prefix: &Path, tokenizer: Option<&Path>, eod: Option<&str>) -> anyhow::Result<Done> {
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    let mut expected = yuan_binidx::Expected::default();
    if let Some(tokenizer) = &tokenizer {
        expected.vocab_size = Some(tokenizer.vocab_size() as u64);
        expected.eod = match eod {
            None => None,
            Some(token) => Some(
                tokenizer
                    .token_to_id(token)
                    .ok_or_else(|| usage(format!("the tokenizer has no token `{token}`"), None))?,
            ),
        };
    }
    let verification = yuan_binidx::verify(prefix_of(prefix), expected)?;
    if verification.is_sound() {
        print(&format!("sound: {} documents, {} tokens", verification.documents, verification.tokens))?;
        return Ok(Done::All);
    }
    for problem in &verification.problems {
        print(&format!("{}: {}: {}", problem.path.display(), problem.field, problem.problem))?;
    }
    let more = verification.problem_count - verification.problems.len() as u64;
    if more > 0 {
        print(&format!("and {more} more"))?;
    }
    Ok(Done::Unsound)
}
