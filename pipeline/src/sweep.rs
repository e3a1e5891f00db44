//! One sweep: workers take units, run the stages over them, and record each finished unit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::assemble::{Assembler, Frontier};
use crate::budget::Budget;
use crate::feed::{Feed, InputFeed, WorkFeed};
use crate::input::Shard;
use crate::manifest::{Manifest, UnitRow};
use crate::plan::{Plan, Sweep};
use crate::progress::Progress;
use crate::run::{Folder, RunOptions, output_folder};
use crate::unit::UnitWork;
use crate::write::{MeasuredStage, Measures, OutputFormat};
use crate::{Error, Result, Stage};

/// The kinds of parts a unit may leave, with their folders in the run folder.
pub(crate) const OUT: &str = "documents";
pub(crate) const DROPPED: &str = "dropped";
pub(crate) const SET_ASIDE: &str = "set-aside";
pub(crate) const MEASURES: &str = "measures";

/// What every worker of a sweep sees.
pub(crate) struct Engine<'a> {
    pub plan: &'a Plan,
    pub options: &'a RunOptions,
    pub progress: &'a Progress,
    pub cancelled: &'a AtomicBool,
    pub folder: &'a Folder,
    pub shards: &'a [Shard],
    pub number: u32,
    pub sweep: &'a Sweep,
    pub is_last: bool,
    /// The stages whose measures are kept.
    pub measured: Vec<MeasuredStage>,
}

impl Engine<'_> {
    pub(crate) fn parts(&self) -> PathBuf {
        self.folder.work.join("parts")
    }

    fn writes_documents(&self) -> bool {
        self.is_last && self.plan.output.documents
    }

    pub(crate) fn writes_measures(&self) -> bool {
        self.plan.output.measures == Measures::Sidecar
    }
}

/// Where a unit's partial result for the sweep's pass lies.
pub(crate) fn partial_path(engine: &Engine<'_>, unit: (u32, u32)) -> PathBuf {
    engine.folder.sweep(engine.number).join("partials").join(format!("{:05}-{:06}", unit.0, unit.1))
}

pub(crate) fn work_path(folder: &Folder, sweep: u32, unit: (u32, u32)) -> PathBuf {
    folder.sweep(sweep).join(format!("{:05}-{:06}.batches", unit.0, unit.1))
}

/// What workers change together.
struct Ledger<'a> {
    manifest: &'a mut Manifest,
    frontier: Frontier,
    assemblers: Vec<Assembler>,
}

