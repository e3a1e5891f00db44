//! Writes the documents that other thresholds keep, as a run of its own that measures nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::sidecar::Sidecar;
use super::{Comparison, Judges, changed_sweep, judge_again};
use crate::manifest::Manifest;
use crate::plan::{Plan, Step, Work};
use crate::run::{Folder, real_path, shard_row};
use crate::stage::{Columns, Detail, Reason, Stage, Verdict};
use crate::write::Measures;
use crate::{Batch, Error, Result};

/// Verdicts by document: 2 bytes for each.
struct Verdicts {
    /// By shard and row: 0 for a document that stays, else one more than its place in `why`.
    codes: Vec<Vec<u16>>,
    /// Step and reason.
    why: Vec<(String, &'static str)>,
}

impl Verdicts {
    fn code(&mut self, known: &mut BTreeMap<(String, String), u16>, step: &str, reason: &str) -> Result<u16> {
        if let Some(code) = known.get(&(step.to_owned(), reason.to_owned())) {
            return Ok(*code);
        }
        // A run has some dozen reasons, and the process lives no longer than they are needed.
        self.why.push((step.to_owned(), Box::leak(reason.to_owned().into_boxed_str())));
        let code = u16::try_from(self.why.len()).map_err(|_| Error::stage("retune", "more than 65,535 reasons"))?;
        known.insert((step.to_owned(), reason.to_owned()), code);
        Ok(code)
    }

    fn set(&mut self, doc_id: u64, code: u16) {
        let (shard, row) = ((doc_id >> 32) as usize, (doc_id & u64::from(u32::MAX)) as usize);
        let codes = &mut self.codes[shard];
        if codes.len() <= row {
            codes.resize(row + 1, 0);
        }
        codes[row] = code;
    }

    fn get(&self, doc_id: u64) -> Option<(&str, &'static str)> {
        let (shard, row) = ((doc_id >> 32) as usize, (doc_id & u64::from(u32::MAX)) as usize);
        let code = self.codes.get(shard).and_then(|codes| codes.get(row)).copied().unwrap_or(0);
        code.checked_sub(1).map(|place| {
            let (step, reason) = &self.why[usize::from(place)];
            (step.as_str(), *reason)
        })
    }
}

/// A step whose verdicts are known; it still rewrites and annotates if it did.
struct Replayed {
    step: String,
    verdicts: Arc<Verdicts>,
    columns: Columns,
    /// Rewrites and annotates as in the run, with its own verdicts left aside.
    also: Option<Arc<dyn Stage>>,
}

impl Stage for Replayed {
    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        let batch = batch.judge(|document| match self.verdicts.get(document.doc_id()) {
            Some((step, reason)) if step == self.step => Verdict::Drop(Reason { code: reason, detail: Detail::None }),
            _ => Verdict::Keep,
        })?;
        match &self.also {
            None => Ok(batch),
            Some(stage) => stage.process(batch),
        }
    }
}

/// The plan that writes into `new.folder` what the thresholds of `new` keep of the run of `old`, as `comparison` has it:
/// its steps, with what is known of each document in the place of measuring it again.
///
/// # Errors
/// As [`compare`](super::compare); if the comparison is undecided, if the input has changed, if the verdicts (2 bytes a
/// document) do not fit into `memory`, if the folder is the run's or another's.
pub fn replay(old: &Plan, mut new: Plan, comparison: &Comparison, memory: u64) -> Result<Plan> {
    refuse_own_folder(&old.folder, &new.folder)?;
    let sweep = changed_sweep(old, &new)?;
    let sweeps = new.sweeps()?;
    if let Some(problem) = &comparison.undecided {
        return Err(Error::Plan { problem: problem.clone(), hint: Some("change the recipe and run it again".into()) });
    }
    let manifest = Manifest::open_existing(&Folder::new(&old.folder).manifest)?;
    let shards = new.input.shards()?;
    let (before, now) = (manifest.shards()?, shards.iter().map(shard_row).collect::<Vec<_>>());
    if before != now {
        let changed =
            before.iter().find(|shard| !now.contains(shard)).or_else(|| now.iter().find(|s| !before.contains(s)));
        let file = changed.map_or_else(|| "the order of its files".to_owned(), |(path, _)| format!("`{path}`"));
        return Err(Error::OtherRun {
            problem: format!("the input of the run in `{}` has changed since: {file}", old.folder.display()),
            hint: "run the recipe again".into(),
        });
    }
    let documents = manifest.sum(0, "read")?.documents;
    if 2 * documents > memory {
        return Err(Error::Plan {
            problem: format!(
                "{documents} verdicts take {} bytes of memory, more than `--memory` allows",
                2 * documents
            ),
            hint: Some("raise `--memory`".into()),
        });
    }
    let verdicts = Arc::new(verdicts(old, &new, sweep, shards.len())?);
    let replayed: BTreeSet<usize> =
        sweeps.iter().flat_map(|sweep| sweep.opens_with).chain(tunable_steps(&new)).collect();
    new.output.measures = Measures::None;
    new.retuned_from = Some(real_path(&old.folder));
    new.steps = new
        .steps
        .into_iter()
        .enumerate()
        .map(|(number, step)| match replayed.contains(&number) {
            true => replayed_step(old, number, step, &verdicts),
            false => Ok(step),
        })
        .collect::<Result<_>>()?;
    Ok(new)
}

