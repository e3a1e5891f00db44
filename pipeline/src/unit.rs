//! The work on one unit: its documents go through the stages of a sweep, are counted, sampled and written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use base64::Engine as _;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::assemble::part_path;
use crate::batch::{Origin, Tally};
use crate::input::Shard;
use crate::manifest::{BLANK_LINES, Counts, ENGINE, PASSED_OVER, SAMPLES, Sample, UNDECODABLE_BYTES, UnitRow};
use crate::plan::Work;
use crate::read::{self, SetAside, Unit};
use crate::stage::Detail;
use crate::sweep::{DROPPED, Engine, MEASURES, OUT, SET_ASIDE, partial_path, work_path};
use crate::work::WorkPart;
use crate::write::{self, Dropped, JsonlPart, Measures, MeasuresPart, OutputFormat, PartWriter, measure_column};
use crate::{Batch, Error, Result, Scan, Stage};

/// Characters of a document kept as a sample.
const SAMPLE_CHARS: usize = 400;
/// Sources told apart within one unit; documents of further ones count as `(others)`.
const SOURCES: usize = 1024;

/// The work on one unit: its counts, samples and open files.
pub(crate) struct UnitWork<'a> {
    engine: &'a Engine<'a>,
    stages: &'a [(usize, Arc<dyn Stage>)],
    key: (u32, u32),
    counts: Counts,
    samples: BTreeMap<i64, BTreeMap<String, Vec<Sample>>>,
    sources: BTreeSet<String>,
    origin: Arc<Origin>,
    measures: Option<MeasuresPart>,
    out: Option<Box<dyn PartWriter>>,
    dropped: Option<Box<JsonlPart>>,
    scan: Option<Box<dyn Scan>>,
    row: UnitRow,
}

