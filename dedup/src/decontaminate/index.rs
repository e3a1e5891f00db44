//! The n-grams of evaluation sets, and a fast look-up of them in documents.
//!
//! A text of an item is of words or, if most of its tokens are letters of scripts without spaces, of characters; its n-grams are
//! runs of `words` or `characters` tokens. A shorter text is one n-gram of all its tokens. An n-gram without a letter is none
//! (Brown et al. 2020, "Language models are few-shot learners", appendix C: n-grams of 13 words; Marin: with a letter).
//!
//! Documents are looked through by the polynomial hashes of their token hashes: one look into a small filter for each place and
//! length, and for the shorter texts one for their first tokens. n-grams are told apart by 64 bits: of 10⁶ n-grams, one is found by
//! mistake in 10¹³ tokens.

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
        let mut lookup = Lookup { first: config.first_tokens(), ..Lookup::default() };
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
    /// The hash of its first tokens, if it is a whole text shorter than an n-gram.
    first: Option<u64>,
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
    let ngram = |start: usize| {
        let covered = places[start].at.start..places[start + length - 1].at.end;
        let hash = hash_of(&hashes[start..start + length]);
        let first = is_short.then(|| hash_of(&hashes[start..start + config.first_tokens()]));
        let at = (covered.start as u32, covered.end as u32);
        text[covered].chars().any(char::is_alphabetic).then_some(Ngram { hash, length, first, at })
    };
    (0..=hashes.len() - length).filter_map(ngram).collect()
}

/// Hash → number of an n-gram, behind a filter of two bits a key in one word.
#[derive(Default)]
struct Lookup {
    /// Lengths that are looked for at each place.
    lengths: Vec<usize>,
    /// How many tokens the firsts of shorter texts are, and, for the hash of such, how long they are.
    first: usize,
    shorter: BTreeMap<u64, Vec<usize>>,
    /// Of all n-grams, in order.
    hashes: Vec<u64>,
    filter: Vec<u64>,
    /// Numbers of n-grams, by hash, with linear probing.
    table: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Lookup {
    fn know(&mut self, ngram: &Ngram) {
        let lengths = match ngram.first {
            None => &mut self.lengths,
            Some(first) => self.shorter.entry(first).or_default(),
        };
        if !lengths.contains(&ngram.length) {
            lengths.push(ngram.length);
        }
    }

    fn finish(&mut self) {
        let keys = self.hashes.len() + self.shorter.len();
        self.filter = vec![0; (keys / 4).next_power_of_two().max(64)];
        self.table = vec![NONE; (3 * self.hashes.len() / 2).next_power_of_two().max(64)];
        for hash in self.hashes.iter().chain(self.shorter.keys()) {
            let (word, bits) = self.bits(*hash);
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
        ((hash >> 12) as usize & (self.filter.len() - 1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
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
        for &length in &self.lengths {
            runs(tokens, length, |start, hash| {
                if self.may_have(hash)
                    && let Some(ngram) = self.get(hash)
                {
                    hits.push(Hit { ngram, start: start as u32, length: length as u32 });
                }
            });
        }
        if self.shorter.is_empty() {
            return;
        }
        runs(tokens, self.first, |start, hash| {
            if !self.may_have(hash) {
                return;
            }
            for &length in self.shorter.get(&hash).into_iter().flatten() {
                let whole = tokens.get(start..start + length).map(hash_of);
                if let Some(ngram) = whole.and_then(|hash| self.get(hash)) {
                    hits.push(Hit { ngram, start: start as u32, length: length as u32 });
                }
            }
        });
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