fn tunable_steps(plan: &Plan) -> impl Iterator<Item = usize> {
    let steps = plan.steps.iter().enumerate();
    steps
        .filter(|(_, step)| matches!(&step.work, Work::Stage(stage) if stage.tunable().is_some()))
        .map(|(number, _)| number)
}

/// What a pass found in the run holds for the same documents: it cuts their text, or adds its columns, as it did.
fn replayed_step(old: &Plan, number: usize, step: Step, verdicts: &Arc<Verdicts>) -> Result<Step> {
    let also = match (&step.work, &old.steps[number].work) {
        (Work::Stage(stage), _) => {
            stage.tunable().is_some_and(|rules| rules.changes_documents()).then(|| stage.clone())
        }
        (_, Work::Pass(pass)) if pass.ends_in_stage() => {
            let outcome = old.outcome(number);
            if !outcome.exists() {
                return Err(Error::Plan {
                    problem: format!("what `{}` found in the run is gone: `{}`", step.name, outcome.display()),
                    hint: Some("run the recipe again".into()),
                });
            }
            pass.stage(&outcome)?.map(Arc::from)
        }
        _ => None,
    };
    let columns = match &step.work {
        Work::Stage(_) => also.as_ref().map_or_else(Columns::default, |stage| stage.columns()),
        _ => step.columns(),
    };
    let replayed = Replayed { step: step.name.clone(), verdicts: verdicts.clone(), columns, also };
    Ok(Step { work: Work::Stage(Arc::new(replayed)), ..step })
}

fn refuse_own_folder(old: &Path, new: &Path) -> Result<()> {
    let (name, old, new) = (new.display(), real_path(old), real_path(new));
    let problem = if old == new {
        format!("`{name}` is the run itself")
    } else if new.starts_with(&old) {
        format!("`{name}` lies inside the run")
    } else {
        return Ok(());
    };
    Err(Error::Plan { problem, hint: Some("choose another folder with `-o`".into()) })
}

/// What becomes of every document: in the changed sweep by the new thresholds, in others as it was.
fn verdicts(old: &Plan, new: &Plan, sweep: u32, shards: usize) -> Result<Verdicts> {
    let mut verdicts = Verdicts { codes: vec![Vec::new(); shards], why: Vec::new() };
    let mut known = BTreeMap::new();
    let sweeps = new.sweeps()?.len() as u32;
    // The others first: what goes in the changed sweep does not come to later ones.
    for other in (0..sweeps).filter(|other| *other != sweep) {
        Sidecar::open(&old.folder, other)?.for_each_verdict(&mut |rows| {
            for row in 0..rows.len() {
                if let Some((step, reason)) = rows.dropped_by.get(row).zip(rows.reason.get(row)) {
                    let code = verdicts.code(&mut known, step, reason)?;
                    verdicts.set(rows.doc_ids.value(row), code);
                }
            }
            Ok(())
        })?;
    }
    let judges = Judges::of(new, sweep)?;
    judge_again(&judges, &Sidecar::open(&old.folder, sweep)?, &mut |rows, row, why, _| {
        if let Some((step, reason)) = why {
            let code = verdicts.code(&mut known, step, reason)?;
            verdicts.set(rows.doc_ids.value(row), code);
        }
        Ok(())
    })?;
    Ok(verdicts)
}
