//! A second reading of the documents that a sweep has left, for the pass that it scanned for.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::budget::Budget;
use crate::feed::{Feed, WorkFeed};
use crate::manifest::UnitRow;
use crate::read;
use crate::sweep::{self, Engine, work_path};
use crate::unit::{origin, settle, temporary};
use crate::{Error, Pass, Result};

/// Has `pass` scan all documents of the sweep; its partial files, in input order, and the nanoseconds that workers spent.
/// Files that were finished before a kill are not made again.
pub(crate) fn read(engine: &Engine<'_>, pass: &dyn Pass, name: &str, units: &[UnitRow]) -> Result<(Vec<PathBuf>, u64)> {
    let folder = engine.folder.sweep(engine.number).join("again");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let partial = |shard: u32, unit: u32| folder.join(format!("{shard:05}-{unit:06}"));
    let (mut partials, mut left, mut total, mut done) = (Vec::new(), Vec::new(), 0, 0);
    for unit in units.iter().filter(|unit| unit.scanned) {
        let path = work_path(engine.folder, engine.number, (unit.shard, unit.unit));
        let bytes = std::fs::metadata(&path).map_err(Error::io("read", &path))?.len();
        total += bytes;
        partials.push(partial(unit.shard, unit.unit));
        if partials.last().is_some_and(|path| path.is_file()) {
            done += bytes;
        } else {
            left.push((unit.shard, unit.unit, path, bytes));
        }
    }
    engine.progress.begin(format!("{name}: reading once more"), total, done);
    let stop = AtomicBool::new(false);
    let feed = WorkFeed::new(left, &stop);
    let budget = Budget::new(engine.options.memory / 2);
    let nanoseconds = AtomicU64::new(0);
    let work = || -> Result<()> {
        while let Some(unit) = feed.next()? {
            if engine.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let permit = budget.draw(unit.weight);
            let start = Instant::now();
            let path = partial(unit.shard, unit.index);
            let mut scan = pass.scan(&temporary(&path))?;
            let shard = &engine.shards[unit.shard as usize];
            let origin = origin(engine, unit.shard);
            read::batches(&unit, shard, &engine.plan.input, &mut Vec::new(), &mut |mut batch| {
                batch.set_origin(origin.clone());
                scan.batch(&batch)
            })?;
            scan.finish()?;
            settle(&path)?;
            drop(permit);
            nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            engine.progress.done.fetch_add(unit.input_bytes, Ordering::Relaxed);
        }
        Ok(())
    };
    sweep::in_workers(engine, &stop, work)?;
    Ok((partials, nanoseconds.into_inner()))
}
