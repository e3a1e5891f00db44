//! Sorted n-grams of the highest order, packed tightly, and the merging of several such runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::key::{Layout, PackedContext};
use super::options::MAX_ORDER;
use super::store::Store;
use super::tape::{Tape, TapeReader, TapeWriter, damaged};
use crate::error::Result;

/// Of a record's first byte: how many words from the end are those of the n-gram before.
const COMMON: u8 = 0x1f;
/// The words are written in full: reading may start here.
const WHOLE: u8 = 0x20;
/// The count is 1 and is not written.
const ONCE: u8 = 0x40;
/// Bytes between two places where reading may start.
const RESTART_BYTES: u64 = 1 << 16;

/// Where the bytes of n-grams go.
pub(crate) trait Sink {
    fn byte(&mut self, byte: u8) -> Result<()>;
}

impl Sink for TapeWriter<u8> {
    #[inline]
    fn byte(&mut self, byte: u8) -> Result<()> {
        self.push(byte)
    }
}

/// Where the bytes of n-grams come from.
pub(crate) trait Source {
    fn byte(&mut self) -> Result<Option<u8>>;
}

impl Source for TapeReader<'_, u8> {
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>> {
        self.next()
    }
}

/// Writes a number in groups of seven bits, the lowest first.
#[inline]
pub(crate) fn write_number(sink: &mut impl Sink, mut number: u64) -> Result<()> {
    while number >= 0x80 {
        sink.byte(number as u8 | 0x80)?;
        number >>= 7;
    }
    sink.byte(number as u8)
}

/// Reads what [`write_number`] wrote.
#[inline]
pub(crate) fn read_number(source: &mut impl Source) -> Result<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = source.byte()?.ok_or_else(damaged)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged())
}

/// Writes n-grams, from the last word to the first, that come in sorted order.
pub(crate) struct NgramEncoder {
    order: usize,
    previous: [u32; MAX_ORDER],
}

impl NgramEncoder {
    pub fn new(order: usize) -> NgramEncoder {
        NgramEncoder { order, previous: [0; MAX_ORDER] }
    }

    /// Writes one n-gram, of which the last `common` words are those of the one before. `whole`: so that reading
    /// can start with it.
    #[inline]
    pub fn write(
        &mut self,
        sink: &mut impl Sink,
        (common, whole): (usize, bool),
        count: u64,
        word: impl Fn(usize) -> u32,
    ) -> Result<()> {
        let common = if whole { 0 } else { common };
        let flags = if whole { WHOLE } else { 0 } | if count == 1 { ONCE } else { 0 };
        sink.byte(common as u8 | flags)?;
        for index in common..self.order {
            let word = word(index);
            // The first word that differs is higher than the one before: the n-grams are sorted.
            let base = if index == common && !whole { self.previous[index] } else { 0 };
            write_number(sink, u64::from(word - base))?;
            self.previous[index] = word;
        }
        if count != 1 {
            write_number(sink, count)?;
        }
        Ok(())
    }
}

/// Reads what an [`NgramEncoder`] wrote.
pub(crate) struct NgramDecoder {
    order: usize,
    /// The n-gram that was read, from the last word to the first.
    pub words: [u32; MAX_ORDER],
}

impl NgramDecoder {
    pub fn new(order: usize) -> NgramDecoder {
        NgramDecoder { order, words: [0; MAX_ORDER] }
    }

    /// Reads one n-gram into `words` and gives its count; `None` at the end.
    #[inline]
    pub fn read(&mut self, source: &mut impl Source) -> Result<Option<u64>> {
        let Some(first) = source.byte()? else { return Ok(None) };
        let common = usize::from(first & COMMON);
        if common >= self.order {
            return Err(damaged());
        }
        for index in common..self.order {
            let base = if index == common && first & WHOLE == 0 { self.words[index] } else { 0 };
            let word = read_number(source)?.saturating_add(u64::from(base));
            self.words[index] = u32::try_from(word).map_err(|_| damaged())?;
        }
        if first & ONCE != 0 { Ok(Some(1)) } else { read_number(source).map(Some) }
    }
}

/// Sorted n-grams with counts.
pub(crate) struct Run {
    order: usize,
    bytes: Tape<u8>,
    /// Where reading may start: the last word of the n-gram there, which no n-gram before has, and the place.
    restarts: Vec<(u32, u64)>,
}

impl Run {
    pub fn empty(order: usize, store: &Arc<Store>) -> Run {
        Run { order, bytes: Tape::empty(store), restarts: Vec::new() }
    }

    /// Puts a run behind this one whose n-grams all come later in sorted order.
    pub fn append(&mut self, other: Run) {
        let offset = self.bytes.len();
        self.restarts.extend(other.restarts.iter().map(|(word, at)| (*word, at + offset)));
        self.bytes.append(other.bytes);
    }

    /// Reads the n-grams whose last word is at least `word`, and perhaps some before.
    fn reader_at(&self, word: u32) -> Result<TapeReader<'_, u8>> {
        let index = self.restarts.partition_point(|restart| restart.0 <= word);
        self.bytes.reader_at(if index == 0 { 0 } else { self.restarts[index - 1].1 })
    }
}

