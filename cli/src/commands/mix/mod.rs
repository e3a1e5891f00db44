//! `mix`: token sets become the phases of a training.

mod read;
mod table;

use indicatif::HumanCount;
use serde_json::json;
use yuan_binidx::mix::Mixture;
use yuan_binidx::work::Job;
use yuan_pipeline::{Error, Progress};

use super::run::cancel_on_signals;
use super::{memory, print, say, threads};
use crate::Done;
use crate::args::{Global, MixArgs};
use crate::progress::shown;
use read::Recipe;

pub fn mix(args: &MixArgs, global: &Global) -> anyhow::Result<Done> {
    let Some(recipe) = args.recipe.as_ref().filter(|_| !args.schema) else {
        let schema = schemars::schema_for!(yuan_binidx::mix::Mix).to_value();
        print(&serde_json::to_string_pretty(&schema)?)?;
        return Ok(Done::All);
    };
    let recipe = Recipe::read(recipe, &args.set)?;
    let (cancelled, progress) = (cancel_on_signals()?, Progress::default());
    let job = Job { memory: memory(global), threads: threads(global), cancelled: &cancelled, progress: &progress };
    let prepared = shown(global, &progress, || Mixture::prepare(recipe.mix.clone(), &job));
    let mixture = prepared.map_err(|error| recipe.told(error))?;
    let Some(folder) = args.out.as_ref().filter(|_| !args.preview) else {
        let plan = mixture.plan();
        print(&if args.json { json!(plan).to_string() } else { table::text(plan) })?;
        return Ok(Done::All);
    };
    say(global, &table::text(mixture.plan()));
    let finished = shown(global, &progress, || mixture.write(folder, &job)).map_err(|error| recipe.told(error))?;
    for phase in &mixture.plan().phases {
        let sets = finished.get(&phase.name).map_or(0, |finished| finished.sets.len());
        let home = folder.join(&phase.name);
        let what = match sets {
            0 => "blend.txt".to_owned(),
            1 => "tokens.bin, .idx".to_owned(),
            sets => format!("tokens-*.bin, .idx, {sets} shards"),
        };
        say(
            global,
            &format!(
                "{}: {what}: {} documents, {} tokens, as planned",
                home.display(),
                HumanCount(phase.taken.documents),
                HumanCount(phase.taken.tokens)
            ),
        );
    }
    Ok(Done::All)
}

impl Recipe {
    /// An error, with the line of the recipe that it is about.
    fn told(&self, error: yuan_binidx::Error) -> anyhow::Error {
        match error {
            yuan_binidx::Error::Recipe { setting, problem, hint } => self.mistake(&setting, &problem, hint),
            error @ (yuan_binidx::Error::Cancelled | yuan_binidx::Error::OtherRun { .. }) => Error::from(error).into(),
            error => error.into(),
        }
    }
}
