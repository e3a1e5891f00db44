//! Walking over the n-grams of a model, and writing them.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use super::bucket::LEFT_OUT;
use super::level::Nodes;
use super::model::{Estimate, Ngram, Values};
use super::options::MAX_ORDER;
use super::tape::TapeReader;
use crate::arpa_write::{ArpaWriter, push_ngram};
use crate::error::{Error, Result};

/// Goes through the n-grams of one order.
pub(super) struct Walk<'a> {
    /// The orders below.
    nodes: Vec<Nodes<'a>>,
    words: TapeReader<'a, u32>,
    probabilities: TapeReader<'a, u32>,
    backoffs: Option<TapeReader<'a, u32>>,
    /// How many n-grams of each order still end with the open n-gram of the order below.
    remaining: [u64; MAX_ORDER],
    /// The n-gram's words stand at the end.
    ngram: [u32; MAX_ORDER],
    order: usize,
}

impl<'a> Walk<'a> {
    pub fn new(values: &'a [Values], order: usize) -> Walk<'a> {
        let own = &values[order - 1];
        let mut remaining = [0; MAX_ORDER];
        remaining[0] = values[0].level.words.len();
        Walk {
            nodes: (1..order).map(|order| Nodes::new(&values[order - 1].level, order)).collect(),
            words: own.level.words.reader(),
            probabilities: own.probabilities.reader(),
            backoffs: own.backoffs.as_ref().map(|backoffs| backoffs.reader()),
            remaining,
            ngram: [0; MAX_ORDER],
            order,
        }
    }

    /// The next n-gram; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Ngram<'_>>> {
        loop {
            // The longest suffix that has n-grams left.
            let mut index = self.order - 1;
            while self.remaining[index] == 0 {
                let Some(shorter) = index.checked_sub(1) else { return Ok(None) };
                index = shorter;
            }
            while index + 1 < self.order {
                let Some(node) = self.nodes[index].next()? else { return Ok(None) };
                self.ngram[MAX_ORDER - 1 - index] = node.word;
                self.remaining[index] -= 1;
                index += 1;
                self.remaining[index] = node.children;
                if node.children == 0 {
                    break;
                }
            }
            if self.remaining[index] == 0 || index + 1 < self.order {
                continue;
            }
            self.remaining[index] -= 1;
            self.ngram[MAX_ORDER - self.order] = self.words.expect()?;
            let probability = self.probabilities.expect()?;
            let backoff = match &mut self.backoffs {
                Some(backoffs) => f32::from_bits(backoffs.expect()?),
                None => 1.0,
            };
            if probability != LEFT_OUT {
                return Ok(Some(Ngram {
                    words: &self.ngram[MAX_ORDER - self.order..],
                    // Sums of single-precision numbers may exceed 1 by a little.
                    log_probability: f32::from_bits(probability).log10().min(0.0),
                    log_backoff: backoff.log10(),
                }));
            }
        }
    }
}

/// N-grams that are turned into text at one time.
const BATCH: usize = 1 << 14;

/// Some n-grams of one order.
#[derive(Default)]
struct Batch {
    order: usize,
    words: Vec<u32>,
    values: Vec<(f32, f32)>,
}

impl Estimate {
    pub(super) fn write_arpa_to(&self, out: impl Write + Send, path: &Path) -> Result<()> {
        let failed = || Error::io("write", path);
        let mut writer = ArpaWriter::new(out, &self.counts()).map_err(failed())?;
        for order in 1..=self.order() {
            writer.begin_order(order).map_err(failed())?;
            if self.threads == 1 {
                let mut text = Vec::new();
                self.for_each_batch(order, &mut |batch| {
                    text.clear();
                    self.format(&batch, &mut text);
                    writer.write_lines(&text).map_err(failed())?;
                    Ok(true)
                })?;
            } else {
                writer = self.write_order(order, writer, path)?;
            }
        }
        writer.finish().map_err(failed())?;
        Ok(())
    }

    /// Calls `visit` with all n-grams of an order, until it gives false.
    fn for_each_batch(&self, order: usize, visit: &mut dyn FnMut(Batch) -> Result<bool>) -> Result<()> {
        let mut walk = Walk::new(&self.values, order);
        loop {
            let mut batch = Batch { order, ..Batch::default() };
            batch.words.reserve_exact(BATCH * order);
            batch.values.reserve_exact(BATCH);
            while batch.values.len() < BATCH {
                let Some(ngram) = walk.next()? else { break };
                batch.words.extend_from_slice(ngram.words);
                batch.values.push((ngram.log_probability, ngram.log_backoff));
            }
            if batch.values.is_empty() || !visit(batch)? {
                return Ok(());
            }
        }
    }

    fn format(&self, batch: &Batch, text: &mut Vec<u8>) {
        let highest = batch.order == self.order();
        for (words, (probability, backoff)) in batch.words.chunks_exact(batch.order).zip(&batch.values) {
            let words = words.iter().map(|id| self.words.word(*id));
            push_ngram(text, words, *probability, (!highest).then_some(*backoff));
        }
    }

    /// Writes an order's lines: this thread walks, `threads` others turn n-grams into text in turn, one writes.
    fn write_order<W: Write + Send>(&self, order: usize, writer: ArpaWriter<W>, path: &Path) -> Result<ArpaWriter<W>> {
        std::thread::scope(|scope| {
            let mut batches = Vec::new();
            let mut texts: Vec<Receiver<Vec<u8>>> = Vec::new();
            for _ in 0..self.threads {
                let (batch_in, batch_out) = sync_channel::<Batch>(2);
                let (text_in, text_out) = sync_channel::<Vec<u8>>(2);
                batches.push(batch_in);
                texts.push(text_out);
                scope.spawn(move || {
                    for batch in batch_out {
                        let mut text = Vec::with_capacity(batch.values.len() * 48);
                        self.format(&batch, &mut text);
                        if text_in.send(text).is_err() {
                            return;
                        }
                    }
                });
            }
            let written = scope.spawn(move || {
                let mut writer = writer;
                for text in texts.iter().cycle() {
                    // The first that has no more is the one whose turn comes after the last.
                    let Ok(text) = text.recv() else { break };
                    writer.write_lines(&text)?;
                }
                Ok(writer)
            });
            let mut turn = (0..self.threads).cycle();
            let walked = self.for_each_batch(order, &mut |batch| {
                let next = turn.next().unwrap_or(0);
                Ok(batches[next].send(batch).is_ok())
            });
            drop(batches);
            let written = match written.join() {
                Ok(written) => written,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            walked?;
            written.map_err(Error::io("write", path))
        })
    }
}
