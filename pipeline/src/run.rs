//! Runs a plan: sweep by sweep, resumable at every unit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::{Value, json};

use crate::again;
use crate::assemble::sync_folder;
use crate::batch::{Tally, TallyKey};
use crate::files::lock;
use crate::input::Shard;
use crate::manifest::{Counts, ENGINE, Manifest, StepRow, UnitRow};
use crate::plan::{Plan, Sweep, Work};
use crate::progress::Progress;
use crate::rails::{Breach, StepStrata, Strata, by_stratum};
use crate::sweep::{self, Engine};
use crate::write::{MeasuredStage, Measures};
use crate::{Context, Error, Pass, Result, Stage};

/// How a plan is run; none of this changes a byte of the result.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Workers.
    pub threads: usize,
    /// Bytes of memory that documents in work and passes may take.
    pub memory: u64,
    /// Keep the files between sweeps, so that `from` can go back to any step.
    pub keep_work: bool,
    /// Do this step and all behind it again.
    pub from: Option<String>,
    /// Stop once the sweep that holds this step is done.
    pub until: Option<String>,
}

/// The corpus that `demo` puts into its run folder.
const DEMO: &str = "demo-corpus.jsonl.zst";

/// The names inside a run folder.
pub(crate) struct Folder {
    pub root: PathBuf,
    pub work: PathBuf,
    pub manifest: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into(), work: root.join("work"), manifest: root.join("manifest.sqlite") }
    }

    /// Where the files of a sweep lie.
    pub(crate) fn sweep(&self, sweep: u32) -> PathBuf {
        self.work.join(format!("sweep-{sweep}"))
    }
}

/// Runs a plan to its end, or goes on with what is not done yet.
///
/// # Errors
/// [`Error::Cancelled`] once `cancelled` is set and the open units are finished; otherwise what stopped the
/// run. Whatever the error, the same call continues behind the last finished unit.
pub fn run(plan: &Plan, options: &RunOptions, progress: &Progress, cancelled: &AtomicBool) -> Result<()> {
    let sweeps = plan.sweeps()?;
    let from = options.from.as_deref().map(|name| step_named(plan, name)).transpose()?;
    let until = options.until.as_deref().map(|name| step_named(plan, name)).transpose()?;
    let shards = plan.input.shards()?;
    check_folder(plan)?;
    let folder = Folder::new(&plan.folder);
    std::fs::create_dir_all(&folder.work).map_err(Error::io("create", &folder.work))?;
    let _lock = lock(&folder.work.join("lock"), &folder.root)?;
    let mut manifest = Manifest::open(&folder.manifest)?;
    claim(plan, &sweeps, &shards, from, &mut manifest, &folder)?;
    for (number, sweep) in sweeps.iter().enumerate() {
        if let Some(Work::Pass(pass)) = sweep.scans_for.map(|step| &plan.steps[step].work)
            && !manifest.sweep_done(number as u32)?
        {
            pass.ready()?;
        }
    }
    for (number, sweep) in sweeps.iter().enumerate() {
        let is_last = number + 1 == sweeps.len();
        let engine = Engine {
            plan,
            options,
            progress,
            cancelled,
            folder: &folder,
            shards: &shards,
            number: number as u32,
            sweep,
            is_last,
            measured: Vec::new(),
        };
        if !manifest.sweep_done(number as u32)? {
            run_sweep(&engine, &mut manifest)?;
        }
        if until.is_some_and(|step| sweep.stages.contains(&step) || sweep.scans_for == Some(step)) {
            return Ok(());
        }
    }
    manifest.set_meta("finished", "1")?;
    if !options.keep_work {
        remove_folder(&folder.work)?;
    }
    Ok(())
}

/// Makes sure that the run folder is a run's, or nobody's, and no part of the input.
///
/// # Errors
/// If it holds files but no run, or lies in a folder that is read.
pub fn check_folder(plan: &Plan) -> Result<()> {
    let folder = Folder::new(&plan.folder);
    let refuse = |problem: String| {
        Err(Error::OtherRun { problem, hint: "choose another folder with `-o`, a new or an empty one".into() })
    };
    let real = real_path(&folder.root);
    for input in plan.input.paths.iter().filter(|input| Path::new(input).is_dir()) {
        if real.starts_with(real_path(Path::new(input))) {
            return refuse(format!(
                "`{}` lies in the input `{input}`, of which it would become part",
                folder.root.display()
            ));
        }
    }
    if folder.manifest.is_file() || !folder.root.is_dir() {
        return Ok(());
    }
    let names = |path: &Path| -> Result<Vec<String>> {
        let entries = std::fs::read_dir(path).map_err(Error::io("list", path))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<std::io::Result<Vec<_>>>().map_err(Error::io("list", path))?;
        Ok(names.into_iter().filter(|name| !name.starts_with('.')).collect())
    };
    // What a run leaves that was killed before it had a manifest; a recipe alone is somebody's own.
    let begun = folder.work.is_dir() && names(&folder.work)?.iter().all(|name| name == "lock");
    let is_ours = |name: &String| name == DEMO || begun && (name == "work" || name == "recipe.toml");
    match names(&folder.root)?.into_iter().find(|name| !is_ours(name)) {
        Some(name) => refuse(format!("`{}` is no run folder and not empty: it holds `{name}`", folder.root.display())),
        None => Ok(()),
    }
}

