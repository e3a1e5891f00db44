//! Probing models: hash tables that are filled in the order of the ARPA file, so that their bytes are KenLM's.

use std::path::Path;

use super::output::Target;
use super::{BuildOptions, BuildReport, unlisted};
use crate::arpa::{ArpaReader, Batch};
use crate::binary::SIZES_OVERFLOW;
use crate::binary::header::{Header, ModelKind};
use crate::binary::probing::{ProbingLayout, UNIGRAM_SIZE, VOCABULARY_VERSION};
use crate::bytes::{f32_at, put_f32, put_u32, put_u64};
use crate::error::{Error, Result};
use crate::prefetch::prefetch;
use crate::probing::{ProbingTable, Slot};
use crate::search::probing::longer_key;
use crate::state::{NO_EXTENSION, set_extension};
use crate::vocab::{UNKNOWN, VocabularyLayout, WordIndex, hash_word, is_unknown_word};

/// Builds the model. Memory: its own size, and the words.
pub(super) fn build(
    arpa: &Path,
    mut reader: ArpaReader,
    target: &mut Target,
    options: &BuildOptions,
) -> Result<BuildReport> {
    let counts = reader.counts().to_vec();
    let layout =
        ProbingLayout::new(&counts, options.probing_multiplier).ok_or_else(|| Error::build(arpa, SIZES_OVERFLOW))?;
    let image = target.image(layout.end)?;
    Header::write_incomplete(image);

    let mut vocabulary = VocabularyBuilder { words: b"<unk>\0".to_vec(), bound: 1, saw_unknown: false };
    reader.section(1, |batch| vocabulary.insert(image, &layout, batch))?;
    let VocabularyBuilder { words, bound, saw_unknown } = vocabulary;
    put_u32(image, layout.vocabulary_header, VOCABULARY_VERSION);
    put_u32(image, layout.vocabulary_header + 4, bound);
    let lookup = VocabularyLayout::probing(image, layout.vocabulary, bound);
    options.check_markers(arpa, |marker| lookup.index_of_hash(image, hash_word(marker)))?;

    let entries = vec![0; counts.len() - 1];
    let (resolved, between) = (Vec::new(), Vec::new());
    let mut tables = Tables { image, layout: &layout, lookup: &lookup, entries, resolved, between };
    for order in 2..=counts.len() {
        reader.section(order, |batch| tables.insert(order, batch))?;
    }
    let positive_probs = reader.positive();
    reader.end()?;

    if !saw_unknown {
        put_f32(image, layout.unigrams, options.unknown_log10_prob);
        put_f32(image, layout.unigrams + 4, 0.0);
    }
    let header = Header {
        kind: ModelKind::Probing,
        probing_multiplier: options.probing_multiplier,
        has_words: options.include_words && target.is_file(),
        counts: counts.clone(),
    };
    target.finish_image(&header, words);
    Ok(BuildReport { counts, unknown_missing: !saw_unknown, positive_probs })
}

struct VocabularyBuilder {
    /// Each with a zero byte behind it.
    words: Vec<u8>,
    bound: WordIndex,
    saw_unknown: bool,
}

impl VocabularyBuilder {
    fn insert(&mut self, image: &mut [u8], layout: &ProbingLayout, batch: &Batch<'_>) -> Result<()> {
        let table = &layout.vocabulary;
        let homes: Vec<(u64, u64)> = batch
            .words
            .iter()
            .map(|word| {
                let hash = hash_word(word);
                let home = table.home(hash);
                prefetch(image, table.at(home));
                (hash, home)
            })
            .collect();
        for ((ngram, &word), (hash, home)) in batch.ngrams.iter().zip(&batch.words).zip(homes) {
            let index = if is_unknown_word(word) {
                self.saw_unknown = true;
                UNKNOWN
            } else {
                // There are more buckets than words.
                let at = table.free(image, home).expect("a vocabulary has a free bucket");
                put_u64(image, at, hash);
                put_u32(image, at + 8, self.bound);
                self.words.extend_from_slice(word);
                self.words.push(0);
                self.bound += 1;
                self.bound - 1
            };
            let at = layout.unigrams + index as usize * UNIGRAM_SIZE;
            put_f32(image, at, ngram.prob);
            put_f32(image, at + 4, ngram.backoff);
        }
        Ok(())
    }
}

/// The tables while n-grams are inserted.
struct Tables<'i> {
    image: &'i mut [u8],
    layout: &'i ProbingLayout,
    lookup: &'i VocabularyLayout,
    /// Entries in the table of each order from 2.
    entries: Vec<u64>,
    /// Scratch: for each n-gram of a batch its words, the last one first, then its keys from order 2.
    resolved: Vec<Resolved>,
    /// Scratch: where the values are of the n-grams that an n-gram ends with, the longest first.
    between: Vec<usize>,
}

/// A word or a key of an n-gram, in one array so that a batch lies side by side.
#[derive(Clone, Copy)]
struct Resolved {
    word: WordIndex,
    /// Of the n-gram of the last words up to this one.
    key: u64,
    home: u64,
}

