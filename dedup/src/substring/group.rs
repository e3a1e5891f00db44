//! Which windows of one minimizer are repeated.
//!
//! Equal windows have the same minimizer, so windows are compared only with those of the same key. Occurrences come in the
//! order of the corpus; each window is looked up by a rolling hash among those before it, and compared byte by byte with
//! what is found: no hash decides anything. Most occurrences of a long repetition have the very text of an earlier one,
//! all windows at once.

use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::Result;

use super::Remove;
use super::contexts::Occurrence;
use super::minimizers::{Rolling, Shape};
use super::spans::{Span, Spans};
use super::symbols::Symbol;

/// The occurrences of one key.
pub(super) struct Group {
    shape: Shape,
    rolling: Rolling,
    remove: Remove,
    /// Bytes that may be held.
    limit: usize,
    /// Which part of the windows is looked at, of how many: 1 is all of them.
    part: (u64, u64),
    /// Occurrences, or single windows, that are the first of something.
    firsts: Vec<First>,
    texts: Vec<u8>,
    /// First occurrences of whole texts.
    whole: Table,
    /// First occurrences of windows.
    windows: Table,
    /// The one occurrence whose windows are not in the table yet, as nothing else has come.
    pending: Option<u32>,
}

/// An occurrence that later ones are compared with.
#[derive(Clone, Copy)]
struct First {
    doc_id: u64,
    start: u64,
    windows: u32,
    is_told: bool,
    /// Where its text is.
    at: usize,
}

impl Group {
    pub(super) fn new(shape: Shape, remove: Remove, limit: usize) -> Self {
        let (firsts, texts, whole, windows) = Default::default();
        let rolling = Rolling::of_length(shape.window);
        Self { shape, rolling, remove, limit, part: (0, 1), firsts, texts, whole, windows, pending: None }
    }

    /// Forgets everything; next comes a part of the windows of a group.
    pub(super) fn clear(&mut self, part: (u64, u64)) {
        self.part = part;
        self.firsts.clear();
        self.texts.clear();
        self.pending = None;
        if part.1 == 1 {
            self.whole.clear();
            self.windows.clear();
        } else {
            (self.whole, self.windows) = Default::default();
        }
    }

    /// Takes in the next occurrence and tells of windows that are repeated. False if it holds as much as it may: then the
    /// group must be gone through again in more parts.
    pub(super) fn push<S: Symbol>(&mut self, occurrence: &Occurrence, text: &[u8], spans: &mut Spans) -> Result<bool> {
        if self.remove == Remove::All && occurrence.times > 1 {
            spans.add(occurrence.doc_id, occurrence.start, occurrence.end(self.shape))?;
        }
        if self.part.1 > 1 {
            self.look_up::<S>(occurrence, text, None, spans)?;
            return Ok(self.fits());
        }
        let known = self.firsts.len() as u32;
        let (firsts, texts) = (&self.firsts, &self.texts);
        let is_same = |&(first, _): &(u32, u32)| {
            let at = firsts[first as usize].at;
            firsts[first as usize].windows == occurrence.windows && texts[at..at + text.len()] == *text
        };
        let found = self.whole.find_or_insert(xxh3_64(text), (known, 0), is_same);
        if let Some((first, _)) = found {
            let earlier = self.firsts[first as usize];
            if self.remove == Remove::All {
                self.tell_all(first, spans)?;
            } else if earlier.doc_id == occurrence.doc_id && earlier.start + self.shape.window as u64 > occurrence.start
            {
                // Its windows may be elsewhere too, before those it overlaps.
                self.expand::<S>(spans)?;
                self.look_up::<S>(occurrence, text, Some(first), spans)?;
                return Ok(self.fits());
            }
            spans.add(occurrence.doc_id, occurrence.start, occurrence.end(self.shape))?;
            return Ok(true);
        }
        self.keep(occurrence, occurrence.start, occurrence.windows, text);
        if known == 0 && occurrence.times == 1 {
            self.pending = Some(known);
        } else {
            self.expand::<S>(spans)?;
            self.look_up::<S>(occurrence, text, Some(known), spans)?;
        }
        Ok(self.fits())
    }

    fn fits(&self) -> bool {
        let held =
            self.texts.len() + self.firsts.len() * size_of::<First>() + self.whole.bytes() + self.windows.bytes();
        // One window is the least that a part can be of.
        held <= self.limit || self.firsts.len() == 1
    }

    fn keep(&mut self, occurrence: &Occurrence, start: u64, windows: u32, text: &[u8]) -> u32 {
        let first = First { doc_id: occurrence.doc_id, start, windows, is_told: false, at: self.texts.len() };
        self.firsts.push(first);
        self.texts.extend_from_slice(text);
        self.firsts.len() as u32 - 1
    }

