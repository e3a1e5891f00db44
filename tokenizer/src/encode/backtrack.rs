//! Encoding in linear time: the longest token first, taken back where its neighbour cannot stand beside it.
//!
//! What ends at a place is known to be the encoding up to there, and there is only one: so a place from which there
//! is no way on is never entered again, and each place is entered once (Neubeck and van Antwerpen 2024, "So many
//! tokens, so little time"). O(bytes · depth of a token's tree), whatever the text.

use super::characters::Characters;
use super::pages::Table;
use super::tree::Tree;
use super::trie::Trie;

/// No shorter token begins a token.
const NO_TOKEN: u32 = u32::MAX;

/// The tokens of a vocabulary by their bytes.
pub(crate) struct Backtrack {
    pub tree: Tree,
    /// For runs of characters of three bytes.
    pub characters: Characters,
    trie: Trie,
    /// By id: the longest shorter token that it begins with.
    shorter: Box<[u32]>,
}

/// What encoding one piece needs, kept from piece to piece.
#[derive(Default)]
pub(crate) struct Way {
    /// The tokens up to here.
    pub ids: Vec<u32>,
    /// Places from which there is no way on, a bit for each.
    dead: Vec<u64>,
    /// Pairs of tokens that were asked about, with the answer in the lowest bit; a newer one replaces an older.
    pairs: Table<u64>,
}

/// Bits of the number of pairs remembered: 512 KiB.
const PAIR_BITS: u32 = 16;

impl Way {
    /// To be called before encoding with another vocabulary than before.
    pub(crate) fn forget(&mut self) {
        self.pairs = Table::zeroed(1 << PAIR_BITS);
    }
}

/// Whether two tokens can stand side by side, by what is remembered if possible.
#[inline]
fn stand_together(tree: &Tree, pairs: &mut [u64], left: u32, right: u32) -> bool {
    // Never zero, and an id has no more than 21 bits.
    let key = (u64::from(left) << 32 | u64::from(right) << 2) | 2;
    let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PAIR_BITS)) as usize;
    let known = pairs.get(slot).copied().unwrap_or(0);
    if known | 1 == key | 1 {
        return known & 1 == 1;
    }
    let answer = tree.stand_together(left, right);
    if let Some(slot) = pairs.get_mut(slot) {
        *slot = key | u64::from(answer);
    }
    answer
}

impl Backtrack {
    /// From the bytes of the tokens that text can become, by id. `None` if there are more than the trie can hold.
    pub(crate) fn new(tree: Tree, tokens: &[(&[u8], u32)], vocab_size: u32) -> Option<Self> {
        let trie = Trie::new(tokens)?;
        let mut shorter = vec![NO_TOKEN; vocab_size as usize].into_boxed_slice();
        for (bytes, id) in tokens {
            if let Some((prefix, _)) = trie.longest(&bytes[..bytes.len() - 1]) {
                shorter[*id as usize] = prefix;
            }
        }
        Some(Self { characters: Characters::new(&tree, tokens), tree, trie, shorter })
    }

    /// Puts the tokens of `piece` into `way.ids`.
    pub(crate) fn encode(&self, piece: &[u8], way: &mut Way) {
        way.ids.clear();
        if piece.len() < 64 {
            self.walk(piece, &mut way.ids, &mut way.pairs, &mut 0_u64);
        } else {
            way.dead.clear();
            way.dead.resize(piece.len() / 64 + 1, 0);
            self.walk(piece, &mut way.ids, &mut way.pairs, &mut *way.dead);
        }
    }

