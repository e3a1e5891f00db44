//! Fingerprints of texts.

use md5::{Digest, Md5};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Simhash;
use crate::compat::is_python_word;
use crate::shingle::{Shingles, token_hashes};

/// What a shingle weighs that a document has several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Each time counts.
    #[default]
    Count,
    /// It counts once.
    Once,
}

/// Whose fingerprints are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimhashCompat {
    /// Ours.
    #[default]
    None,
    /// Those of the Python package `simhash` 2.1.2 with its defaults.
    Simhash,
}

/// What stands for a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fingerprint {
    /// It has no tokens.
    None,
    /// It is shorter than a shingle: the hash of its tokens.
    Short(u64),
    /// The fingerprint.
    Of(u128),
}

/// Computes fingerprints, one document after the other, in space it keeps.
pub(super) struct Fingerprints {
    ngram: usize,
    shingles: Shingles,
    weights: Weights,
    compat: SimhashCompat,
    wide: bool,
    tokens: Vec<u64>,
    hashes: Vec<u64>,
}

impl Fingerprints {
    pub(super) fn new(config: &Simhash) -> Self {
        let Simhash { ngram, shingles, weights, compat, .. } = *config;
        Self { ngram, shingles, weights, compat, wide: config.bits == 128, tokens: Vec::new(), hashes: Vec::new() }
    }

    pub(super) fn of(&mut self, text: &str) -> Fingerprint {
        if self.compat == SimhashCompat::Simhash {
            return of_package(text);
        }
        self.tokens.clear();
        token_hashes(text, self.shingles, &mut self.tokens);
        if self.tokens.is_empty() {
            return Fingerprint::None;
        }
        if self.tokens.len() < self.ngram {
            let bytes: Vec<u8> = self.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            return Fingerprint::Short(xxh3_64(&bytes));
        }
        self.hashes.clear();
        let shingle =
            |tokens: &[u64]| tokens.iter().fold(0_u64, |hash, token| mix(hash.wrapping_mul(ROLL).wrapping_add(*token)));
        self.hashes.extend(self.tokens.windows(self.ngram).map(shingle));
        if self.weights == Weights::Once {
            self.hashes.sort_unstable();
            self.hashes.dedup();
        }
        let low = majority(&self.hashes);
        let high = if self.wide {
            self.hashes.iter_mut().for_each(|hash| *hash = mix(*hash ^ OTHER));
            majority(&self.hashes)
        } else {
            0
        };
        Fingerprint::Of(u128::from(high) << 64 | u128::from(low))
    }
}

const ROLL: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xd1b5_4a32_d192_ed03;

/// A bijection after which every bit depends on all (David Stafford's thirteenth variant of MurmurHash3's end).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The bits that more than half of these hashes have.
fn majority(hashes: &[u64]) -> u64 {
    let mut counts = [0_u32; 64];
    // Counters of a byte for blocks of hashes that they can hold: 64 of them are one vector.
    for hashes in hashes.chunks(255) {
        let mut block = [0_u8; 64];
        for hash in hashes {
            for (byte, counters) in hash.to_le_bytes().into_iter().zip(block.as_chunks_mut::<8>().0) {
                for (bit, counter) in counters.iter_mut().enumerate() {
                    *counter += byte >> bit & 1;
                }
            }
        }
        counts.iter_mut().zip(block).for_each(|(count, more)| *count += u32::from(more));
    }
    let half = hashes.len() as u64;
    counts.iter().rev().fold(0, |bits, count| bits << 1 | u64::from(2 * u64::from(*count) > half))
}

/// `simhash.Simhash(text).value`: the word characters of the text in lower case without what is between them, in runs of four,
/// each hashed by the last eight bytes of MD5.
fn of_package(text: &str) -> Fingerprint {
    let lower = text.to_lowercase();
    let letters: String = lower.chars().filter(|character| is_python_word(*character)).collect();
    if letters.is_empty() {
        return Fingerprint::None;
    }
    let starts: Vec<usize> = letters.char_indices().map(|(at, _)| at).chain([letters.len()]).collect();
    let characters = starts.len() - 1;
    let runs: Vec<&str> = match characters {
        0..4 => vec![&letters],
        _ => starts.windows(5).map(|ends| &letters[ends[0]..ends[4]]).collect(),
    };
    let last_eight = |run: &&str| {
        let digest = Md5::digest(run.as_bytes());
        u64::from_be_bytes(digest[8..].try_into().expect("eight of sixteen bytes"))
    };
    let hashes: Vec<u64> = runs.iter().map(last_eight).collect();
    Fingerprint::Of(majority(&hashes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_that_of_the_majority() {
        for hashes in [vec![0b101], vec![0b11, 0b01, 0b10], vec![0b1, 0b0], vec![7; 700], vec![]] {
            let expected = (0..64).fold(0_u64, |bits, bit| {
                let with = hashes.iter().filter(|hash| **hash >> bit & 1 == 1).count();
                bits | u64::from(2 * with > hashes.len()) << bit
            });
            assert_eq!(majority(&hashes), expected, "{hashes:?}");
        }
    }

    #[test]
    fn a_small_change_changes_few_bits_and_another_text_about_half() {
        let config = Simhash::default();
        let words = |start: usize| (start..start + 400).map(|word| format!("w{}", word * 7919 % 10_007));
        let text = words(0).collect::<Vec<_>>().join(" ");
        let changed = text.replacen("w7919", "other", 1);
        assert_ne!(text, changed);
        let distance = |one: &str, other: &str, config: &Simhash| {
            let of = |text| config.fingerprint(text).expect("it is long");
            crate::hamming_distance(of(one), of(other))
        };
        let other = words(5000).collect::<Vec<_>>().join(" ");
        let wide = Simhash { bits: 128, ..config.clone() };
        assert!(distance(&text, &changed, &config) <= 6);
        assert!((16..48).contains(&distance(&text, &other, &config)));
        assert!((40..88).contains(&distance(&text, &other, &wide)));
        let once = Simhash { weights: Weights::Once, ..config.clone() };
        assert_eq!(once.fingerprint(&text), config.fingerprint(&text), "nothing is repeated");
        let repeated = format!("{} {text}", "again and again and again ".repeat(200));
        assert_ne!(once.fingerprint(&repeated), config.fingerprint(&repeated));
    }

    /// `tests/oracle/dedup_simhash.py` with simhash 2.1.2.
    #[test]
    fn fingerprints_are_those_of_the_package() {
        let config = Simhash { compat: SimhashCompat::Simhash, ..Simhash::default() };
        let corpus = include_bytes!("../../../cli/demo/corpus.jsonl.zst");
        let corpus = String::from_utf8(zstd::decode_all(corpus.as_slice()).expect("zstd")).expect("UTF-8");
        let expected = include_str!("../../../tests/fixtures/dedup/simhash.txt");
        let mut compared = 0;
        for (line, expected) in corpus.lines().zip(expected.lines()) {
            let document: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let found = config.fingerprint(document["text"].as_str().expect("a text"));
            assert_eq!(found.map(|bits| format!("{bits:016x}")).as_deref(), Some(expected), "{line:.200}");
            compared += 1;
        }
        assert_eq!(compared, 600);
    }
}
