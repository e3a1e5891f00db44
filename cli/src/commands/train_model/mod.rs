//! `train-model`: token sets become a model.

mod begin;
mod chart;
mod curves;
mod data;
mod prepare;
mod progress;
mod recipe;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use indicatif::{HumanCount, HumanDuration};
use yuan_model::Config;
use yuan_model::config::Yuan;
use yuan_pipeline::{Error, lock};
use yuan_train::training::{Companion, Ended, EvaluationLine, Event, Every, Folder, HeldOut, Log, Plan, Run, Trainer};

use super::run::cancel_on_signals;
use super::{print, say};
use crate::Done;
use crate::args::{Global, TrainModelArgs};
use begin::{Begun, begin, first};
use data::{HeldOutSet, TokenTexts, Wanted};
use prepare::{Sized, Vocabulary, network, place, reading, shape, sized};
use progress::Shown;
pub use recipe::TrainRecipe;

pub fn train_model(args: &TrainModelArgs, global: &Global) -> anyhow::Result<Done> {
    let start = Instant::now();
    let until = args.time.and_then(|time| start.checked_add(time));
    let Some(out) = args.out.as_ref().filter(|_| !args.schema) else {
        print(&serde_json::to_string_pretty(&schemars::schema_for!(TrainRecipe).to_value())?)?;
        return Ok(Done::All);
    };
    let trained = train(&TrainRecipe::of(args)?, out, until, global)?;
    let took = HumanDuration(start.elapsed());
    if trained.is_finished {
        summary(&trained.finals)?;
        say(global, &format!("done in {took}; {} and {}", out.join("model").display(), page_in(out).display()));
    } else {
        let left = format!("the same command goes on from step {} of {}", trained.done, trained.steps);
        say(global, &format!("stopped in time, after {took}; {left}"));
    }
    Ok(Done::All)
}

/// What a training came to.
pub struct Trained {
    /// The evaluations of the finished model on its held-out sets, in their order.
    pub finals: Vec<EvaluationLine>,
    /// Whether it came to its end; else the time was over.
    is_finished: bool,
    /// Steps taken, of so many.
    done: u64,
    steps: u64,
}

/// Looks, before anything is read or written, whether a recipe's shape, tokenizer and device can be trained with.
pub fn check(recipe: &TrainRecipe) -> anyhow::Result<()> {
    place(recipe)?;
    Vocabulary::load(recipe, &shape(recipe)?).map(drop)
}

/// What the figures of a training depend on: its settings, what its shape and its sets hold, and how much of these is evaluated.
pub fn fingerprint(recipe: &TrainRecipe) -> anyhow::Result<String> {
    let config = shape(recipe)?;
    let tokenizer = Vocabulary::load(recipe, &config)?;
    let wanted = wanted(&config, tokenizer.as_ref());
    let held_out = held_out(recipe, wanted)?;
    let held_out: Vec<(&str, &str)> = held_out.iter().map(|set| (set.name(), set.key())).collect();
    let settings = sized(recipe, &config, wanted)?.settings;
    let known = serde_json::json!({
        "settings": settings, "held_out": held_out, "final_eval_tokens": recipe.final_eval_tokens,
    });
    Ok(blake3::hash(known.to_string().as_bytes()).to_hex()[..16].to_owned())
}

fn wanted<'a>(config: &Yuan, tokenizer: Option<&'a Vocabulary>) -> Wanted<'a> {
    let tokenizer = tokenizer.map(|tokenizer| &tokenizer.tokenizer);
    Wanted { eod: config.eod, vocab_size: config.vocab_size, tokenizer }
}

/// The held-out sets of a recipe, by name.
fn held_out<'a>(recipe: &TrainRecipe, wanted: Wanted<'a>) -> anyhow::Result<Vec<Box<dyn HeldOut + 'a>>> {
    let set = |(name, prefix): (&String, &PathBuf)| {
        Ok(Box::new(HeldOutSet::new(name, prefix, wanted)?) as Box<dyn HeldOut + 'a>)
    };
    recipe.valid.iter().map(set).collect()
}

