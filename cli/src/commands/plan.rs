//! `plan`: what a recipe would do, found out from a few documents at most.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use yuan_dedup::Minhash;
use yuan_pipeline::{OnBadRecord, Plan, Shard, Work};

use super::run::sound;
use super::{memory, name_width, print, threads};
use crate::Done;
use crate::args::{Global, PlanArgs};
use crate::recipe::{Recipe, StageConfig, base_of};
use crate::stages as catalogue;

/// What text comes to, in bytes, for each byte of a compressed file: seen on web text.
const EXPANSION: u64 = 4;

pub fn plan(args: &PlanArgs, global: &Global) -> anyhow::Result<Done> {
    let recipe = Recipe::read(&args.recipe, &args.set)?;
    let plan = sound(recipe.plan(&base_of(&args.recipe), Path::new("RUN")))?;
    let sweeps = plan.sweeps()?;
    let shards = plan.input.shards()?;
    for step in &plan.steps {
        if let Work::Pass(pass) = &step.work {
            pass.ready()?;
        }
    }
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
            parts.push(format!("{} (apply)", plan.steps[pass].name));
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
    let width = name_width(plan.steps.iter().map(|step| step.name.as_str()));
    for step in &plan.steps {
        let kind = match &step.work {
            Work::Stage(_) | Work::Deferred { .. } => "stage",
            Work::Pass(_) => "pass",
        };
        let _ = writeln!(out, "  {:<width$} {kind:<5}  {}", step.name, catalogue::changed(&step.name, &step.config));
    }
    if let Some(config) = recipe.stages.iter().find_map(near_duplicates) {
        out.push_str(&background(&plan, config, text)?);
    }
    print(&out)?;
    Ok(Done::All)
}

fn near_duplicates(stage: &StageConfig) -> Option<&Minhash> {
    match stage {
        StageConfig::Minhash(config) => Some(config),
        _ => None,
    }
}

/// Documents that are read to see how alike unrelated ones are, from so many files at most.
const SAMPLE: usize = 4000;
const SAMPLE_FILES: usize = 40;
/// Of a language; fewer than the least say nothing.
const SAMPLE_OF_LANGUAGE: usize = 1000;
const LEAST_OF_LANGUAGE: usize = 50;
/// Bytes of a document by which its language is told.
const LANGUAGE_BYTES: usize = 4096;
/// Pairs by chance for each document from which on a warning is due.
const MANY: f64 = 0.1;

/// How alike unrelated documents of each language look to `minhash`, and what that comes to in a corpus of so much text.
fn background(plan: &Plan, config: &Minhash, text_bytes: u64) -> anyhow::Result<String> {
    let shards = plan.input.shards()?;
    if shards.iter().any(Shard::is_stdin) {
        return Ok(String::new());
    }
    let files = shards.len().min(SAMPLE_FILES);
    let mut input = plan.input.clone();
    input.on_bad_record = OnBadRecord::SetAside;
    let mut sample: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bytes = 0;
    for file in 0..files {
        let mut left = SAMPLE / files;
        let shard = &shards[file * shards.len() / files..][..1];
        yuan_pipeline::for_each_batch(&input, shard, &mut |_, batch| {
            for document in batch.documents().take(left) {
                let language = yuan_filters::identify(document.text(), LANGUAGE_BYTES).language.to_string();
                bytes += document.text().len() as u64;
                left -= 1;
                sample.entry(language).or_default().push(document.text().to_owned());
            }
            Ok(left > 0)
        })?;
    }
    let read: usize = sample.values().map(Vec::len).sum();
    let documents = (text_bytes as f64 / (bytes as f64 / read.max(1) as f64).max(1.0)) as u64;
    let mut out = String::new();
    for (language, texts) in sample.iter().filter(|(_, texts)| texts.len() >= LEAST_OF_LANGUAGE) {
        let of_language = documents * texts.len() as u64 / read as u64;
        let texts: Vec<&str> = texts.iter().take(SAMPLE_OF_LANGUAGE).map(String::as_str).collect();
        let main = language.split_once('-').map_or(&**language, |(main, _)| main);
        let ngram = *config.ngrams.get(language).or_else(|| config.ngrams.get(main)).unwrap_or(&config.ngram);
        let found = yuan_dedup::background(&texts, config, ngram);
        let each = found.candidates_of_each(of_language);
        let _ = writeln!(
            out,
            "minhash  {language}: documents that are no duplicates are alike by {:.4} ({:.2} at most, of {} pairs): {} false \
             candidates for each of some {} documents",
            found.mean,
            found.highest,
            HumanCount(found.pairs),
            amount(each),
            HumanCount(of_language),
        );
        if each > MANY {
            let longer = (ngram + 1..=40).find(|longer| {
                yuan_dedup::background(&texts, config, *longer).candidates_of_each(of_language) <= MANY / 10.0
            });
            let cure = longer
                .map_or("more `rows_per_band`".to_owned(), |longer| format!("`ngrams = {{ {main} = {longer} }}`"));
            let what = if config.threshold > 0.0 {
                "each is compared, which takes time"
            } else {
                "nothing is verified (`threshold = 0`), so documents go that are not alike"
            };
            let _ = writeln!(out, "warning: that is too many for {language}: {what}; {cure} would do");
        }
    }
    Ok(out)
}

/// A number of which the first digits matter.
fn amount(number: f64) -> String {
    if number >= 0.001 || number == 0.0 { format!("{number:.3}") } else { format!("{number:.0e}") }
}
