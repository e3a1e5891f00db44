//! `train-model`: token sets become a model.

mod chart;
mod data;
mod progress;
mod recipe;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use indicatif::{HumanCount, HumanDuration};
use serde_json::{Map, Value, json};
use yuan_binidx::TokenSet;
use yuan_model::config::Yuan;
use yuan_model::perplexity::{Resets, Scoring};
use yuan_model::weights::Weights;
use yuan_model::{Config, Description, Place, tokenizer_of};
use yuan_pipeline::Error;
use yuan_tokenizer::Tokenizer;
use yuan_train::training::{
    Borders, Companion, Ended, EvaluationLine, Every, Folder, HeldOut, Line, Log, Plan, Reading, Run, Trainer,
};
use yuan_train::{Cpu, Network, State, cpu, initial};

use super::run::cancel_on_signals;
use super::{print, say};
use crate::Done;
use crate::args::{Documents, Global, TrainModelArgs};
use crate::hints::usage;
use data::{HeldOutSet, TokenTexts, Wanted};
use progress::Shown;
use recipe::TrainRecipe;

pub fn train_model(args: &TrainModelArgs, global: &Global) -> anyhow::Result<Done> {
    let start = Instant::now();
    let Some(out) = args.out.as_ref().filter(|_| !args.schema) else {
        print(&serde_json::to_string_pretty(&schemars::schema_for!(TrainRecipe).to_value())?)?;
        return Ok(Done::All);
    };
    let recipe = TrainRecipe::of(args)?;
    check_device(&recipe.device)?;
    let config = shape(&recipe)?;
    let tokenizer = Vocabulary::load(&recipe, &config)?;
    let wanted = Wanted {
        eod: config.eod,
        vocab_size: config.vocab_size,
        tokenizer: tokenizer.as_ref().map(|tokenizer| &tokenizer.tokenizer),
    };
    let Sized { plan, length, settings } = sized(&recipe, &config, wanted)?;
    let steps = plan.schedule.steps;
    let mut blend = recipe.blend()?;
    if blend.weights.is_none() && blend.prefixes.len() > 1 {
        blend.weights = Some(tokens_of(&blend.prefixes)?.into_iter().map(|tokens| tokens as f64).collect());
    }
    let samples = steps.checked_mul(plan.texts_per_step).context("more texts than can be counted")?;
    let texts = TokenTexts::new(&blend, length, samples, recipe.seed, recipe.loss_mask, recipe.pad)?;
    let held_out = recipe.valid.iter().map(|(name, prefix)| {
        let set = HeldOutSet::new(name, prefix, wanted)?;
        Ok(Box::new(set) as Box<dyn HeldOut + '_>)
    });
    let held_out: Vec<Box<dyn HeldOut + '_>> = held_out.collect::<anyhow::Result<_>>()?;

    let checkpoints = Folder::new(out.join("checkpoints"));
    let begun = begin(&recipe, &config, &checkpoints, &settings, out)?;
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let as_run = recipe.to_toml()?;
    let path = out.join("train.toml");
    std::fs::write(&path, &as_run).map_err(Error::io("write", &path))?;
    let mut companions = vec![Companion { name: "train.toml".into(), bytes: as_run.into_bytes() }];
    companions.extend(tokenizer.as_ref().map(|tokenizer| tokenizer.companion.clone()));
    let (log, lines) = Log::open(&out.join("log.jsonl"), begun.state.step)?;
    tell_start(&config, &texts, &plan, &begun, global);

    let stopped = cancel_on_signals()?;
    let done = begun.state.step;
    let options = cpu::Options { precision: recipe.products(), balance: recipe.balance as f32 };
    let network: Box<dyn Network> = Box::new(Cpu::new(&config, options, begun.state)?);
    let mut told = lines.clone();
    let mut shown = Shown::new(global, steps, done)?;
    let page = chart::Page::new(out, &recipe, &config, steps);
    let mut run = Run {
        trainer: Trainer::new(network, &texts, plan, done),
        held_out: &held_out,
        reading: reading(&config, &recipe)?,
        every: Every {
            evaluate: recipe.eval_every,
            evaluation_tokens: recipe.eval_tokens,
            save: recipe.save_every,
            keep: recipe.keep,
            until: args.time.map(|time| start + time),
        },
        checkpoints,
        model: out.join("model"),
        dtype: recipe.dtype(),
        companions: &companions,
        settings: &settings,
        version: env!("CARGO_PKG_VERSION"),
        log,
        lines,
        tokens: begun.tokens,
        seconds: begun.seconds,
    };
    let mut failed = None;
    let ended = run.go(&stopped, &mut |line| {
        told.push(line.clone());
        shown.line(line);
        if matches!(line, Line::Evaluation(_)) {
            failed = failed.take().or(page.write(&told).err());
        }
    });
    shown.finish();
    let ended = ended?;
    failed.map_or(Ok(()), Err)?;
    page.write(&told)?;
    match ended {
        Ended::Stopped => Err(Error::Cancelled.into()),
        Ended::OutOfTime => {
            let step = run.trainer.done();
            let left = format!("the same command goes on from step {step} of {steps}");
            say(global, &format!("stopped in time, after {}; {left}", HumanDuration(start.elapsed())));
            Ok(Done::All)
        }
        Ended::Finished => {
            summary(&told)?;
            say(
                global,
                &format!(
                    "done in {}; {} and {}",
                    HumanDuration(start.elapsed()),
                    out.join("model").display(),
                    page.path().display()
                ),
            );
            Ok(Done::All)
        }
    }
}

fn check_device(device: &str) -> anyhow::Result<()> {
    let place: Place = device.parse().map_err(|error: yuan_model::Error| usage(error.to_string(), None))?;
    match place {
        Place::Auto | Place::Cpu => Ok(()),
        Place::Cuda(_) | Place::Candle => {
            Err(usage(format!("models are not trained on `{device}`"), "take `--device cpu`".to_owned()))
        }
    }
}

/// The shape that is trained.
fn shape(recipe: &TrainRecipe) -> anyhow::Result<Yuan> {
    let path = recipe.config.as_ref().or(recipe.from.as_ref()).context("a recipe that was checked")?;
    let config = match recipe.config.as_deref().and_then(recipe::name_of) {
        Some(config) => config,
        None if !path.exists() => {
            let hint = match recipe.config {
                Some(_) => format!("give a config.json, or one of the names {}", Config::NAMES.join(", ")),
                None => "give a folder with `config.json` and weights, or a GGUF file".to_owned(),
            };
            return Err(usage(format!("there is no model `{}`", path.display()), hint));
        }
        None => Description::read(path)?.config,
    };
    match config {
        Config::Yuan(config) => Ok(config),
        Config::Qwen2Moe(_) => {
            let problem = format!("`{}` is a Qwen2-MoE", path.display());
            Err(usage(problem, "models that are trained are Yuan's: take a config.json of one".to_owned()))
        }
    }
}

/// A tokenizer, and its file.
struct Vocabulary {
    tokenizer: Tokenizer,
    companion: Companion,
}

impl Vocabulary {
    fn load(recipe: &TrainRecipe, config: &Yuan) -> anyhow::Result<Option<Self>> {
        let own =
            || recipe.from.as_deref().and_then(tokenizer_of).filter(|path| path.extension() != Some("gguf".as_ref()));
        let Some(path) = recipe.tokenizer.clone().or_else(own) else { return Ok(None) };
        let tokenizer = Tokenizer::load(&path)?;
        if tokenizer.vocab_size() as usize > config.vocab_size {
            let problem =
                format!("the tokenizer has {} tokens, the model {}", tokenizer.vocab_size(), config.vocab_size);
            return Err(usage(problem, "set `vocab_size` of the config.json".to_owned()));
        }
        let name = if path.extension() == Some("model".as_ref()) { "tokenizer.model" } else { "tokenizer.json" };
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        Ok(Some(Self { tokenizer, companion: Companion { name: name.into(), bytes } }))
    }
}

/// What the steps of a recipe come to.
struct Sized {
    plan: Plan,
    /// Tokens of a text.
    length: usize,
    /// What the numbers depend on.
    settings: Map<String, Value>,
}

fn sized(recipe: &TrainRecipe, config: &Yuan, wanted: Wanted<'_>) -> anyhow::Result<Sized> {
    let blend = recipe.blend()?;
    let sets = blend.prefixes.iter().map(|prefix| data::open(Path::new(prefix), wanted));
    let sets: Vec<TokenSet> = sets.collect::<anyhow::Result<_>>()?;
    let length = recipe.sequence_length.unwrap_or(config.max_positions.min(1024));
    if length == 0 || length > config.max_positions {
        let problem = format!("`sequence_length` is {length}, and the model is made for {}", config.max_positions);
        return Err(usage(problem, "set `max_position_embeddings` of the config.json, or take fewer".to_owned()));
    }
    if !recipe.batch_tokens.is_multiple_of(length as u64) {
        let near = (recipe.batch_tokens / length as u64).max(1) * length as u64;
        let problem =
            format!("`batch_tokens` is {}, no multiple of {length}, the tokens of a text", recipe.batch_tokens);
        return Err(usage(problem, format!("take `--batch-tokens {near}`")));
    }
    let texts_per_step = recipe.batch_tokens / length as u64;
    let steps = match (recipe.steps, recipe.tokens, recipe.epochs) {
        (Some(steps), ..) => steps,
        (None, Some(tokens), _) => tokens.div_ceil(recipe.batch_tokens),
        (None, None, epochs) => {
            let tokens: u64 = tokens_of(&blend.prefixes)?.into_iter().sum();
            ((tokens as f64 * epochs.unwrap_or(1.0) / recipe.batch_tokens as f64) as u64).max(1)
        }
    };
    if steps == 0 {
        return Err(usage("there is no step to take".to_owned(), "train for longer".to_owned()));
    }
    let borders = match recipe.documents {
        Documents::Apart => Borders::Apart { eod: config.eod },
        Documents::Together => Borders::Together(Resets {
            eod: config.eod,
            positions: recipe.reset_position_ids,
            attention: recipe.reset_attention_mask,
        }),
    };
    let texts_per_batch = (recipe.micro_batch_tokens / length as u64).max(1);
    let plan =
        Plan { texts_per_step, texts_per_batch, borders, schedule: recipe.schedule(steps)?, update: recipe.update() };
    let weight = |place: usize| blend.weights.as_ref().and_then(|weights| weights.get(place)).copied();
    let identities = sets.iter().enumerate().map(|(place, set)| data::identity(set, weight(place)));
    let identities: Vec<Value> = identities.collect::<anyhow::Result<_>>()?;
    let settings = settings(recipe, config, &plan, length, identities)?;
    Ok(Sized { plan, length, settings })
}

/// Tokens of each set.
fn tokens_of(prefixes: &[String]) -> anyhow::Result<Vec<u64>> {
    let tokens = |prefix: &String| {
        let reader = yuan_binidx::Reader::open(prefix)?;
        Ok(reader.index().sequence_lengths().map(|length| u64::try_from(length).unwrap_or(0)).sum())
    };
    prefixes.iter().map(tokens).collect()
}

/// Everything the numbers depend on: what a checkpoint is compared by.
fn settings(
    recipe: &TrainRecipe,
    config: &Yuan,
    plan: &Plan,
    length: usize,
    data: Vec<Value>,
) -> anyhow::Result<Map<String, Value>> {
    let shape: Value = serde_json::from_str(&Config::Yuan(config.clone()).to_json(yuan_model::DType::F32))?;
    let from = recipe.from.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let value = json!({
        "data": data,
        "config": shape,
        "from": from,
        "device": "cpu",
        "precision": recipe.precision,
        "seed": recipe.seed,
        "steps": plan.schedule.steps,
        "sequence_length": length,
        "batch_tokens": recipe.batch_tokens,
        "micro_batch_tokens": plan.texts_per_batch * length as u64,
        "documents": recipe.documents,
        "reset_position_ids": recipe.reset_position_ids,
        "reset_attention_mask": recipe.reset_attention_mask,
        "loss_mask": recipe.loss_mask,
        "pad": recipe.pad,
        "learning_rate": recipe.learning_rate,
        "schedule": recipe.schedule,
        "warmup_steps": plan.schedule.warmup,
        "decay_steps": recipe.decay_steps,
        "floor_fraction": recipe.floor_fraction,
        "max_gradient_norm": recipe.max_gradient_norm,
        "weight_decay": recipe.weight_decay,
        "beta1": recipe.beta1,
        "beta2": recipe.beta2,
        "epsilon": recipe.epsilon,
        "balance": recipe.balance,
    });
    // As it comes back from a file.
    Ok(serde_json::from_str(&value.to_string())?)
}

/// What a run begins with.
struct Begun {
    state: State,
    tokens: u64,
    seconds: f64,
}

fn begin(
    recipe: &TrainRecipe,
    config: &Yuan,
    checkpoints: &Folder,
    settings: &Map<String, Value>,
    out: &Path,
) -> anyhow::Result<Begun> {
    let shape = Config::Yuan(config.clone());
    if let Some(step) = checkpoints.steps()?.last().copied() {
        let progress = checkpoints.progress(step)?;
        if let Some((name, was, now)) = progress.difference(settings) {
            let said = match name {
                "data" => "was made of other tokens".to_owned(),
                "config" => format!("was made with another config: {}", differing(was, now)),
                _ => format!("was made with other settings: `{name}` was {was}, now {now}"),
            };
            let from = checkpoints.path(step);
            let hint = format!(
                "to go on with it, give the same settings; to begin anew, name another folder; to begin with its weights, add \
                 `--from {}` to that",
                from.display()
            );
            return Err(Error::OtherRun { problem: format!("`{}` {said}", out.display()), hint }.into());
        }
        let state = checkpoints.state(&progress, &shape)?;
        return Ok(Begun { state, tokens: progress.tokens, seconds: progress.seconds });
    }
    let state = match &recipe.from {
        None => initial(&shape, u64::from(recipe.seed)),
        Some(from) => State::of(&shape, &Weights::open(from)?)?,
    };
    Ok(Begun { state, tokens: 0, seconds: 0.0 })
}

/// The first field of a configuration that is another one.
fn differing(was: &Value, now: &Value) -> String {
    let fields = now.as_object().into_iter().flatten().find(|(name, now)| was[name.as_str()] != **now);
    fields.map_or_else(String::new, |(name, now)| format!("`{name}` was {}, now {now}", was[name.as_str()]))
}

/// How held-out documents are read: as `model perplexity` reads them.
fn reading(config: &Yuan, recipe: &TrainRecipe) -> anyhow::Result<Reading> {
    let batch_tokens = usize::try_from(recipe.micro_batch_tokens).unwrap_or(usize::MAX);
    let scoring = Scoring::of(&Description::of(Config::Yuan(config.clone())), "eod", 0, 0, batch_tokens)?;
    Ok(Reading { prefix: config.eod, windows: scoring.windows, batch_tokens: scoring.batch_tokens })
}

fn tell_start(config: &Yuan, texts: &TokenTexts, plan: &Plan, begun: &Begun, global: &Global) {
    let parameters = Config::Yuan(config.clone()).parameters();
    let count = HumanCount;
    let steps = plan.schedule.steps;
    let length = texts.data().settings().sampling.sequence_length as u64;
    let tokens = steps * plan.texts_per_step * length;
    let from = if begun.state.step > 0 { format!(", from step {}", begun.state.step) } else { String::new() };
    say(
        global,
        &format!(
            "{} parameters ({} for a token), {} steps of {} tokens, {} in all{from}",
            count(parameters.total),
            count(parameters.active),
            count(steps),
            count(plan.texts_per_step * length),
            count(tokens)
        ),
    );
    let data = texts.data();
    for ((drawn, dataset), prefix) in data.drawn(data.read()).into_iter().zip(data.datasets()).zip(data.prefixes()) {
        let read = drawn as u64 * length;
        let epochs = read as f64 / dataset.indices().epoch_tokens.max(1) as f64;
        say(global, &format!("  {prefix}: {} tokens, {epochs:.2} times", count(read)));
    }
}

/// The figures of the finished model, set by set.
fn summary(lines: &[Line]) -> anyhow::Result<()> {
    let found = finals(lines);
    if found.is_empty() {
        return Ok(());
    }
    let width = found.iter().map(|line| line.evaluation.chars().count()).max().unwrap_or(0).max("held out".len());
    let mut text = format!(
        "{:width$}  {:>10}  {:>12}  {:>8}  {:>12}  {:>10}\n",
        "held out", "documents", "tokens", "loss", "perplexity", "bits/byte"
    );
    for line in found {
        let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"));
        let (documents, tokens) = (HumanCount(line.documents).to_string(), HumanCount(line.tokens).to_string());
        text.push_str(&format!(
            "{:width$}  {documents:>10}  {tokens:>12}  {:>8}  {:>12}  {:>10}\n",
            line.evaluation,
            number(line.loss),
            number(line.perplexity),
            number(line.bits_per_byte)
        ));
    }
    print(&text)
}

/// The evaluations of the finished model.
fn finals(lines: &[Line]) -> Vec<&EvaluationLine> {
    let of = |line| match line {
        &Line::Evaluation(ref line) if line.is_final => Some(line),
        _ => None,
    };
    lines.iter().filter_map(of).collect()
}

/// Where the page of a training lies.
fn page_in(out: &Path) -> PathBuf {
    out.join("report.html")
}
