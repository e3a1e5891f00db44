//! What the second reading notes of a minimizer that may occur more than once: where it is, and the text of its windows.
//!
//! The body of a partial file, after the header, which counts words of 8 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | number of records |
//! | 40 × … | records, by key, then in the order of the corpus: key, `doc_id`, start, windows and times (u32 each), end of its text |
//! | … | texts of the records, one after the other; then zeros up to a multiple of 8 bytes |
//!
//! A record stands for `windows` windows that begin one unit apart, from `start` on, and its text is what they cover. In
//! text with a period, the same comes again right behind: it is noted once, with the number of `times`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use yuan_pipeline::{Error, Result};

use super::minimizers::{Minimizer, Shape};
use super::symbols::Symbol;
use crate::files::{Format, HEADER_BYTES, Kind, Writer, mapped, number};

pub(super) const RECORD_BYTES: usize = 40;
const FIRST_RECORD: usize = HEADER_BYTES + 8;

/// A minimizer where it occurs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence {
    pub key: u64,
    pub doc_id: u64,
    /// Where its first window begins, in units.
    pub start: u64,
    pub windows: u32,
    /// How often the same comes one behind the other, `windows` units apart.
    pub times: u32,
}

impl Occurrence {
    /// Bytes of the text that its windows cover.
    pub(super) fn text_bytes<S: Symbol>(&self, shape: Shape) -> usize {
        (shape.window + self.windows as usize - 1) * S::WIDTH
    }

    /// The unit behind its last window.
    pub(super) fn end(&self, shape: Shape) -> u64 {
        self.start + u64::from(self.times) * u64::from(self.windows) - 1 + shape.window as u64
    }
}

/// The occurrences of a unit, in the order of the corpus.
pub(super) struct Notes {
    shape: Shape,
    /// With where the text is in `texts`.
    occurrences: Vec<(Occurrence, usize)>,
    /// The text that windows cover, each piece once.
    texts: Vec<u8>,
}

impl Notes {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, occurrences: Vec::new(), texts: Vec::new() }
    }

    /// Starts a document; what is noted next is of this one.
    pub(super) fn document<'a, S: Symbol>(&'a mut self, doc_id: u64, units: &'a [S]) -> DocumentNotes<'a, S> {
        DocumentNotes { doc_id, units, copied: 0..0, at: self.texts.len(), first: self.occurrences.len(), notes: self }
    }

    /// Writes the partial file.
    pub(super) fn write<S: Symbol>(mut self, path: &Path, format: Format) -> Result<()> {
        // Stable: within a key the order of the corpus stays.
        self.occurrences.sort_by_key(|(occurrence, _)| occurrence.key);
        let mut file = Writer::create(path)?;
        file.write(&(self.occurrences.len() as u64).to_le_bytes())?;
        let mut end = 0;
        for (occurrence, _) in &self.occurrences {
            end += occurrence.text_bytes::<S>(self.shape) as u64;
            let counts = u64::from(occurrence.windows) | u64::from(occurrence.times) << 32;
            let mut record = [0; RECORD_BYTES];
            for (bytes, word) in record.as_chunks_mut().0.iter_mut().zip([
                occurrence.key,
                occurrence.doc_id,
                occurrence.start,
                counts,
                end,
            ]) {
                *bytes = u64::to_le_bytes(word);
            }
            file.write(&record)?;
        }
        for (occurrence, at) in &self.occurrences {
            file.write(&self.texts[*at..*at + occurrence.text_bytes::<S>(self.shape)])?;
        }
        let padding = end.next_multiple_of(8) - end;
        file.write(&[0; 8][..padding as usize])?;
        let words = 1 + (self.occurrences.len() * RECORD_BYTES / 8) as u64 + end.div_ceil(8);
        file.finish_with(Format { kind: Kind::Contexts, ..format }, words)
    }
}

/// The notes of one document.
pub(super) struct DocumentNotes<'a, S> {
    notes: &'a mut Notes,
    doc_id: u64,
    units: &'a [S],
    /// The units last copied, which end where `texts` does, and where in `texts` they begin.
    copied: Range<usize>,
    at: usize,
    /// The document's first occurrence.
    first: usize,
}

