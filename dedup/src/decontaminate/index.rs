//! The n-grams of evaluation sets, and a fast look-up of them in documents.
//!
//! A text of an item is of words or, if most of its tokens are letters of scripts without spaces, of characters; its n-grams are
//! runs of `words` or `characters` tokens. A shorter text is one n-gram of all its tokens. An n-gram without a letter is none
//! (Brown et al. 2020, "Language models are few-shot learners", appendix C: n-grams of 13 words; Marin: with a letter).
//!
//! Of the runs of `seed` tokens in an n-gram the one of least hash is its seed (winnowing, Schleimer et al. 2003): n-grams that overlap
//! mostly share theirs. Documents are looked through for seeds, one look into a small filter for each token; only around one are
//! n-grams looked up. They are told apart by 64 bits of a polynomial hash of token hashes: of 10⁶ n-grams, one is found by mistake in
//! 10¹³ tokens.

use std::collections::BTreeMap;

use super::DecontaminateConfig;
use super::evals::EvalFile;
use super::tokens::tokens;
use crate::text::composed;
use crate::{Shingles, token_hashes};

const ROLL: u64 = 0xd134_2543_de82_ef95;
const MIX: u64 = 0xd6e8_feb8_6659_fd93;

/// The hash of a run of tokens, by its length too.
#[inline(always)]
fn mixed(sum: u64, length: usize) -> u64 {
    let value = sum ^ (length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 32)).wrapping_mul(MIX);
    value ^ (value >> 29)
}

fn hash_of(tokens: &[u64]) -> u64 {
    mixed(tokens.iter().fold(0_u64, |sum, token| sum.wrapping_mul(ROLL).wrapping_add(*token)), tokens.len())
}

/// An item in the index.
pub(super) struct Entry {
    /// Its file's place among the files.
    pub file: u32,
    /// Its number in the file.
    pub number: u64,
    /// Its n-grams, each once.
    pub ngrams: u32,
    /// Its texts, in form C.
    pub texts: Vec<String>,
}

/// All n-grams of all items.
pub(super) struct Index {
    pub entries: Vec<Entry>,
    /// For each n-gram the items that have it: where they begin in `items`.
    starts: Vec<u32>,
    items: Vec<u32>,
    lookup: Lookup,
    /// Of everything that was indexed.
    pub fingerprint: u64,
}

/// An n-gram that a document has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Its number.
    pub ngram: u32,
    /// Its tokens in the document.
    pub start: u32,
    pub length: u32,
}

impl Index {
    pub(super) fn new(files: Vec<EvalFile>, config: &DecontaminateConfig) -> Self {
        let mut entries = Vec::new();
        let mut pairs: Vec<(u64, u32)> = Vec::new();
        let mut lookup = Lookup { seed: config.seed_tokens(), ..Lookup::default() };
        for (file, of_file) in (0_u32..).zip(files) {
            for item in of_file.items {
                let of_item = entries.len() as u32;
                let known = pairs.len();
                let texts: Vec<String> = item.texts.iter().map(|text| composed(text).into_owned()).collect();
                for ngram in texts.iter().flat_map(|text| ngrams_of(text, config)) {
                    lookup.know(&ngram);
                    pairs.push((ngram.hash, of_item));
                }
                if pairs.len() > known {
                    entries.push(Entry { file, number: item.number, ngrams: 0, texts });
                }
            }
        }
        // n-grams are numbered in the order of their hashes.
        pairs.sort_unstable();
        pairs.dedup();
        let mut starts = vec![0];
        let mut items = Vec::with_capacity(pairs.len());
        for of_ngram in pairs.chunk_by(|one, other| one.0 == other.0) {
            items.extend(of_ngram.iter().map(|(_, item)| *item));
            starts.push(items.len() as u32);
            lookup.hashes.push(of_ngram[0].0);
        }
        drop(pairs);
        items.iter().for_each(|item| entries[*item as usize].ngrams += 1);
        lookup.finish();
        let fingerprint = items
            .iter()
            .zip(0_u64..)
            .fold(0, |sum: u64, (item, at)| mixed(sum.wrapping_mul(ROLL) ^ u64::from(*item), at as usize));
        let fingerprint = lookup.hashes.iter().fold(fingerprint, |sum, hash| sum.wrapping_mul(ROLL) ^ hash);
        Self { entries, starts, items, lookup, fingerprint }
    }

