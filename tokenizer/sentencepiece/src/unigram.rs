//! Unigram models: the sequence of pieces with the highest sum of scores.
//!
//! Viterbi's algorithm over a trie, from left to right, with the additions and comparisons in 32-bit floats in the order
//! of `Model::EncodeOptimized` of SentencePiece 0.2.3, so that near ties fall as they do there.
//!
//! Texts are first rewritten in an alphabet of their own: the 200-odd characters that pieces have most of get one byte
//! (label), the others two or three. A Chinese character is then 1.3 steps in the trie on average instead of three, and there
//! are as many fewer places at which a best path is kept.

use crate::codepoints::CodePoints;
use crate::double_array::DoubleArray;
use crate::specification::PieceKind;
use crate::vocabulary::Vocabulary;
use crate::{Error, Result};

/// In place of an id: a character that is in no piece, or in none that fits.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// How much worse an unknown character is than the worst piece.
const UNKNOWN_PENALTY: f32 = 10.0;
/// Sums beyond this are brought back to 0, so that they keep their precision.
const RESET_AT: f32 = 100_000.0;
/// The label of a character that is in no piece.
#[cfg(test)]
const STRANGER: u8 = 0;

/// What a unigram model knows beyond its vocabulary.
#[derive(Clone, Debug)]
pub(crate) struct Unigram {
    /// Spelled pieces, with what each adds to a path; user-defined symbols have their bonus here. Characters that are no
    /// pieces are keys too, with the score of the unknown.
    trie: DoubleArray<f32>,
    /// By the trie's slot: the id of the piece that ends there, or [`UNKNOWN`], and how many labels it has.
    ends: Vec<(u32, u32)>,
    /// The most labels of a piece.
    longest: usize,
    alphabet: Alphabet,
}

/// The best path to a place: its score, and the slot of the piece that it ends with.
#[derive(Clone, Copy, Debug)]
struct Best {
    score: f32,
    slot: u32,
}

/// Where no path has come: worse than any.
const NOWHERE: Best = Best { score: f32::NEG_INFINITY, slot: 0 };

/// What encoding needs for a while; grows to a few times the longest text.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnigramScratch {
    labels: Vec<u8>,
    best: Vec<Best>,
}

impl Unigram {
    /// Builds the trie.
    ///
    /// # Errors
    /// [`Error::Pieces`] when there is nothing to cut a text into, or too much for a trie.
    pub(crate) fn new(vocabulary: &Vocabulary) -> Result<Self> {
        let found = || vocabulary.found_pieces();
        if found().next().is_none() {
            return Err(Error::Pieces("none that a text could be cut into"));
        }
        let normal = found().filter(|(_, _, kind)| *kind == PieceKind::Normal);
        let lowest = normal.map(|(id, ..)| vocabulary.score(id)).fold(f32::MAX, f32::min);
        let used = || found().filter(|(_, _, kind)| *kind != PieceKind::Unused);
        let alphabet = Alphabet::new(used().map(|(id, text, _)| (text, vocabulary.score(id))));

        let mut labels = Vec::new();
        let mut entries = Vec::new();
        for (id, text, kind) in used() {
            let score = match kind {
                // So that the longest wins, and any against normal pieces, whose scores are logarithms.
                PieceKind::UserDefined => (0.1 * (text.len() as f64 - 1.0)) as f32,
                _ => vocabulary.score(id),
            };
            let start = labels.len();
            alphabet.spell(text, &mut labels);
            entries.push((start..labels.len(), score, id));
        }
        for character in alphabet.characters.iter().map(|character| character.to_string()).chain(["\0".to_owned()]) {
            let known = vocabulary.find(character.as_bytes());
            if known.is_none_or(|id| vocabulary.kind(id) == PieceKind::Unused) {
                let start = labels.len();
                alphabet.spell(&character, &mut labels);
                entries.push((start..labels.len(), lowest - UNKNOWN_PENALTY, UNKNOWN));
            }
        }
        entries.sort_unstable_by(|a, b| labels[a.0.clone()].cmp(&labels[b.0.clone()]));
        let keys: Vec<(&[u8], f32)> =
            entries.iter().map(|(place, score, _)| (&labels[place.clone()], *score)).collect();
        let trie = DoubleArray::build(&keys, f32::NEG_INFINITY)?;
        let mut ends = vec![(UNKNOWN, 1); trie.len()];
        for (place, _, id) in &entries {
            let (mut node, mut slot) = (trie.root(), 0);
            for &label in &labels[place.clone()] {
                let step = trie.step(node, label).expect("the trie was built of these keys");
                (node, slot) = (step.node, step.slot);
            }
            // Pieces have less than 8000 bytes.
            ends[slot as usize] = (*id, place.len() as u32);
        }
        let longest = entries.iter().map(|(place, ..)| place.len()).max().unwrap_or(0);
        Ok(Self { trie, ends, longest, alphabet })
    }