/// Trains a model in a folder, from where an earlier run was stopped, to its end or until a time.
pub fn train(recipe: &TrainRecipe, out: &Path, until: Option<Instant>, global: &Global) -> anyhow::Result<Trained> {
    place(recipe)?;
    let config = shape(recipe)?;
    let tokenizer = Vocabulary::load(recipe, &config)?;
    let wanted = wanted(&config, tokenizer.as_ref());
    let Sized { plan, length, blend, settings } = sized(recipe, &config, wanted)?;
    let steps = plan.schedule.steps;
    let samples = steps.checked_mul(plan.texts_per_step).context("more texts than can be counted")?;
    let texts = TokenTexts::new(&blend, length, samples, recipe.seed, recipe.loss_mask, recipe.pad)?;
    let held_out = held_out(recipe, wanted)?;

    let weights = first(recipe, &config)?;
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let _lock = lock(&out.join(".lock"), out)?;
    let checkpoints = Folder::new(out.join("checkpoints"));
    let begun = begin(recipe, &config, weights, &checkpoints, &settings, out)?;
    let as_run = recipe.to_toml()?;
    let path = out.join("train.toml");
    std::fs::write(&path, &as_run).map_err(Error::io("write", &path))?;
    let mut companions = vec![Companion { name: "train.toml".into(), bytes: as_run.into_bytes() }];
    companions.extend(tokenizer.as_ref().map(|tokenizer| tokenizer.companion.clone()));
    let mut page = chart::Page::new(out, recipe, &config, steps);
    let mut evaluations = Vec::new();
    let log = Log::open(&out.join("log.jsonl"), begun.state.step, &mut |line| {
        page.add(line);
        evaluations.extend(line.as_evaluation().cloned());
    })?;
    tell_start(&config, &texts, &plan, &begun, global);

    let stopped = cancel_on_signals()?;
    let done = begun.state.step;
    let network = network(recipe, &config, begun.state)?;
    let mut shown = Shown::new(global, steps, done)?;
    let mut run = Run {
        trainer: Trainer::new(network, &texts, plan, done),
        held_out: &held_out,
        reading: reading(&config, recipe)?,
        every: Every {
            evaluate: recipe.eval_every,
            evaluation_tokens: recipe.eval_tokens,
            final_tokens: (recipe.final_eval_tokens > 0).then_some(recipe.final_eval_tokens),
            save: recipe.save_every,
            keep: recipe.keep,
            until,
        },
        checkpoints,
        model: out.join("model"),
        dtype: recipe.dtype(),
        companions: &companions,
        settings: &settings,
        version: env!("CARGO_PKG_VERSION"),
        log,
        evaluations,
        tokens: begun.tokens,
        seconds: begun.seconds,
    };
    let mut failed = None;
    let ended = run.go(&|| stopped.load(Ordering::Relaxed), &mut |event| match event {
        Event::Line(line) => {
            page.add(line);
            shown.line(line);
        }
        Event::Evaluated(evaluations) => failed = failed.take().or(page.write(evaluations, &held_out).err()),
    });
    shown.finish();
    let step = run.trainer.done();
    if ended.is_err() && run.checkpoints.steps().is_ok_and(|steps| steps.contains(&step)) {
        say(
            global,
            &format!("what was learnt in {} steps is kept; the same command goes on from there", HumanCount(step)),
        );
    }
    let ended = ended?;
    failed.map_or(Ok(()), Err)?;
    page.write(&run.evaluations, &held_out)?;
    if ended == Ended::Stopped {
        return Err(Error::Cancelled.into());
    }
    let is_finished = ended == Ended::Finished;
    Ok(Trained { finals: finals(&run.evaluations, &held_out), is_finished, done: step, steps })
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
fn summary(found: &[EvaluationLine]) -> anyhow::Result<()> {
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

/// The evaluations of the finished model on the sets of this run, in their order.
fn finals(evaluations: &[EvaluationLine], sets: &[Box<dyn HeldOut + '_>]) -> Vec<EvaluationLine> {
    let finals = || evaluations.iter().filter(|line| line.is_final);
    sets.iter().filter_map(|set| finals().rfind(|line| line.is_of(set.as_ref())).cloned()).collect()
}

/// Where the page of a training lies.
fn page_in(out: &Path) -> PathBuf {
    out.join("report.html")
}