    #[inline]
    fn walk(&self, piece: &[u8], ids: &mut Vec<u32>, pairs: &mut [u64], dead: &mut (impl Places + ?Sized)) {
        let mut at = 0;
        while at < piece.len() {
            let (mut token, mut length) = self.trie.longest(&piece[at..]).expect("every byte is a token");
            loop {
                let end = at + length;
                if !dead.has(end) && ids.last().is_none_or(|last| stand_together(&self.tree, pairs, *last, token)) {
                    ids.push(token);
                    at = end;
                    break;
                }
                // A shorter one, or a shorter one before.
                while self.shorter[token as usize] == NO_TOKEN {
                    dead.add(at);
                    token = ids.pop().expect("the encoding begins with one of the tokens");
                    at -= self.tree.token(token).bytes as usize;
                }
                token = self.shorter[token as usize];
                length = self.tree.token(token).bytes as usize;
            }
        }
    }
}

/// A set of places in a piece.
trait Places {
    fn has(&self, place: usize) -> bool;
    fn add(&mut self, place: usize);
}

impl Places for u64 {
    #[inline]
    fn has(&self, place: usize) -> bool {
        self >> place & 1 == 1
    }

    #[inline]
    fn add(&mut self, place: usize) {
        *self |= 1 << place;
    }
}

impl Places for [u64] {
    fn has(&self, place: usize) -> bool {
        self[place / 64] >> (place % 64) & 1 == 1
    }

    fn add(&mut self, place: usize) {
        self[place / 64] |= 1 << (place % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::made_up::Vocabulary;
    use crate::encode::merge::{Merges, Merging};
    use crate::hash::mix;

    /// Vocabularies of random rules over few letters, so that they overlap in every way: what the merges give one by one
    /// is what the longest tokens give.
    #[test]
    fn the_longest_tokens_are_what_merging_gives() {
        let byte_ids: [u32; 256] = std::array::from_fn(|byte| byte as u32);
        let mut state = 5_u64;
        let mut below = |end: usize| {
            state = mix(state);
            (state >> 20) as usize % end
        };
        let mut out_of_order = 0;
        for round in 0..400 {
            let letters = 2 + round % 3;
            let mut vocabulary = Vocabulary::new();
            while vocabulary.merges.len() < 4 + round % 40 {
                // Parts among the letters and what was made of them before.
                let count = vocabulary.names.len();
                let mut part = || match below(count - 256 + letters) {
                    letter if letter < letters => u32::from(b'a') + letter as u32,
                    made => (256 + made - letters) as u32,
                };
                let (left, right) = (part(), part());
                vocabulary.rule(left, right);
                let merges = &mut vocabulary.merges;
                if merges.len() > 2 && below(40) == 0 {
                    let (one, two) = (below(merges.len()), below(merges.len()));
                    merges.swap(one, two);
                }
            }
            let Vocabulary { names, merges } = vocabulary;
            let slow = Merges::new(byte_ids, &merges);
            let Some(tree) = Tree::new(&byte_ids, &merges, names.len() as u32) else {
                out_of_order += 1;
                continue;
            };
            let (mut merging, mut ids) = (Merging::default(), Vec::new());
            for (id, name) in (0..).zip(&names) {
                ids.clear();
                slow.encode(name, &mut merging, &mut ids);
                assert_eq!(tree.is_made(id), ids == [id], "{name:?} of {merges:?}");
            }
            let mut tokens: Vec<(&[u8], u32)> =
                names.iter().map(|name| &**name).zip(0..).filter(|(_, id)| tree.is_made(*id)).collect();
            tokens.sort_unstable();
            let backtrack = Backtrack::new(tree, &tokens, names.len() as u32).unwrap();
            let mut way = Way::default();
            if round % 2 == 0 {
                way.forget();
            }
            for length in (0..60).chain([300]) {
                let piece: Vec<u8> = (0..length).map(|_| b'a' + below(letters) as u8).collect();
                ids.clear();
                slow.encode(&piece, &mut merging, &mut ids);
                backtrack.encode(&piece, &mut way);
                assert_eq!(way.ids, ids, "{piece:?} of {merges:?}");
            }
        }
        assert!((20..300).contains(&out_of_order), "{out_of_order} of 400 are out of order");
    }
}
