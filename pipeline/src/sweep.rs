//! One sweep: workers take units, run the stages over them, and record each finished unit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::assemble::{Assembler, Frontier, part_path};
use crate::batch::Tally;
use crate::budget::Budget;
use crate::feed::{Feed, InputFeed, WorkFeed};
use crate::input::Shard;
use crate::manifest::{Counts, ENGINE, Manifest, Sample, UnitRow};
use crate::plan::{Plan, Sweep, Work};
use crate::progress::Progress;
use crate::read::{self, SetAside, Unit};
use crate::run::{Folder, RunOptions, output_folder};
use crate::stage::Detail;
use crate::write::{self, Dropped, JsonlPart, OutputFormat, PartWriter, WorkPart};
use crate::{Batch, Error, Result, Scan, Stage};

/// Characters of a dropped document kept as a sample.
const SAMPLE_CHARS: usize = 400;
/// The kinds of parts a unit may leave, with their folders in the run folder.
pub(crate) const OUT: &str = "documents";
pub(crate) const DROPPED: &str = "dropped";
pub(crate) const SET_ASIDE: &str = "set-aside";

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
}

impl Engine<'_> {
    fn parts(&self) -> PathBuf {
        self.folder.work.join("parts")
    }

    fn writes_documents(&self) -> bool {
        self.is_last && self.plan.output.documents
    }
}

/// Where a unit's partial result for the sweep's pass lies.
pub(crate) fn partial_path(engine: &Engine<'_>, unit: (u32, u32)) -> PathBuf {
    engine.folder.sweep(engine.number).join("partials").join(format!("{:05}-{:06}", unit.0, unit.1))
}