impl Tables<'_> {
    fn insert(&mut self, order: usize, batch: &Batch<'_>) -> Result<()> {
        self.resolve(order, batch)?;
        let resolved = std::mem::take(&mut self.resolved);
        for (at, ngram) in batch.ngrams.iter().enumerate() {
            let words = &resolved[at * order..(at + 1) * order];
            let result = self.insert_one(order, words, ngram.prob, ngram.backoff);
            result.map_err(|reason| batch.error(at, reason))?;
        }
        self.resolved = resolved;
        Ok(())
    }

    /// Finds the words and asks for the buckets that inserting will look at.
    fn resolve(&mut self, order: usize, batch: &Batch<'_>) -> Result<()> {
        let hashes: Vec<u64> = batch.words.iter().map(|word| hash_word(word)).collect();
        for &hash in &hashes {
            prefetch(self.image, self.lookup.home(hash));
        }
        self.resolved.clear();
        for (at, (hashes, words)) in hashes.chunks_exact(order).zip(batch.words.chunks_exact(order)).enumerate() {
            let mut key = 0;
            for (distance, (&hash, word)) in hashes.iter().zip(words).rev().enumerate() {
                let index = self.lookup.index_of_hash(self.image, hash);
                if index == UNKNOWN && !is_unknown_word(word) {
                    return Err(batch.error(at, unlisted(word)));
                }
                key = if distance == 0 { u64::from(index) } else { longer_key(key, index) };
                let home = match distance {
                    0 => 0,
                    _ if distance == self.entries.len() => self.prefetched(&self.layout.longest, key),
                    _ => self.prefetched(&self.layout.middle[distance - 1], key),
                };
                self.resolved.push(Resolved { word: index, key, home });
            }
        }
        Ok(())
    }

    fn prefetched<const ENTRY: usize>(&self, table: &ProbingTable<ENTRY>, key: u64) -> u64 {
        let home = table.home(key);
        prefetch(self.image, table.at(home));
        home
    }

    /// Inserts an n-gram of `order`, and blanks for those that it ends with where they are missing.
    fn insert_one(
        &mut self,
        order: usize,
        words: &[Resolved],
        prob: f32,
        backoff: f32,
    ) -> std::result::Result<(), String> {
        let own = &words[order - 1];
        // The sign says that no longer n-gram ends with this one, until one comes.
        let prob = -prob.abs();
        self.count_entry(order)?;
        if order == self.entries.len() + 1 {
            let at = self.layout.longest.free(self.image, own.home).ok_or_else(full)?;
            put_u64(self.image, at, own.key);
            put_f32(self.image, at + 8, prob);
        } else {
            let at = self.layout.middle[order - 2].free(self.image, own.home).ok_or_else(full)?;
            self.put_middle(at, own.key, prob, backoff);
        }
        self.find_lower(order, words)?;
        if self.between.len() > 1 {
            self.fill_blanks(order, words);
        }
        for &at in &self.between {
            let value = f32_at(self.image, at);
            put_f32(self.image, at, value.abs());
        }
        self.mark_context(order, words)
    }

    /// Notes where the values are of the n-grams that an n-gram ends with, down to the longest that was there; the
    /// others become blanks.
    fn find_lower(&mut self, order: usize, words: &[Resolved]) -> std::result::Result<(), String> {
        self.between.clear();
        for lower in (2..order).rev() {
            let Resolved { key, home, .. } = words[lower - 1];
            match self.layout.middle[lower - 2].find_or_free(self.image, home, key) {
                Slot::Taken(at) => {
                    self.between.push(at + 8);
                    return Ok(());
                }
                Slot::Free(at) => {
                    self.count_entry(lower)?;
                    self.put_middle(at, key, 0.0, NO_EXTENSION);
                    self.between.push(at + 8);
                }
                Slot::Full => return Err(full()),
            }
        }
        self.between.push(self.unigram(words[0].word));
        Ok(())
    }

    /// Gives blanks the probability that backing off gives them.
    fn fill_blanks(&mut self, order: usize, words: &[Resolved]) {
        let basis = order - self.between.len();
        let mut prob = -f32_at(self.image, self.between[self.between.len() - 1]).abs();
        for length in basis..order - 1 {
            // The back-off of the context that the blank with one word more has.
            if let Some(at) = self.context(length, words) {
                let backoff = set_extension(f32_at(self.image, at + 4));
                put_f32(self.image, at + 4, backoff);
                prob += backoff;
            }
            put_f32(self.image, self.between[order - 2 - length], prob);
        }
    }

    /// Marks the first words of an n-gram as those that a longer one begins with.
    fn mark_context(&mut self, order: usize, words: &[Resolved]) -> std::result::Result<(), String> {
        let at = self.context(order - 1, words).ok_or_else(|| {
            format!("its first {} words are no {}-gram, as every context must be", order - 1, order - 1)
        })?;
        let backoff = set_extension(f32_at(self.image, at + 4));
        put_f32(self.image, at + 4, backoff);
        Ok(())
    }

    /// Where the value is of the n-gram of the `length` words before the last.
    fn context(&self, length: usize, words: &[Resolved]) -> Option<usize> {
        if length == 1 {
            return Some(self.unigram(words[1].word));
        }
        let first = u64::from(words[1].word);
        let key = words[2..=length].iter().fold(first, |key, left| longer_key(key, left.word));
        Some(self.layout.middle[length - 2].find(self.image, key)? + 8)
    }

    fn unigram(&self, word: WordIndex) -> usize {
        self.layout.unigrams + word as usize * UNIGRAM_SIZE
    }

    fn put_middle(&mut self, at: usize, key: u64, prob: f32, backoff: f32) {
        put_u64(self.image, at, key);
        put_f32(self.image, at + 8, prob);
        put_f32(self.image, at + 12, backoff);
    }

    fn count_entry(&mut self, order: usize) -> std::result::Result<(), String> {
        let entries = &mut self.entries[order - 2];
        *entries += 1;
        let buckets = match self.layout.middle.get(order - 2) {
            Some(table) => table.bucket_count(),
            None => self.layout.longest.bucket_count(),
        };
        if *entries >= buckets { Err(full()) } else { Ok(()) }
    }
}

fn full() -> String {
    "the hash table is full: the file has many n-grams whose last words are no n-gram themselves (an SRILM model \
     pruned so?); raise the probing multiplier or build a trie"
        .into()
}
