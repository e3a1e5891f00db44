//! Which characters a model knows: the most frequent that cover so much of the corpus, and those asked for.

use std::cmp::Reverse;

use super::cut::is_in_pieces;

/// Code points.
const CODES: usize = 0x11_0000;

/// How often each character came.
pub(super) struct CharacterCounts(Vec<u64>);

impl CharacterCounts {
    pub(super) fn new() -> Self {
        Self(vec![0; CODES])
    }

    /// Counts the characters of a piece that came so often.
    pub(super) fn add(&mut self, piece: &[u8], count: u64) {
        for char in String::from_utf8_lossy(piece).chars() {
            let known = &mut self.0[char as usize];
            *known = known.saturating_add(count);
        }
    }

    /// Adds what others counted.
    pub(super) fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(known, more)| *known = known.saturating_add(*more));
    }

    /// The characters by count, the most frequent first, of equal ones the lower code point, until they make up `coverage` of all
    /// (as SentencePiece chooses them); and of `wanted` those that are left, in their order. The space is always among them.
    pub(super) fn choose(&self, coverage: f64, wanted: &[char]) -> Vec<char> {
        let counted = self.0.iter().zip(0_u32..).filter(|(count, _)| **count > 0);
        let mut counted: Vec<(u64, char)> =
            counted.filter_map(|(count, code)| Some((*count, char::from_u32(code)?))).collect();
        counted.sort_unstable_by_key(|(count, char)| (Reverse(*count), *char));
        let all: u128 = counted.iter().map(|(count, _)| u128::from(*count)).sum();
        let mut covered = 0_u128;
        let mut chosen: Vec<char> = Vec::new();
        for (count, char) in counted {
            if covered as f64 >= coverage * all as f64 {
                break;
            }
            covered += u128::from(count);
            chosen.push(char);
        }
        let known: std::collections::HashSet<char> = chosen.iter().copied().collect();
        chosen.extend([' '].iter().chain(wanted).filter(|char| !known.contains(*char) && is_in_pieces(**char)));
        chosen
    }
}

/// Tokens of characters by code point.
pub(super) struct Alphabet(Vec<u32>);

/// No token.
const NONE: u32 = u32::MAX;

impl Alphabet {
    /// The characters have tokens from `first` on.
    pub(super) fn new(characters: &[char], first: u32) -> Self {
        let mut tokens = vec![NONE; CODES];
        characters.iter().zip(first..).for_each(|(char, token)| tokens[*char as usize] = token);
        Self(tokens)
    }

    /// The token of a character.
    pub(super) fn token(&self, char: char) -> Option<u32> {
        Some(self.0[char as usize]).filter(|token| *token != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_cover_what_is_asked() {
        let mut counts = CharacterCounts::new();
        counts.add("ab好".as_bytes(), 40);
        counts.add("c".as_bytes(), 40);
        counts.add("罕".as_bytes(), 1);
        // 161 characters: four of them make up 99.4 %.
        assert_eq!(counts.choose(0.99, &[]), ['a', 'b', 'c', '好', ' ']);
        assert_eq!(counts.choose(1.0, &['好', '见']), ['a', 'b', 'c', '好', '罕', ' ', '见']);
        assert_eq!(counts.choose(0.5, &['\n']), ['a', 'b', 'c', ' ']);
    }
}
