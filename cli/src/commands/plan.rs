//! `plan`: what a recipe would do, found out without reading a document.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use yuan_pipeline::Work;

use super::run::sound;
use super::{memory, print, threads};
use crate::Done;
use crate::args::{Global, PlanArgs};
use crate::recipe::{Recipe, base_of};
use crate::stages as catalogue;

/// What text comes to, in bytes, for each byte of a compressed file: seen on web text.
const EXPANSION: u64 = 4;

pub fn plan(args: &PlanArgs, global: &Global) -> anyhow::Result<Done> {
    let recipe = Recipe::read(&args.recipe, &args.set)?;
    let plan = sound(recipe.plan(&base_of(&args.recipe), Path::new("RUN")))?;
    let sweeps = plan.sweeps()?;
    let shards = plan.input.shards()?;
    let bytes: u64 = shards.iter().map(|shard| shard.bytes).sum();
    let compressed: u64 = shards
        .iter()
        .filter(|shard| {
            shard.path.extension().is_some_and(|suffix| ["gz", "zst", "parquet"].iter().any(|known| suffix == *known))
        })
        .map(|shard| shard.bytes)
        .sum();
    let text = bytes - compressed + compressed * EXPANSION;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "input    {} files, {} ({} of text, roughly)",
        HumanCount(shards.len() as u64),
        HumanBytes(bytes),
        HumanBytes(text)
    );
    let _ = writeln!(out, "threads  {}, memory {}", threads(global), HumanBytes(memory(global)));
    for (number, sweep) in sweeps.iter().enumerate() {
        let mut parts = Vec::new();
        if let Some(pass) = sweep.opens_with {
            parts.push(format!("{} (drop)", plan.steps[pass].name));
        }
        parts.extend(sweep.stages.iter().map(|step| plan.steps[*step].name.clone()));
        if let Some(pass) = sweep.scans_for {
            let twice = matches!(&plan.steps[pass].work, Work::Pass(pass) if pass.reads_twice());
            parts.push(format!("{} ({})", plan.steps[pass].name, if twice { "scan twice" } else { "scan" }));
        }
        let last = number + 1 == sweeps.len();
        if last && plan.output.documents {
            parts.push(format!("write {}", plan.output.format.suffix()));
        }
        let _ = writeln!(out, "sweep {}  {}", number + 1, parts.join(" → "));
    }
    // Files between sweeps hold the text in LZ4, about half its size; two sweeps' files are there at once.
    let between = if sweeps.len() > 1 { text } else { 0 };
    let _ = writeln!(out, "disk     up to {} between sweeps, and the output", HumanBytes(between));
    for step in &plan.steps {
        let kind = match &step.work {
            Work::Stage(_) | Work::Deferred { .. } => "stage",
            Work::Pass(_) => "pass",
        };
        let _ = writeln!(out, "  {:<18} {kind}  {}", step.name, catalogue::changed(&step.name, &step.config));
    }
    print(&out)?;
    Ok(Done::All)
}
