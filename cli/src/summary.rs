//! The summary of a run, for people and for scripts.

use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use yuan_pipeline::{Summary, Tally};

use crate::evaluation;

/// The funnel as text: what came in, what each step took out and why, what is left.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    let total = summary.read.documents;
    let bar = |documents: u64| {
        let width = if total == 0 { 0 } else { (documents * 28).div_ceil(total) as usize };
        "█".repeat(width)
    };
    let mut left = total;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{:<20} {:>10} documents {:>11}  {}",
        "read",
        HumanCount(left),
        HumanBytes(summary.read.bytes),
        bar(left)
    );
    let set_aside: u64 = summary.set_aside.iter().map(|(_, tally)| tally.documents).sum();
    if set_aside > 0 {
        left -= set_aside;
        let _ = writeln!(
            out,
            "{:<20} {:>10} set aside                {}",
            "",
            format!("−{}", HumanCount(set_aside)),
            bar(left)
        );
    }
    for step in &summary.steps {
        let dropped = step.dropped_total();
        left -= dropped.documents;
        if dropped.documents == 0 {
            let _ = writeln!(
                out,
                "{:<20} {:>10}{}",
                step.name,
                "·",
                note(step).map_or_else(String::new, |note| format!(" {note}"))
            );
            if let Some(line) = indexed(step) {
                let _ = writeln!(out, "{:>20}   {line}", "");
            }
            continue;
        }
        let reasons: Vec<String> = step
            .dropped
            .iter()
            .take(3)
            .map(|(reason, tally)| format!("{} {reason}", HumanCount(tally.documents)))
            .collect();
        let more = if step.dropped.len() > 3 { ", …" } else { "" };
        let _ = writeln!(
            out,
            "{:<20} {:>10} {:<22}  {}\n{:>20}   {}{more}",
            step.name,
            format!("−{}", HumanCount(dropped.documents)),
            format!("documents {:>10}", format!("−{}", HumanBytes(dropped.bytes))),
            bar(left),
            "",
            reasons.join(", "),
        );
        for line in [linkage(step), indexed(step), cut(step)].into_iter().flatten() {
            let _ = writeln!(out, "{:>20}   {line}", "");
        }
        if let Some((_, unit, cut)) = step.tallies.iter().find(|(kind, _, _)| kind == "cut_out") {
            let _ = writeln!(out, "{:>20}   {}", "", cut_note(unit, cut));
        }
    }
    out.push_str(&evaluation::text(summary));
    let _ = writeln!(
        out,
        "{:<20} {:>10} documents {:>11}  {:.1} % of the text",
        "kept",
        HumanCount(summary.kept.documents),
        HumanBytes(summary.kept.bytes).to_string(),
        100.0 * summary.kept.bytes as f64 / summary.read.bytes.max(1) as f64
    );
    if !summary.languages.is_empty() {
        let languages: Vec<String> = summary
            .languages
            .iter()
            .take(8)
            .map(|(language, tally)| format!("{language} {}", HumanBytes(tally.bytes)))
            .collect();
        let more = summary.languages.len().saturating_sub(8);
        let more = if more > 0 { format!(", {more} more") } else { String::new() };
        let _ = writeln!(out, "{:<20} {}{more}", "languages", languages.join(", "));
    }
    for warning in &summary.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    out
}

/// How many documents would go by each way of linking those that are alike.
fn linkage(step: &yuan_pipeline::StepSummary) -> Option<String> {
    let count = |key: &str| {
        let found = step.tallies.iter().find(|(kind, known, _)| kind == "linkage" && known == key);
        found.map(|(_, _, tally)| HumanCount(tally.documents).to_string())
    };
    let (star, components, unverified) = (count("star")?, count("components")?, count("unverified")?);
    Some(format!("by star {star}, by connected components {components}, without comparing {unverified}"))
}

