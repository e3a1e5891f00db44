//! `ablate`: which recipe makes the better data? Models of one shape are trained on equally many tokens of each, and read what is
//! held out.
//!
//! Source: the practice of FineWeb (Penedo et al. 2024, arXiv:2406.17557, section 3.1) and DCLM (Li et al. 2024, arXiv:2406.11794):
//! same model, same budget, several seeds, only the data differ. What is compared here is bits per byte, which depends on neither the
//! tokenizer nor the number of tokens.

mod data;
mod results;
mod table;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::HumanCount;
use yuan_model::bundled;
use yuan_pipeline::Error;

use self::data::{Corpus, HeldOut};
use self::results::{Outcome, Results};
use super::train_model::{TrainRecipe, Trained, check, fingerprint, train};
use super::{print, say, write_whole};
use crate::Done;
use crate::args::{AblateArgs, Global, NumberType};
use crate::hints::usage;
use crate::recipe::Recipe;

/// The settings of the bundled model's training.
const TRAINING: &str = include_str!("../../../../model/bundled/train.toml");

pub fn ablate(args: &AblateArgs, global: &Global) -> anyhow::Result<Done> {
    let out = &args.out;
    let recipes = named(&args.recipes, "recipe", |path| {
        Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    })?;
    let held_out = named(&args.held_out, "held-out set", |_| String::new())?;
    let training = settings(args)?;
    // What cannot be run or trained is told before documents are read.
    for (_, path) in &recipes {
        Recipe::read(Path::new(path), &[])?;
    }
    let from = match bundled::is_bundled(&args.tokenizer) {
        true => args.tokenizer.join("tokenizer.json"),
        false => args.tokenizer.clone(),
    };
    let bytes = bundled::read(&from).map_err(Error::io("read", &from))?;
    check(&TrainRecipe { tokenizer: Some(from), ..training.clone() })?;
    std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
    let mut results = Results::open(&out.join("results.jsonl"))?;
    let tokenizer = out.join("tokenizer.json");
    write_whole(&tokenizer, bytes)?;
    let training = TrainRecipe { tokenizer: Some(tokenizer.clone()), ..training };

    let domains: Vec<HeldOut> = held_out
        .into_iter()
        .map(|(name, files)| HeldOut::tokenize(name, &files, &args.text_field, &tokenizer, out, global))
        .collect::<anyhow::Result<_>>()?;
    let corpora: Vec<Corpus> = recipes
        .into_iter()
        .map(|(name, path)| Corpus::make(name, Path::new(&path), &domains, &args.text_field, &tokenizer, out, global))
        .collect::<anyhow::Result<_>>()?;

    let trainings = args.seeds as usize * corpora.len();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(trainings);
    // All recipes with a seed before the next seed: what is known is known of all.
    for number in 0..args.seeds {
        for corpus in &corpora {
            let seed = training.seed.wrapping_add(number);
            let recipe = TrainRecipe {
                data: vec![corpus.tokens.to_string_lossy().into_owned()],
                valid: domains.iter().map(|domain| (domain.name.clone(), domain.tokens.clone())).collect(),
                seed,
                ..training.clone()
            };
            let fingerprint = fingerprint(&recipe)?;
            if let Some(known) = results.find(&corpus.name, seed, &fingerprint) {
                outcomes.push(known.clone());
                continue;
            }
            say(global, &format!("\n{}, seed {seed}: training {} of {trainings}", corpus.name, outcomes.len() + 1));
            let folder = out.join(&corpus.name).join(format!("seed-{seed}"));
            let trained = train(&recipe, &folder, None, global)?;
            let outcome = outcome(corpus, seed, fingerprint, &trained)?;
            results.append(&outcome)?;
            outcomes.push(outcome);
            tidy(&folder, args.keep_models)?;
        }
    }
    let table = table::Table::new(&corpora, &domains, &outcomes, args.tokens);
    for (name, text) in [("ablation.md", table.markdown()), ("ablation.json", table.json()?)] {
        write_whole(&out.join(name), text)?;
    }
    print(&table.markdown())?;
    say(global, &format!("\n{} and {}", out.join("ablation.md").display(), out.join("ablation.json").display()));
    Ok(Done::All)
}

/// How all models are trained.
fn settings(args: &AblateArgs) -> anyhow::Result<TrainRecipe> {
    let mut recipe = match &args.train {
        Some(path) => TrainRecipe::read(path)?,
        // Which CPU has AMX is not known: fp32 takes no longer than needed on any.
        None => {
            TrainRecipe { precision: NumberType::Fp32, ..toml::from_str(TRAINING).context("the bundled settings")? }
        }
    };
    recipe.precision = args.precision.unwrap_or(recipe.precision);
    (recipe.tokens, recipe.steps, recipe.epochs) = (Some(args.tokens), None, None);
    let config = match bundled::is_bundled(&args.config) {
        true => args.config.join("config.json"),
        false => args.config.clone(),
    };
    (recipe.config, recipe.from) = (Some(config), None);
    // The end is all that counts.
    (recipe.eval_every, recipe.final_eval_tokens) = (0, args.held_out_tokens);
    Ok(recipe)
}

fn outcome(corpus: &Corpus, seed: u32, fingerprint: String, trained: &Trained) -> anyhow::Result<Outcome> {
    let bits = |line: &yuan_train::training::EvaluationLine| -> anyhow::Result<(String, f64)> {
        let bits = line.bits_per_byte.with_context(|| format!("`{}` has no text", line.evaluation))?;
        Ok((line.evaluation.clone(), bits))
    };
    let bits_per_byte = trained.finals.iter().map(bits).collect::<anyhow::Result<_>>()?;
    Ok(Outcome { recipe: corpus.name.clone(), seed, fingerprint, bits_per_byte })
}

/// Takes away what a finished training is not needed for any more.
fn tidy(folder: &Path, keep_model: bool) -> anyhow::Result<()> {
    let mut gone = vec![folder.join("checkpoints")];
    if !keep_model {
        gone.push(folder.join("model"));
    }
    for path in gone.iter().filter(|path| path.exists()) {
        std::fs::remove_dir_all(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
}

/// `NAME=REST`, or what a rest is called of itself.
fn named(given: &[String], what: &str, own: impl Fn(&str) -> String) -> anyhow::Result<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    for given in given {
        let (name, rest) = match given.split_once('=') {
            Some((name, rest)) => (name.to_owned(), rest.to_owned()),
            None => (own(given), given.clone()),
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        if !is_name || name.starts_with('.') || rest.is_empty() {
            let hint = format!("give the {what} a name: `NAME={rest}`, of letters, digits, `-`, `_` and `.`");
            return Err(usage(format!("`{given}` names no {what}"), hint));
        }
        if found.iter().any(|(other, _)| *other == name) || name == "held-out" {
            return Err(usage(format!("two of them are called `{name}`"), format!("give the {what} another name")));
        }
        found.push((name, rest));
    }
    Ok(found)
}

/// Tokens in a set, for people.
fn tokens(count: u64) -> String {
    HumanCount(count).to_string()
}

/// The folder of a recipe's or a held-out set's run.
fn run_folder(out: &Path, of: &str, name: &str) -> PathBuf {
    out.join(of).join(name)
}
