//! What a recipe comes to, before anything is trained.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use yuan_binidx::gpt::Blend;
use yuan_binidx::{TokenSet, loss_mask_prefix};
use yuan_model::config::Yuan;
use yuan_model::perplexity::{Resets, Scoring};
use yuan_model::{Config, Description, Place, bundled, tokenizer_of};
use yuan_pipeline::Error;
use yuan_tokenizer::Tokenizer;
use yuan_train::training::{Borders, Companion, Plan, Reading};
use yuan_train::{Cpu, Network, Options, State};

use super::data::{Wanted, identity, identity_of_model, open};
use super::recipe::{TrainRecipe, name_of};
use crate::args::Documents;
use crate::encoder::load_tokenizer;
use crate::hints::usage;

/// Where a recipe's model is trained.
pub fn place(recipe: &TrainRecipe) -> anyhow::Result<Place> {
    let place: Place = recipe.device.parse().map_err(|error: yuan_model::Error| usage(error.to_string(), None))?;
    if matches!(place, Place::Cuda(_)) && !cfg!(feature = "candle-cuda") {
        let problem = format!("this program does not train on `{}`", recipe.device);
        let hint =
            "build it with `--features candle-cuda` where CUDA's toolkit is (model/CUDA.md), or take `--device cpu`";
        return Err(usage(problem, hint.to_owned()));
    }
    Ok(place)
}

/// What a checkpoint calls a place: sums come in another order on another one.
fn place_name(place: Place) -> &'static str {
    match place {
        Place::Auto | Place::Cpu => "cpu",
        Place::Candle => "candle",
        Place::Cuda(_) => "cuda",
    }
}

/// The network of a recipe, in a state.
pub fn network(recipe: &TrainRecipe, config: &Yuan, state: State) -> anyhow::Result<Box<dyn Network>> {
    let options = Options { precision: recipe.products(), balance: recipe.balance as f32 };
    Ok(match place(recipe)? {
        Place::Auto | Place::Cpu => Box::new(Cpu::new(config, options, state)?),
        Place::Candle => Box::new(yuan_train::Device::on_cpu(config, options, state)?),
        Place::Cuda(number) => Box::new(yuan_train::Device::on_cuda(number, config, options, state)?),
    })
}

/// The shape that is trained, which can be.
pub fn shape(recipe: &TrainRecipe) -> anyhow::Result<Yuan> {
    let path = recipe.config.as_ref().or(recipe.from.as_ref()).context("a recipe that was checked")?;
    let config = match recipe.config.as_deref().and_then(name_of) {
        Some(config) => config,
        None if !bundled::exists(path) => {
            let hint = match recipe.config {
                Some(_) => format!("give a config.json, or one of the names {}", Config::NAMES.join(", ")),
                None => "give a folder with `config.json` and weights, or a GGUF file".to_owned(),
            };
            return Err(usage(format!("there is no model `{}`", path.display()), hint));
        }
        None => Description::read(path)?.config,
    };
    match config {
        Config::Yuan(config) => {
            let hint = || "set it in the config.json".to_owned();
            yuan_train::check(&config).map_err(|error| usage(error.to_string(), hint()))?;
            Ok(config)
        }
        Config::Qwen2Moe(_) => {
            let problem = format!("`{}` is a Qwen2-MoE", path.display());
            Err(usage(problem, "models that are trained are Yuan's: take a config.json of one".to_owned()))
        }
    }
}

/// A tokenizer, and its file.
pub struct Vocabulary {
    /// To tell the bytes of tokens.
    pub tokenizer: Tokenizer,
    /// What goes with the model.
    pub companion: Companion,
}