impl<S: Symbol> DocumentNotes<'_, S> {
    pub(super) fn note(&mut self, key: u64, minimizer: Minimizer) {
        let Minimizer { start, windows, .. } = minimizer;
        let window = self.notes.shape.window;
        let covered = |start: usize| start..start + windows - 1 + window;
        if let Some((last, _)) = self.notes.occurrences[self.first..].last_mut()
            && last.key == key
            && last.windows as usize == windows
            && last.start as usize + last.times as usize * windows == start
            && self.units[covered(last.start as usize)] == self.units[covered(start)]
            && last.times < u32::MAX
        {
            last.times += 1;
            return;
        }
        let covered = covered(start);
        let copied = if covered.start <= self.copied.end {
            self.copied.end.min(covered.end)
        } else {
            self.copied = covered.start..covered.start;
            self.at = self.notes.texts.len();
            covered.start
        };
        S::store(&self.units[copied..covered.end], &mut self.notes.texts);
        self.copied.end = self.copied.end.max(covered.end);
        let at = self.at + (covered.start - self.copied.start) * S::WIDTH;
        let (doc_id, start) = (self.doc_id, start as u64);
        let occurrence = Occurrence { key, doc_id, start, windows: windows as u32, times: 1 };
        self.notes.occurrences.push((occurrence, at));
    }
}

/// A partial file, mapped into memory.
pub(super) struct Noted {
    path: PathBuf,
    file: Mmap,
    records: usize,
}

impl Noted {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = mapped(path, Format { kind: Kind::Contexts, ..format }, 8)?;
        let records = file.get(HEADER_BYTES..FIRST_RECORD).map_or(0, number) as usize;
        let noted = Self { path: path.into(), file, records };
        let texts = noted.texts_at().filter(|at| *at <= noted.file.len());
        if texts.is_none() || noted.text_end(records) > noted.file.len() {
            return Err(noted.damaged());
        }
        Ok(noted)
    }

    fn texts_at(&self) -> Option<usize> {
        self.records.checked_mul(RECORD_BYTES)?.checked_add(FIRST_RECORD)
    }

    fn word(&self, record: usize, word: usize) -> u64 {
        number(&self.file[FIRST_RECORD + record * RECORD_BYTES + word * 8..])
    }

    /// Where in the file the text of the record before this one ends.
    fn text_end(&self, record: usize) -> usize {
        let texts = FIRST_RECORD + self.records * RECORD_BYTES;
        let end = if record == 0 { 0 } else { self.word(record - 1, 4) };
        texts.saturating_add(usize::try_from(end).unwrap_or(usize::MAX))
    }

    fn below(&self, bound: u64) -> usize {
        let (mut low, mut high) = (0, self.records);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.word(middle, 0) < bound {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The records whose keys lie between these two.
    pub(super) fn range(&self, first: u64, last: u64) -> Range<usize> {
        let end = last.checked_add(1).map_or(self.records, |bound| self.below(bound));
        self.below(first)..end
    }

    /// Bytes of these records and their texts.
    pub(super) fn bytes(&self, range: &Range<usize>) -> u64 {
        let texts = self.text_end(range.end).saturating_sub(self.text_end(range.start));
        (range.len() * RECORD_BYTES + texts) as u64
    }

    /// A record and its text.
    pub(super) fn get<S: Symbol>(&self, record: usize, shape: Shape) -> Result<(Occurrence, &[u8])> {
        let counts = self.word(record, 3);
        let occurrence = Occurrence {
            key: self.word(record, 0),
            doc_id: self.word(record, 1),
            start: self.word(record, 2),
            windows: counts as u32,
            times: (counts >> 32) as u32,
        };
        let text = self.file.get(self.text_end(record)..self.text_end(record + 1)).ok_or_else(|| self.damaged())?;
        if occurrence.windows == 0 || occurrence.times == 0 || text.len() != occurrence.text_bytes::<S>(shape) {
            return Err(self.damaged());
        }
        Ok((occurrence, text))
    }

    fn damaged(&self) -> Error {
        Error::Stage {
            stage: super::STAGE.into(),
            problem: format!("`{}` is damaged: its records and texts do not fit together", self.path.display()),
            hint: Some("remove it and run the step again".into()),
        }
    }
}
