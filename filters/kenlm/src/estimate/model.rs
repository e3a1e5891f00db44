//! The estimated model: its values, its statistics, and ways to get at them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::adjust::{Level, read_count};
use super::bucket::{LEFT_OUT, unigram_weights};
use super::discounts::{OrderStatistics, discounted};
use super::level::{Below, LevelSettings, compute};
use super::options::{EstimateOptions, SENTENCE_START, UNKNOWN};
use super::store::Store;
use super::tape::{Tape, TapeWriter};
use super::walk::Walk;
use super::words::Words;
use crate::error::{Error, Result};

/// What was counted, and what the counts gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Words of the text, without the ends of sentences.
    pub tokens: u64,
    /// Sentences.
    pub sentences: u64,
    /// Different words, the three special ones included.
    pub types: u64,
    /// From the unigrams on.
    pub orders: Vec<OrderStatistics>,
    /// The most bytes that the temporary file held at one time.
    pub temporary_bytes: u64,
}

/// An n-gram of an estimated model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ngram<'a> {
    /// Its words, as ids of [`Estimate::words`], in the order of the text.
    pub words: &'a [u32],
    /// Logarithm, base 10, of its probability.
    pub log_probability: f32,
    /// Logarithm, base 10, of its back-off weight; 0 for the highest order.
    pub log_backoff: f32,
}

/// An estimated model, in memory or in the temporary file.
pub struct Estimate {
    pub(super) words: Words,
    pub(super) values: Vec<Values>,
    statistics: Statistics,
    pub(super) threads: usize,
}

/// The n-grams of one order with their values.
pub(super) struct Values {
    pub level: Level,
    /// Probabilities, as bits.
    pub probabilities: Tape<u32>,
    /// Back-off weights, as bits; `None` for the highest order.
    pub backoffs: Option<Tape<u32>>,
}

impl Estimate {
    pub(super) fn compute(
        levels: Vec<Level>,
        orders: Vec<OrderStatistics>,
        (tokens, sentences): (u64, u64),
        options: &EstimateOptions,
        words: Words,
        store: &Arc<Store>,
    ) -> Result<Estimate> {
        let mut statistics = Statistics { tokens, sentences, types: words.len() as u64, orders, temporary_bytes: 0 };
        let highest = levels.len();
        let mut levels = levels.into_iter();
        let mut values: Vec<Values> = Vec::with_capacity(highest);
        if let Some(level) = levels.next() {
            let probabilities = unigrams(&level, &statistics.orders[0], options, store)?;
            values.push(Values { level, probabilities, backoffs: None });
        }
        let mut contexts: Option<Tape<u32>> = None;
        for level in levels {
            let order = values.len() + 1;
            let below = &values[order - 2];
            let below = Below {
                order: order - 1,
                level: &below.level,
                contexts: contexts.as_ref(),
                probabilities: &below.probabilities,
                parents: order.checked_sub(3).map(|index| &values[index].level),
            };
            let discounts = statistics.orders[order - 1].discounts;
            let settings = LevelSettings { store, threads: options.threads, discounts, highest: order == highest };
            let computed = compute(&level, &below, &settings)?;
            values[order - 2].backoffs = Some(computed.backoffs);
            values.push(Values { level, probabilities: computed.probabilities, backoffs: None });
            contexts = Some(computed.contexts);
        }
        statistics.temporary_bytes = store.peak_temporary_bytes();
        Ok(Estimate { words, values, statistics, threads: options.threads })
    }

    /// The vocabulary.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// What was counted.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The length of the longest n-grams.
    pub fn order(&self) -> usize {
        self.values.len()
    }

    /// How many n-grams of each order the model has, from the unigrams on.
    pub fn counts(&self) -> Vec<u64> {
        self.statistics.orders.iter().map(|order| order.kept).collect()
    }

    /// Calls `visit` with every n-gram of an order, from 1 on, sorted by the ids of its words from the last to the
    /// first.
    ///
    /// # Errors
    /// [`Error::Io`] when the temporary file cannot be read, [`Error::Setting`] for an order that the model does
    /// not have, and what `visit` gives.
    pub fn for_each(&self, order: usize, mut visit: impl FnMut(Ngram<'_>) -> Result<()>) -> Result<()> {
        if order == 0 || order > self.order() {
            let reason = format!("must be from 1 to {}, not {order}", self.order());
            return Err(Error::Setting { option: "order", reason });
        }
        let mut walk = Walk::new(&self.values, order);
        while let Some(ngram) = walk.next()? {
            visit(ngram)?;
        }
        Ok(())
    }

    /// Writes the model as an ARPA file, byte for byte as `lmplz` does.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn write_arpa_file(&self, path: &Path) -> Result<()> {
        let file = std::fs::File::create(path).map_err(Error::io("create", path))?;
        self.write_arpa_to(file, path)
    }

    /// Writes the model as an ARPA file, byte for byte as `lmplz` does.
    ///
    /// # Errors
    /// [`Error::Io`] when `out` cannot be written.
    pub fn write_arpa(&self, out: impl Write + Send) -> Result<()> {
        self.write_arpa_to(out, Path::new("output"))
    }
}

/// The probabilities of the unigrams.
fn unigrams(
    level: &Level,
    statistics: &OrderStatistics,
    options: &EstimateOptions,
    store: &Arc<Store>,
) -> Result<Tape<u32>> {
    let mut reader = level.counts.reader();
    let mut counts = Vec::with_capacity(level.words.len() as usize);
    for _ in 0..level.words.len() {
        counts.push(read_count(&mut reader)?);
    }
    let (total, left_over) = unigram_weights(counts.iter().copied(), &statistics.discounts);
    // What discounting set free goes to all words alike, or to `<unk>` alone.
    let (uniform_weight, unknown) = if options.interpolate_unigrams { (left_over, 0.0) } else { (0.0, left_over) };
    // `<s>` is never predicted.
    let vocabulary = options.vocabulary_padding.max(statistics.kept - 1);
    let uniform = (1.0 / f64::from(vocabulary as f32)) as f32;
    let mut probabilities = TapeWriter::<u32>::new(store, 64 << 10);
    for (word, (count, pruned)) in (0u32..).zip(counts) {
        let probability = match word {
            UNKNOWN => unknown + uniform_weight * uniform,
            SENTENCE_START => 1.0,
            _ => discounted(count, &statistics.discounts) / total + uniform_weight * uniform,
        };
        probabilities.push(if pruned { LEFT_OUT } else { probability.to_bits() })?;
    }
    probabilities.finish()
}
