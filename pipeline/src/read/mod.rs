//! From files to work units, and from work units to batches.
//!
//! A [`ShardReader`] cuts one input file, front to back, into units of bounded size. Cutting is cheap and done
//! by one worker at a time for a file; [`batches`] turns a unit into documents and is done by all workers.

mod columnar;
mod jsonl;
mod lines;
mod text;

pub use columnar::check_parquet;

use std::path::PathBuf;

use arrow_array::builder::{LargeBinaryBuilder, LargeStringBuilder, UInt64Builder};
use arrow_array::{RecordBatch, UInt64Array};

use crate::input::{Format, Input, OnBadRecord, Shard};
use crate::riders::JsonRiders;
use crate::work::read_work;
use crate::{Batch, Error, Result, Riders};

pub(crate) use jsonl::escape_into;

/// Text bytes after which a batch is closed: small enough for the cache, large enough for Arrow.
const BATCH_BYTES: usize = 512 << 10;
/// Documents after which a batch is closed.
const BATCH_ROWS: usize = 1024;

/// For the texts of one batch: the one that closes it seldom makes it grow.
fn texts_builder() -> LargeStringBuilder {
    LargeStringBuilder::with_capacity(64, BATCH_BYTES + BATCH_BYTES / 4)
}

/// A piece of one input file, worked on, resumed and counted as one.
pub(crate) struct Unit {
    /// The input file's number.
    pub shard: u32,
    /// The unit's number within the file.
    pub index: u32,
    /// The number of its first record within the file.
    pub first_row: u64,
    /// Where the unit ends in the file, for files that can be entered there again: bytes, or row groups, or 0.
    pub end: u64,
    /// Where the next unit's records start.
    pub next_row: u64,
    /// Memory that working on it may take.
    pub weight: u64,
    /// Its share of the input file, for progress.
    pub input_bytes: u64,
    pub payload: Payload,
    /// Records that never reached the payload: too large, or behind damage.
    pub set_aside: Vec<SetAside>,
}

pub(crate) enum Payload {
    /// Whole lines.
    Lines(Vec<u8>),
    /// One document.
    Whole(Vec<u8>),
    /// One row group of a Parquet file.
    RowGroup(usize),
    /// Record batches of an Arrow file.
    Records(Vec<RecordBatch>),
    /// A file between sweeps.
    Work(PathBuf),
}

/// A record that is no document, and why.
#[derive(Clone, Debug)]
pub(crate) struct SetAside {
    pub row: u64,
    pub reason: String,
    /// The record's bytes, if they are not in a file of their own.
    pub bytes: Vec<u8>,
    /// The file they are in instead.
    pub file: Option<PathBuf>,
}

/// Cuts one input file into units.
pub(crate) trait ShardReader: Send {
    /// The next unit, or `None` at the end.
    fn next_unit(&mut self) -> Result<Option<Unit>>;
}

/// Where a reader starts: behind the units that are done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    pub index: u32,
    pub row: u64,
    pub offset: u64,
}

/// Opens an input file. Readers that cannot enter a file in its middle start at its front again.
pub(crate) fn open(
    shard: &Shard,
    number: u32,
    input: &Input,
    start: Start,
    oversize: Option<PathBuf>,
) -> Result<Box<dyn ShardReader>> {
    match shard.format {
        Format::Parquet => columnar::ParquetUnits::open(shard, number, start).map(|reader| Box::new(reader) as _),
        Format::Arrow => columnar::ArrowUnits::open(shard, number, input).map(|reader| Box::new(reader) as _),
        Format::TextFile => Ok(Box::new(text::WholeFile::new(shard, number, input, oversize))),
        Format::Jsonl | Format::Text | Format::Yuan => {
            lines::LineUnits::open(shard, number, input, start, oversize).map(|reader| Box::new(reader) as _)
        }
    }
}

fn too_large(path: &std::path::Path, row: u64, limit: u64) -> Error {
    let problem = format!("it has more than max_document_bytes = {limit} bytes");
    Error::Record { path: path.into(), row, problem, field: false }
}

