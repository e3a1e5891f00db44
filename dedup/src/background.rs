//! How alike documents look that have nothing to do with each other.
//!
//! Locality-sensitive hashing nominates a pair of similarity s with the probability 1 − (1 − s^rows)^bands. Pairs of n documents are
//! n²/2, so that what is alike by chance must be next to nothing: shingles that are too short for a language (single characters,
//! pages of one template, code) nominate more pairs than there are documents, and unverified clusters grow into one.

use std::collections::HashMap;

use crate::minhash::candidate_probability;
use crate::near::Minhash;
use crate::shingle::{shingle_hashes, token_hashes};

/// What a sample of documents says of pairs that are not duplicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Background {
    /// Pairs compared.
    pub pairs: u64,
    /// Their mean Jaccard similarity.
    pub mean: f64,
    /// The highest below the similarity of duplicates.
    pub highest: f64,
    /// The probability that one of them is nominated.
    pub candidate: f64,
}

impl Background {
    /// Pairs by chance that each of so many documents is in.
    pub fn candidates_of_each(&self, documents: u64) -> f64 {
        documents as f64 * self.candidate
    }
}

/// Compares all pairs of `texts` by shingles of `ngram` tokens. Pairs that reach the threshold of `config` (0.7 if it has none) are
/// duplicates and left out. O(shingles × documents that share them): some thousand documents are enough.
pub fn background(texts: &[&str], config: &Minhash, ngram: usize) -> Background {
    let (mut tokens, mut shingles) = (Vec::new(), Vec::new());
    let mut documents_of: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut sizes = Vec::with_capacity(texts.len());
    for (number, text) in (0_u32..).zip(texts) {
        tokens.clear();
        shingles.clear();
        token_hashes(text, config.shingles, &mut tokens);
        shingle_hashes(&tokens, ngram, &mut shingles);
        shingles.sort_unstable();
        shingles.dedup();
        sizes.push(shingles.len() as u32);
        shingles.iter().for_each(|shingle| documents_of.entry(*shingle).or_default().push(number));
    }
    let mut shared: HashMap<(u32, u32), u32> = HashMap::new();
    for documents in documents_of.values().filter(|documents| documents.len() > 1) {
        for (place, one) in documents.iter().enumerate() {
            documents[place + 1..].iter().for_each(|other| *shared.entry((*one, *other)).or_default() += 1);
        }
    }
    let threshold = if config.threshold > 0.0 { config.threshold } else { 0.7 };
    let count = texts.len() as u64;
    let mut found = Background { pairs: count * count.saturating_sub(1) / 2, mean: 0.0, highest: 0.0, candidate: 0.0 };
    let mut similarities: Vec<f64> = shared
        .into_iter()
        .map(|((one, other), common)| {
            f64::from(common) / f64::from(sizes[one as usize] + sizes[other as usize] - common)
        })
        .collect();
    // The order of sums must not be that of a hash table.
    similarities.sort_unstable_by(f64::total_cmp);
    for similarity in similarities {
        if similarity >= threshold {
            found.pairs -= 1;
            continue;
        }
        found.mean += similarity;
        found.highest = similarity;
        found.candidate += candidate_probability(similarity, config.bands, config.rows_per_band);
    }
    let pairs = found.pairs.max(1) as f64;
    found.mean /= pairs;
    found.candidate /= pairs;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_that_of_all_pairs() {
        let config = Minhash::default();
        // 4 of 12 shingles in common, none, and a copy.
        let texts = [
            "a b c d e f g h i j k l",
            "e f g h i j k l m n o p",
            "one two three four five six seven",
            "a b c d e f g h i j k l",
        ];
        let found = background(&texts, &config, 5);
        // Of 6 pairs the copies are left out; two pairs share 4 of 8 + 8 − 4 = 12 shingles.
        assert_eq!(found.pairs, 5);
        assert!((found.mean - 2.0 / 3.0 / 5.0).abs() < 1e-12, "{found:?}");
        assert!((found.highest - 1.0 / 3.0).abs() < 1e-12);
        let expected = 2.0 * candidate_probability(1.0 / 3.0, 14, 8) / 5.0;
        assert!((found.candidate - expected).abs() < 1e-15);
        assert!(background(&texts, &config, 12).mean < found.mean);
        assert_eq!(background(&[], &config, 5).pairs, 0);
        assert!((found.candidates_of_each(1000) - 1000.0 * expected).abs() < 1e-9);
    }
}
