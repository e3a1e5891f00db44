//! `retune`: other thresholds on a finished run, without reading a text.

mod auto;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use yuan_pipeline::{Change, Comparison, Error, Summary, Yield, compare, replay};

use self::auto::Proposals;
use super::run::{finish, run_plan, sound};
use super::{memory, print, say};
use crate::Done;
use crate::args::{Global, RetuneArgs};
use crate::hints::usage;
use crate::recipe::{Recipe, path_of};

/// Changes spelt out in a command that is proposed.
const SETS: usize = 8;
/// Rows of the tables by language and source.
const ROWS: usize = 24;

pub fn retune(args: &RetuneArgs, global: &Global) -> anyhow::Result<Done> {
    let start = Instant::now();
    args.set.iter().try_for_each(|change| refuse_other_settings(change))?;
    // Says so if it is no run.
    Summary::read(&args.run)?;
    let path = args.run.join("recipe.toml");
    let old = sound(Recipe::read(&path, &[])?.plan(Path::new(""), &args.run))?;
    let mut recipe = Recipe::read(&path, &args.set)?;
    let proposals = match args.auto {
        Some(method) => auto::propose(&recipe, &old, args.min_documents, method, &args.set)?,
        None => Proposals::default(),
    };
    if args.print_set {
        say(global, &proposals.notes.join("\n"));
        print(&auto::as_options(&proposals))?;
        return Ok(Done::All);
    }
    let explicit = recipe.clone();
    recipe = auto::applied(&recipe, &proposals.all)?;
    let new = sound(recipe.plan(Path::new(""), &args.run))?;
    let comparison = compare(&old, &new, &auto::language_name).map_err(|error| with_command(error, args))?;
    // What cannot be written is said before anything else.
    let replayed = match &args.out {
        Some(folder) => {
            if let Some(problem) = &comparison.undecided {
                return Err(usage(format!("`-o`: {problem}"), format!("run the recipe again: `{}`", command(args))));
            }
            let plan = sound(recipe.plan(Path::new(""), folder))?;
            let plan = replay(&old, plan, &comparison, memory(global)).map_err(|error| with_command(error, args))?;
            yuan_pipeline::check_folder(&plan)?;
            Some((folder, plan))
        }
        None => None,
    };
    let languages: Vec<&str> = comparison.languages.keys().map(String::as_str).collect();
    for change in &args.set {
        let unmoved = auto::unmoved(&explicit, change, &languages);
        if let (Some(first), Some((step, setting))) = (unmoved.first(), path_of(change).split_once('.')) {
            let first = first.split(' ').next().unwrap_or_default();
            say(
                global,
                &format!(
                    "warning: `--set {change}` does not hold for {}, which keep their own: set `{step}.languages.{first}.{setting}`",
                    unmoved.join(", ")
                ),
            );
        }
    }
    if args.json {
        let mut told = as_json(&comparison);
        if args.auto.is_some() {
            told["proposals"] = auto::as_json(&proposals);
            told["notes"] = proposals.notes.as_slice().into();
        }
        print(&told.to_string())?;
    } else {
        let table = if args.auto.is_some() { auto::as_text(&proposals) + "\n" } else { String::new() };
        print(&(table + &as_text(&comparison)))?;
    }
    say(global, &format!("compared in {:.1} s", start.elapsed().as_secs_f64()));
    let Some((folder, plan)) = replayed else {
        if !args.set.is_empty() || !proposals.all.is_empty() {
            say(global, "nothing is written: `-o DIR` writes what the new thresholds keep");
        }
        return Ok(Done::All);
    };
    recipe.output = plan.output.clone();
    let summary = run_plan(&plan, &recipe, Path::new(""), &Default::default(), global)?;
    finish(&summary, folder, start, global)
}

fn refuse_other_settings(change: &str) -> anyhow::Result<()> {
    let head = change.split('.').next().unwrap_or(change);
    if !matches!(head, "input" | "output" | "rails") {
        return Ok(());
    }
    let hint = "`retune` changes thresholds of rules, `gopher_quality.min_words=30`; everything else takes a new run";
    Err(usage(format!("`--set {change}`: `{}` is no threshold", path_of(change)), hint.to_owned()))
}