    /// How many n-grams there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The items that have an n-gram.
    pub(super) fn items_of(&self, ngram: u32) -> &[u32] {
        let range = self.starts[ngram as usize] as usize..self.starts[ngram as usize + 1] as usize;
        &self.items[range]
    }

    /// The longest piece of an item that is covered by these n-grams, which are sorted.
    pub(super) fn longest(&self, item: u32, found: &[u32], config: &DecontaminateConfig) -> &str {
        let mut longest = "";
        for text in &self.entries[item as usize].texts {
            let mut open: Option<(u32, u32)> = None;
            for ngram in ngrams_of(text, config) {
                if self.lookup.get(ngram.hash).is_none_or(|number| found.binary_search(&number).is_err()) {
                    continue;
                }
                open = match open {
                    Some((from, to)) if ngram.at.0 <= to => Some((from, ngram.at.1)),
                    _ => Some(ngram.at),
                };
                let piece = open.map_or("", |(from, to)| &text[from as usize..to as usize]);
                if piece.len() > longest.len() {
                    longest = piece;
                }
            }
        }
        longest
    }

    /// Appends all n-grams that these tokens have.
    pub(super) fn hits(&self, tokens: &[u64], hits: &mut Vec<Hit>) {
        self.lookup.hits(tokens, hits);
    }
}

/// An n-gram of an item's text.
struct Ngram {
    hash: u64,
    length: usize,
    /// The hash of its seed.
    seed: u64,
    /// Where its seed begins, if it is a whole text shorter than an n-gram.
    short: Option<usize>,
    /// Its bytes.
    at: (u32, u32),
}

fn ngrams_of(text: &str, config: &DecontaminateConfig) -> Vec<Ngram> {
    let mut hashes = Vec::new();
    token_hashes(text, Shingles::Auto, &mut hashes);
    let places = tokens(text);
    let singles = places.iter().filter(|token| token.is_single).count();
    let (length, least) = if 2 * singles >= places.len() {
        (config.characters, config.min_characters)
    } else {
        (config.words, config.min_words)
    };
    let is_short = hashes.len() < length;
    let length = length.min(hashes.len());
    if length < least {
        return Vec::new();
    }
    let mut seeds = Vec::new();
    runs(&hashes, config.seed_tokens(), |_, hash| seeds.push(hash));
    let ngram = |start: usize| {
        let covered = places[start].at.start..places[start + length - 1].at.end;
        let hash = hash_of(&hashes[start..start + length]);
        let at = (covered.start as u32, covered.end as u32);
        let runs = &seeds[start..=start + length - config.seed_tokens()];
        let (offset, seed) = runs.iter().enumerate().min_by_key(|(_, hash)| **hash).expect("a run of tokens");
        let short = is_short.then_some(offset);
        text[covered].chars().any(char::is_alphabetic).then_some(Ngram { hash, length, seed: *seed, short, at })
    };
    (0..=hashes.len() - length).filter_map(ngram).collect()
}