/// What an index of earlier crawls had to do with it.
fn indexed(step: &yuan_pipeline::StepSummary) -> Option<String> {
    let count = |key: &str| {
        let found = step.tallies.iter().find(|(kind, known, _)| kind == "index" && known == key);
        found.map(|(_, _, tally)| *tally)
    };
    let known = count("duplicates")?;
    let added = count("added").map_or_else(String::new, |added| {
        format!("; {} documents added to the index, {}", HumanCount(added.documents), HumanBytes(added.bytes))
    });
    Some(format!("{} for documents of earlier crawls{added}", HumanCount(known.documents)))
}

/// What a step cut out of documents that it may have kept.
pub fn cut(step: &yuan_pipeline::StepSummary) -> Option<String> {
    let find = |key: &str| step.tallies.iter().find(|(kind, known, _)| kind == "cut" && known == key);
    let (_, _, documents) = find("documents")?;
    let (_, _, units) = find("units")?;
    let (units, bytes) = (HumanCount(units.documents), HumanBytes(units.bytes));
    Some(format!("{units} places, {bytes}, cut out of {} documents", HumanCount(documents.documents)))
}

/// What a step that drops nothing did, in a few words.
fn note(step: &yuan_pipeline::StepSummary) -> Option<String> {
    let tokens = step.tally("tokens").bytes;
    if tokens > 0 {
        return Some(format!("{} tokens", HumanCount(tokens)));
    }
    let sample = step.tally("sample").bytes;
    if sample > 0 {
        return Some(format!("learnt from {}", HumanBytes(sample)));
    }
    if let Some(cut) = cut(step) {
        return Some(cut);
    }
    if let Some((_, unit, cut)) = step.tallies.iter().find(|(kind, _, _)| kind == "cut_out") {
        return Some(cut_note(unit, cut));
    }
    let changed = step.tallies.iter().find(|(kind, key, _)| kind == "normalize" && key == "normalized");
    changed.map(|(_, _, count)| format!("{} texts changed", HumanCount(count.documents)))
}

/// What was cut out of documents.
fn cut_note(unit: &str, cut: &Tally) -> String {
    let much =
        if unit == "tokens" { format!("{} tokens", HumanCount(cut.bytes)) } else { HumanBytes(cut.bytes).to_string() };
    format!("{much} cut out of {} documents", HumanCount(cut.documents))
}

fn tally(tally: &Tally) -> Value {
    json!({ "documents": tally.documents, "bytes": tally.bytes })
}

/// The summary as JSON.
pub fn json(summary: &Summary) -> Value {
    let steps: Vec<Value> = summary
        .steps
        .iter()
        .map(|step| {
            let dropped: serde_json::Map<String, Value> =
                step.dropped.iter().map(|(reason, count)| (reason.clone(), tally(count))).collect();
            let counts: Vec<Value> = step
                .tallies
                .iter()
                .map(|(kind, key, count)| json!({ "kind": kind, "key": key, "documents": count.documents, "bytes": count.bytes }))
                .collect();
            let config: Value = serde_json::from_str(&step.config).unwrap_or_default();
            json!({
                "name": step.name, "config": config, "dropped": dropped, "counts": counts,
                "seconds": step.times.iter().map(|(_, nanoseconds)| *nanoseconds as f64 / 1e9).sum::<f64>(),
            })
        })
        .collect();
    let files: Vec<Value> = summary
        .files
        .iter()
        .map(|file| {
            json!({ "kind": file.kind, "path": file.path.to_string_lossy(), "documents": file.documents, "bytes": file.bytes, "xxh3": file.xxh3 })
        })
        .collect();
    let by_name = |list: &[(String, Tally)]| -> serde_json::Map<String, Value> {
        list.iter().map(|(name, count)| (name.clone(), tally(count))).collect()
    };
    json!({
        "finished": summary.finished,
        "retuned_from": summary.retuned_from,
        "input_files": summary.inputs.documents,
        "input_bytes": summary.inputs.bytes,
        "read": tally(&summary.read),
        "set_aside": by_name(&summary.set_aside),
        "steps": steps,
        "kept": tally(&summary.kept),
        "languages": by_name(&summary.languages),
        "warnings": summary.warnings,
        "files": files,
        "sweep_seconds": summary.sweep_seconds,
    })
}
