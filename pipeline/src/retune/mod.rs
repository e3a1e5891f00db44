//! What other thresholds would do to a finished run, from the measures it kept: no text is read.

mod replay;
mod sidecar;

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

pub use replay::replay;
use sidecar::{Rows, Sidecar, ValueColumn, WordColumn};

use crate::manifest::Manifest;
use crate::plan::{Plan, Work};
use crate::rules::{Check, Measured, Tunable, reshaped};
use crate::run::Folder;
use crate::{Error, Result};

/// An amount of text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Yield {
    /// Documents.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Tokens, estimated from bytes and characters: 4.2 characters a token in scripts of one byte a character,
    /// 0.6 tokens a character in scripts of three, in between for two.
    pub tokens: u64,
}

impl Yield {
    fn add(&mut self, bytes: u64, chars: u64) {
        let wide = (bytes - chars) as f64 / 2.0;
        self.documents += 1;
        self.bytes += bytes;
        // Rounded once for each document, so that parts sum to the whole.
        self.tokens += ((chars as f64 - wide) / 4.2 + 0.6 * wide).round() as u64;
    }
}

/// What is kept before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// All documents that the run read, those dropped before the sweep among them.
    pub whole: Yield,
    /// Kept by the sweep.
    pub before: Yield,
    /// Kept by it with the new thresholds.
    pub after: Yield,
}

/// What one reason drops before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct ReasonChange {
    /// The step.
    pub step: String,
    /// The reason.
    pub reason: String,
    /// Documents that the run dropped for it.
    pub before: u64,
    /// Documents dropped for it with the new thresholds.
    pub after: u64,
    /// Of those, documents that nothing else would drop; `None` of a step that no threshold changes.
    pub alone: Option<u64>,
}

/// What other thresholds would do to the sweep whose steps they belong to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// All documents that the run read.
    pub total: Change,
    /// By language, as the caller names it; `(none)` where none is known.
    pub languages: BTreeMap<String, Change>,
    /// By source.
    pub sources: BTreeMap<String, Change>,
    /// By step and reason, in the order of the steps.
    pub reasons: Vec<ReasonChange>,
    /// Documents that come back.
    pub back: u64,
    /// Documents that go.
    pub gone: u64,
    /// Steps of earlier sweeps with the documents that each dropped, before and after alike.
    pub earlier: Vec<(String, u64)>,
    /// Steps of later sweeps with the documents that each dropped of those kept before. What they would drop of
    /// those kept after is not known.
    pub later: Vec<(String, u64)>,
    /// Why it takes a new run to know what is kept in the end, if it does.
    pub undecided: Option<String>,
}

impl Comparison {
    /// Documents that came through the whole run.
    pub fn run_kept(&self) -> u64 {
        self.total.before.documents.saturating_sub(self.later.iter().map(|(_, documents)| documents).sum())
    }

    /// Adds a document to the whole, to its language and to its source.
    fn add(&mut self, rows: &Rows, row: usize, name_of: Naming<'_>, [before, after]: [bool; 2]) {
        let (bytes, chars) = (rows.bytes.value(row), u64::from(rows.chars.value(row)));
        let language = rows.language.get(row).map_or_else(|| "(none)".to_owned(), name_of);
        let source = rows.source.get(row).unwrap_or_default().to_owned();
        let strata = [self.languages.entry(language).or_default(), self.sources.entry(source).or_default()];
        for change in [&mut self.total].into_iter().chain(strata) {
            change.whole.add(bytes, chars);
            if before {
                change.before.add(bytes, chars);
            }
            if after {
                change.after.add(bytes, chars);
            }
        }
    }
}

/// How the language of a document, or of the thresholds it is held to, is called in what is told.
pub type Naming<'n> = &'n dyn Fn(&str) -> String;

/// Values of one measure in documents of one language.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The step.
    pub step: String,
    /// The measure.
    pub measure: &'static str,
    /// The language.
    pub language: String,
    /// Documents of the language that have a value.
    pub documents: u64,
    /// Their values, or those of some of them, chosen by a hash of the `doc_id`; in rising order.
    pub values: Vec<f64>,
}

