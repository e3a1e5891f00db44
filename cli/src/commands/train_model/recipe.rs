//! The recipe of a training: `train.toml`, flags, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_binidx::gpt::Blend;
use yuan_model::{Config, DType, bundled};
use yuan_pipeline::Error;
use yuan_train::training::{Schedule, Shape};
use yuan_train::{Precision, Update};

use crate::args::{Decline, Documents, NumberType, TrainModelArgs};
use crate::hints::usage;
use crate::recipe::{base_of, line_of_error, mistake};

/// What is trained on what, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRecipe {
    /// Token sets: prefixes of .bin and .idx, or weights and prefixes in turn (`["0.7", "zh", "0.3", "en"]`). Without weights each set
    /// is read in proportion to its tokens. A relative path starts at the recipe's folder.
    pub data: Vec<String>,
    /// Documents that are evaluated and not trained on: token sets under names.
    pub valid: BTreeMap<String, PathBuf>,
    /// The model's shape: a config.json, or a published model's name.
    pub config: Option<PathBuf>,
    /// A model whose weights training begins with, instead of `config`.
    pub from: Option<PathBuf>,
    /// The tokenizer the tokens were made with: it goes with the model, and tells the bytes of what is evaluated.
    pub tokenizer: Option<PathBuf>,
    /// Where it is trained: `cpu`; `candle`, the CPU by candle's operations, slow and to compare with; `cuda:0` in programs built with
    /// `--features candle-cuda`. Default `cpu`.
    pub device: String,
    /// What products are computed in. Default `fp32`.
    pub precision: NumberType,
    /// Seed of the first weights and of the order of texts. Default 1234, as of Megatron.
    pub seed: u32,
    /// Deviation of the first weights of matrices; of those that write to the residual stream it is divided by √(2 · layers). Default
    /// 0.02, as of Megatron; a narrow model learns sooner with up to 1 / √`hidden_size`.
    pub init_std: f64,
    /// Tokens trained on. One of `tokens`, `steps` and `epochs` is given.
    pub tokens: Option<u64>,
    /// Steps.
    pub steps: Option<u64>,
    /// How many times all tokens are trained on.
    pub epochs: Option<f64>,
    /// Tokens of a text. Default 1024, or what the model is made for if that is less.
    pub sequence_length: Option<usize>,
    /// Tokens of a step. Default 65,536.
    pub batch_tokens: u64,
    /// Tokens that go through the model together. Default 8192.
    pub micro_batch_tokens: u64,
    /// How documents of a text are kept apart. Default `apart`.
    pub documents: Documents,
    /// Whether positions begin anew behind each document, if they are together. Default false.
    pub reset_position_ids: bool,
    /// Whether attention does not reach into the document before, if they are together. Default false.
    pub reset_attention_mask: bool,
    /// Whether only what PREFIX_loss_mask.bin marks is learnt. Default false.
    pub loss_mask: bool,
    /// The id of padding, which is not learnt. Default none.
    pub pad: Option<u32>,
    /// Highest learning rate. Default 0.001.
    pub learning_rate: f64,
    /// How it falls behind the warm-up. Default `cosine`.
    pub schedule: Decline,
    /// Steps over which it grows from 0. Default 2 % of all.
    pub warmup_steps: Option<u64>,
    /// The last steps, in which it falls, of `wsd`. Default 20 % of all.
    pub decay_steps: Option<u64>,
    /// What is left of it at the last step, in [0, 1], unless it is constant. Default 0.1.
    pub floor_fraction: Option<f64>,
    /// Longest gradient; a longer one is shortened to it, 0 for none. Default 1.
    pub max_gradient_norm: f64,
    /// Part of each matrix that is taken off it, times the learning rate. Default 0.1.
    pub weight_decay: f64,
    /// How long AdamW remembers gradients. Default 0.9.
    pub beta1: f64,
    /// How long AdamW remembers their squares. Default 0.95.
    pub beta2: f64,
    /// AdamW's epsilon. Default 1e-8.
    pub epsilon: f64,
    /// What the auxiliary loss of load balance counts. Default 0: Yuan2.0-M32 was trained without.
    pub balance: f64,
    /// Steps between evaluations; 0 for the one at the end alone. Default 200.
    pub eval_every: u64,
    /// Tokens of each set evaluated on the way. Default 100,000.
    pub eval_tokens: u64,
    /// Tokens of each set evaluated at the end. Default 0: all.
    pub final_eval_tokens: u64,
    /// Steps between checkpoints; 0 for the one at the end alone. Default 200.
    pub save_every: u64,
    /// Checkpoints kept. Default 2.
    pub keep: usize,
    /// The type of saved weights. Default `fp32`.
    pub save_dtype: NumberType,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            valid: BTreeMap::new(),
            config: None,
            from: None,
            tokenizer: None,
            device: "cpu".into(),
            precision: NumberType::Fp32,
            seed: 1234,
            init_std: yuan_train::DEVIATION,
            tokens: None,
            steps: None,
            epochs: None,
            sequence_length: None,
            batch_tokens: 65_536,
            micro_batch_tokens: 8192,
            documents: Documents::Apart,
            reset_position_ids: false,
            reset_attention_mask: false,
            loss_mask: false,
            pad: None,
            learning_rate: 1e-3,
            schedule: Decline::Cosine,
            warmup_steps: None,
            decay_steps: None,
            floor_fraction: None,
            max_gradient_norm: 1.0,
            weight_decay: 0.1,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            balance: 0.0,
            eval_every: 200,
            eval_tokens: 100_000,
            final_eval_tokens: 0,
            save_every: 200,
            keep: 2,
            save_dtype: NumberType::Fp32,
        }
    }
}

