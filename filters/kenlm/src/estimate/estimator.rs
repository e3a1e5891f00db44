//! Counting a text and estimating a model from the counts.

use std::sync::Arc;

use super::adjust::{Adjuster, Level, Pruning};
use super::block::{Block, segments};
use super::discounts::OrderStatistics;
use super::key::{Layout, PackedContext, WideContext};
use super::model::Estimate;
use super::options::{EstimateOptions, SENTENCE_END, SENTENCE_START, SpecialSymbols, UNKNOWN};
use super::run::{Run, RunWriter, merge};
use super::store::Store;
use super::words::Words;
use super::work::in_parallel;
use crate::error::{Error, Result};

/// Sorted runs that are merged into one when there are so many.
const FAN_IN: usize = 32;
/// Less memory than this is not asked for.
const LEAST_MEMORY: u64 = 64 << 10;

/// Counts n-grams and estimates an interpolated modified Kneser-Ney model, as KenLM's `lmplz` does: Heafield,
/// Pouzyrevsky, Clark and Koehn, "Scalable Modified Kneser-Ney Language Model Estimation" (2013).
///
/// The model is that of `lmplz` in every n-gram and every bit of its values, in the same order. It does not depend
/// on the number of threads, on the memory given, or on whether the text was counted at once or in parts.
///
/// Memory: 4 bytes for each token while they fit in half of [`EstimateOptions::memory_bytes`]; then sorted counts
/// go to the temporary file, some 6 bytes for each different n-gram of the highest order.
///
/// # Example
/// ```
/// use yuan_kenlm::estimate::{DEFAULT_DISCOUNT_FALLBACK, EstimateOptions, Estimator};
///
/// let options = EstimateOptions {
///     order: 3,
///     // Three sentences are no natural text.
///     discount_fallback: Some(DEFAULT_DISCOUNT_FALLBACK),
///     ..EstimateOptions::default()
/// };
/// let mut estimator = Estimator::new(options)?;
/// estimator.add_sentence(["a", "rose", "is", "a", "rose"])?;
/// estimator.add_line(b"a daisy is a daisy")?;
/// estimator.add_line(b"is a rose a daisy ?")?;
/// let mut arpa = Vec::new();
/// estimator.finish()?.write_arpa(&mut arpa)?;
/// assert!(arpa.starts_with(b"\\data\\\nngram 1=8\n"));
/// # Ok::<(), yuan_kenlm::Error>(())
/// ```
pub struct Estimator {
    pub(super) options: EstimateOptions,
    pub(super) words: Words,
    pub(super) store: Arc<Store>,
    pub(super) block: Block,
    /// Sorted runs; `runs[level]` were each merged from [`FAN_IN`] of the level before.
    runs: Vec<Vec<Run>>,
    /// How many n-grams of the runs end in each word.
    ends: Vec<u64>,
    pub(super) tokens: u64,
    pub(super) sentences: u64,
    sentence: Vec<u32>,
}

impl Estimator {
    /// An estimator that has counted nothing yet.
    ///
    /// # Errors
    /// [`Error::Setting`] when an option is out of range.
    pub fn new(options: EstimateOptions) -> Result<Estimator> {
        options.validate()?;
        Ok(Estimator {
            words: Words::new(),
            store: Store::new(options.memory_bytes.max(LEAST_MEMORY), options.temp_dir.clone()),
            block: Block::new(options.order),
            runs: Vec::new(),
            ends: Vec::new(),
            tokens: 0,
            sentences: 0,
            sentence: Vec::new(),
            options,
        })
    }

    /// The vocabulary so far, numbered by first appearance.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Words counted so far, without the ends of sentences.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Counts a sentence given as words, without `<s>` and `</s>`.
    ///
    /// # Errors
    /// [`Error::Corpus`] for a word that is empty, has white space in it or is special (then nothing of the sentence
    /// is counted), and for a vocabulary that is full; [`Error::Io`] when the temporary file cannot be written.
    pub fn add_sentence<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Result<()> {
        let mut sentence = std::mem::take(&mut self.sentence);
        sentence.clear();
        for word in words {
            if let Some(id) = self.word_id(word.as_ref())? {
                sentence.push(id);
            }
        }
        let added = self.add_ids(&sentence);
        self.sentence = sentence;
        added
    }