impl<'a> UnitWork<'a> {
    pub(crate) fn new(engine: &'a Engine<'a>, stages: &'a [(usize, Arc<dyn Stage>)], unit: &Unit) -> Self {
        let row = UnitRow {
            shard: unit.shard,
            unit: unit.index,
            next_row: unit.next_row,
            end: unit.end,
            ..UnitRow::default()
        };
        let origin = origin(engine, unit.shard);
        Self {
            engine,
            stages,
            key: (unit.shard, unit.index),
            counts: Counts::new(),
            samples: BTreeMap::new(),
            sources: BTreeSet::new(),
            origin,
            measures: None,
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

    pub(crate) fn run(&mut self, unit: &Unit) -> Result<()> {
        let shard = &self.engine.shards[unit.shard as usize];
        let mut bad = Vec::new();
        let mut reading = Instant::now();
        let mut read_time = 0;
        let passed_over = read::batches(unit, shard, &self.engine.plan.input, &mut bad, &mut |batch| {
            read_time += reading.elapsed().as_nanos() as u64;
            self.in_parts(batch)?;
            reading = Instant::now();
            Ok(())
        })?;
        read_time += reading.elapsed().as_nanos() as u64;
        self.count(ENGINE, "time", "read", 1, read_time);
        for (key, lines, bytes) in
            [(BLANK_LINES, passed_over.blank_lines, 0), (UNDECODABLE_BYTES, 0, passed_over.undecodable_bytes)]
        {
            if lines + bytes > 0 {
                self.count(ENGINE, PASSED_OVER, key, lines, bytes);
            }
        }
        bad.extend(unit.set_aside.iter().cloned());
        self.set_aside(shard, bad)
    }

    /// Works on a batch, in parts if a stage would take long over the whole of it. Between parts the unit is given up if the run is to
    /// stop: it is done anew when the run goes on.
    fn in_parts(&mut self, batch: Batch) -> Result<()> {
        let Some(bytes) = self.stages.iter().filter_map(|(_, stage)| stage.batch_bytes()).min() else {
            return self.batch(batch);
        };
        for rows in batch.cut(bytes) {
            if self.engine.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            self.batch(batch.part(rows)?)?;
        }
        Ok(())
    }

    fn batch(&mut self, mut batch: Batch) -> Result<()> {
        batch.set_origin(self.origin.clone());
        let rows = batch.rows() as u64;
        let bytes: u64 = batch.text_bytes();
        self.count(ENGINE, "read", "", rows, bytes);
        let progress = self.engine.progress;
        progress.documents.fetch_add(rows, Ordering::Relaxed);
        progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.engine.number == 0 {
            self.lengths("length_read", &batch);
        }
        batch = match self.engine.plan.output.measures {
            Measures::Sidecar if self.engine.writes_measures() => batch.recording(),
            Measures::Columns => batch.keeping_values(),
            _ => batch,
        };
        for (place, (step, stage)) in self.stages.iter().enumerate() {
            let start = Instant::now();
            let is_fixed = matches!(self.engine.plan.steps[*step].work, Work::Deferred { .. });
            batch.set_stage(place as u16, is_fixed);
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
            for exhibit in batch.take_exhibits() {
                let (doc_id, text) = (batch.doc_ids().value(exhibit.row), batch.texts().value(exhibit.row));
                self.sample(step, &exhibit.label, doc_id, text, || format!("{:.4}", exhibit.value));
            }
        }
        self.dropped(&batch)?;
        self.write_measures(&batch)?;
        if self.engine.plan.output.measures == Measures::Columns {
            for stage in &self.engine.measured {
                for place in 0..stage.measures.len() {
                    let (field, column) = measure_column(&batch, stage, place);
                    batch = batch.annotate(field, column)?;
                }
            }
        }
        let batch = batch.compact()?;
        let kept = batch.text_bytes();
        self.row.rows += batch.rows() as u64;
        self.count(ENGINE, "kept", "", batch.rows() as u64, kept);
        progress.kept.fetch_add(batch.rows() as u64, Ordering::Relaxed);
        if batch.rows() == 0 {
            return Ok(());
        }
        self.kept_strata(&batch);
        if self.engine.is_last {
            self.lengths("length_kept", &batch);
            self.languages(&batch);
            self.kept_samples(&batch);
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
            let (step, stage) = &self.stages[mark.stage as usize];
            let step = *step;
            let [by_source, by_language] = match stage.asked_for().contains(&mark.reason.code) {
                true => ["asked_source", "asked_language"],
                false => ["dropped_source", "dropped_language"],
            };
            let text = batch.texts().value(row);
            self.row.dropped += 1;
            self.count(step as i64, "dropped", mark.reason.code, 1, text.len() as u64);
            let source = self.source(batch, row);
            self.count(step as i64, by_source, &source, 1, text.len() as u64);
            if batch.column("language").is_some() {
                let document = batch.document(row);
                let language = document.str("language");
                self.count(step as i64, by_language, language.as_deref().unwrap_or("und"), 1, text.len() as u64);
            }
            let doc_id = batch.doc_ids().value(row);
            self.sample(step as i64, mark.reason.code, doc_id, text, || evidence(&mark.reason.detail));
            if self.engine.plan.output.keeps_dropped() {
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

    /// Keeps the few documents of lowest rank for each step and reason.
    fn sample(&mut self, step: i64, reason: &str, doc_id: u64, text: &str, detail: impl FnOnce() -> String) {
        let rank = xxh3_64_with_seed(&doc_id.to_le_bytes(), 0x5a3b);
        let of_step = self.samples.entry(step).or_default();
        if !of_step.contains_key(reason) {
            of_step.insert(reason.to_owned(), Vec::new());
        }
        let samples = of_step.get_mut(reason).expect("made above");
        if samples.len() >= SAMPLES && samples.last().is_some_and(|last| last.rank <= rank) {
            return;
        }
        let text = text.chars().take(SAMPLE_CHARS).collect();
        let at = samples.partition_point(|sample| sample.rank < rank);
        samples.insert(at, Sample { step, reason: reason.to_owned(), rank, doc_id, detail: detail(), text });
        samples.truncate(SAMPLES);
    }

    /// A few of the documents that come through, by language.
    fn kept_samples(&mut self, batch: &Batch) {
        for document in batch.documents() {
            let language = document.str("language");
            let language = language.as_deref().unwrap_or_default();
            self.sample(ENGINE, language, document.doc_id(), document.text(), String::new);
        }
    }

    /// Where a document is from: its field, or its file.
    fn source(&mut self, batch: &Batch, row: usize) -> String {
        let source = batch.document(row).source().into_owned();
        if self.origin.field.is_none() {
            return source;
        }
        if self.sources.contains(&source) {
            return source;
        }
        if self.sources.len() >= SOURCES {
            return "(others)".into();
        }
        self.sources.insert(source.clone());
        source
    }

    /// Counts what comes through by source and language.
    fn kept_strata(&mut self, batch: &Batch) {
        if self.engine.plan.input.source_field.is_none() {
            let source = self.origin.name.clone();
            self.count(ENGINE, "kept_source", &source, batch.rows() as u64, batch.text_bytes());
        } else {
            for row in 0..batch.rows() {
                let source = self.source(batch, row);
                self.count(ENGINE, "kept_source", &source, 1, batch.texts().value(row).len() as u64);
            }
        }
        if batch.column("language").is_some() {
            for document in batch.documents() {
                let language = document.str("language");
                let bytes = document.text().len() as u64;
                self.count(ENGINE, "kept_language", language.as_deref().unwrap_or("und"), 1, bytes);
            }
        }
    }

    fn write_measures(&mut self, batch: &Batch) -> Result<()> {
        if !self.engine.writes_measures() {
            return Ok(());
        }
        let start = Instant::now();
        let path = temporary(&self.part(MEASURES, OutputFormat::Parquet));
        let part = self.measures.get_or_insert_with(|| MeasuresPart::create(&path));
        let source = |row: usize| batch.document(row).source().into_owned();
        let step_of = |place: u16| self.engine.plan.steps[self.stages[usize::from(place)].0].name.clone();
        part.write(batch, &self.engine.measured, &source, &step_of)?;
        self.count(ENGINE, "time", "write measures", 1, start.elapsed().as_nanos() as u64);
        Ok(())
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

    pub(crate) fn finish(mut self) -> Result<(UnitRow, Counts, Vec<Sample>)> {
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
        if !self.engine.plan.output.keeps_dropped() {
            self.row.dropped = 0;
        }
        if let Some(measures) = self.measures.take() {
            measures.finish()?;
            settle(&self.part(MEASURES, OutputFormat::Parquet))?;
        }
        if let Some(scan) = self.scan.take() {
            scan.finish()?;
            settle(&partial_path(self.engine, self.key))?;
            self.row.scanned = true;
        }
        Ok((self.row, self.counts, self.samples.into_values().flat_map(BTreeMap::into_values).flatten().collect()))
    }
}

/// A few words on why a document was dropped.
fn evidence(detail: &Detail) -> String {
    match detail {
        Detail::None => String::new(),
        Detail::Measure { value, threshold } => format!("{value:.4} against {threshold}"),
        Detail::Document(id) => format!("duplicate of {id}"),
        Detail::Text(text) => text.clone(),
    }
}

/// Where the documents of an input file are from.
pub(crate) fn origin(engine: &Engine<'_>, shard: u32) -> Arc<Origin> {
    let path = engine.shards[shard as usize].path.clone();
    let field = engine.plan.input.source_field.clone();
    let id_field = engine.plan.input.id_field.clone();
    Arc::new(Origin { name: source_of(&path), path, field, id_field })
}

/// The name of a file without its folder and suffixes.
fn source_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    name.split_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(name.clone(), |(stem, _)| stem.to_owned())
}

/// The name a file has until it is whole.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Makes a whole file durable and gives it its name.
pub(crate) fn settle(path: &Path) -> Result<()> {
    let temporary = temporary(path);
    let file = std::fs::File::open(&temporary).map_err(Error::io("read", &temporary))?;
    file.sync_data().map_err(Error::io("sync", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}
