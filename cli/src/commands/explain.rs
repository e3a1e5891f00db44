//! `explain`: why a document stays or goes, stage by stage.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};
use yuan_pipeline::{Batch, Detail, Error, Finding, Plan, Reason, Summary};

use super::{name_width, print, run};
use crate::Done;
use crate::args::ExplainArgs;
use crate::hints::usage;
use crate::presets::Preset;
use crate::recipe::Recipe;

/// What one stage had to say.
struct Decision {
    stage: String,
    findings: Vec<Finding>,
    /// Characters before and after, if the text was changed.
    changed: Option<(usize, usize)>,
    added: Vec<(String, String)>,
    dropped: Option<Reason>,
    /// Whether the document came so far: a pass looks at what earlier steps left alone.
    seen: bool,
}

pub fn explain(args: &ExplainArgs) -> anyhow::Result<Done> {
    let (plan, summary) = match &args.run {
        Some(folder) => {
            let summary = Summary::read(folder)?;
            let recipe = Recipe::read(&folder.join("recipe.toml"), &[])?;
            (recipe.plan(Path::new(""), folder)?, Some(summary))
        }
        None => {
            let recipe =
                Recipe { stages: args.preset.map_or_else(run::clean_stages, Preset::stages), ..Recipe::default() };
            (recipe.plan(Path::new(""), Path::new(""))?, None)
        }
    };
    let (batch, place) = match (&args.text, args.doc_id) {
        (Some(path), _) => (Batch::of_texts(&[read_text(path)?]), path.display().to_string()),
        (None, Some(doc_id)) => {
            let batch = yuan_pipeline::find_document(&plan.input, &plan.input.shards()?, doc_id)?;
            let place = summary.as_ref().map(|summary| summary.place_of(doc_id)).transpose()?;
            (batch, place.map_or_else(String::new, |(path, row)| format!("document {row} of {}", path.display())))
        }
        (None, None) => return Err(usage("which document?", "give RUN_DIR and DOC_ID, or `--text FILE`".to_owned())),
    };
    let text: String = batch.document(0).text().to_owned();
    let decisions = decide(&plan, batch, args.text.is_some())?;
    let places = |doc_id: u64| match &summary {
        Some(summary) => summary.place_of(doc_id).map_or_else(
            |_| doc_id.to_string(),
            |(path, row)| format!("{doc_id}, document {row} of {}", path.display()),
        ),
        None => doc_id.to_string(),
    };
    print(&if args.json {
        as_json(&place, &decisions).to_string()
    } else {
        as_text(&place, &text, &decisions, &places)
    })?;
    Ok(Done::All)
}

fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(Error::io("read", path))?;
    } else {
        text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    }
    Ok(text)
}

/// Takes one document through the steps that look at documents; a dropped one goes on, to show what the others
/// would say of it. Passes compare what comes to them, so they have nothing to say of one that was dropped before.
fn decide(plan: &Plan, mut batch: Batch, local_only: bool) -> anyhow::Result<Vec<Decision>> {
    let mut decisions: Vec<Decision> = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        if matches!(step.name.as_str(), "tokenize" | "train_tokenizer" | "write_binidx") {
            continue;
        }
        if local_only && matches!(&step.work, yuan_pipeline::Work::Pass(_)) {
            continue;
        }
        let Some(stage) = yuan_pipeline::stage_of(plan, number)? else { continue };
        let is_dropped = decisions.iter().any(|decision| decision.dropped.is_some());
        if is_dropped && matches!(&step.work, yuan_pipeline::Work::Pass(_)) {
            let stage = step.name.clone();
            decisions.push(Decision {
                stage,
                findings: Vec::new(),
                changed: None,
                added: Vec::new(),
                dropped: None,
                seen: false,
            });
            continue;
        }
        let before = batch.document(0).text().to_owned();
        let known: Vec<String> = batch.added().iter().map(|(field, _)| field.name().clone()).collect();
        let findings = stage.explain(&batch.document(0));
        batch = stage.process(batch.without_marks())?;
        let document = batch.document(0);
        let added = batch
            .added()
            .iter()
            .filter(|(field, _)| !known.contains(field.name()))
            .filter_map(|(field, _)| {
                let name = field.name();
                let value = document
                    .str(name)
                    .map(std::borrow::Cow::into_owned)
                    .or_else(|| document.f64(name).map(|number| format!("{number:.3}")));
                value.map(|value| (name.clone(), value))
            })
            .collect();
        decisions.push(Decision {
            stage: step.name.clone(),
            findings,
            changed: (before != document.text()).then(|| (before.chars().count(), document.text().chars().count())),
            added,
            dropped: batch.reason(0).cloned(),
            seen: true,
        });
    }
    Ok(decisions)
}

fn as_text(place: &str, text: &str, decisions: &[Decision], places: &dyn Fn(u64) -> String) -> String {
    let mut out = format!("{place}: {} characters\n", text.chars().count());
    let width = name_width(decisions.iter().map(|decision| decision.stage.as_str()));
    for decision in decisions {
        let verdict = match &decision.dropped {
            None if !decision.seen => "never saw it".to_owned(),
            None => match decision.changed {
                Some((before, after)) => format!("changes the text: {before} → {after} characters"),
                None => "keeps".to_owned(),
            },
            Some(reason) => match &reason.detail {
                Detail::None => format!("DROPS: {}", reason.code),
                Detail::Measure { value, threshold } => {
                    format!("DROPS: {} ({value:.4} against {threshold})", reason.code)
                }
                Detail::Document(id) => format!("DROPS: {} (of {})", reason.code, places(*id)),
                Detail::Text(detail) => format!("DROPS: {} ({detail})", reason.code),
            },
        };
        let _ = writeln!(out, "{:<width$} {verdict}", decision.stage);
        for (name, value) in &decision.added {
            let _ = writeln!(out, "    {name} = {value}");
        }
        for finding in &decision.findings {
            let sign = if finding.at_least { "≥" } else { "≤" };
            let mark = if finding.drops { "✗" } else { "✓" };
            let _ = writeln!(
                out,
                "    {mark} {:<34} {:>12.4}  must be {sign} {:<10} margin {:+.4}",
                finding.rule,
                finding.value,
                finding.threshold as f32,
                finding.margin()
            );
        }
    }
    out
}

fn as_json(place: &str, decisions: &[Decision]) -> Value {
    let decisions: Vec<Value> = decisions
        .iter()
        .map(|decision| {
            let findings: Vec<Value> = decision
                .findings
                .iter()
                .map(|finding| {
                    json!({ "rule": finding.rule, "value": finding.value, "threshold": finding.threshold, "at_least": finding.at_least, "margin": finding.margin(), "drops": finding.drops })
                })
                .collect();
            let added: serde_json::Map<String, Value> =
                decision.added.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            let dropped = decision.dropped.as_ref().map(|reason| match &reason.detail {
                Detail::None => json!({ "reason": reason.code }),
                Detail::Measure { value, threshold } => json!({ "reason": reason.code, "value": value, "threshold": threshold }),
                Detail::Document(id) => json!({ "reason": reason.code, "duplicate_of": id }),
                Detail::Text(detail) => json!({ "reason": reason.code, "detail": detail }),
            });
            json!({ "stage": decision.stage, "seen": decision.seen, "changed": decision.changed.is_some(), "added": added, "findings": findings, "dropped": dropped })
        })
        .collect();
    json!({ "document": place, "stages": decisions })
}
