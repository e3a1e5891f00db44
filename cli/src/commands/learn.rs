//! `score`, `train-fasttext`, `train-kenlm`: what documents are worth to a model, and the models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount};
use yuan_filters::{
    BucketsConfig, ClassifierCard, FastTextConfig, KeepWhereConfig, KenLmCard, KenLmCompat, KenLmConfig, LanguageId,
    TrainFastTextConfig, TrainKenLmConfig,
};
use yuan_model::{MoeConfig, bundled};
use yuan_pipeline::{Error, Output};

use super::tokens::make;
use super::{print, run, say};
use crate::Done;
use crate::args::{Global, ScoreArgs, TrainFastTextArgs, TrainKenLmArgs};
use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig};

pub fn score(args: &ScoreArgs, global: &Global) -> anyhow::Result<Done> {
    if args.fasttext.is_empty() && args.kenlm.is_none() && args.moe.is_empty() {
        let hint = "give `--fasttext MODEL` and `--kenlm FOLDER` (`bundled`, or what `train-fasttext` and `train-kenlm` make), \
                    or `--moe MODEL`";
        return Err(usage("there is nothing to score with".to_owned(), hint.to_owned()));
    }
    let mut stages = vec![StageConfig::LanguageId(LanguageId {
        min_score: 0.0,
        model: args.language_model.as_deref().map(absolute).transpose()?,
        ..LanguageId::default()
    })];
    for wanted in &args.fasttext {
        stages.push(StageConfig::FastText(classifier(wanted)?));
    }
    if let Some(model) = &args.kenlm {
        let compat = match args.compat.as_deref() {
            None => None,
            Some("ccnet") => Some(KenLmCompat::CcNet),
            Some(other) => return Err(usage(format!("`--compat {other}`: there is `ccnet`"), None)),
        };
        stages.push(StageConfig::KenLm(KenLmConfig { model: absolute(model)?, compat, ..KenLmConfig::default() }));
    }
    let uncertain = args.uncertain.iter().map(|band| uncertain(band)).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    for wanted in &args.moe {
        let tokenizer_file = args.moe_tokenizer.as_deref().map(absolute).transpose()?;
        let config = MoeConfig {
            uncertain: uncertain.clone(),
            device: args.device.clone(),
            precision: args.precision.clone(),
            tokenizer_file,
            max_document_bytes: args.moe_bytes,
            ..neural(wanted)?
        };
        let is_taken = |stage: &StageConfig| matches!(stage, StageConfig::Moe(other) if other.perplexity_column == config.perplexity_column);
        if stages.iter().any(is_taken) {
            let hint = "name one of them: `--moe NAME=MODEL`".to_owned();
            return Err(usage(format!("two models would write `{}`", config.perplexity_column), hint));
        }
        stages.push(StageConfig::Moe(config));
    }
    if let Some(column) = &args.buckets {
        let column = match (column.as_str(), &args.kenlm, args.moe.first()) {
            ("", None, Some(moe)) => neural(moe)?.bits_column,
            ("", ..) => BucketsConfig::default().column,
            (column, ..) => column.to_owned(),
        };
        let &[head_percentile, middle_percentile] = args.percentiles.as_slice() else {
            let hint = "write two numbers, as `--percentiles 30,60`".to_owned();
            return Err(usage(format!("`--percentiles` has {} numbers", args.percentiles.len()), hint));
        };
        let higher_is_better = !column.ends_with("_perplexity") && !column.ends_with("_bits_per_byte");
        stages.push(StageConfig::Buckets(BucketsConfig {
            column,
            drop: args.drop.clone(),
            higher_is_better,
            cutoff_file: args.cutoffs.as_deref().map(absolute).transpose()?,
            head_percentile,
            middle_percentile,
            ..Default::default()
        }));
    }
    if let Some(expression) = &args.keep_where {
        let expression = expression.clone();
        stages.push(StageConfig::KeepWhere(KeepWhereConfig { expression, ..KeepWhereConfig::default() }));
    }
    let mut input = args.input.input();
    if !args.moe.is_empty() {
        // What is lost when the run is killed is a unit for each thread.
        input.unit_bytes = input.unit_bytes.min(1 << 20);
    }
    let recipe = Recipe { input, output: args.output.output(), stages, ..Recipe::default() };
    run::execute(&recipe, Path::new(""), &args.output.out, &args.output.resume, global)
}

/// The stage of `[NAME=]MODEL`.
fn neural(wanted: &str) -> anyhow::Result<MoeConfig> {
    let (name, model) = named(wanted);
    let mut config = MoeConfig { model: absolute(Path::new(model))?, ..MoeConfig::default() };
    if let Some(name) = name {
        config.perplexity_column = format!("{name}_perplexity");
        config.bits_column = format!("{name}_bits_per_byte");
    }
    Ok(config)
}

/// The band of `COLUMN=LOW..HIGH`.
fn uncertain(wanted: &str) -> anyhow::Result<(String, [f64; 2])> {
    let band = wanted.split_once('=').and_then(|(column, band)| {
        let (low, high) = band.split_once("..")?;
        let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low <= high && !column.is_empty()).then(|| (column.to_owned(), [low, high]))
    });
    band.ok_or_else(|| {
        let hint = "write a column and two numbers, as `--uncertain kenlm_perplexity=300..2000`";
        usage(format!("`--uncertain {wanted}` is no band"), hint.to_owned())
    })
}

