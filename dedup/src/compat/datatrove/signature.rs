//! Signatures as `MinhashDedupSignature` computes them.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use xxhash_rust::xxh32::xxh32;
use xxhash_rust::xxh64::xxh64;

use super::super::WordCutter;
use super::super::permutations::{Draw, Permutations, Width};
use super::MinhashDatatrove;

/// What hashes shingles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShingleHash {
    /// XXH64, or XXH32 with 32 bits.
    #[default]
    Xxhash,
    /// The first bytes of SHA-1.
    Sha1,
}

/// Bits of hashes and minima.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Half the size on disk.
    Bits32,
    Bits64,
}

impl Precision {
    /// Bytes of a minimum in a file.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }

    /// Signatures whose first minimum is this or more are left out of the search for pairs.
    pub(super) fn bound(self) -> u64 {
        match self {
            Self::Bits32 => u32::MAX.into(),
            Self::Bits64 => super::super::permutations::MERSENNE,
        }
    }
}

/// Computes signatures, one document after the other, in space it keeps.
pub struct DatatroveSigner {
    config: MinhashDatatrove,
    cutter: Arc<dyn WordCutter>,
    permutations: Permutations,
    words: Vec<Range<usize>>,
    joined: String,
    places: Vec<Range<usize>>,
    shingles: Vec<u64>,
    minima: Vec<u64>,
}

impl DatatroveSigner {
    pub(super) fn new(config: &MinhashDatatrove, cutter: Arc<dyn WordCutter>) -> Self {
        let width = match config.precision() {
            Precision::Bits32 => Width::Lower32,
            Precision::Bits64 => Width::Bits61,
        };
        let count = config.bands * config.rows_per_band;
        let permutations = Permutations::new(count, config.seed, Draw::InTurn, width);
        let (words, joined, places, shingles, minima) = Default::default();
        Self { config: config.clone(), cutter, permutations, words, joined, places, shingles, minima }
    }

    /// The document's signature, `bands × rows_per_band` minima; `None` if it has fewer words than a shingle.
    pub fn signature(&mut self, text: &str) -> Option<&[u64]> {
        let simple = self.config.norm.simplify(text);
        self.words.clear();
        self.cutter.cut(&simple, self.config.language, &mut self.words);
        if self.words.len() < self.config.ngram {
            return None;
        }
        // A shingle is then a piece of one string.
        self.joined.clear();
        self.places.clear();
        for word in &self.words {
            if !self.joined.is_empty() {
                self.joined.push(' ');
            }
            let start = self.joined.len();
            self.joined.push_str(&simple[word.clone()]);
            self.places.push(start..self.joined.len());
        }
        self.shingles.clear();
        let hash = hasher(self.config.hash, self.config.precision());
        let shingles = self.places.windows(self.config.ngram).map(|words| {
            let piece = words[0].start..words[words.len() - 1].end;
            hash(&self.joined.as_bytes()[piece])
        });
        self.shingles.extend(shingles);
        self.permutations.minima(&self.shingles, &mut self.minima);
        Some(&self.minima)
    }
}

fn hasher(hash: ShingleHash, precision: Precision) -> fn(&[u8]) -> u64 {
    match (hash, precision) {
        (ShingleHash::Xxhash, Precision::Bits64) => |bytes| xxh64(bytes, 0),
        (ShingleHash::Xxhash, Precision::Bits32) => |bytes| xxh32(bytes, 0).into(),
        (ShingleHash::Sha1, Precision::Bits64) => sha1_64,
        (ShingleHash::Sha1, Precision::Bits32) => |bytes| sha1_64(bytes) & u64::from(u32::MAX),
    }
}

/// The first eight bytes of SHA-1.
fn sha1_64(bytes: &[u8]) -> u64 {
    crate::files::number(&Sha1::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::WordLanguage;

    struct BySpaces;

    impl WordCutter for BySpaces {
        fn cut(&self, text: &str, _: WordLanguage, words: &mut Vec<Range<usize>>) {
            let mut at = 0;
            for word in text.split(' ') {
                words.push(at..at + word.len());
                at += word.len() + 1;
            }
        }
    }

    #[test]
    fn signatures_are_those_of_datatrove() {
        // datatrove 0.10.1 on the words of this text, which need no cutter of their own.
        let text = "The quick brown fox jumps over lazy";
        // The second number: the first eight bytes of SHA-1 of the signature's bytes.
        for (hash, digest) in
            [(ShingleHash::Xxhash, 15_782_242_816_892_756_525), (ShingleHash::Sha1, 2_203_216_692_769_978_316)]
        {
            let config = MinhashDatatrove { hash, ..MinhashDatatrove::default() };
            let mut signer = DatatroveSigner::new(&config, Arc::new(BySpaces));
            let signature = signer.signature(text).unwrap().to_vec();
            if hash == ShingleHash::Xxhash {
                let first = [85_330_943_174_081_874, 663_359_892_825_767_826, 327_961_897_378_675_822];
                assert_eq!(signature[..3], first);
            }
            let bytes: Vec<u8> = signature.iter().flat_map(|minimum| minimum.to_le_bytes()).collect();
            assert_eq!(bytes.len(), 896);
            assert_eq!(sha1_64(&bytes), digest);
            assert!(signer.signature("only four words here").is_none());
        }
    }
}