impl TrainRecipe {
    /// The recipe of a command line: its file, and what the flags change.
    pub fn of(args: &TrainModelArgs) -> anyhow::Result<Self> {
        let mut recipe = args.recipe.as_deref().map_or_else(|| Ok(Self::default()), Self::read)?;
        let given = toml::Table::try_from(&args.settings).context("the flags")?;
        let one_of = |names: &[&str]| names.iter().any(|name| given.contains_key(*name));
        if one_of(&["tokens", "steps", "epochs"]) {
            (recipe.tokens, recipe.steps, recipe.epochs) = (None, None, None);
        }
        if one_of(&["config", "from"]) {
            (recipe.config, recipe.from) = (None, None);
        }
        let mut table = toml::Table::try_from(&recipe).context("the recipe")?;
        table.extend(given);
        let mut recipe: Self = table.try_into().context("the recipe with the flags")?;
        if !args.data.is_empty() {
            recipe.data.clone_from(&args.data);
        }
        if !args.valid.is_empty() {
            recipe.valid = all_named(&args.valid)?;
        }
        recipe.check()?;
        Ok(recipe)
    }

    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let mut recipe: Self = toml::from_str(&text).map_err(|error| {
            let line = line_of_error(&text, &error).map_or_else(String::new, |line| format!(" line {line}"));
            mistake(&format!("`{}`{line}", path.display()), &text, &error)
        })?;
        let base = base_of(path);
        let place = |path: &mut PathBuf| *path = base.join(&*path);
        if !recipe.data.is_empty() {
            let mut blend = blend(&recipe.data)?;
            blend.prefixes.iter_mut().for_each(|prefix| *prefix = base.join(&*prefix).to_string_lossy().into_owned());
            recipe.data = blend.arguments();
        }
        recipe.valid.values_mut().for_each(place);
        recipe.files().for_each(place);
        Ok(recipe)
    }

    /// The files of models that lie somewhere: not what a name stands for, nor what is part of this program.
    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let config = self.config.as_mut().filter(|config| name_of(config).is_none());
        let files = [config, self.from.as_mut(), self.tokenizer.as_mut()].into_iter().flatten();
        files.filter(|path| !bundled::is_bundled(path) && bundled::file(path).is_none())
    }

    /// What cannot be meant, whatever the data.
    fn check(&self) -> anyhow::Result<()> {
        let wrong = |problem: &str, hint: &str| Err(usage(problem.to_owned(), hint.to_owned()));
        if self.data.is_empty() {
            return wrong("there is nothing to train on", "name token sets, or give a `--recipe` with `data`");
        }
        let lengths = [self.tokens.is_some(), self.steps.is_some(), self.epochs.is_some()];
        if lengths.iter().filter(|given| **given).count() != 1 {
            let hint = "give one of `--tokens`, `--steps` and `--epochs`";
            return wrong("how long is it to be trained?", hint);
        }
        match (&self.config, &self.from) {
            (None, None) => {
                let hint = "give `--config`, a config.json or a name, or `--from`, a model to begin with";
                return wrong("what shape is the model to have?", hint);
            }
            (Some(_), Some(_)) => return wrong("`config` and `from` both say the shape", "leave one of them out"),
            _ => {}
        }
        if self.documents == Documents::Apart && (self.reset_position_ids || self.reset_attention_mask) {
            let hint = "leave them out: documents apart see nothing of each other; or add `--documents together`";
            return wrong("`reset_position_ids` and `reset_attention_mask` are for documents together", hint);
        }
        if self.decay_steps.is_some() && self.schedule != Decline::Wsd {
            return wrong("`decay_steps` is for `schedule = \"wsd\"`", "leave it out, or add `--schedule wsd`");
        }
        if self.floor_fraction.is_some() && self.schedule == Decline::Constant {
            let hint = "leave it out, or take another `--schedule`";
            return wrong("`floor_fraction` is for a learning rate that falls, and `schedule` is \"constant\"", hint);
        }
        let is_beta = |beta: f64| (0.0..1.0).contains(&(beta as f32));
        for (name, value, is_good, wanted) in [
            ("learning_rate", self.learning_rate, self.learning_rate > 0.0, "more than 0"),
            ("init_std", self.init_std, self.init_std > 0.0, "more than 0"),
            ("floor_fraction", self.floor(), (0.0..=1.0).contains(&self.floor()), "in [0, 1]"),
            ("beta1", self.beta1, is_beta(self.beta1), "in [0, 1)"),
            ("beta2", self.beta2, is_beta(self.beta2), "in [0, 1)"),
            ("balance", self.balance, (0.0..=f32::MAX.into()).contains(&self.balance), "0 or more"),
            ("epochs", self.epochs.unwrap_or(1.0), self.epochs.is_none_or(|epochs| epochs > 0.0), "more than 0"),
            ("keep", self.keep as f64, self.keep > 0, "1 or more"),
            ("batch_tokens", self.batch_tokens as f64, self.batch_tokens > 0, "1 or more"),
            ("micro_batch_tokens", self.micro_batch_tokens as f64, self.micro_batch_tokens > 0, "1 or more"),
        ] {
            if !is_good || !value.is_finite() {
                return wrong(&format!("`{name}` must be {wanted}, not {value}"), "a recipe's settings: `--schema`");
            }
        }
        self.update().check().map_err(|error| usage(error.to_string(), None))
    }

    /// The sets and their weights.
    pub fn blend(&self) -> anyhow::Result<Blend> {
        blend(&self.data)
    }

    /// The optimizer's numbers.
    pub fn update(&self) -> Update {
        Update {
            learning_rate: self.learning_rate as f32,
            betas: [self.beta1 as f32, self.beta2 as f32],
            epsilon: self.epsilon as f32,
            weight_decay: self.weight_decay as f32,
            max_gradient_norm: (self.max_gradient_norm != 0.0).then_some(self.max_gradient_norm as f32),
        }
    }

    /// The part of the highest learning rate that is left at the last step.
    pub fn floor(&self) -> f64 {
        self.floor_fraction.unwrap_or(0.1)
    }

    /// The learning rates of a run of so many steps.
    pub fn schedule(&self, steps: u64) -> anyhow::Result<Schedule> {
        let warmup = self.warmup_steps.unwrap_or_else(|| steps.div_ceil(50)).min(steps);
        let shape = match self.schedule {
            Decline::Cosine => Shape::Cosine,
            Decline::Linear => Shape::Linear,
            Decline::Constant => Shape::Constant,
            Decline::Wsd => Shape::Wsd { decay_steps: self.decay_steps.unwrap_or_else(|| steps.div_ceil(5)) },
        };
        for (name, given) in [("warmup_steps", self.warmup_steps), ("decay_steps", self.decay_steps)] {
            if let Some(given) = given.filter(|given| *given > steps) {
                let problem = format!("`{name}` is {given}, and there are {steps} steps");
                return Err(usage(problem, "take fewer, or train for longer".to_owned()));
            }
        }
        Ok(Schedule { peak: self.learning_rate, floor: self.learning_rate * self.floor(), warmup, steps, shape })
    }

    /// What products are computed in.
    pub fn products(&self) -> Precision {
        match self.precision {
            NumberType::Fp32 => Precision::F32,
            NumberType::Bf16 => Precision::Bf16,
        }
    }

    /// The type of saved weights.
    pub fn dtype(&self) -> DType {
        match self.save_dtype {
            NumberType::Fp32 => DType::F32,
            NumberType::Bf16 => DType::BF16,
        }
    }

    /// The recipe as it is run, as a file: paths stand by themselves.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        let mut recipe = self.clone();
        let mut blend = recipe.blend()?;
        let place = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        for prefix in &mut blend.prefixes {
            *prefix = place(Path::new(prefix)).to_string_lossy().into_owned();
        }
        recipe.data = blend.arguments();
        recipe.valid.values_mut().for_each(|path| *path = place(path));
        recipe.files().for_each(|path| *path = place(path));
        toml::to_string(&recipe).context("the recipe as run")
    }
}