/// The steps of a sweep that judge by measures, as `plan` sets them.
struct Judges<'a> {
    sweep: u32,
    /// Position in the sweep and name of each stage, for the order of reasons.
    order: BTreeMap<&'a str, usize>,
    rules: Vec<(&'a str, &'a dyn Tunable)>,
}

impl<'a> Judges<'a> {
    fn of(plan: &'a Plan, sweep: u32) -> Result<Self> {
        let sweeps = plan.sweeps()?;
        let steps = &sweeps[sweep as usize];
        let mut judges = Self { sweep, order: BTreeMap::new(), rules: Vec::new() };
        for (place, step) in steps.opens_with.iter().chain(&steps.stages).enumerate() {
            let step = &plan.steps[*step];
            judges.order.insert(&step.name, place);
            if let Work::Stage(stage) = &step.work
                && let Some(rules) = stage.tunable()
            {
                judges.rules.push((&step.name, rules));
            }
        }
        Ok(judges)
    }

    fn columns(&self, rows: &Rows) -> Result<Vec<Vec<ValueColumn>>> {
        let of_step = |(step, rules): &(&str, &dyn Tunable)| {
            rules.measures().iter().map(|measured: &Measured| rows.values(step, measured.name)).collect()
        };
        self.rules.iter().map(of_step).collect()
    }

    fn languages(&self, rows: &Rows) -> Result<Vec<WordColumn>> {
        self.rules.iter().map(|(step, _)| rows.language_for(step)).collect()
    }
}

/// Step and reason of a dropped document.
type Why<'a> = (&'a str, &'a str);

/// Takes rows, one of them, its first reason, and whether no other reason holds.
type Sink<'s> = dyn FnMut(&Rows, usize, Option<Why<'_>>, bool) -> Result<()> + 's;

