//! Paragraphs → hashes of their n-grams.

use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::filter::mixed;
use super::{NgramCompat, RepeatedNgrams};
use crate::shingle::token_hashes;

/// Seed of the hashes of whole paragraphs.
const WHOLE: u64 = 13;
const ROLL: u64 = 0xd134_2543_de82_ef95;

/// The n-grams of one paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grams {
    pub hashes: Vec<u64>,
    /// Whether the last hash is of the whole paragraph and decides alone.
    pub whole_decides: bool,
}

/// Cuts paragraphs into n-grams, in space it keeps.
#[derive(Default)]
pub(super) struct Cutter {
    tokens: Vec<u64>,
}

impl Cutter {
    /// Writes the n-grams of a paragraph to `grams`.
    pub(super) fn cut(&mut self, config: &RepeatedNgrams, paragraph: &str, scope: u64, grams: &mut Grams) {
        grams.hashes.clear();
        grams.whole_decides = false;
        self.tokens.clear();
        match config.compat {
            NgramCompat::None => token_hashes(paragraph, config.shingles, &mut self.tokens),
            NgramCompat::Dclm | NgramCompat::Dolma => {
                let words = paragraph.split_word_bounds().filter(|word| !word.chars().all(char::is_whitespace));
                self.tokens.extend(words.map(|word| xxh3_64(word.as_bytes())));
            }
        }
        if config.compat == NgramCompat::Dolma {
            self.dolma(config, paragraph, grams);
        } else {
            rolled(&self.tokens, config.ngram, |_, hash| grams.hashes.push(hash));
            let least = if config.min_tokens == 0 { config.ngram } else { config.min_tokens };
            if grams.hashes.is_empty() && self.tokens.len() >= least {
                rolled(&self.tokens, self.tokens.len(), |_, hash| grams.hashes.push(hash));
            }
        }
        grams.hashes.iter_mut().for_each(|hash| *hash ^= scope);
    }

    /// Dolma's n-grams: every `stride`th, but always the first two; a paragraph of fewer than two is compared as a whole.
    fn dolma(&self, config: &RepeatedNgrams, paragraph: &str, grams: &mut Grams) {
        if paragraph.trim().is_empty() {
            return;
        }
        let mut last = 0;
        rolled(&self.tokens, config.ngram, |start, hash| {
            if last == 0 || start - last >= config.stride {
                last = start;
                grams.hashes.push(hash);
            }
        });
        if grams.hashes.len() < 2 {
            grams.hashes.push(xxh3_64_with_seed(paragraph.as_bytes(), WHOLE));
            grams.whole_decides = true;
        }
    }
}

/// Hands each n-gram's place and hash to `take`: a polynomial over the tokens' hashes, mixed.
fn rolled(tokens: &[u64], ngram: usize, mut take: impl FnMut(usize, u64)) {
    if ngram == 0 || tokens.len() < ngram {
        return;
    }
    let leaving = (0..ngram).fold(1_u64, |power, _| power.wrapping_mul(ROLL));
    let (first, rest) = tokens.split_at(ngram);
    // The length is part of it, for those of whole paragraphs.
    let finish = |rolling: u64| mixed(rolling ^ (ngram as u64).wrapping_mul(ROLL));
    let mut rolling = first.iter().fold(0_u64, |sum, &token| sum.wrapping_mul(ROLL).wrapping_add(token));
    take(0, finish(rolling));
    for (start, (&enters, &leaves)) in rest.iter().zip(tokens).enumerate() {
        rolling = rolling.wrapping_mul(ROLL).wrapping_add(enters).wrapping_sub(leaves.wrapping_mul(leaving));
        take(start + 1, finish(rolling));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grams(config: &RepeatedNgrams, paragraph: &str) -> Grams {
        let mut grams = Grams::default();
        Cutter::default().cut(config, paragraph, 0, &mut grams);
        grams
    }

    #[test]
    fn rolled_hashes_are_those_of_each_ngram_by_itself() {
        let tokens: Vec<u64> = (1..60).map(mixed).collect();
        for ngram in [1, 2, 13, 59] {
            let (mut all, mut single) = (Vec::new(), Vec::new());
            rolled(&tokens, ngram, |_, hash| all.push(hash));
            tokens.windows(ngram).for_each(|window| rolled(window, ngram, |_, hash| single.push(hash)));
            assert_eq!(all, single);
        }
    }

    #[test]
    fn paragraphs_shorter_than_an_ngram() {
        let config = |compat, min_tokens| RepeatedNgrams { ngram: 4, min_tokens, compat, ..RepeatedNgrams::default() };
        for compat in [NgramCompat::None, NgramCompat::Dclm] {
            assert_eq!(grams(&config(compat, 0), "one two three").hashes.len(), 0);
            assert_eq!(grams(&config(compat, 3), "one two three").hashes.len(), 1);
            assert_eq!(grams(&config(compat, 3), "one two three four five").hashes.len(), 2);
        }
        // Marks are tokens of UAX #29, not of ours.
        assert_eq!(grams(&config(NgramCompat::Dclm, 0), "one, two. Three").hashes.len(), 2);
        assert_eq!(grams(&config(NgramCompat::None, 0), "one, two. Three").hashes.len(), 0);
        assert_eq!(grams(&config(NgramCompat::None, 0), "你好，世界呀").hashes.len(), 2);
    }

    #[test]
    fn dolma_takes_the_first_two_and_then_strides() {
        let config =
            |stride| RepeatedNgrams { ngram: 2, stride, compat: NgramCompat::Dolma, ..RepeatedNgrams::default() };
        // Of n-grams 0 to 8: 0, 1, 4, 7.
        assert_eq!(grams(&config(3), "a b c d e f g h i j").hashes.len(), 4);
        assert_eq!(grams(&config(1), "a b c d e f g h i j").hashes.len(), 9);
        let short = grams(&config(1), "a b");
        assert!(short.whole_decides && short.hashes.len() == 2);
        assert_eq!(grams(&config(1), " \t"), Grams::default());
    }
}