    /// Puts the windows of the pending occurrence into the table.
    fn expand<S: Symbol>(&mut self, spans: &mut Spans) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let First { doc_id, start, windows, at, .. } = self.firsts[pending as usize];
        let occurrence = Occurrence { key: 0, doc_id, start, windows, times: 1 };
        let text = self.texts[at..at + occurrence.text_bytes::<S>(self.shape)].to_vec();
        self.look_up::<S>(&occurrence, &text, Some(pending), spans)
    }

    /// Looks each window up among those before it, tells of those that are there and adds the others, which are at `first`
    /// or are kept by themselves.
    fn look_up<S: Symbol>(
        &mut self,
        occurrence: &Occurrence,
        text: &[u8],
        first: Option<u32>,
        spans: &mut Spans,
    ) -> Result<()> {
        let length = self.shape.window;
        let bytes = length * S::WIDTH;
        let mut rolling = self.rolling.at((0..length).map(|at| S::stored(text, at)));
        // Repeated units that are not told yet, of this occurrence and of earlier ones.
        let (mut open, mut open_earlier) = (None, None);
        for window in 0..occurrence.windows {
            if window > 0 {
                let leaves = window as usize - 1;
                rolling.step(S::stored(text, leaves), S::stored(text, leaves + length));
            }
            let hash = rolling.hash();
            if self.part.1 > 1 && (hash >> 32) % self.part.1 != self.part.0 {
                continue;
            }
            let content = &text[window as usize * S::WIDTH..][..bytes];
            let at = first.map_or((self.firsts.len() as u32, 0), |first| (first, window));
            let (firsts, texts) = (&self.firsts, &self.texts);
            let is_same = |&(first, offset): &(u32, u32)| {
                let at = firsts[first as usize].at + offset as usize * S::WIDTH;
                texts[at..at + bytes] == *content
            };
            let found = self.windows.find_or_insert(hash, at, is_same);
            let own = (occurrence.doc_id, occurrence.start + u64::from(window));
            if found.is_none() && first.is_none() {
                self.keep(occurrence, own.1, 1, content);
            }
            let earlier = found.map(|(first, offset)| {
                let first = self.firsts[first as usize];
                (first.doc_id, first.start + u64::from(offset))
            });
            if self.remove == Remove::All {
                if let Some((doc_id, start)) = earlier {
                    extend(&mut open_earlier, [doc_id, start, start + length as u64], spans)?;
                    extend(&mut open, [own.0, own.1, own.1 + length as u64], spans)?;
                }
                continue;
            }
            // The first of its `times` that no longer overlaps the earlier window goes, and all behind it.
            let stride = u64::from(occurrence.windows);
            let skipped = match earlier.unwrap_or(own) {
                (doc_id, start) if doc_id == own.0 => (start + length as u64).saturating_sub(own.1).div_ceil(stride),
                _ => 0,
            };
            if skipped < u64::from(occurrence.times) {
                let last = own.1 + (u64::from(occurrence.times) - 1) * stride;
                extend(&mut open, [own.0, own.1 + skipped * stride, last + length as u64], spans)?;
            }
        }
        [open_earlier, open].iter().flatten().try_for_each(|[doc_id, start, end]| spans.add(*doc_id, *start, *end))
    }

    /// Tells of all windows of a first occurrence, once.
    fn tell_all(&mut self, first: u32, spans: &mut Spans) -> Result<()> {
        let first = &mut self.firsts[first as usize];
        if !first.is_told {
            first.is_told = true;
            let end = first.start + u64::from(first.windows) - 1 + self.shape.window as u64;
            spans.add(first.doc_id, first.start, end)?;
        }
        Ok(())
    }
}

/// Joins a span on to the open one, or tells of that and opens another.
fn extend(open: &mut Option<Span>, span: Span, spans: &mut Spans) -> Result<()> {
    match open {
        Some([doc_id, from, to]) if *doc_id == span[0] && (*from..=*to).contains(&span[1]) => *to = span[2].max(*to),
        _ => {
            if let Some([doc_id, from, to]) = open.replace(span) {
                spans.add(doc_id, from, to)?;
            }
        }
    }
    Ok(())
}

/// A hash table of places, with linear probing; what is equal is for the caller to say.
#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    place: (u32, u32),
}

const FREE: Slot = Slot { hash: 0, place: (u32::MAX, u32::MAX) };

impl Table {
    const LEAST: usize = 64;

    fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }

    fn clear(&mut self) {
        if self.used > 0 {
            // A table that one large group has made is not wiped for each of the small ones after it.
            self.slots.truncate(Self::LEAST.max(4 * self.used).next_power_of_two());
            self.slots.fill(FREE);
            self.used = 0;
        }
    }

    /// What is there for this hash and is the same; else it is now `place`.
    fn find_or_insert(
        &mut self,
        hash: u64,
        place: (u32, u32),
        is_same: impl Fn(&(u32, u32)) -> bool,
    ) -> Option<(u32, u32)> {
        if 2 * self.used >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.place == FREE.place {
                *slot = Slot { hash, place };
                self.used += 1;
                return None;
            }
            if slot.hash == hash && is_same(&slot.place) {
                return Some(slot.place);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let larger = vec![FREE; (2 * self.slots.len()).max(Self::LEAST)];
        let mask = larger.len() - 1;
        for slot in std::mem::replace(&mut self.slots, larger).into_iter().filter(|slot| slot.place != FREE.place) {
            let mut at = slot.hash as usize & mask;
            while self.slots[at].place != FREE.place {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}