/// Judges every row of a sweep's sidecar again.
fn judge_again(judges: &Judges<'_>, sidecar: &Sidecar, sink: &mut Sink<'_>) -> Result<()> {
    // For each step, the checks of every language met.
    let mut known: Vec<BTreeMap<String, Vec<Check>>> = vec![BTreeMap::new(); judges.rules.len()];
    sidecar.for_each(&mut |rows| {
        let columns = judges.columns(rows)?;
        let languages = judges.languages(rows)?;
        for row in 0..rows.len() {
            let fixed = rows.fixed_by.get(row).zip(rows.fixed_reason.get(row));
            let mut first: Option<(usize, Why<'_>)> =
                fixed.map(|why| (judges.order.get(why.0).copied().unwrap_or(usize::MAX), why));
            let mut reasons = usize::from(first.is_some());
            for (number, (step, rules)) in judges.rules.iter().enumerate() {
                // What was not measured breaks no threshold.
                let Some(language) = languages[number].get(row) else { continue };
                if !known[number].contains_key(language) {
                    known[number].insert(language.to_owned(), rules.checks_of(language));
                }
                let place = judges.order[step];
                for check in &known[number][language] {
                    let value = columns[number][check.measure].get(row);
                    if check.fails_at(value) {
                        reasons += 1;
                        if first.is_none_or(|(earlier, _)| place < earlier) {
                            first = Some((place, (step, check.reason)));
                        }
                    }
                }
            }
            sink(rows, row, first.map(|(_, why)| why), reasons == 1)?;
        }
        Ok(())
    })
}

/// The sweep whose steps `new` sets otherwise than `old`; the last sweep that judges if they are the same.
///
/// # Errors
/// If more than thresholds differ, or steps of two sweeps do.
fn changed_sweep(old: &Plan, new: &Plan) -> Result<u32> {
    let refuse = |problem: String, hint: &str| Err(Error::Plan { problem, hint: Some(hint.to_owned()) });
    let sweeps = new.sweeps()?;
    let sweep_of = |step: usize| {
        sweeps.iter().position(|sweep| sweep.stages.contains(&step) || sweep.scans_for == Some(step)).unwrap_or(0)
    };
    let mut changed: Option<usize> = None;
    for (number, (before, after)) in old.steps.iter().zip(&new.steps).enumerate() {
        if before.config == after.config {
            continue;
        }
        let name = &after.name;
        let tunable = match &after.work {
            Work::Stage(stage) => stage.tunable(),
            _ => None,
        };
        let Some(rules) = tunable else {
            return refuse(
                format!("`{name}` has no thresholds that measures are compared with"),
                "run the recipe again with the change, into another folder",
            );
        };
        let other = reshaped(&before.config, &after.config, rules.shaping_settings());
        if let Some(setting) = other.first() {
            return refuse(
                format!("`{name}.{setting}` shapes what is measured: the kept measures say nothing about it"),
                "run the recipe again with the change, into another folder",
            );
        }
        if changed.is_some_and(|sweep| sweep != sweep_of(number)) {
            return refuse(
                "the changed steps are in different sweeps".to_owned(),
                "change the steps on one side of a pass (as `minhash`) at a time",
            );
        }
        changed = Some(sweep_of(number));
    }
    let judges = |sweep: usize| {
        sweeps[sweep]
            .stages
            .iter()
            .any(|step| matches!(&new.steps[*step].work, Work::Stage(stage) if stage.tunable().is_some()))
    };
    match changed.or_else(|| (0..sweeps.len()).rev().find(|sweep| judges(*sweep))) {
        Some(sweep) => Ok(sweep as u32),
        None => {
            refuse("the run has no step that judges by measures".to_owned(), "`yuan-data stages` lists those that do")
        }
    }
}

/// What the thresholds of `new` would do to the run of `old`, in seconds for a million documents.
///
/// # Errors
/// If the run keeps no measures or is not finished, if more than thresholds of one sweep differ.
pub fn compare(old: &Plan, new: &Plan, name_of: Naming<'_>) -> Result<Comparison> {
    let sweep = changed_sweep(old, new)?;
    let judges = Judges::of(new, sweep)?;
    let sidecar = Sidecar::open(&old.folder, sweep)?;
    let mut comparison = Comparison::default();
    // By sweep and place there.
    let mut reasons: BTreeMap<(u32, usize, String, String), [u64; 3]> = BTreeMap::new();
    for earlier in 0..sweep {
        let order = Judges::of(old, earlier)?.order;
        Sidecar::open(&old.folder, earlier)?.for_each_verdict(&mut |rows| {
            for row in 0..rows.len() {
                let Some((step, reason)) = rows.dropped_by.get(row).zip(rows.reason.get(row)) else { continue };
                comparison.add(rows, row, name_of, [false, false]);
                let place = order.get(step).copied().unwrap_or(usize::MAX);
                let counts = reasons.entry((earlier, place, step.into(), reason.into())).or_default();
                counts[0] += 1;
                counts[1] += 1;
            }
            Ok(())
        })?;
    }
    let place = |step: &str| judges.order.get(step).copied().unwrap_or(usize::MAX);
    judge_again(&judges, &sidecar, &mut |rows, row, why, alone| {
        let was = rows.dropped_by.get(row).zip(rows.reason.get(row));
        comparison.add(rows, row, name_of, [was.is_none(), why.is_none()]);
        comparison.back += u64::from(was.is_some() && why.is_none());
        comparison.gone += u64::from(was.is_none() && why.is_some());
        if let Some((step, reason)) = was {
            reasons.entry((sweep, place(step), step.into(), reason.into())).or_default()[0] += 1;
        }
        if let Some((step, reason)) = why {
            let counts = reasons.entry((sweep, place(step), step.into(), reason.into())).or_default();
            counts[1] += 1;
            counts[2] += u64::from(alone);
        }
        Ok(())
    })?;
    let is_tuned = |step: &str| judges.rules.iter().any(|(tuned, _)| *tuned == step);
    comparison.reasons = reasons
        .into_iter()
        .map(|((at, _, step, reason), [before, after, alone])| {
            let alone = (at == sweep && is_tuned(&step)).then_some(alone);
            ReasonChange { step, reason, before, after, alone }
        })
        .collect();
    look_around(old, sweep, &mut comparison)?;
    Ok(comparison)
}

/// What steps before and behind the sweep dropped, and whether those behind would have to look at the documents anew.
fn look_around(old: &Plan, sweep: u32, comparison: &mut Comparison) -> Result<()> {
    let manifest = Manifest::open_existing(&Folder::new(&old.folder).manifest)?;
    let sweeps = old.sweeps()?;
    for step in sweeps.iter().take(sweep as usize).flat_map(|before| before.opens_with.iter().chain(&before.stages)) {
        let dropped = manifest.dropped_by(*step)?;
        if dropped > 0 {
            comparison.earlier.push((old.steps[*step].name.clone(), dropped));
        }
    }
    for behind in sweeps.iter().skip(sweep as usize + 1) {
        for step in behind.opens_with.iter().chain(&behind.stages) {
            let dropped = manifest.dropped_by(*step)?;
            let step = &old.steps[*step];
            if dropped > 0 {
                comparison.later.push((step.name.clone(), dropped));
            }
            let tunable = matches!(&step.work, Work::Stage(stage) if stage.tunable().is_some());
            let pass = matches!(&step.work, Work::Pass(_));
            let (back, gone, name) = (comparison.back, comparison.gone, &step.name);
            // Fewer documents hold no new copies: a pass that found none before finds none.
            let why = if back > 0 && (pass || tunable) {
                Some(format!(
                    "`{name}` comes after the changed step and never saw the {back} documents that would come back"
                ))
            } else if gone > 0 && pass && dropped > 0 {
                Some(format!(
                    "`{name}` comes after the changed step and may keep others without the {gone} documents that would go"
                ))
            } else {
                None
            };
            comparison.undecided = comparison.undecided.take().or(why);
        }
    }
    Ok(())
}

/// Up to `limit` values of every measure in every language whose thresholds its step held documents to, for statistics
/// that propose thresholds. Documents dropped for what no threshold changes are left out.
///
/// # Errors
/// As [`compare`].
pub fn samples(plan: &Plan, limit: usize, name_of: Naming<'_>) -> Result<Vec<Sample>> {
    let judges = Judges::of(plan, changed_sweep(plan, plan)?)?;
    let sidecar = Sidecar::open(&plan.folder, judges.sweep)?;
    // By step and language: for each measure its count, and (rank, value) of those kept.
    type Values = (u64, Vec<(u64, f64)>);
    let mut found: BTreeMap<(usize, String), Vec<Values>> = BTreeMap::new();
    sidecar.for_each(&mut |rows| {
        let columns = judges.columns(rows)?;
        let languages = judges.languages(rows)?;
        for row in (0..rows.len()).filter(|row| rows.fixed_by.get(*row).is_none()) {
            let rank = xxh3_64(&rows.doc_ids.value(row).to_le_bytes());
            for (number, columns) in columns.iter().enumerate() {
                let Some(language) = languages[number].get(row) else { continue };
                let key = (number, name_of(language));
                let of_language = found.entry(key).or_insert_with(|| vec![Values::default(); columns.len()]);
                for ((count, kept), column) in of_language.iter_mut().zip(columns) {
                    let value = column.get(row);
                    if !value.is_nan() {
                        *count += 1;
                        kept.push((rank, value));
                        if kept.len() >= 2 * limit {
                            kept.select_nth_unstable_by_key(limit, |(rank, _)| *rank);
                            kept.truncate(limit);
                        }
                    }
                }
            }
        }
        Ok(())
    })?;
    let mut samples = Vec::new();
    for ((number, language), of_language) in found {
        let (step, rules) = judges.rules[number];
        for ((documents, mut kept), measured) in of_language.into_iter().zip(rules.measures()) {
            kept.sort_unstable_by_key(|(rank, _)| *rank);
            kept.truncate(limit);
            let mut values: Vec<f64> = kept.into_iter().map(|(_, value)| value).collect();
            values.sort_unstable_by(f64::total_cmp);
            samples.push(Sample {
                step: step.into(),
                measure: measured.name,
                language: language.clone(),
                documents,
                values,
            });
        }
    }
    Ok(samples)
}