/// Hash → number of an n-gram, behind a filter of seeds, four bits for each in one word.
#[derive(Default)]
struct Lookup {
    /// Lengths of n-grams that are not whole texts.
    lengths: Vec<usize>,
    /// Tokens in a seed.
    seed: usize,
    seeds: Vec<u64>,
    /// For the seed of a shorter text: where in it the seed begins, and how long it is.
    shorter: BTreeMap<u64, Vec<(usize, usize)>>,
    /// Of all n-grams, in order.
    hashes: Vec<u64>,
    filter: Vec<u64>,
    /// Numbers of n-grams, by hash, with linear probing.
    table: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Lookup {
    fn know(&mut self, ngram: &Ngram) {
        if self.seeds.last() != Some(&ngram.seed) {
            self.seeds.push(ngram.seed);
        }
        match ngram.short {
            None if !self.lengths.contains(&ngram.length) => self.lengths.push(ngram.length),
            None => {}
            Some(offset) => {
                let places = self.shorter.entry(ngram.seed).or_default();
                if !places.contains(&(offset, ngram.length)) {
                    places.push((offset, ngram.length));
                }
            }
        }
    }

    fn finish(&mut self) {
        let mut seeds = std::mem::take(&mut self.seeds);
        seeds.sort_unstable();
        seeds.dedup();
        self.filter = vec![0; (seeds.len() / 4).next_power_of_two().max(64)];
        self.table = vec![NONE; (3 * self.hashes.len() / 2).next_power_of_two().max(64)];
        for seed in seeds {
            let (word, bits) = self.bits(seed);
            self.filter[word] |= bits;
        }
        let mask = self.table.len() - 1;
        for (hash, number) in self.hashes.iter().zip(0_u32..) {
            let mut at = (hash >> 20) as usize & mask;
            while self.table[at] != NONE {
                at = (at + 1) & mask;
            }
            self.table[at] = number;
        }
    }

    #[inline(always)]
    fn bits(&self, hash: u64) -> (usize, u64) {
        let bits = (0..4).fold(0, |bits, probe| bits | 1 << (hash >> (6 * probe) & 63));
        ((hash >> 24) as usize & (self.filter.len() - 1), bits)
    }

    #[inline(always)]
    fn may_have(&self, hash: u64) -> bool {
        let (word, bits) = self.bits(hash);
        self.filter[word] & bits == bits
    }

    fn get(&self, hash: u64) -> Option<u32> {
        let mask = self.table.len() - 1;
        let mut at = (hash >> 20) as usize & mask;
        while self.table[at] != NONE {
            if self.hashes[self.table[at] as usize] == hash {
                return Some(self.table[at]);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn hits(&self, tokens: &[u64], hits: &mut Vec<Hit>) {
        // For each length, the first place that was not looked at yet.
        let mut next: Vec<usize> = vec![0; self.lengths.len()];
        runs(tokens, self.seed, |at, seed| {
            if self.may_have(seed) {
                self.around(tokens, at, seed, &mut next, hits);
            }
        });
    }

    /// Looks up the n-grams that have what begins at `at` in them.
    #[cold]
    fn around(&self, tokens: &[u64], at: usize, seed: u64, next: &mut [usize], hits: &mut Vec<Hit>) {
        let mut look_up = |start: usize, length: usize, hash: u64| {
            hits.extend(self.get(hash).map(|ngram| Hit { ngram, start: start as u32, length: length as u32 }));
        };
        for (&length, next) in self.lengths.iter().zip(next) {
            let first = (at + self.seed).saturating_sub(length).max(*next);
            let end = (at + length).min(tokens.len());
            if first + length <= end {
                runs(&tokens[first..end], length, |start, hash| look_up(first + start, length, hash));
                *next = end - length + 1;
            }
        }
        for &(offset, length) in self.shorter.get(&seed).into_iter().flatten() {
            let whole = at.checked_sub(offset).and_then(|start| Some((start, tokens.get(start..start + length)?)));
            if let Some((start, whole)) = whole {
                look_up(start, length, hash_of(whole));
            }
        }
    }
}

/// Hands the hash of each run of so many tokens to `take`.
#[inline(always)]
fn runs(tokens: &[u64], length: usize, mut take: impl FnMut(usize, u64)) {
    if tokens.len() < length || length == 0 {
        return;
    }
    let leaving = (0..length).fold(1_u64, |power, _| power.wrapping_mul(ROLL));
    let (first, rest) = tokens.split_at(length);
    let mut sum = first.iter().fold(0_u64, |sum, token| sum.wrapping_mul(ROLL).wrapping_add(*token));
    take(0, mixed(sum, length));
    for (start, (enters, leaves)) in rest.iter().zip(tokens).enumerate() {
        sum = sum.wrapping_mul(ROLL).wrapping_add(*enters).wrapping_sub(leaves.wrapping_mul(leaving));
        take(start + 1, mixed(sum, length));
    }
}