fn work_path(folder: &Folder, sweep: u32, unit: (u32, u32)) -> PathBuf {
    folder.sweep(sweep).join(format!("{:05}-{:06}.arrow", unit.0, unit.1))
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
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..engine.options.threads.max(1) {
            scope.spawn(|| {
                if let Err(error) = work(engine, stages, feed.as_ref(), &budget, &ledger, &stop) {
                    stop.store(true, Ordering::Relaxed);
                    failure.lock().expect("no holder of the failure panics").get_or_insert(error);
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().expect("no holder of the failure panics") {
        return Err(error);
    }
    if engine.cancelled.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let Ledger { manifest, mut assemblers, .. } = ledger.into_inner().expect("no holder of the ledger panics");
    feed.totals(&mut |shard, units| manifest.set_unit_total(shard, units))?;
    assemblers.iter_mut().try_for_each(|assembler| assembler.finish(&|file| manifest.add_file(file)))
}

fn rows_of(kind: &str, unit: &UnitRow) -> u64 {
    match kind {
        DROPPED => unit.dropped,
        SET_ASIDE => unit.set_aside,
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

/// The work on one unit: its counts, samples and open files.
struct UnitWork<'a> {
    engine: &'a Engine<'a>,
    stages: &'a [(usize, Arc<dyn Stage>)],
    key: (u32, u32),
    counts: Counts,
    samples: BTreeMap<(i64, &'static str), Vec<Sample>>,
    out: Option<Box<dyn PartWriter>>,
    dropped: Option<Box<JsonlPart>>,
    scan: Option<Box<dyn Scan>>,
    row: UnitRow,
}

impl<'a> UnitWork<'a> {
    fn new(engine: &'a Engine<'a>, stages: &'a [(usize, Arc<dyn Stage>)], unit: &Unit) -> Self {
        let row = UnitRow {
            shard: unit.shard,
            unit: unit.index,
            next_row: unit.next_row,
            end: unit.end,
            ..UnitRow::default()
        };
        Self {
            engine,
            stages,
            key: (unit.shard, unit.index),
            counts: Counts::new(),
            samples: BTreeMap::new(),
            out: None,
            dropped: None,
            scan: None,
            row,
        }
    }

    fn count(&mut self, step: i64, kind: &'static str, key: &str, documents: u64, bytes: u64) {
        match self.counts.get_mut(&(step, kind, key.to_owned())) {
            Some(tally) => tally.add(documents, bytes),
            None => {
                self.counts.insert((step, kind, key.to_owned()), Tally { documents, bytes });
            }
        }
    }

    fn run(&mut self, unit: &Unit) -> Result<()> {
        let shard = &self.engine.shards[unit.shard as usize];
        let mut bad = Vec::new();
        let mut reading = Instant::now();
        let mut read_time = 0;
        read::batches(unit, shard, &self.engine.plan.input, &mut bad, &mut |batch| {
            read_time += reading.elapsed().as_nanos() as u64;
            self.batch(batch)?;
            reading = Instant::now();
            Ok(())
        })?;
        read_time += reading.elapsed().as_nanos() as u64;
        self.count(ENGINE, "time", "read", 1, read_time);
        bad.extend(unit.set_aside.iter().cloned());
        self.set_aside(shard, bad)
    }

    fn batch(&mut self, mut batch: Batch) -> Result<()> {
        let rows = batch.rows() as u64;
        let bytes: u64 = batch.text_bytes();
        self.count(ENGINE, "read", "", rows, bytes);
        let progress = self.engine.progress;
        progress.documents.fetch_add(rows, Ordering::Relaxed);
        progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.engine.number == 0 {
            self.lengths("length_read", &batch);
        }
        for (place, (step, stage)) in self.stages.iter().enumerate() {
            let start = Instant::now();
            batch.set_stage(place as u16);
            batch = stage.process(batch)?;
            let mut nanoseconds = start.elapsed().as_nanos() as u64;
            let shared: Vec<_> = batch.take_measure_time().collect();
            for (name, time) in shared {
                nanoseconds = nanoseconds.saturating_sub(time);
                self.count(ENGINE, "time", name, 1, time);
            }
            let step = *step as i64;
            self.count(step, "time", "process", 1, nanoseconds);
            for ((kind, key), tally) in batch.take_tallies() {
                self.count(step, kind, &key, tally.documents, tally.bytes);
            }
        }
        self.dropped(&batch)?;
        let batch = batch.compact()?;
        let kept = batch.text_bytes();
        self.row.rows += batch.rows() as u64;
        self.count(ENGINE, "kept", "", batch.rows() as u64, kept);
        progress.kept.fetch_add(batch.rows() as u64, Ordering::Relaxed);
        if batch.rows() == 0 {
            return Ok(());
        }
        if self.engine.is_last {
            self.lengths("length_kept", &batch);
            self.languages(&batch);
        }
        self.scan(&batch)?;
        self.write(&batch)
    }

    /// Counts documents by length: the key is the power of two of the characters.
    fn lengths(&mut self, kind: &'static str, batch: &Batch) {
        let mut buckets = [(0, 0); 40];
        for document in batch.documents() {
            let chars = document.text().chars().count();
            let bucket = &mut buckets[(usize::BITS - chars.leading_zeros()) as usize];
            *bucket = (bucket.0 + 1, bucket.1 + document.text().len() as u64);
        }
        for (power, (documents, bytes)) in buckets.into_iter().enumerate().filter(|(_, (documents, _))| *documents > 0)
        {
            self.count(ENGINE, kind, &format!("{power:02}"), documents, bytes);
        }
    }

    fn languages(&mut self, batch: &Batch) {
        if batch.column("language").is_none() {
            return;
        }
        for document in batch.documents() {
            let language = document.str("language");
            self.count(ENGINE, "language", language.as_deref().unwrap_or("und"), 1, document.text().len() as u64);
        }
    }

    fn dropped(&mut self, batch: &Batch) -> Result<()> {
        if batch.live_rows() == batch.rows() {
            return Ok(());
        }
        for row in 0..batch.rows() {
            let Some(mark) = batch.mark(row) else { continue };
            let step = self.stages[mark.stage as usize].0;
            let text = batch.texts().value(row);
            self.row.dropped += 1;
            self.count(step as i64, "dropped", mark.reason.code, 1, text.len() as u64);
            let doc_id = batch.doc_ids().value(row);
            self.sample(step as i64, mark.reason.code, doc_id, &mark.reason.detail, text);
            if self.engine.plan.output.keep_dropped {
                let stage = &self.engine.plan.steps[step].name;
                let dropped = Dropped { stage, reason: &mark.reason };
                if self.dropped.is_none() {
                    let path = temporary(&self.part(DROPPED, OutputFormat::JsonlZst));
                    self.dropped = Some(Box::new(JsonlPart::create(&path, OutputFormat::JsonlZst, 3, true)?));
                }
                self.dropped.as_mut().expect("made above").write_row(batch, row, Some(&dropped))?;
            }
        }
        Ok(())
    }

    /// Keeps the few dropped documents of lowest rank for each reason.
    fn sample(&mut self, step: i64, reason: &'static str, doc_id: u64, detail: &Detail, text: &str) {
        const KEPT: usize = 8;
        let rank = xxh3_64_with_seed(&doc_id.to_le_bytes(), 0x5a3b);
        let samples = self.samples.entry((step, reason)).or_default();
        if samples.len() >= KEPT && samples.last().is_some_and(|last| last.rank <= rank) {
            return;
        }
        let detail = match detail {
            Detail::None => String::new(),
            Detail::Measure { value, threshold } => format!("{value:.4} against {threshold}"),
            Detail::Document(id) => format!("duplicate of {id}"),
            Detail::Text(text) => text.clone(),
        };
        let text = text.chars().take(SAMPLE_CHARS).collect();
        let at = samples.partition_point(|sample| sample.rank < rank);
        samples.insert(at, Sample { step, reason, rank, doc_id, detail, text });
        samples.truncate(KEPT);
    }

    fn scan(&mut self, batch: &Batch) -> Result<()> {
        let Some(step) = self.engine.sweep.scans_for else { return Ok(()) };
        let Work::Pass(pass) = &self.engine.plan.steps[step].work else { unreachable!("only a pass is scanned for") };
        let start = Instant::now();
        if self.scan.is_none() {
            self.scan = Some(pass.scan(&temporary(&partial_path(self.engine, self.key)))?);
        }
        self.scan.as_mut().expect("made above").batch(batch)?;
        let shared: Vec<_> = batch.take_measure_time().collect();
        let mut nanoseconds = start.elapsed().as_nanos() as u64;
        for (name, time) in shared {
            nanoseconds = nanoseconds.saturating_sub(time);
            self.count(ENGINE, "time", name, 1, time);
        }
        self.count(step as i64, "time", "scan", 1, nanoseconds);
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<()> {
        if self.engine.is_last && !self.engine.plan.output.documents {
            return Ok(());
        }
        let start = Instant::now();
        if self.out.is_none() {
            self.out = Some(if self.engine.is_last {
                write::part(&temporary(&self.part(OUT, self.engine.plan.output.format)), &self.engine.plan.output)?
            } else {
                Box::new(WorkPart::create(&temporary(&work_path(self.engine.folder, self.engine.number, self.key))))
            });
        }
        self.out.as_mut().expect("made above").write(batch)?;
        self.count(ENGINE, "time", "write", 1, start.elapsed().as_nanos() as u64);
        Ok(())
    }

    fn part(&self, kind: &str, format: OutputFormat) -> PathBuf {
        part_path(&self.engine.parts(), kind, self.engine.number, self.key, format)
    }

    /// Keeps records that are no documents, with their bytes and the reason.
    fn set_aside(&mut self, shard: &Shard, records: Vec<SetAside>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.part(SET_ASIDE, OutputFormat::Jsonl);
        let mut part = Box::new(JsonlPart::create(&temporary(&path), OutputFormat::Jsonl, 0, false)?);
        for record in &records {
            let mut line = json!({ "file": shard.path.to_string_lossy(), "row": record.row, "reason": record.reason });
            match (&record.file, std::str::from_utf8(&record.bytes)) {
                (Some(file), _) => {
                    line["record_file"] =
                        file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into()).into()
                }
                (None, Ok(text)) => line["record"] = text.into(),
                (None, Err(_)) => {
                    line["record_base64"] = base64::engine::general_purpose::STANDARD.encode(&record.bytes).into();
                }
            }
            part.write_line(line.to_string().as_bytes())?;
            let bytes = record.bytes.len() as u64;
            self.count(ENGINE, "read", "", 1, 0);
            // Reasons carry numbers and excerpts: the count is by their first words.
            let key = record
                .reason
                .split(['(', ':', ',', '`', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                .next()
                .unwrap_or("")
                .trim();
            self.count(ENGINE, "set_aside", key, 1, bytes);
        }
        self.row.set_aside = records.len() as u64;
        part.finish()?;
        settle(&path)
    }

    fn finish(mut self) -> Result<(UnitRow, Counts, Vec<Sample>)> {
        if let Some(out) = self.out.take() {
            let start = Instant::now();
            out.finish()?;
            settle(&if self.engine.is_last {
                self.part(OUT, self.engine.plan.output.format)
            } else {
                work_path(self.engine.folder, self.engine.number, self.key)
            })?;
            self.count(ENGINE, "time", "write", 0, start.elapsed().as_nanos() as u64);
        }
        if let Some(dropped) = self.dropped.take() {
            dropped.finish()?;
            settle(&self.part(DROPPED, OutputFormat::JsonlZst))?;
        }
        if !self.engine.plan.output.keep_dropped {
            self.row.dropped = 0;
        }
        if let Some(scan) = self.scan.take() {
            scan.finish()?;
            settle(&partial_path(self.engine, self.key))?;
            self.row.scanned = true;
        }
        Ok((self.row, self.counts, self.samples.into_values().flatten().collect()))
    }
}

/// The name a file has until it is whole.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Makes a whole file durable and gives it its name.
fn settle(path: &Path) -> Result<()> {
    let temporary = temporary(path);
    let file = std::fs::File::open(&temporary).map_err(Error::io("read", &temporary))?;
    file.sync_data().map_err(Error::io("sync", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}
