//! A second reading of the documents that a sweep has left, for the pass that it scanned for.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::budget::Budget;
use crate::feed::{Feed, WorkFeed};
use crate::manifest::UnitRow;
use crate::read;
use crate::sweep::{Engine, work_path};
use crate::unit::{origin, settle, temporary};
use crate::{Error, Pass, Result};

/// Has `pass` scan all documents of the sweep; its partial files, in input order. Those that were finished before a kill
/// are not made again.
pub(crate) fn read(engine: &Engine<'_>, pass: &dyn Pass, name: &str, units: &[UnitRow]) -> Result<Vec<PathBuf>> {
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
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let work = || -> Result<()> {
        while let Some(unit) = feed.next()? {
            if engine.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let permit = budget.draw(unit.weight);
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
            engine.progress.done.fetch_add(unit.input_bytes, Ordering::Relaxed);
        }
        Ok(())
    };
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
    match failure.into_inner().expect("no holder of the failure panics") {
        Some(error) => Err(error),
        None => Ok(partials),
    }
}