    /// Appends the ids of the best path through `text`, [`UNKNOWN`] for each unknown character.
    /// O(bytes × longest piece) at worst.
    pub(crate) fn encode(&self, text: &str, scratch: &mut UnigramScratch, ids: &mut Vec<u32>) {
        let UnigramScratch { labels, best } = scratch;
        labels.clear();
        self.alphabet.spell(text, labels);
        best.clear();
        best.resize(labels.len() + 1, NOWHERE);
        best[0].score = 0.0;
        self.forward(labels, best);

        let start = ids.len();
        let mut at = labels.len();
        while at > 0 {
            let (id, length) = self.ends[best[at].slot as usize];
            ids.push(id);
            at = at.saturating_sub(length as usize);
        }
        ids[start..].reverse();
    }

    fn forward(&self, labels: &[u8], best: &mut [Best]) {
        let root = self.trie.root();
        let mut start = 0;
        while start < labels.len() {
            let mut score = best[start].score;
            if score.abs() > RESET_AT {
                let end = best.len().min(start + self.longest + 1);
                best[start..end].iter_mut().for_each(|path| path.score -= score);
                score = 0.0;
            }
            let mut node = root;
            for (&label, path) in labels[start..].iter().zip(&mut best[start + 1..]) {
                let Some(step) = self.trie.step(node, label) else { break };
                // Without branches: most steps end no piece, and which do cannot be foreseen.
                let offer = Best { score: step.value + score, slot: step.slot };
                *path = if offer.score > path.score { offer } else { *path };
                node = step.node;
            }
            start += usize::from(self.alphabet.lengths[usize::from(labels[start])]);
        }
    }
}

/// Spells characters in bytes, frequent ones in one.
#[derive(Clone, Debug)]
struct Alphabet {
    /// Labels of each character: the first in the lowest byte, the number of labels in the highest; 0 for strangers.
    spellings: CodePoints,
    characters: Vec<char>,
    /// By first label: how many labels the character has.
    lengths: [u8; 256],
}

impl Alphabet {
    /// Of pieces with their scores, the logarithms of how often they occur.
    fn new<'a>(pieces: impl Iterator<Item = (&'a str, f32)>) -> Self {
        let mut weights = std::collections::BTreeMap::<char, f64>::new();
        for (text, score) in pieces {
            // Scores that are no logarithms still order the characters somehow; any order is right.
            let weight = f64::from(score.clamp(-80.0, 0.0)).exp();
            text.chars().for_each(|character| *weights.entry(character).or_default() += weight);
        }
        let mut characters: Vec<(char, f64)> = weights.into_iter().collect();
        characters.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let (singles, doubles) = Self::shares(characters.len());
        let first_double = singles + 1;
        let first_triple = first_double + doubles;
        let mut spellings = CodePoints::new();
        for (number, &(character, _)) in characters.iter().enumerate() {
            let spelling = if number < singles {
                1 << 24 | (number + 1)
            } else if number < singles + doubles * 256 {
                let number = number - singles;
                2 << 24 | (first_double + number / 256) | (number % 256) << 8
            } else {
                let number = number - singles - doubles * 256;
                3 << 24 | (first_triple + number / 65_536) | (number / 256 % 256) << 8 | (number % 256) << 16
            };
            *spellings.get_mut(character) = spelling as u32;
        }
        let lengths =
            std::array::from_fn(|label| 1 + u8::from(label >= first_double) + u8::from(label >= first_triple));
        let characters = characters.into_iter().map(|(character, _)| character).collect();
        Self { spellings, characters, lengths }
    }

    /// How many first labels are left for characters of one label, and how many are taken by those of two.
    fn shares(characters: usize) -> (usize, usize) {
        // Unicode has 0x110000 code points, 17 times 65,536.
        let doubles = characters.saturating_sub(255).div_ceil(255);
        if doubles <= 200 { (255 - doubles, doubles) } else { (255 - 80 - 17, 80) }
    }

    fn spell(&self, text: &str, labels: &mut Vec<u8>) {
        labels.reserve(text.len());
        for character in text.chars() {
            let spelling = self.spellings.get(character);
            labels.push(spelling as u8);
            let more = spelling >> 24;
            if more > 1 {
                labels.push((spelling >> 8) as u8);
                if more > 2 {
                    labels.push((spelling >> 16) as u8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_differ_and_none_begins_another() {
        for count in [1, 200, 255, 256, 300, 5000, 52_000, 60_000, 300_000] {
            let characters: Vec<char> = ('\u{1}'..).take(count).collect();
            let texts: Vec<String> = characters.iter().map(char::to_string).collect();
            let alphabet = Alphabet::new(texts.iter().map(|text| (text.as_str(), -1.0)));
            let mut seen = std::collections::HashSet::new();
            for text in &texts {
                let mut labels = Vec::new();
                alphabet.spell(text, &mut labels);
                assert_eq!(labels.len(), usize::from(alphabet.lengths[usize::from(labels[0])]), "{count}");
                assert_ne!(labels[0], STRANGER);
                assert!(seen.insert(labels), "{count}: {text:?}");
            }
            let mut labels = Vec::new();
            alphabet.spell("\0", &mut labels);
            assert_eq!((labels.as_slice(), alphabet.lengths[0]), (&[STRANGER][..], 1));
        }
    }
}