/// The run that does what `retune` cannot.
fn command(args: &RetuneArgs) -> String {
    let recipe = args.run.join("recipe.toml");
    let out = args.out.as_deref().map_or("NEW".into(), Path::to_string_lossy);
    let mut command = format!("yuan-data run {} -o {}", quoted(&recipe.to_string_lossy()), quoted(&out));
    for change in args.set.iter().take(SETS) {
        let _ = write!(command, " --set {}", quoted(change));
    }
    if args.set.len() > SETS {
        let _ = write!(command, " … (and the other {} `--set`)", args.set.len() - SETS);
    }
    if let Some(method) = args.auto {
        let method = json!(method);
        let method = method.as_str().unwrap_or_default();
        let few = args.min_documents;
        let set: String = args.set.iter().take(SETS).map(|change| format!(" --set {}", quoted(change))).collect();
        let run = args.run.to_string_lossy();
        let run = quoted(&run);
        let _ = write!(command, " $(yuan-data retune {run} --auto {method} --min-documents {few}{set} --print-set)");
    }
    command
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    if argument.chars().all(|c| c.is_alphanumeric() || "_-./=,:".contains(c)) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// An error whose way out is another run, with the command for that.
fn with_command(error: Error, args: &RetuneArgs) -> anyhow::Error {
    match error.hint() {
        Some(hint) if hint.starts_with("run the recipe again") => {
            usage(error.to_string(), format!("run the recipe again: `{}`", command(args)))
        }
        _ => error.into(),
    }
}

fn percent(part: &Yield, whole: &Yield) -> f64 {
    100.0 * part.documents as f64 / whole.documents.max(1) as f64
}

fn signed(before: u64, after: u64) -> String {
    match after.checked_sub(before) {
        Some(0) => "·".into(),
        Some(more) => format!("+{}", HumanCount(more)),
        None => format!("−{}", HumanCount(before - after)),
    }
}

fn as_text(comparison: &Comparison) -> String {
    let mut out = String::new();
    let line = |out: &mut String, name: &str, change: &Change| {
        let Change { whole, before, after } = change;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name:<26} {:>12} {:>12} {:>5.1} % {:>12} {:>5.1} % {:>11} {:>13}",
            HumanCount(whole.documents).to_string(),
            HumanCount(before.documents).to_string(),
            percent(before, whole),
            HumanCount(after.documents).to_string(),
            percent(after, whole),
            signed(before.documents, after.documents),
            signed(before.tokens, after.tokens),
        );
    };
    let head = |out: &mut String, what: &str| {
        let _ = writeln!(
            out,
            "{what:<26} {:>12} {:>12} {:>7} {:>12} {:>7} {:>11} {:>13}",
            "read", "kept before", "", "kept after", "", "change", "≈ tokens"
        );
    };
    head(&mut out, "");
    line(&mut out, "all", &comparison.total);
    let Change { before, after, .. } = &comparison.total;
    let _ = writeln!(
        out,
        "text kept: {} before, {} after; {} documents come back, {} go",
        HumanBytes(before.bytes),
        HumanBytes(after.bytes),
        HumanCount(comparison.back),
        HumanCount(comparison.gone)
    );
    let steps = |steps: &[(String, u64)]| {
        let steps = steps.iter().map(|(step, documents)| format!("`{step}` {}", HumanCount(*documents)));
        steps.collect::<Vec<_>>().join(", ")
    };
    if !comparison.earlier.is_empty() {
        let _ = writeln!(out, "dropped before these steps: {}", steps(&comparison.earlier));
    }
    if !comparison.later.is_empty() {
        let _ = writeln!(
            out,
            "of those kept before, later steps dropped: {}; the run kept {}. What they would drop after is not decided here",
            steps(&comparison.later),
            HumanCount(comparison.run_kept())
        );
    }
    for (what, strata) in [("by language", &comparison.languages), ("by source", &comparison.sources)] {
        out.push('\n');
        head(&mut out, what);
        let mut rows: Vec<_> = strata.iter().collect();
        rows.sort_by_key(|(name, change)| (std::cmp::Reverse(change.whole.documents), name.as_str()));
        rows.iter().take(ROWS).for_each(|(name, change)| line(&mut out, name, change));
        if rows.len() > ROWS {
            let _ = writeln!(out, "… {} more (`--json` has them all)", rows.len() - ROWS);
        }
    }
    let _ = writeln!(
        out,
        "\n{:<24} {:<36} {:>10} {:>10} {:>10} {:>10}",
        "dropped by", "reason", "before", "after", "change", "alone"
    );
    for reason in &comparison.reasons {
        let _ = writeln!(
            out,
            "{:<24} {:<36} {:>10} {:>10} {:>10} {:>10}",
            reason.step,
            reason.reason,
            HumanCount(reason.before).to_string(),
            HumanCount(reason.after).to_string(),
            signed(reason.before, reason.after),
            reason.alone.map_or_else(String::new, |alone| HumanCount(alone).to_string()),
        );
    }
    out.push_str("`alone`: dropped for this threshold and nothing else; they would come back without the check\n");
    out
}

fn as_json(comparison: &Comparison) -> Value {
    let amount = |amount: &Yield| json!({ "documents": amount.documents, "bytes": amount.bytes, "tokens_estimated": amount.tokens });
    let change = |change: &Change| json!({ "whole": amount(&change.whole), "before": amount(&change.before), "after": amount(&change.after) });
    let strata = |strata: &std::collections::BTreeMap<String, Change>| -> serde_json::Map<String, Value> {
        strata.iter().map(|(name, of_name)| (name.clone(), change(of_name))).collect()
    };
    let reasons: Vec<Value> = comparison
        .reasons
        .iter()
        .map(|reason| {
            json!({ "step": reason.step, "reason": reason.reason, "before": reason.before, "after": reason.after, "alone": reason.alone })
        })
        .collect();
    let steps = |steps: &[(String, u64)]| -> Value {
        steps.iter().map(|(step, documents)| json!({ "step": step, "documents": documents })).collect()
    };
    json!({
        "total": change(&comparison.total),
        "back": comparison.back,
        "gone": comparison.gone,
        "run_kept": comparison.run_kept(),
        "earlier": steps(&comparison.earlier),
        "later": steps(&comparison.later),
        "undecided": comparison.undecided,
        "languages": strata(&comparison.languages),
        "sources": strata(&comparison.sources),
        "reasons": reasons,
    })
}
