//! Where a training begins: at its last checkpoint, with a model's weights, or with random ones.

use std::path::Path;

use serde_json::{Map, Value};
use yuan_model::Config;
use yuan_model::config::Yuan;
use yuan_model::weights::Weights;
use yuan_pipeline::Error;
use yuan_train::training::Folder;
use yuan_train::{State, initial};

use super::recipe::TrainRecipe;

/// What a run begins with.
pub struct Begun {
    /// Parameters and moments.
    pub state: State,
    /// Tokens read before.
    pub tokens: u64,
    /// Seconds of work before.
    pub seconds: f64,
}

/// The weights a training begins with if it is to begin with a model's: they are all there, and of its shape.
pub fn first(recipe: &TrainRecipe, config: &Yuan) -> anyhow::Result<Option<Weights>> {
    let Some(from) = &recipe.from else { return Ok(None) };
    let weights = Weights::open(from)?;
    weights.check(&Config::Yuan(config.clone()))?;
    Ok(Some(weights))
}

/// What lies in the folder if something does, else first weights.
pub fn begin(
    recipe: &TrainRecipe,
    config: &Yuan,
    weights: Option<Weights>,
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
                "from" => "began with the weights of another model".to_owned(),
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
    let state = match weights {
        None => initial(&shape, u64::from(recipe.seed), recipe.init_std),
        Some(weights) => State::of(&shape, &weights)?,
    };
    Ok(Begun { state, tokens: 0, seconds: 0.0 })
}

/// The first field of a configuration that is another one.
fn differing(was: &Value, now: &Value) -> String {
    let fields = now.as_object().into_iter().flatten().find(|(name, now)| was[name.as_str()] != **now);
    fields.map_or_else(String::new, |(name, now)| format!("`{name}` was {}, now {now}", was[name.as_str()]))
}