    /// Counts a line of text as a sentence; words stand between spaces, tabs, carriage returns and zero bytes.
    ///
    /// # Errors
    /// As [`add_sentence`](Estimator::add_sentence).
    pub fn add_line(&mut self, line: &[u8]) -> Result<()> {
        let words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0));
        self.add_sentence(words.filter(|word| !word.is_empty()))
    }

    /// The id of a word for [`add_sentence_ids`](Estimator::add_sentence_ids); `None` for a special word that is
    /// to be skipped.
    ///
    /// # Errors
    /// As [`add_sentence`](Estimator::add_sentence).
    #[inline]
    pub fn word_id(&mut self, word: &[u8]) -> Result<Option<u32>> {
        let id = self.words.id_or_insert(word)?;
        if id > SENTENCE_END {
            return Ok(Some(id));
        }
        match self.options.special_symbols {
            SpecialSymbols::Skip => Ok(None),
            SpecialSymbols::Refuse => Err(Error::Corpus {
                reason: format!(
                    "the word `{}` is special and may not stand in the text; set `special_symbols` to skip it \
                     (`--skip_symbols`) or take it out",
                    String::from_utf8_lossy(word)
                ),
            }),
        }
    }

    /// Counts a sentence given as ids that [`word_id`](Estimator::word_id) gave.
    ///
    /// # Errors
    /// [`Error::Corpus`] for an id that is special or was not given; [`Error::Io`] when the temporary file cannot be
    /// written.
    pub fn add_sentence_ids(&mut self, ids: &[u32]) -> Result<()> {
        if let Some(id) = ids.iter().find(|id| **id <= SENTENCE_END || **id as usize >= self.words.len()) {
            return Err(Error::Corpus { reason: format!("{id} is not the id of a word of the text") });
        }
        self.add_ids(ids)
    }

    fn add_ids(&mut self, ids: &[u32]) -> Result<()> {
        self.block.add_sentence(ids);
        self.tokens += ids.len() as u64;
        self.sentences += 1;
        self.flush_when_full()
    }

    /// Sorts what is in memory when it fills its half of the budget.
    pub(super) fn flush_when_full(&mut self) -> Result<()> {
        if self.block.bytes() > self.store.limit() / 2 { self.flush() } else { Ok(()) }
    }

    fn layout(&self) -> Layout {
        Layout::new(self.options.order, self.words.len())
    }

    /// Turns the block into a sorted run.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.store.take(self.block.bytes());
        let layout = self.layout();
        let run = match layout.total_bits() {
            0..=64 => self.sorted_run::<u64>(layout),
            65..=128 => self.sorted_run::<u128>(layout),
            _ => self.sorted_run::<WideContext>(layout),
        };
        self.store.release(self.block.bytes());
        self.push_run(run?, layout)?;
        self.ends.resize(self.words.len(), 0);
        for (sum, count) in self.ends.iter_mut().zip(self.block.ends()) {
            *sum += count;
        }
        self.block = Block::new(self.options.order);
        Ok(())
    }

    fn sorted_run<C: PackedContext>(&self, layout: Layout) -> Result<Run> {
        let order = self.options.order;
        let ranges = self.sorting_segments::<C>();
        let pieces = in_parallel(self.options.threads, ranges, |_, range| {
            let mut writer = RunWriter::new(order, &self.store, self.chunk_bytes());
            self.block.for_each::<C, Error>(range, layout, |common, last, context, count| {
                writer.add(common, count, |index| if index == 0 { last } else { context.word(index - 1, layout) })
            })?;
            writer.finish()
        })?;
        let mut run = Run::empty(order, &self.store);
        pieces.into_iter().for_each(|piece| run.append(piece));
        Ok(run)
    }

    /// Keeps a run, and merges runs when they have become many.
    fn push_run(&mut self, run: Run, layout: Layout) -> Result<()> {
        let mut run = run;
        for level in 0.. {
            if level == self.runs.len() {
                self.runs.push(Vec::new());
            }
            self.runs[level].push(run);
            if self.runs[level].len() < FAN_IN {
                return Ok(());
            }
            let runs = std::mem::take(&mut self.runs[level]);
            run = match layout.total_bits() {
                0..=64 => self.merged_run::<u64>(&runs, layout),
                65..=128 => self.merged_run::<u128>(&runs, layout),
                _ => self.merged_run::<WideContext>(&runs, layout),
            }?;
        }
        Ok(())
    }

    fn merged_run<C: PackedContext>(&self, runs: &[Run], layout: Layout) -> Result<Run> {
        let mut writer = RunWriter::new(self.options.order, &self.store, self.chunk_bytes());
        merge::<C>(runs, (0, self.words.len() as u32), layout, |common, last, context, count| {
            writer.add(common, count, |index| if index == 0 { last } else { context.word(index - 1, layout) })
        })?;
        writer.finish()
    }

    /// How much of a tape is moved at once.
    fn chunk_bytes(&self) -> usize {
        let open = 4 * self.options.threads as u64 * self.options.order as u64;
        (self.store.limit() / 16 / open).clamp(4 << 10, 128 << 10) as usize
    }

    /// Cuts the vocabulary so that the block's n-grams of a segment can be sorted in a part of the memory.
    fn sorting_segments<C>(&self) -> Vec<(u32, u32)> {
        let total: u64 = self.block.ends().iter().sum();
        let fit = self.store.limit() / 8 / self.options.threads as u64 / size_of::<(C, u64)>() as u64;
        // The whole block is gone through once for each segment.
        let target = (total / 8).clamp(1 << 16, 1 << 22).min(fit.max(1 << 10));
        segments(self.block.ends(), self.words.len() as u32, target)
    }

    /// Cuts the vocabulary so that every thread has something to merge.
    fn merging_segments(&self) -> Vec<(u32, u32)> {
        let total: u64 = self.ends.iter().sum();
        let pieces = if self.options.threads == 1 { 1 } else { 4 * self.options.threads as u64 };
        segments(&self.ends, self.words.len() as u32, total / pieces)
    }

    /// Calls `visit` with every counted n-gram of the highest order, in sorted order: how many words from the end are
    /// those of the n-gram before, the count, the words from the last to the first.
    pub(super) fn for_each_counted(&mut self, visit: impl FnMut(usize, u64, &[u32]) -> Result<()>) -> Result<()> {
        self.flush()?;
        let layout = self.layout();
        match layout.total_bits() {
            0..=64 => self.visit_merged::<u64>(layout, visit),
            65..=128 => self.visit_merged::<u128>(layout, visit),
            _ => self.visit_merged::<WideContext>(layout, visit),
        }
    }

    fn visit_merged<C: PackedContext>(
        &mut self,
        layout: Layout,
        mut visit: impl FnMut(usize, u64, &[u32]) -> Result<()>,
    ) -> Result<()> {
        let runs: Vec<Run> = std::mem::take(&mut self.runs).into_iter().flatten().collect();
        let mut words = vec![0; self.options.order];
        merge::<C>(&runs, (0, self.words.len() as u32), layout, |common, last, context, count| {
            words[0] = last;
            for (index, word) in words[1..].iter_mut().enumerate() {
                *word = context.word(index, layout);
            }
            visit(common, count, &words)
        })
    }

    /// Estimates the model.
    ///
    /// # Errors
    /// [`Error::Corpus`] when nothing was counted, or the counts give no discounts and there is no fallback;
    /// [`Error::Io`] when the temporary file cannot be written.
    pub fn finish(mut self) -> Result<Estimate> {
        if self.block.is_empty() && self.runs.is_empty() {
            return Err(Error::Corpus { reason: "there is no sentence to estimate a model from".to_string() });
        }
        if !self.runs.is_empty() {
            self.flush()?;
        }
        let layout = self.layout();
        let (levels, mut statistics) = match layout.total_bits() {
            0..=64 => self.levels::<u64>(layout),
            65..=128 => self.levels::<u128>(layout),
            _ => self.levels::<WideContext>(layout),
        }?;
        for (index, statistics) in statistics.iter_mut().enumerate() {
            statistics.set_discounts(index + 1, &self.options)?;
        }
        let Estimator { options, words, store, tokens, sentences, .. } = self;
        Estimate::compute(levels, statistics, (tokens, sentences), &options, words, &store)
    }

    /// The n-grams of all orders with their adjusted counts.
    fn levels<C: PackedContext>(&mut self, layout: Layout) -> Result<(Vec<Level>, Vec<OrderStatistics>)> {
        let order = self.options.order;
        let pruning = Pruning { thresholds: self.options.thresholds(), refused_words: self.refused_words() };
        let in_memory = self.runs.is_empty();
        let held = self.block.bytes();
        self.store.take(held);
        let ranges = if in_memory { self.sorting_segments::<C>() } else { self.merging_segments() };
        let runs: Vec<Run> = std::mem::take(&mut self.runs).into_iter().flatten().collect();
        let last = ranges.len() - 1;
        let pieces = in_parallel(self.options.threads, ranges, |number, range| {
            let mut adjuster = Adjuster::new(order, &pruning, &self.store, self.chunk_bytes());
            if number == 0 {
                adjuster.add_without_count(UNKNOWN)?;
                adjuster.add_without_count(SENTENCE_START)?;
            }
            let visit = |common, last, context: C, count| {
                adjuster.add(common, count, |index| if index == 0 { last } else { context.word(index - 1, layout) })
            };
            if in_memory {
                self.block.for_each::<C, Error>(range, layout, visit)?;
            } else {
                merge::<C>(&runs, range, layout, visit)?;
            }
            adjuster.finish(number == last)
        })?;
        let mut levels: Vec<Level> = (0..order).map(|_| Level::empty(&self.store)).collect();
        let mut statistics = vec![OrderStatistics::default(); order];
        for (piece_levels, piece_statistics) in pieces {
            levels.iter_mut().zip(piece_levels).for_each(|(level, piece)| level.append(piece));
            statistics.iter_mut().zip(&piece_statistics).for_each(|(sum, piece)| sum.add_all(piece));
        }
        self.store.release(held);
        self.block = Block::new(order);
        Ok((levels, statistics))
    }

    /// For each word whether it may not appear in the model; empty when all may.
    fn refused_words(&self) -> Vec<bool> {
        let Some(allowed) = &self.options.limit_vocabulary else { return Vec::new() };
        let mut refused = vec![true; self.words.len()];
        for id in allowed.iter().filter_map(|word| self.words.id(word)).chain(UNKNOWN..=SENTENCE_END) {
            refused[id as usize] = false;
        }
        refused
    }
}