/// Runs what is not done yet of a sweep.
pub(crate) fn run(
    engine: &Engine<'_>,
    stages: &[(usize, Arc<dyn Stage>)],
    manifest: &mut Manifest,
    what: &str,
) -> Result<()> {
    for folder in [engine.parts(), engine.folder.sweep(engine.number).join("partials")] {
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    }
    let done = manifest.units(engine.number)?;
    let stop = AtomicBool::new(false);
    let (feed, totals): (Box<dyn Feed + '_>, Vec<Option<u32>>) = if engine.number == 0 {
        let totals = manifest.unit_totals()?;
        let oversize = engine.folder.root.join("set_aside");
        let total: u64 = engine.shards.iter().map(|shard| shard.bytes).sum();
        engine.progress.begin(what.into(), total, 0);
        (Box::new(InputFeed::new(engine.shards, &engine.plan.input, &done, &totals, oversize, &stop)), totals)
    } else {
        let known: std::collections::BTreeSet<_> = done.iter().map(|unit| (unit.shard, unit.unit)).collect();
        let mut units = Vec::new();
        let mut total = 0;
        for unit in manifest.units(engine.number - 1)?.into_iter().filter(|unit| unit.rows > 0) {
            let path = work_path(engine.folder, engine.number - 1, (unit.shard, unit.unit));
            let bytes = std::fs::metadata(&path).map_err(Error::io("read", &path))?.len();
            total += bytes;
            if !known.contains(&(unit.shard, unit.unit)) {
                units.push((unit.shard, unit.unit, path, bytes));
            }
        }
        let left: u64 = units.iter().map(|unit| unit.3).sum();
        engine.progress.begin(what.into(), total, total - left);
        (Box::new(WorkFeed::new(units, &stop)), vec![None; engine.shards.len()])
    };
    let mut frontier = Frontier::new(totals);
    let mut assemblers = Vec::new();
    let output = &engine.plan.output;
    let mut kinds = vec![(DROPPED, OutputFormat::JsonlZst), (SET_ASIDE, OutputFormat::Jsonl)];
    if engine.writes_documents() {
        kinds.push((OUT, output.format));
    }
    if engine.writes_measures() {
        kinds.push((MEASURES, OutputFormat::Parquet));
    }
    for (kind, format) in kinds {
        let folder = engine.folder.root.join(output_folder(kind));
        let (mut assembler, taken) =
            Assembler::new(kind, engine.number, format, folder, engine.parts(), output.file_bytes, manifest)?;
        for unit in done.iter().filter(|unit| taken.is_none_or(|taken| (unit.shard, unit.unit) > taken)) {
            assembler.add((unit.shard, unit.unit), rows_of(kind, unit));
        }
        assemblers.push(assembler);
    }
    done.iter().for_each(|unit| frontier.add((unit.shard, unit.unit)));
    let ledger = Mutex::new(Ledger { manifest, frontier, assemblers });
    let budget = Budget::new(engine.options.memory / 2);
    in_workers(engine, &stop, || work(engine, stages, feed.as_ref(), &budget, &ledger, &stop))?;
    if engine.cancelled.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let Ledger { manifest, mut assemblers, .. } = ledger.into_inner().expect("no holder of the ledger panics");
    feed.totals(&mut |shard, units| manifest.set_unit_total(shard, units))?;
    assemblers.iter_mut().try_for_each(|assembler| assembler.finish(&|file| manifest.add_file(file)))
}

/// Runs `work` on each of the engine's threads; the first error sets `stop` and is returned.
pub(crate) fn in_workers(engine: &Engine<'_>, stop: &AtomicBool, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..engine.options.threads.max(1) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    stop.store(true, Ordering::Relaxed);
                    failure.lock().expect("no holder of the failure panics").get_or_insert(error);
                }
            });
        }
    });
    failure.into_inner().expect("no holder of the failure panics").map_or(Ok(()), Err)
}

fn rows_of(kind: &str, unit: &UnitRow) -> u64 {
    match kind {
        DROPPED => unit.dropped,
        SET_ASIDE => unit.set_aside,
        MEASURES => unit.rows + unit.dropped,
        _ => unit.rows,
    }
}

fn work(
    engine: &Engine<'_>,
    stages: &[(usize, Arc<dyn Stage>)],
    feed: &dyn Feed,
    budget: &Budget,
    ledger: &Mutex<Ledger<'_>>,
    stop: &AtomicBool,
) -> Result<()> {
    loop {
        if engine.cancelled.load(Ordering::Relaxed) {
            // The others stop at their next unit; this wakes those that wait for a file.
            stop.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let Some(unit) = feed.next()? else { return Ok(()) };
        let permit = budget.draw(unit.weight);
        let mut done = UnitWork::new(engine, stages, &unit);
        done.run(&unit)?;
        let (row, counts, samples) = done.finish()?;
        drop(permit);
        engine.progress.done.fetch_add(unit.input_bytes, Ordering::Relaxed);
        let mut ledger = ledger.lock().expect("no holder of the ledger panics");
        let ledger = &mut *ledger;
        ledger.manifest.finish_unit(engine.number, &row, &counts, &samples)?;
        let manifest: &Manifest = ledger.manifest;
        feed.totals(&mut |shard, units| {
            ledger.frontier.set_total(shard, units);
            manifest.set_unit_total(shard, units)
        })?;
        let key = (row.shard, row.unit);
        ledger.frontier.add(key);
        let frontier = ledger.frontier.advance();
        for assembler in &mut ledger.assemblers {
            assembler.add(key, rows_of(assembler.kind, &row));
            assembler.advance(frontier, &|file| manifest.add_file(file))?;
        }
    }
}
