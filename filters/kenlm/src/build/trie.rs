//! Tries: n-grams are sorted from their last words on, counted with the blanks that they need, and written level by
//! level.

use std::path::{Path, PathBuf};

use super::blanks::{BlankWeights, Blanks, seek};
use super::levels::LevelWriter;
use super::merge::{Visitor, walk};
use super::output::Target;
use super::quantise::{Bins, Trainer, write_header};
use super::sort::{Records, Sorted, Sorter};
use super::words::Words;
use super::{BuildOptions, BuildReport, unlisted};
use crate::arpa::ArpaReader;
use crate::binary::SIZES_OVERFLOW;
use crate::binary::header::Header;
use crate::binary::trie::{TrieLayout, UNIGRAM_SIZE};
use crate::bytes::{put_f32, put_u64};
use crate::error::{Error, Result};
use crate::state::set_extension;
use crate::vocab::{UNKNOWN, WordIndex, hash_word, is_unknown_word};

/// Builds the model. Memory: the budget, the model itself if it is built in memory, and the vocabulary.
pub(super) fn build(
    arpa: &Path,
    mut reader: ArpaReader,
    target: &mut Target,
    options: &BuildOptions,
) -> Result<BuildReport> {
    let order = reader.counts().len();
    let mut words = Words::read(&mut reader, options, arpa)?;
    let mut budget = Budget { left: options.memory, directory: target.temporary_directory(options) };
    let ngrams =
        (2..=order).map(|order| read_order(&mut reader, order, &words, &mut budget)).collect::<Result<Vec<_>>>()?;
    let positive_probs = reader.positive();
    reader.end()?;

    let mut unigrams = std::mem::take(&mut words.unigrams);
    let mut blanks = Blanks::new(order, &words, arpa);
    walk(&unigrams, &mut streams(&ngrams)?, &mut blanks)?;
    blanks.add_backoffs(&mut unigrams, &ngrams)?;
    let counts = blanks.counts.clone();

    let layout =
        TrieLayout::new(&counts, &options.trie_settings()).ok_or_else(|| Error::build(arpa, SIZES_OVERFLOW))?;
    let contexts = (3..=order).map(|order| sort_contexts(order, &ngrams, &mut budget)).collect::<Result<Vec<_>>>()?;
    let mut bins = Vec::new();
    if let Some(quantiser) = &layout.quantiser {
        for order in 2..=order {
            let (prob_bits, backoff_bits) = (quantiser.prob_bits, quantiser.backoff_bits);
            bins.push(train(order, &ngrams[order - 2], &blanks, (prob_bits, backoff_bits), &budget)?);
        }
    }
    mark_contexts_of_bigrams(&mut unigrams, &ngrams[0])?;

    let image = target.image(layout.end)?;
    Header::write_incomplete(image);
    put_u64(image, layout.vocabulary, words.hashes.len() as u64);
    for (at, &hash) in (layout.vocabulary + 8..).step_by(8).zip(&words.hashes) {
        put_u64(image, at, hash);
    }
    if let Some(quantiser) = &layout.quantiser {
        write_header(image, quantiser);
        for (level, bins) in bins.iter().enumerate() {
            bins.write(image, quantiser, level);
        }
    }
    let mut writer = Writer {
        image,
        layout: &layout,
        levels: layout.middle.iter().chain([&layout.longest]).map(LevelWriter::new).collect(),
        bins,
        contexts: contexts.iter().map(Sorted::records).collect::<Result<_>>()?,
        blanks: blanks.weights(),
        blank_contexts: blanks.contexts.iter().map(|list| (&list[..], 0)).collect(),
        unigrams: &unigrams,
    };
    walk(&unigrams, &mut streams(&ngrams)?, &mut writer)?;
    writer.finish(options.pointer_bits).map_err(|context| {
        let (text, length) = (words.spell(&context), context.len());
        Error::build(arpa, format!("{}-grams begin with `{text}`, which is no {length}-gram itself", length + 1))
    })?;
    if !words.saw_unknown {
        put_f32(image, layout.unigrams, options.unknown_log10_prob);
        put_f32(image, layout.unigrams + 4, 0.0);
    }
    let header = Header {
        kind: options.kind,
        probing_multiplier: options.probing_multiplier,
        has_words: options.include_words && target.is_file(),
        counts: counts.clone(),
    };
    let unknown_missing = !words.saw_unknown;
    drop(blanks);
    target.finish_image(&header, words.text);
    Ok(BuildReport { counts, unknown_missing, positive_probs })
}