/// Turns a unit into batches, in order, handing each to `sink`; records that are no documents go to `bad` (or
/// end the work, as the input's settings say).
pub(crate) fn batches(
    unit: &Unit,
    shard: &Shard,
    input: &Input,
    bad: &mut Vec<SetAside>,
    sink: &mut dyn FnMut(Batch) -> Result<()>,
) -> Result<()> {
    let mut builder = BatchBuilder::new(unit.shard, shard, input, bad, sink);
    match &unit.payload {
        Payload::Lines(bytes) => match shard.format {
            Format::Jsonl => jsonl::parse(bytes, unit.first_row, &mut builder)?,
            format => text::parse_lines(bytes, unit.first_row, format == Format::Yuan, &mut builder)?,
        },
        Payload::Whole(bytes) => text::parse_whole(bytes, &mut builder)?,
        Payload::RowGroup(group) => columnar::parse_row_group(*group, unit.first_row, &mut builder)?,
        Payload::Records(records) => columnar::parse_records(records, unit.first_row, &mut builder)?,
        Payload::Work(path) => return read_work(path, sink),
    }
    builder.flush()
}

/// Gathers documents into batches, and bad records where they belong.
pub(crate) struct BatchBuilder<'a> {
    pub number: u32,
    pub shard: &'a Shard,
    pub input: &'a Input,
    bad: &'a mut Vec<SetAside>,
    sink: &'a mut dyn FnMut(Batch) -> Result<()>,
    ids: UInt64Builder,
    texts: LargeStringBuilder,
    text_bytes: usize,
    rows: usize,
    json: Option<JsonBuilders>,
}

struct JsonBuilders {
    envelope: LargeBinaryBuilder,
    scratch: Vec<u8>,
    text_at: UInt64Builder,
    spelling: LargeBinaryBuilder,
}

impl<'a> BatchBuilder<'a> {
    fn new(
        number: u32,
        shard: &'a Shard,
        input: &'a Input,
        bad: &'a mut Vec<SetAside>,
        sink: &'a mut dyn FnMut(Batch) -> Result<()>,
    ) -> Self {
        let json = (shard.format == Format::Jsonl).then(|| JsonBuilders {
            envelope: LargeBinaryBuilder::new(),
            scratch: Vec::new(),
            text_at: UInt64Builder::new(),
            spelling: LargeBinaryBuilder::new(),
        });
        let (ids, texts) = (UInt64Builder::new(), texts_builder());
        Self { number, shard, input, bad, sink, ids, texts, text_bytes: 0, rows: 0, json }
    }

    pub(crate) fn doc_id(&self, row: u64) -> u64 {
        u64::from(self.number) << 32 | row
    }

    /// Takes a document without riders.
    pub(crate) fn push(&mut self, row: u64, text: &str) -> Result<()> {
        self.ids.append_value(self.doc_id(row));
        self.texts.append_value(text);
        self.text_bytes += text.len();
        self.rows += 1;
        if self.text_bytes >= BATCH_BYTES || self.rows >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Takes a document of a JSON record: what stands before its text value, the value's own spelling if it is
    /// not ours, and what stands after it.
    pub(crate) fn push_json(
        &mut self,
        row: u64,
        text: &str,
        before: &[u8],
        spelling: Option<&[u8]>,
        after: &[u8],
    ) -> Result<()> {
        let json = self.json.as_mut().expect("only JSON input has JSON records");
        json.scratch.clear();
        json.scratch.extend_from_slice(before);
        json.scratch.extend_from_slice(b"\"\"");
        json.scratch.extend_from_slice(after);
        json.envelope.append_value(&json.scratch);
        json.text_at.append_value(before.len() as u64);
        json.spelling.append_option(spelling);
        self.push(row, text)
    }

    /// Hands on a batch made elsewhere, after what was gathered before it.
    pub(crate) fn pass_on(&mut self, batch: Batch) -> Result<()> {
        self.flush()?;
        (self.sink)(batch)
    }

    /// Sets a record aside, or ends the work, as the input's settings say.
    pub(crate) fn bad(&mut self, row: u64, bytes: &[u8], problem: String, field: bool) -> Result<()> {
        match self.input.on_bad_record {
            OnBadRecord::Stop => Err(Error::Record { path: self.shard.path.clone(), row, problem, field }),
            OnBadRecord::SetAside => {
                self.bad.push(SetAside { row, reason: problem, bytes: bytes.to_vec(), file: None });
                Ok(())
            }
        }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let ids: UInt64Array = self.ids.finish();
        let texts = std::mem::replace(&mut self.texts, texts_builder()).finish();
        let riders = match &mut self.json {
            None => Riders::None,
            Some(json) => Riders::Json(Box::new(JsonRiders {
                envelope: json.envelope.finish(),
                text_at: json.text_at.finish(),
                spelling: json.spelling.finish(),
            })),
        };
        self.rows = 0;
        self.text_bytes = 0;
        (self.sink)(Batch::new(ids, texts, riders)?)
    }
}