/// A path without links as far as it exists.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let real = path.ancestors().find_map(|known| Some((known, std::fs::canonicalize(known).ok()?)));
    let Some((known, real)) = real else { return path };
    match path.strip_prefix(known) {
        Ok(rest) if rest.as_os_str().is_empty() => real,
        Ok(rest) => real.join(rest),
        Err(_) => path,
    }
}

/// The folder of a kind of output inside the run folder.
pub(crate) fn output_folder(kind: &str) -> &'static str {
    match kind {
        sweep::DROPPED => "dropped",
        sweep::SET_ASIDE => "set_aside",
        sweep::MEASURES => "measures",
        _ => "out",
    }
}

/// The step's name as the manifest and messages give it: repeated names are numbered.
fn step_named(plan: &Plan, name: &str) -> Result<usize> {
    plan.steps.iter().position(|step| step.name == name).ok_or_else(|| Error::Plan {
        problem: format!("no step is called `{name}`"),
        hint: Some(format!(
            "the steps are {}",
            plan.steps.iter().map(|step| format!("`{}`", step.name)).collect::<Vec<_>>().join(", ")
        )),
    })
}

/// Takes a fresh folder, or makes sure that what is in it was made by the same recipe from the same input.
fn claim(
    plan: &Plan,
    sweeps: &[Sweep],
    shards: &[Shard],
    from: Option<usize>,
    manifest: &mut Manifest,
    folder: &Folder,
) -> Result<()> {
    let of_step = |step: usize| {
        sweeps
            .iter()
            .position(|sweep| sweep.stages.contains(&step) || sweep.scans_for == Some(step))
            .expect("every step is in a sweep") as u32
    };
    let settings = settings(plan);
    let steps = manifest.steps()?;
    let fresh = manifest.meta("settings")?.is_none();
    let origin = plan.retuned_from.as_ref().map(|origin| origin.to_string_lossy().into_owned());
    let known_origin = manifest.meta("retuned_from")?;
    if !fresh && known_origin != origin {
        let made = match known_origin {
            Some(origin) => format!("was made by `retune` from the run in `{origin}`"),
            None => "holds a run that was not made by `retune`".to_owned(),
        };
        return Err(Error::OtherRun {
            problem: format!("`{}` {made}", plan.folder.display()),
            hint: "choose another folder with `-o`".into(),
        });
    }
    let restart = if fresh {
        None
    } else if shards.iter().any(Shard::is_stdin) {
        // Standard input cannot be read twice: what came through before is of no use.
        Some(0)
    } else {
        let changed = first_change(plan, &steps);
        let other_input = manifest.meta("settings")?.as_deref() != Some(&settings)
            || manifest.shards()? != shards.iter().map(shard_row).collect::<Vec<_>>();
        match (from, changed) {
            (None, None) if !other_input => None,
            (Some(from), changed) if !other_input && changed.as_ref().is_none_or(|(step, _)| *step >= from) => {
                Some(of_step(from.min(plan.steps.len() - 1)))
            }
            (Some(0), _) => Some(0),
            (_, Some((step, what))) => {
                let is_kept = |sweep: u32| sweep == 0 || folder.sweep(sweep - 1).is_dir();
                let can_continue = step < plan.steps.len() && is_kept(of_step(step));
                return Err(other_recipe(plan, step, &what, can_continue));
            }
            (_, None) => return Err(other_inputs(plan, &settings, manifest, shards)?),
        }
    };
    if let Some(sweep) = restart {
        if sweep > 0 && !(folder.sweep(sweep - 1).is_dir()) {
            let first = plan.steps.first().map_or("", |step| &step.name);
            return Err(Error::OtherRun {
                problem: "the documents before that step were not kept".into(),
                hint: format!(
                    "run all of it again with `--from {first}` (and with `--keep-work`, to go back to any step next time)"
                ),
            });
        }
        // Files first: a kill in between leaves rows of files that are gone, and those are forgotten next time.
        for (kind, name) in manifest.file_names_from(sweep)? {
            let path = folder.root.join(output_folder(&kind)).join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        if sweep == 0 {
            // Oversize records lie there under names of their own.
            remove_folder(&folder.root.join(output_folder(sweep::SET_ASIDE)))?;
        }
        manifest.forget_from(sweep)?;
        let mut stale = sweep;
        while folder.sweep(stale).is_dir() {
            remove_folder(&folder.sweep(stale))?;
            stale += 1;
        }
    }
    if fresh || restart.is_some() {
        if fresh || restart == Some(0) {
            manifest.set_shards(shards)?;
        }
        let rows = plan
            .steps
            .iter()
            .enumerate()
            .map(|(number, step)| (step.name.as_str(), step.version, step.config.to_string(), of_step(number)));
        manifest.set_steps(rows)?;
        if let Some(origin) = &origin {
            manifest.set_meta("retuned_from", origin)?;
        }
        // Last: this is what marks the folder as claimed, so a kill before it leaves a fresh one.
        manifest.set_meta("settings", &settings)?;
    }
    Ok(())
}

pub(crate) fn shard_row(shard: &Shard) -> (String, String) {
    (shard.absolute_path().to_string_lossy().into_owned(), format!("{:016x}", shard.fingerprint))
}

/// All settings outside the steps that shape the result.
fn settings(plan: &Plan) -> String {
    let mut input = serde_json::to_value(&plan.input).expect("settings are plain values");
    if let Some(input) = input.as_object_mut() {
        input.remove("paths");
    }
    json!({ "input": input, "output": plan.output }).to_string()
}

/// The first step that is not the one the folder knows, and what differs.
fn first_change(plan: &Plan, known: &[StepRow]) -> Option<(usize, String)> {
    for (number, step) in plan.steps.iter().enumerate() {
        let Some(row) = known.get(number) else { return Some((number, format!("`{}` is new", step.name))) };
        if row.name != step.name {
            return Some((number, format!("step {} was `{}`, now `{}`", number + 1, row.name, step.name)));
        }
        if row.version != step.version {
            return Some((number, format!("`{}` had version {}, now {}", step.name, row.version, step.version)));
        }
        let config: Value = serde_json::from_str(&row.config).unwrap_or_default();
        if let Some(what) = difference(&config, &step.config) {
            return Some((number, format!("`{}` had {what}", step.name)));
        }
    }
    (known.len() > plan.steps.len()).then(|| (plan.steps.len(), format!("`{}` is gone", known[plan.steps.len()].name)))
}

/// "rows_per_band = 8, now 6", for the first setting that differs.
fn difference(old: &Value, new: &Value) -> Option<String> {
    if old == new {
        return None;
    }
    let show = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
    if let (Some(old), Some(new)) = (old.as_object(), new.as_object()) {
        let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
        keys.sort();
        let key = keys.into_iter().find(|key| old.get(*key) != new.get(*key))?;
        return Some(format!("{key} = {}, now {}", show(old.get(key)), show(new.get(key))));
    }
    Some(format!("{old}, now {new}"))
}

fn other_recipe(plan: &Plan, step: usize, what: &str, can_continue: bool) -> Error {
    let name = plan.steps.get(step).map_or("", |step| &step.name);
    let again = match plan.steps.first() {
        _ if plan.retuned_from.is_some() => String::new(),
        Some(_) if step > 0 && can_continue => format!("continue from there with `--from {name}`, or "),
        Some(first) => format!("do it all again with `--from {}`, or ", first.name),
        None => String::new(),
    };
    Error::OtherRun {
        problem: format!("`{}` was made by another recipe: {what}", plan.folder.display()),
        hint: format!("{again}choose another folder with `-o`"),
    }
}

fn other_inputs(plan: &Plan, settings: &str, manifest: &Manifest, shards: &[Shard]) -> Result<Error> {
    let old: Value = manifest.meta("settings")?.and_then(|old| serde_json::from_str(&old).ok()).unwrap_or_default();
    let new: Value = serde_json::from_str(settings).unwrap_or_default();
    let known = manifest.shards()?;
    let what = ["input", "output"]
        .iter()
        .find_map(|part| difference(&old[part], &new[part]).map(|what| format!("[{part}] had {what}")))
        .unwrap_or_else(|| {
            let changed = shards.iter().map(shard_row).find(|shard| !known.contains(shard));
            match changed {
                Some((path, _)) if known.iter().any(|(known, _)| *known == path) => {
                    format!("`{path}` has changed since")
                }
                Some((path, _)) => format!("`{path}` is new"),
                None => format!("it had {} input files, now {} (or in another order)", known.len(), shards.len()),
            }
        });
    let first = plan.steps.first().map_or("", |step| &step.name);
    let again = if first.is_empty() || plan.retuned_from.is_some() {
        String::new()
    } else {
        format!("do it all again with `--from {first}`, or ")
    };
    Ok(Error::OtherRun {
        problem: format!("`{}` was made from other input or settings: {what}", plan.folder.display()),
        hint: format!("{again}choose another folder with `-o`"),
    })
}

fn run_sweep(engine: &Engine<'_>, manifest: &mut Manifest) -> Result<()> {
    let start = Instant::now();
    let stages = stages(engine)?;
    let engine = &Engine { measured: measured(engine, &stages), ..*engine };
    let names = stages.iter().map(|(step, _)| engine.plan.steps[*step].name.as_str());
    let scan = engine.sweep.scans_for.map(|step| engine.plan.steps[step].name.as_str());
    let what = names.chain(scan).collect::<Vec<_>>().join(" → ");
    let what = if what.is_empty() { "write".to_owned() } else { what };
    let result = sweep::run(engine, &stages, manifest, &what);
    if let Err(error) = result {
        manifest.note_sweep(engine.number, start.elapsed().as_secs_f64(), false, &Counts::new())?;
        return Err(error);
    }
    check_sums(engine, manifest)?;
    check_rails(engine, &stages, manifest)?;
    let mut counts = Counts::new();
    if let Some(step) = engine.sweep.scans_for {
        let reducing = Instant::now();
        counts = reduce(engine, step, manifest)?;
        let nanoseconds = reducing.elapsed().as_nanos() as u64;
        counts.entry((step as i64, "time", "reduce".into())).or_default().add(1, nanoseconds);
    }
    manifest.note_sweep(engine.number, start.elapsed().as_secs_f64(), true, &counts)?;
    if !engine.options.keep_work {
        if engine.number > 0 {
            remove_folder(&engine.folder.sweep(engine.number - 1))?;
        }
        remove_folder(&engine.folder.sweep(engine.number).join("partials"))?;
        remove_folder(&engine.folder.sweep(engine.number).join("again"))?;
    }
    Ok(())
}

/// The stages of a sweep with their step numbers: the closing stage of the pass before, then the local steps.
fn stages(engine: &Engine<'_>) -> Result<Vec<(usize, Arc<dyn Stage>)>> {
    let mut stages: Vec<(usize, Arc<dyn Stage>)> = Vec::new();
    for step in engine.sweep.opens_with.iter().chain(&engine.sweep.stages).copied() {
        let stage: Arc<dyn Stage> = match &engine.plan.steps[step].work {
            Work::Stage(stage) => stage.clone(),
            Work::Deferred { build, .. } => build()?,
            Work::Pass(pass) => match pass.stage(&engine.plan.outcome(step))? {
                Some(stage) => Arc::from(stage),
                None => continue,
            },
        };
        stages.push((step, stage));
    }
    Ok(stages)
}

/// The stages whose measures the run keeps.
fn measured(engine: &Engine<'_>, stages: &[(usize, Arc<dyn Stage>)]) -> Vec<MeasuredStage> {
    if engine.plan.output.measures == Measures::None {
        return Vec::new();
    }
    let places = stages.iter().enumerate().filter_map(|(place, (step, stage))| {
        let step = engine.plan.steps[*step].name.clone();
        stage.tunable().map(|rules| MeasuredStage { place: place as u16, step, measures: rules.measures() })
    });
    places.collect()
}

/// Notes the steps of the sweep that dropped too much or nothing; an error if the plan says so.
fn check_rails(engine: &Engine<'_>, stages: &[(usize, Arc<dyn Stage>)], manifest: &Manifest) -> Result<()> {
    let counts = manifest.counts(engine.number)?;
    let of_step = |step: i64, prefix: &str| {
        let of_step = counts.iter().filter(|row| row.0 == step);
        by_stratum(of_step.map(|(_, kind, key, tally)| (kind.as_str(), key.as_str(), *tally)), prefix)
    };
    let steps = stages.iter().map(|(step, stage)| {
        let name = engine.plan.steps[*step].name.clone();
        StepStrata {
            name,
            is_expected_to_drop: stage.is_expected_to_drop(),
            dropped: of_step(*step as i64, "dropped_"),
            asked: of_step(*step as i64, "asked_"),
        }
    });
    let strata = Strata { steps: steps.collect(), kept: of_step(ENGINE, "kept_") };
    let breaches = engine.plan.rails.breaches(&strata);
    manifest.set_warnings(engine.number, &breaches.iter().map(Breach::to_string).collect::<Vec<_>>())?;
    if engine.plan.rails.stop && !breaches.is_empty() {
        return Err(Error::Rails { breaches, folder: engine.plan.folder.clone() });
    }
    Ok(())
}

/// Nothing vanishes: every document read is written, dropped for a reason, or set aside.
fn check_sums(engine: &Engine<'_>, manifest: &Manifest) -> Result<()> {
    let sum = |kind| manifest.sum(engine.number, kind).map(|tally| tally.documents);
    let (read, kept, dropped, set_aside) = (sum("read")?, sum("kept")?, sum("dropped")?, sum("set_aside")?);
    if read == kept + dropped + set_aside {
        return Ok(());
    }
    Err(Error::Plan {
        problem: format!(
            "the counts do not add up: {read} documents read, {kept} kept + {dropped} dropped + {set_aside} set aside; this is a defect of the program"
        ),
        hint: Some("please report it with `manifest.sqlite`".into()),
    })
}

/// Puts the partial results of the sweep's pass together, after a second reading if it wants one.
fn reduce(engine: &Engine<'_>, step: usize, manifest: &Manifest) -> Result<Counts> {
    let Work::Pass(pass) = &engine.plan.steps[step].work else { unreachable!("only a pass is scanned for") };
    let outcome = engine.plan.outcome(step);
    let folder = outcome.parent().expect("outcomes lie in a folder");
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let name = &engine.plan.steps[step].name;
    let units: Vec<UnitRow> = manifest.units(engine.number)?;
    let partials: Vec<PathBuf> = units
        .iter()
        .filter(|unit| unit.scanned)
        .map(|unit| sweep::partial_path(engine, (unit.shard, unit.unit)))
        .collect();
    let temporary = outcome.with_extension("tmp");
    let mut tallies = put_together(engine, pass.as_ref(), name, &partials, &temporary)?;
    if pass.reads_twice()
        && let Some(second) = pass.second(&temporary)?
    {
        let (partials, nanoseconds) = again::read(engine, second.as_ref(), name, &units)?;
        tallies.entry(("time", "read once more".into())).or_default().add(1, nanoseconds);
        let first = temporary;
        let temporary = outcome.with_extension("tmp2");
        tallies.extend(put_together(engine, second.as_ref(), name, &partials, &temporary)?);
        drop(second);
        settle_outcome(&temporary, &outcome)?;
        if first.is_dir() {
            remove_folder(&first)?;
        } else {
            std::fs::remove_file(&first).map_err(Error::io("remove", &first))?;
        }
    } else {
        settle_outcome(&temporary, &outcome)?;
    }
    sync_folder(folder)?;
    Ok(tallies.into_iter().map(|((kind, key), tally)| ((step as i64, kind, key), tally)).collect())
}

fn put_together(
    engine: &Engine<'_>,
    pass: &dyn Pass,
    name: &str,
    partials: &[PathBuf],
    outcome: &Path,
) -> Result<BTreeMap<TallyKey, Tally>> {
    engine.progress.begin(format!("{name}: putting {} partial results together", partials.len()), 0, 0);
    let scratch = engine.folder.work.join("scratch");
    remove_folder(&scratch)?;
    std::fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    let mut context = Context::new(engine.options.memory, engine.options.threads, scratch.clone(), engine.cancelled);
    context.inputs = engine.shards.iter().map(|shard| shard.path.to_string_lossy().into_owned()).collect();
    pass.reduce(partials, outcome, &context)?;
    remove_folder(&scratch)?;
    Ok(context.into_tallies())
}

/// Gives an outcome its name. A kill between that and the next note in the manifest leaves one of the same name, which goes.
fn settle_outcome(temporary: &Path, outcome: &Path) -> Result<()> {
    if temporary.is_file() {
        let file = std::fs::File::open(temporary).map_err(Error::io("read", temporary))?;
        file.sync_all().map_err(Error::io("sync", temporary))?;
    } else {
        let entries = std::fs::read_dir(temporary).map_err(Error::io("list", temporary))?;
        for entry in entries {
            let path = entry.map_err(Error::io("list", temporary))?.path();
            let file = std::fs::File::open(&path).map_err(Error::io("read", &path))?;
            file.sync_all().map_err(Error::io("sync", &path))?;
        }
        sync_folder(temporary)?;
        remove_folder(outcome)?;
    }
    std::fs::rename(temporary, outcome).map_err(Error::io("rename", temporary))
}

/// Removes a folder with all in it, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
