//! `train-tokenizer`, `tokenize`: text to ids, ids on disk.

use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};
use yuan_binidx::{Form, WriteBinidx};
use yuan_pipeline::{Error, Input, Output, Summary};
use yuan_tokenizer::{TokenizeConfig, Tokenizer};

use super::binidx::prefix_of;
use super::{beside, run, say, yuan};
use crate::Done;
use crate::args::{Global, ResumeArgs, TokenizeArgs, TrainTokenizerArgs};
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
    let tokenize = TokenizeConfig { tokenizer, append_eod: !args.no_eod, ..args.fim.settings()? };
    if args.compat.is_some() {
        return yuan::preprocess(args, tokenize, global);
    }
    let write = write_binidx(args, &args.out)?;
    let stages = vec![StageConfig::Tokenize(tokenize), StageConfig::WriteBinidx(write)];
    let input = Input { source_field: args.source_field.clone(), ..args.input.input() };
    let (done, summary) = towards(&args.out, stages, &input, global)?;
    let mut tallies = summary.steps.iter().flat_map(|step| &step.tallies);
    let written = tallies.find(|(kind, key, _)| kind == "tokens" && key == "written");
    let (documents, tokens) = written.map_or((0, 0), |(_, _, tally)| (tally.documents, tally.bytes));
    let files = match args.to {
        Form::Megatron => ".bin, .idx",
        Form::Datatrove => ".ds",
        Form::Olmo => ".npy",
        Form::Parquet => ".parquet",
    };
    let sets = if args.shards > 0 { format!(", {} sets", args.shards) } else { String::new() };
    let (documents, tokens) = (HumanCount(documents), HumanCount(tokens));
    say(global, &format!("{}{files}: {documents} documents, {tokens} tokens{sets}", args.out.display()));
    Ok(done)
}

/// The settings of `write_binidx` that the options ask for.
pub fn write_binidx(args: &TokenizeArgs, prefix: &Path) -> anyhow::Result<WriteBinidx> {
    if prefix.as_os_str().to_string_lossy().ends_with('/') {
        let hint = "name the files in it: `-o FOLDER/tokens`".to_owned();
        return Err(usage(format!("`{}` is a folder", prefix.display()), hint));
    }
    if args.to != Form::Megatron && (args.loss_mask || args.document_array.is_some()) {
        let hint = "leave out `--to`".to_owned();
        return Err(usage("`--loss-mask` and `--document-array` are of Megatron's files alone".to_owned(), hint));
    }
    let prefix = prefix_of(&std::path::absolute(prefix).map_err(Error::io("find", prefix))?);
    Ok(WriteBinidx {
        prefix,
        form: args.to,
        dtype: args.dtype,
        shards: args.shards,
        shuffle: args.shuffle.is_some(),
        shuffle_seed: args.shuffle.unwrap_or(0),
        documents: !args.no_documents,
        language_column: args.language_field.clone(),
        document_array: args.document_array.unwrap_or_default(),
        loss_mask: args.loss_mask,
        column: args.column.clone(),
    })
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
    let (summary, folder) = run_beside(out, recipe, global)?;
    let done = done_with(&summary, &folder, global, || Ok(()))?;
    Ok((done, summary))
}

/// Runs a recipe in the run folder `FILE.run`, which stays.
pub fn run_beside(out: &Path, recipe: &Recipe, global: &Global) -> anyhow::Result<(Summary, PathBuf)> {
    let folder = beside(out, ".run");
    let engine = || run::engine(recipe, Path::new(""), &folder, &ResumeArgs::default(), global);
    let mut made = engine();
    // Of a run that has done nothing yet nothing is lost by beginning anew.
    if let Err(error) = &made
        && matches!(error.downcast_ref(), Some(Error::OtherRun { .. }))
        && Summary::read(&folder).is_ok_and(|summary| summary.read.documents == 0)
    {
        std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        made = engine();
    }
    let summary = made.map_err(|error| match error.downcast::<Error>() {
        // These commands have no `--from`, and their run folder has no name that was chosen.
        Ok(Error::OtherRun { problem, .. })
            if ["was made by another recipe", "was made from other input"]
                .iter()
                .any(|said| problem.contains(said)) =>
        {
            let hint =
                format!("to go on with it, give the same settings; to begin anew, remove `{}`", folder.display());
            Error::OtherRun { problem, hint }.into()
        }
        Ok(error) => error.into(),
        Err(error) => error,
    })?;
    Ok((summary, folder))
}

/// Takes a run folder away after what is to be done last, unless records were set aside there.
pub fn done_with(
    summary: &Summary,
    folder: &Path,
    global: &Global,
    last: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Done> {
    let done = run::ending(summary, folder, global);
    if matches!(done, Done::All) {
        last()?;
        std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    }
    Ok(done)
}
