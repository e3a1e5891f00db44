//! Spans of units to cut: gathered by key, wanted by document.
//!
//! Each thread sorts what it has gathered whenever its share of the memory is full and writes it as a run; runs are merged
//! into the outcome: (`doc_id`, start, end) in units, by document, disjoint and in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Context, Error, Result};

use crate::files::{Format, HEADER_BYTES, Kind, Writer, mapped, number};

/// `doc_id`, start, end.
pub(super) type Span = [u64; 3];

const BYTES: usize = size_of::<Span>();

/// Joins spans of a document that overlap or touch, in sorted order.
fn joined(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let joins = next[0] == last[0] && next[1] <= last[2];
        if joins {
            last[2] = last[2].max(next[2]);
        }
        joins
    });
}

/// The spans that a thread finds.
pub(super) struct Spans {
    path: PathBuf,
    file: BufWriter<File>,
    gathered: Vec<Span>,
    capacity: usize,
    runs: Vec<Range<u64>>,
    written: u64,
}

impl Spans {
    pub(super) fn create(path: &Path, memory: usize) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 16, File::create(path).map_err(Error::io("create", path))?);
        let capacity = (memory / BYTES).max(256);
        Ok(Self { path: path.into(), file, gathered: Vec::new(), capacity, runs: Vec::new(), written: 0 })
    }

    #[inline]
    pub(super) fn add(&mut self, doc_id: u64, start: u64, end: u64) -> Result<()> {
        if let Some([document, from, to]) = self.gathered.last_mut()
            && *document == doc_id
            && (*from..=*to).contains(&start)
        {
            *to = end.max(*to);
            return Ok(());
        }
        if self.gathered.len() == self.capacity {
            joined(&mut self.gathered);
            if self.gathered.len() > self.capacity / 2 {
                self.spill()?;
            }
        }
        self.gathered.push([doc_id, start, end]);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let start = self.written;
        for span in self.gathered.drain(..) {
            for word in span {
                self.file.write_all(&word.to_le_bytes()).map_err(Error::io("write", &self.path))?;
            }
            self.written += BYTES as u64;
        }
        self.runs.push(start..self.written);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Runs> {
        joined(&mut self.gathered);
        self.spill()?;
        self.file.flush().map_err(Error::io("write", &self.path))?;
        Ok(Runs { path: self.path, runs: self.runs })
    }
}

/// The sorted runs of a thread.
pub(super) struct Runs {
    path: PathBuf,
    runs: Vec<Range<u64>>,
}

/// A run being read.
struct Run<'a> {
    path: &'a Path,
    file: &'a File,
    left: Range<u64>,
    buffer: Vec<u8>,
    at: usize,
}

impl Run<'_> {
    fn next(&mut self, buffer_bytes: usize) -> Result<Option<Span>> {
        if self.at == self.buffer.len() {
            let bytes = (self.left.end - self.left.start).min(buffer_bytes as u64);
            if bytes == 0 {
                return Ok(None);
            }
            self.buffer.resize(bytes as usize, 0);
            self.file.read_exact_at(&mut self.buffer, self.left.start).map_err(Error::io("read", self.path))?;
            self.left.start += bytes;
            self.at = 0;
        }
        let words = &self.buffer[self.at..];
        self.at += BYTES;
        Ok(Some([number(words), number(&words[8..]), number(&words[16..])]))
    }
}

/// Merges all runs into the file `outcome`.
pub(super) fn merge(all: &[Runs], format: Format, outcome: &Path, context: &Context<'_>) -> Result<()> {
    let count: usize = all.iter().map(|runs| runs.runs.len()).sum();
    let buffer_bytes = (context.memory as usize / 2 / count.max(1)).clamp(BYTES * 16, BYTES << 12) / BYTES * BYTES;
    let files = all
        .iter()
        .map(|runs| File::open(&runs.path).map_err(Error::io("read", &runs.path)))
        .collect::<Result<Vec<_>>>()?;
    let mut runs = Vec::with_capacity(count);
    for (of_thread, file) in all.iter().zip(&files) {
        for run in &of_thread.runs {
            runs.push(Run { path: &of_thread.path, file, left: run.clone(), buffer: Vec::new(), at: 0 });
        }
    }
    let mut heads = BinaryHeap::with_capacity(count);
    for (number, run) in runs.iter_mut().enumerate() {
        heads.extend(run.next(buffer_bytes)?.map(|span| Reverse((span, number))));
    }
    let mut writer = Writer::create(outcome)?;
    let mut told = Told::new();
    let mut last: Option<Span> = None;
    let mut taken = 0_u64;
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((span, number)) = *head;
        // The next of the same run takes its place: the heap is mended once.
        match runs[number].next(buffer_bytes)? {
            Some(next) => *head = Reverse((next, number)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        taken += 1;
        if taken.is_multiple_of(1 << 16) {
            context.check()?;
        }
        match &mut last {
            Some(last) if last[0] == span[0] && span[1] <= last[2] => last[2] = last[2].max(span[2]),
            _ => {
                if let Some(done) = last.replace(span) {
                    told.add(done);
                    done.iter().try_for_each(|word| writer.write(&word.to_le_bytes()))?;
                }
            }
        }
    }
    if let Some(done) = last {
        told.add(done);
        done.iter().try_for_each(|word| writer.write(&word.to_le_bytes()))?;
    }
    writer.finish_with(Format { kind: Kind::Spans, ..format }, told.spans)?;
    told.tally(context);
    Ok(())
}

/// What the report says of the spans.
struct Told {
    spans: u64,
    documents: u64,
    units: u64,
    last: Option<u64>,
    /// Spans and their units by the power of two of their length.
    lengths: [(u64, u64); 64],
}

impl Told {
    fn new() -> Self {
        Self { spans: 0, documents: 0, units: 0, last: None, lengths: [(0, 0); 64] }
    }

    fn add(&mut self, [doc_id, start, end]: Span) {
        self.spans += 1;
        self.documents += u64::from(self.last != Some(doc_id));
        self.last = Some(doc_id);
        self.units += end - start;
        let (spans, units) = &mut self.lengths[(end - start).max(1).ilog2() as usize];
        *spans += 1;
        *units += end - start;
    }

    fn tally(&self, context: &Context<'_>) {
        context.tally("repeated", "documents", self.documents, self.units);
        context.tally("repeated", "spans", self.spans, self.units);
        for ((spans, units), power) in self.lengths.into_iter().zip(0_u32..).filter(|((spans, _), _)| *spans > 0) {
            let least = 1_u64 << power;
            context.tally("span_length", format!("{least}-{}", 2 * least - 1), spans, units);
        }
    }
}

/// The outcome, mapped into memory.
pub(crate) struct SpansOf {
    file: Mmap,
}

impl SpansOf {
    pub(crate) fn open(outcome: &Path, format: Format) -> Result<Self> {
        let file = mapped(outcome, Format { kind: Kind::Spans, ..format }, BYTES)?;
        Ok(Self { file })
    }

    fn len(&self) -> usize {
        (self.file.len() - HEADER_BYTES) / BYTES
    }

    fn word(&self, span: usize, word: usize) -> u64 {
        number(&self.file[HEADER_BYTES + span * BYTES + word * 8..])
    }

    /// The spans of a document, in order. O(log spans) and one step for each.
    pub(crate) fn of(&self, doc_id: u64) -> impl Iterator<Item = Range<usize>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.word(middle, 0) < doc_id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.len())
            .take_while(move |span| self.word(*span, 0) == doc_id)
            .map(|span| self.word(span, 1) as usize..self.word(span, 2) as usize)
    }
}