/// What is left of the memory for sorting.
struct Budget {
    left: u64,
    directory: PathBuf,
}

impl Budget {
    /// For one sorter; the others get what is left behind it.
    fn share(&self) -> u64 {
        self.left / 2
    }

    fn keep(&mut self, sorted: Sorted) -> Sorted {
        self.left = self.left.saturating_sub(sorted.memory());
        sorted
    }
}

fn streams(ngrams: &[Sorted]) -> Result<Vec<Records<'_>>> {
    ngrams.iter().map(Sorted::records).collect()
}

/// Reads the n-grams of an order and sorts them from their last words on.
fn read_order(reader: &mut ArpaReader, order: usize, words: &Words, budget: &mut Budget) -> Result<Sorted> {
    let highest = order == reader.counts().len();
    let width = order + if highest { 1 } else { 2 };
    let mut sorter = Sorter::new(width, order, reader.counts()[order - 1], budget.share(), &budget.directory);
    let mut hashes = Vec::new();
    reader.section(order, |batch| {
        hashes.clear();
        hashes.extend(batch.words.iter().map(|word| hash_word(word)));
        hashes.iter().for_each(|&hash| words.prefetch(hash));
        for (at, ngram) in batch.ngrams.iter().enumerate() {
            let range = at * order..(at + 1) * order;
            let mut indices = [0; crate::state::MAX_ORDER];
            for (index, (&hash, word)) in
                indices.iter_mut().zip(hashes[range.clone()].iter().zip(&batch.words[range]).rev())
            {
                *index = words.index(hash);
                if *index == UNKNOWN && !is_unknown_word(word) {
                    return Err(batch.error(at, unlisted(word)));
                }
            }
            let weights = [ngram.prob.to_bits(), ngram.backoff.to_bits()];
            sorter.push(indices[..order].iter().chain(&weights[..width - order]).copied())?;
        }
        Ok(())
    })?;
    Ok(budget.keep(sorter.finish()?))
}

/// The contexts of the n-grams of an order from 3: all but their last words, once each, sorted from their own last
/// words on.
fn sort_contexts(order: usize, ngrams: &[Sorted], budget: &mut Budget) -> Result<Sorted> {
    let ngrams = &ngrams[order - 2];
    let mut sorter = Sorter::unique(order - 1, ngrams.count(), budget.share(), &budget.directory);
    let mut records = ngrams.records()?;
    while let Some(record) = records.peek() {
        sorter.push(record[1..order].iter().copied())?;
        records.advance()?;
    }
    Ok(budget.keep(sorter.finish()?))
}

/// Marks the words that bigrams begin with.
fn mark_contexts_of_bigrams(unigrams: &mut [(f32, f32)], bigrams: &Sorted) -> Result<()> {
    let mut records = bigrams.records()?;
    while let Some(record) = records.peek() {
        let backoff = &mut unigrams[record[1] as usize].1;
        *backoff = set_extension(*backoff);
        records.advance()?;
    }
    Ok(())
}

/// The bins of an order.
fn train(order: usize, ngrams: &Sorted, blanks: &Blanks<'_>, bits: (u8, u8), budget: &Budget) -> Result<Bins> {
    let highest = order == blanks.counts.len();
    let mut trainer = Trainer::new(blanks.counts[order - 1], budget.share(), &budget.directory);
    for &prob in blanks.probs(order) {
        trainer.prob(prob)?;
    }
    let mut records = ngrams.records()?;
    while let Some(record) = records.peek() {
        trainer.prob(f32::from_bits(record[order]))?;
        if !highest {
            trainer.backoff(f32::from_bits(record[order + 1]))?;
        }
        records.advance()?;
    }
    if highest { trainer.longest(bits.0) } else { trainer.middle(bits.0, bits.1) }
}