impl Vocabulary {
    /// The tokenizer of a recipe, if there is one.
    pub fn load(recipe: &TrainRecipe, config: &Yuan) -> anyhow::Result<Option<Self>> {
        let own =
            || recipe.from.as_deref().and_then(tokenizer_of).filter(|path| path.extension() != Some("gguf".as_ref()));
        let Some(path) = recipe.tokenizer.clone().or_else(own) else { return Ok(None) };
        let tokenizer = load_tokenizer(&path)?;
        if tokenizer.vocab_size() as usize > config.vocab_size {
            let problem =
                format!("the tokenizer has {} tokens, the model {}", tokenizer.vocab_size(), config.vocab_size);
            return Err(usage(problem, "set `vocab_size` of the config.json".to_owned()));
        }
        let name = if path.extension() == Some("model".as_ref()) { "tokenizer.model" } else { "tokenizer.json" };
        let bytes = bundled::read(&path).map_err(Error::io("read", &path))?.into_owned();
        Ok(Some(Self { tokenizer, companion: Companion { name: name.into(), bytes } }))
    }
}

/// What the steps of a recipe come to.
pub struct Sized {
    /// The steps.
    pub plan: Plan,
    /// Tokens of a text.
    pub length: usize,
    /// The sets with their weights: without any given, as many as their tokens.
    pub blend: Blend,
    /// What the numbers depend on.
    pub settings: Map<String, Value>,
}

/// Works out the steps, and looks whether tokens, shape and settings fit together.
pub fn sized(recipe: &TrainRecipe, config: &Yuan, wanted: Wanted<'_>) -> anyhow::Result<Sized> {
    let mut blend = recipe.blend()?;
    let tokens = blend.prefixes.iter().map(|prefix| Ok(tokens_of(&open(Path::new(prefix), wanted)?)));
    let tokens: Vec<u64> = tokens.collect::<anyhow::Result<_>>()?;
    if let Some(pad) = recipe.pad.filter(|pad| *pad as usize >= config.vocab_size) {
        let problem = format!("`pad` is {pad}, and the vocabulary has {}", config.vocab_size);
        return Err(usage(problem, "give the id that texts are filled up with, or leave it out".to_owned()));
    }
    if recipe.balance != 0.0 && config.moe.is_none() {
        let problem = format!("`balance` is {}, and the model is dense", recipe.balance);
        return Err(usage(problem, "leave it out: there are no experts to be used alike".to_owned()));
    }
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
            let tokens: u64 = tokens.iter().sum();
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
    let settings = settings(recipe, config, &plan, length, known(&blend, recipe.loss_mask)?)?;
    if blend.weights.is_none() && tokens.len() > 1 {
        blend.weights = Some(tokens.into_iter().map(|tokens| tokens as f64).collect());
    }
    Ok(Sized { plan, length, blend, settings })
}

/// What the sets of a blend, their weights and their masks are known by.
fn known(blend: &Blend, loss_mask: bool) -> anyhow::Result<Vec<Value>> {
    let known = |(place, prefix): (usize, &String)| {
        let prefix = Path::new(prefix);
        let mut known = identity(prefix)?;
        known["weight"] = blend.weights.as_ref().and_then(|weights| weights.get(place)).copied().into();
        if loss_mask {
            known["loss_mask"] = identity(&loss_mask_prefix(prefix))?;
        }
        Ok(known)
    };
    blend.prefixes.iter().enumerate().map(known).collect()
}

/// Tokens of a set.
fn tokens_of(set: &TokenSet) -> u64 {
    set.reader().index().sequence_lengths().map(|length| u64::try_from(length).unwrap_or(0)).sum()
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
    let from = recipe.from.as_deref().map(identity_of_model).transpose()?;
    let value = json!({
        "data": data,
        "config": shape,
        "from": from,
        "device": place_name(place(recipe)?),
        "precision": recipe.precision,
        "seed": recipe.seed,
        "init_std": recipe.init_std,
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
        "floor_fraction": recipe.floor(),
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

/// How held-out documents are read: as `model perplexity` reads them.
pub fn reading(config: &Yuan, recipe: &TrainRecipe) -> anyhow::Result<Reading> {
    let batch_tokens = usize::try_from(recipe.micro_batch_tokens).unwrap_or(usize::MAX);
    let scoring = Scoring::of(&Description::of(Config::Yuan(config.clone())), "eod", 0, 0, batch_tokens)?;
    Ok(Reading { prefix: config.eod, windows: scoring.windows, batch_tokens: scoring.batch_tokens })
}
