//! The vocabulary of a trie: words sorted by their hashes.

use super::BuildOptions;
use crate::arpa::ArpaReader;
use crate::bytes::{put_u32, put_u64, u32_at};
use crate::error::Result;
use crate::probing::ProbingTable;
use crate::vocab::{PROBING_ENTRY, UNKNOWN, WordIndex, hash_word, is_unknown_word};

/// Words with their unigrams.
pub(super) struct Words {
    /// Ascending; word `i + 1` has the `i`th.
    pub(super) hashes: Vec<u64>,
    /// Probability and back-off of each word.
    pub(super) unigrams: Vec<(f32, f32)>,
    pub(super) saw_unknown: bool,
    /// In the order of their numbers, each with a zero byte behind it.
    pub(super) text: Vec<u8>,
    /// Where each begins in the text.
    starts: Vec<usize>,
    /// From a hash to a number.
    lookup: ProbingTable<PROBING_ENTRY>,
    buckets: Vec<u8>,
}

struct Entry {
    hash: u64,
    start: usize,
    length: usize,
    prob: f32,
    backoff: f32,
}

impl Words {
    /// Reads the 1-grams. Memory: their text, and some 70 bytes for each.
    pub(super) fn read(reader: &mut ArpaReader, options: &BuildOptions, arpa: &std::path::Path) -> Result<Words> {
        let count = reader.counts()[0];
        let mut entries = Vec::new();
        let mut read = Vec::new();
        let mut unknown = None;
        reader.section(1, |batch| {
            for (ngram, &word) in batch.ngrams.iter().zip(&batch.words) {
                if is_unknown_word(word) {
                    unknown = Some((ngram.prob, ngram.backoff));
                    continue;
                }
                let (prob, backoff) = (ngram.prob, ngram.backoff);
                entries.push(Entry { hash: hash_word(word), start: read.len(), length: word.len(), prob, backoff });
                read.extend_from_slice(word);
            }
            Ok(())
        })?;
        entries.sort_by_key(|entry| entry.hash);

        let saw_unknown = unknown.is_some();
        // With `<unk>`, which a file may lack; where it has it twice, a word without a name is left over.
        let total = count as usize + usize::from(!saw_unknown);
        let mut unigrams = vec![(0.0, 0.0); total];
        unigrams[0] = unknown.unwrap_or((0.0, 0.0));
        let mut text = Vec::with_capacity(read.len() + entries.len() + 6);
        text.extend_from_slice(b"<unk>\0");
        let mut starts = Vec::with_capacity(entries.len() + 1);
        starts.push(0);
        let bucket_count = ProbingTable::<PROBING_ENTRY>::buckets(entries.len() as u64, 1.5);
        let lookup = ProbingTable::new(0, bucket_count);
        let mut buckets = vec![0; lookup.size()];
        for (index, entry) in (1..).zip(&entries) {
            unigrams[index as usize] = (entry.prob, entry.backoff);
            starts.push(text.len());
            text.extend_from_slice(&read[entry.start..entry.start + entry.length]);
            text.push(0);
            let free = lookup.free(&buckets, lookup.home(entry.hash));
            let at = free.expect("there are more buckets than words");
            put_u64(&mut buckets, at, entry.hash);
            put_u32(&mut buckets, at + 8, index);
        }
        let hashes = entries.into_iter().map(|entry| entry.hash).collect();
        let words = Words { hashes, unigrams, saw_unknown, text, starts, lookup, buckets };
        options.check_markers(arpa, |marker| words.index(hash_word(marker)))?;
        Ok(words)
    }

    /// The number of the word with a hash.
    pub(super) fn index(&self, hash: u64) -> WordIndex {
        self.lookup.find(&self.buckets, hash).map_or(UNKNOWN, |at| u32_at(&self.buckets, at + 8))
    }

    /// Asks for the memory that [`Self::index`] will look at.
    pub(super) fn prefetch(&self, hash: u64) {
        crate::prefetch::prefetch(&self.buckets, self.lookup.at(self.lookup.home(hash)));
    }

    /// The text of an n-gram whose words are given from the last to the first.
    pub(super) fn spell(&self, reversed: &[WordIndex]) -> String {
        let words: Vec<_> = reversed
            .iter()
            .rev()
            .map(|&index| {
                let word = self.starts.get(index as usize).map_or(&b""[..], |&start| &self.text[start..]);
                let word = word.split(|&byte| byte == 0).next().unwrap_or_default();
                String::from_utf8_lossy(word)
            })
            .collect();
        words.join(" ")
    }
}