/// Writes the n-grams as they are walked over.
struct Writer<'b> {
    image: &'b mut [u8],
    layout: &'b TrieLayout,
    /// Of orders from 2.
    levels: Vec<LevelWriter<'b>>,
    /// Of orders from 2; none if values are not quantised.
    bins: Vec<Bins>,
    /// Contexts of 2 words and more.
    contexts: Vec<Records<'b>>,
    blanks: BlankWeights<'b>,
    /// For lengths from 1: contexts of blanks, and how far they are used up.
    blank_contexts: Vec<(&'b [u32], usize)>,
    unigrams: &'b [(f32, f32)],
}

impl Writer<'_> {
    fn put_middle(&mut self, words: &[WordIndex], prob: f32, backoff: f32) {
        let level = words.len() - 2;
        let child = self.levels[level + 1].records;
        let (values, first_bits) = match self.bins.get(level) {
            None => ([u64::from(prob.abs().to_bits()), u64::from(backoff.to_bits())], 31),
            Some(bins) => {
                let backoff_bits = self.layout.quantiser.map_or(0, |quantiser| quantiser.backoff_bits);
                ([bins.backoff(backoff), bins.prob(prob)], backoff_bits)
            }
        };
        self.levels[level].middle(self.image, words[words.len() - 1], values, first_bits, child);
    }

    /// Writes what stands behind the last records; a context that is no n-gram is the error.
    fn finish(mut self, pointer_bits: u8) -> std::result::Result<(), Vec<WordIndex>> {
        for contexts in &self.contexts {
            if let Some(context) = contexts.peek() {
                return Err(context.to_vec());
            }
        }
        let end = self.layout.unigrams + self.unigrams.len() * UNIGRAM_SIZE;
        put_u64(self.image, end + 8, self.levels[0].records);
        for level in 0..self.levels.len() - 1 {
            let children = self.levels[level + 1].records;
            self.levels[level].finish(self.image, children, pointer_bits);
        }
        Ok(())
    }
}

impl Visitor for Writer<'_> {
    fn unigram(&mut self, word: WordIndex) -> Result<()> {
        let at = self.layout.unigrams + word as usize * UNIGRAM_SIZE;
        let (prob, backoff) = self.unigrams[word as usize];
        put_f32(self.image, at, prob);
        put_f32(self.image, at + 4, backoff);
        put_u64(self.image, at + 8, self.levels[0].records);
        Ok(())
    }

    fn middle(&mut self, words: &[WordIndex], prob: f32, backoff: f32) -> Result<()> {
        let length = words.len();
        let (list, at) = &mut self.blank_contexts[length - 1];
        let mut extends = seek(list, at, words);
        let contexts = &mut self.contexts[length - 2];
        if contexts.peek() == Some(words) {
            contexts.advance()?;
            extends = true;
        }
        self.put_middle(words, prob, if extends { set_extension(backoff) } else { backoff });
        Ok(())
    }

    fn blank(&mut self, words: &[WordIndex], _: usize, _: f32) -> Result<()> {
        let (prob, backoff) = self.blanks.take(words);
        self.put_middle(words, prob, backoff);
        Ok(())
    }

    fn longest(&mut self, words: &[WordIndex], prob: f32) -> Result<()> {
        let value = match self.bins.last() {
            None => u64::from(prob.abs().to_bits()),
            Some(bins) => bins.prob(prob),
        };
        let level = self.levels.len() - 1;
        self.levels[level].longest(self.image, words[words.len() - 1], value);
        Ok(())
    }

    fn duplicate(&mut self, _: &[WordIndex]) -> Result<()> {
        // The first walk has refused them.
        Ok(())
    }
}