/// What stands before `=`, if it could be the name of a column, and the rest.
fn named(wanted: &str) -> (Option<&str>, &str) {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    match wanted.split_once('=') {
        Some((column, rest)) if is_name(column) => (Some(column), rest),
        _ => (None, wanted),
    }
}

/// The stage of `[COLUMN=]MODEL[:LABEL]`.
fn classifier(wanted: &str) -> anyhow::Result<FastTextConfig> {
    let (column, rest) = named(wanted);
    let (model, label) = match rest.rsplit_once(':') {
        Some((model, label)) if !Path::new(rest).exists() && !label.contains(['/', '\\']) => (model, Some(label)),
        _ => (rest, None),
    };
    let mut config = FastTextConfig { model: absolute(Path::new(model))?, ..FastTextConfig::default() };
    config.labels.extend(label.map(str::to_owned));
    if let Some(column) = column {
        config.column = column.to_owned();
    }
    Ok(config)
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    if bundled::is_bundled(path) {
        return Ok(path.into());
    }
    Ok(std::path::absolute(path).map_err(Error::io("find", path))?)
}

pub fn train_fasttext(args: &TrainFastTextArgs, global: &Global) -> anyhow::Result<Done> {
    let quantize = args.out.extension().is_some_and(|suffix| suffix == "ftz");
    let paths = |names: &[String]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let train = TrainFastTextConfig {
        label_field: args.label_field.clone(),
        good_files: paths(&args.good),
        bad_files: paths(&args.bad),
        positive_label: args.positive_label.clone().unwrap_or_default(),
        group_field: args.group_field.clone().unwrap_or_default(),
        holdout_fraction: args.holdout,
        tokens: args.tokens,
        epoch: args.epoch,
        word_ngrams: args.word_ngrams,
        dim: args.dim,
        learning_rate: args.learning_rate,
        quantize: quantize || args.cutoff > 0,
        cutoff: args.cutoff,
        training_threads: if args.hogwild { super::threads(global) } else { 1 },
        output: absolute(&args.out)?,
        ..TrainFastTextConfig::default()
    };
    let inputs = if args.good.is_empty() { args.inputs.clone() } else { [&args.good[..], &args.bad[..]].concat() };
    let recipe = Recipe {
        input: args.read.input(&inputs),
        output: Output { documents: false, ..Output::default() },
        stages: vec![identify(), StageConfig::TrainFastText(train)],
        ..Recipe::default()
    };
    let changes = changes_of("train_fasttext", &args.set);
    let (done, _) = make(&args.out, &recipe.with(&changes)?, global)?;
    let card = ClassifierCard::beside(&args.out)?.context("the card of the classifier")?;
    print(&card.table())?;
    say(global, &format!("{} and its card {}", args.out.display(), ClassifierCard::path(&args.out).display()));
    Ok(done)
}

pub fn train_kenlm(args: &TrainKenLmArgs, global: &Global) -> anyhow::Result<Done> {
    let train = TrainKenLmConfig {
        only_languages: args.lang.clone(),
        order: args.order,
        prune: args.prune.clone(),
        tokens: args.tokens,
        sentencepiece_file: args.sentencepiece.as_deref().map(absolute).transpose()?,
        format: args.model_format,
        quantize_bits: args.quantize_bits,
        output: absolute(&args.out)?,
        ..TrainKenLmConfig::default()
    };
    let recipe = Recipe {
        input: args.input.input(),
        output: Output { documents: false, ..Output::default() },
        stages: vec![identify(), StageConfig::TrainKenLm(train)],
        ..Recipe::default()
    };
    let (done, _) = make(&args.out, &recipe.with(&changes_of("train_kenlm", &args.set))?, global)?;
    let card = KenLmCard::read(&args.out)?.context("the card of the models")?;
    for (language, model) in &card.languages {
        let file = args.out.join(&model.file);
        let bytes = std::fs::metadata(&file).map_err(Error::io("read", &file))?.len();
        let ngrams = model.ngrams.iter().map(|count| HumanCount(*count).to_string()).collect::<Vec<_>>().join(", ");
        let (documents, tokens) = (HumanCount(model.documents), HumanCount(model.tokens));
        let bytes = HumanBytes(bytes);
        print(&format!(
            "{language}: {documents} documents, {tokens} tokens; n-grams of order 1 up: {ngrams}; {bytes}"
        ))?;
    }
    let count = card.languages.len();
    let languages = if count == 1 { "language" } else { "languages" };
    say(global, &format!("{}: {count} {languages}", args.out.display()));
    Ok(done)
}

/// Every document's language, none dropped for it.
fn identify() -> StageConfig {
    StageConfig::LanguageId(LanguageId { min_score: 0.0, ..LanguageId::default() })
}

fn changes_of(stage: &str, settings: &[String]) -> Vec<String> {
    settings.iter().map(|setting| format!("{stage}.{setting}")).collect()
}