/// Writes a [`Run`].
pub(crate) struct RunWriter {
    encoder: NgramEncoder,
    bytes: TapeWriter<u8>,
    restarts: Vec<(u32, u64)>,
}

impl RunWriter {
    pub fn new(order: usize, store: &Arc<Store>, chunk_bytes: usize) -> RunWriter {
        RunWriter {
            encoder: NgramEncoder::new(order),
            bytes: TapeWriter::new(store, chunk_bytes),
            restarts: Vec::new(),
        }
    }

    #[inline]
    pub fn add(&mut self, common: usize, count: u64, word: impl Fn(usize) -> u32) -> Result<()> {
        let at = self.bytes.len();
        let whole = common == 0 && self.restarts.last().is_none_or(|restart| at - restart.1 >= RESTART_BYTES);
        if whole {
            self.restarts.push((word(0), at));
        }
        self.encoder.write(&mut self.bytes, (common, whole), count, word)
    }

    pub fn finish(self) -> Result<Run> {
        Ok(Run { order: self.encoder.order, bytes: self.bytes.finish()?, restarts: self.restarts })
    }
}

struct Head<'a> {
    decoder: NgramDecoder,
    source: TapeReader<'a, u8>,
    count: u64,
}

impl Head<'_> {
    /// The next n-gram whose last word is in `first..last`.
    fn advance<C: PackedContext>(&mut self, (first, last): (u32, u32), layout: Layout) -> Result<Option<(u32, C)>> {
        loop {
            let Some(count) = self.decoder.read(&mut self.source)? else { return Ok(None) };
            let word = self.decoder.words[0];
            if word >= last {
                return Ok(None);
            }
            if word >= first {
                self.count = count;
                let context = self.decoder.words[1..=layout.words].iter().rev();
                let context = context.fold(C::default(), |context, word| context.followed_by(*word, layout));
                return Ok(Some((word, context)));
            }
        }
    }
}

/// Calls `visit` with the n-grams of all runs whose last word is in the range, each once, as
/// [`Block::for_each`](super::block::Block::for_each) does.
pub(crate) fn merge<C: PackedContext>(
    runs: &[Run],
    range: (u32, u32),
    layout: Layout,
    mut visit: impl FnMut(usize, u32, C, u64) -> Result<()>,
) -> Result<()> {
    let mut heads = Vec::new();
    let mut heap = BinaryHeap::new();
    for run in runs {
        let (decoder, source) = (NgramDecoder::new(run.order), run.reader_at(range.0)?);
        let mut head = Head { decoder, source, count: 0 };
        if let Some((word, context)) = head.advance::<C>(range, layout)? {
            heap.push(Reverse((word, context, heads.len())));
            heads.push(head);
        }
    }
    let mut previous: Option<(u32, C)> = None;
    while let Some(Reverse((word, context, index))) = heap.pop() {
        let mut count = heads[index].count;
        if let Some((word, context)) = heads[index].advance::<C>(range, layout)? {
            heap.push(Reverse((word, context, index)));
        }
        while let Some(mut top) = heap.peek_mut() {
            let Reverse((other_word, other_context, index)) = *top;
            if (other_word, other_context) != (word, context) {
                break;
            }
            count = count.saturating_add(heads[index].count);
            match heads[index].advance::<C>(range, layout)? {
                Some((word, context)) => *top = Reverse((word, context, index)),
                None => drop(std::collections::binary_heap::PeekMut::pop(top)),
            }
        }
        let common = match previous {
            Some(previous) if previous.0 == word => 1 + previous.1.common(context, layout),
            _ => 0,
        };
        visit(common, word, context, count)?;
        previous = Some((word, context));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ngrams: &[([u32; 2], u64)], store: &Arc<Store>) -> Run {
        let mut writer = RunWriter::new(2, store, 64);
        let mut previous = [u32::MAX; 2];
        for (words, count) in ngrams {
            let common = (0..2).take_while(|&index| previous[index] == words[index]).count();
            writer.add(common, *count, |index| words[index]).unwrap();
            previous = *words;
        }
        writer.finish().unwrap()
    }

    #[test]
    fn runs_merge() {
        let store = Store::new(0, std::env::temp_dir());
        let mut first = run(&[([2, 1], 1), ([2, 9], 300)], &store);
        first.append(run(&[([70_000, 3], 1 << 40)], &store));
        let second = run(&[([2, 9], 1), ([3, 1], 1), ([70_000, 3], 2), ([70_000, 4], 1)], &store);
        let runs = [first, second];
        let all =
            [(0, [2, 1], 1), (1, [2, 9], 301), (0, [3, 1], 1), (0, [70_000, 3], (1 << 40) + 2), (1, [70_000, 4], 1)];
        let layout = Layout::new(2, 70_001);
        for (range, expected) in [((0, 70_001), &all[..]), ((3, 4), &all[2..3]), ((4, 70_001), &all[3..])] {
            let mut seen = Vec::new();
            merge::<u64>(&runs, range, layout, |common, word, context, count| {
                seen.push((common, [word, context.word(0, layout)], count));
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, expected);
        }
    }
}