/// The shape that a path is the name of, where there is no such file.
pub fn name_of(config: &Path) -> Option<Config> {
    if config.exists() { None } else { Config::named(config.to_str()?) }
}

fn blend(data: &[String]) -> anyhow::Result<Blend> {
    Blend::parse(data).map_err(|error| usage(error.to_string(), None))
}

/// Held-out sets by their names.
fn all_named(sets: &[String]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut valid = BTreeMap::new();
    for set in sets {
        let (name, prefix) = named(set)?;
        if let Some(first) = valid.insert(name.clone(), prefix.clone()) {
            let problem = format!("`--valid` names two sets `{name}`: {} and {}", first.display(), prefix.display());
            let hint = format!("give each a name of its own: `--valid other={}`", prefix.display());
            return Err(usage(problem, hint));
        }
    }
    Ok(valid)
}

/// `zh=held/zh`; a set without a name has its file's.
fn named(set: &str) -> anyhow::Result<(String, PathBuf)> {
    let (name, prefix) = match set.split_once('=') {
        Some((name, prefix)) => (name.to_owned(), prefix),
        None => (Path::new(set).file_name().unwrap_or_default().to_string_lossy().into_owned(), set),
    };
    if name.is_empty() || prefix.is_empty() {
        return Err(usage(format!("`--valid {set}` names no token set"), "write `--valid zh=held/zh`".to_owned()));
    }
    Ok((name, PathBuf::from(prefix)))
}
