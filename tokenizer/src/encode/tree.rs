//! How each token is made, and which two tokens may stand side by side.
//!
//! Byte-pair encoding of a token's own bytes gives that token, or the token never comes out of any text: what merges
//! inside a span whose borders no merge crosses does not depend on what lies around it. A token that does come out
//! is always made by the same last merge (its two *parts*), so each has one tree of parts down to its bytes, and of
//! all rules only one for each token is ever applied.
//!
//! By the same argument tokens t₁ … tₙ are the encoding of a text exactly if each pair tᵢ tᵢ₊₁ is the encoding of its
//! own bytes. Whether it is can be read from the right edge of tᵢ's tree and the left edge of tᵢ₊₁'s: taking back the
//! merges of both from the last to the first, no two parts that meet at the border may have had a rule that was due
//! before either was merged into more. This needs that a rule's parts are always made before its turn, which trained
//! vocabularies keep by construction; [`Tree::new`] finds the others out.

use std::collections::HashMap;

use super::pages::{Plain, Table};
use crate::hash::mix;

/// The ids and ranks that fit into a slot of [`Pairs`].
const ID_BITS: u32 = 21;
const RANK_BITS: u32 = 22;

/// A token that text can become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// The merge that makes it, from 1 on, in the order of the merges; 0 for a byte.
    pub rank: u32,
    pub left: u32,
    pub right: u32,
    pub bytes: u32,
}

// SAFETY: numbers.
unsafe impl Plain for Token {}

const NEVER: Token = Token { rank: u32::MAX, left: 0, right: 0, bytes: 0 };

/// The tokens that text can become, each with its parts.
pub(crate) struct Tree {
    /// By id; those that never come out of a text have a rank of `u32::MAX`.
    tokens: Table<Token>,
    pairs: Pairs,
    /// What the merge of each rank makes, unless ranks are ids plus one.
    products: Option<Table<u32>>,
}

/// Ranks by pair of ids in one word each: open addressing, at most half full. A zero is a free slot: no pair has rank 0.
struct Pairs {
    slots: Table<u64>,
    shift: u32,
    /// A bit for each pair, at most one in 16 set: what is not in this set, which the second cache holds, is not looked for.
    filter: Table<u64>,
    filter_shift: u32,
}

impl Pairs {
    fn new(count: usize) -> Self {
        let bits = (count * 2).next_power_of_two().max(2).trailing_zeros();
        let filter_bits = bits + 3;
        let filter = Table::zeroed((1_usize << filter_bits).div_ceil(64));
        Self { slots: Table::zeroed(1 << bits), shift: 64 - bits, filter, filter_shift: 64 - filter_bits }
    }

    /// A slot, and a bit of the filter.
    #[inline]
    fn start(&self, key: u64) -> (usize, usize) {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> self.shift) as usize, (hash >> self.filter_shift) as usize)
    }

    fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = u64::from(left) << ID_BITS | u64::from(right);
        let (mut slot, bit) = self.start(key);
        self.filter[bit >> 6] |= 1 << (bit & 63);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = key << RANK_BITS | u64::from(rank);
    }

    /// The rank of the rule that merges the two, if one does.
    #[inline]
    fn get(&self, left: u32, right: u32) -> Option<u32> {
        let key = u64::from(left) << ID_BITS | u64::from(right);
        let (mut slot, bit) = self.start(key);
        if self.filter[bit >> 6] >> (bit & 63) & 1 == 0 {
            return None;
        }
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return None;
            }
            if found >> RANK_BITS == key {
                return Some((found & ((1 << RANK_BITS) - 1)) as u32);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

impl Tree {
    /// From the ids of the bytes and the rules `(left, right, product)` in rank order; of a pair that comes twice the
    /// last counts. `None` if a rule's part is made after the rule's turn, or there are more than 2²¹ ids or 2²² rules:
    /// then merges have to be applied one by one. O(rules · depth of the trees).
    pub(crate) fn new(byte_ids: &[u32; 256], merges: &[(u32, u32, u32)], vocab_size: u32) -> Option<Self> {
        if vocab_size > 1 << ID_BITS || merges.len() >= (1 << RANK_BITS) - 1 {
            return None;
        }
        let last: HashMap<(u32, u32), usize, FixedHashPair> =
            merges.iter().enumerate().map(|(at, (left, right, _))| ((*left, *right), at)).collect();
        let mut tree = Self {
            tokens: Table::from(&*vec![NEVER; vocab_size as usize]),
            pairs: Pairs::new(merges.len().min(vocab_size as usize)),
            products: (!merges.is_sorted_by(|one, next| one.2 < next.2)).then(|| Table::zeroed(merges.len() + 1)),
        };
        for id in byte_ids {
            tree.tokens[*id as usize] = Token { rank: 0, left: *id, right: *id, bytes: 1 };
        }
        let mut without_parts = Vec::new();
        let mut rank = 0;
        for (at, &(left, right, product)) in merges.iter().enumerate() {
            if last[&(left, right)] != at || tree.is_made(product) {
                continue;
            }
            if !tree.is_made(left) || !tree.is_made(right) {
                without_parts.push((left, right));
                continue;
            }
            if tree.stand_together(left, right) {
                rank = if tree.products.is_none() { product + 1 } else { rank + 1 };
                let bytes = tree.token(left).bytes + tree.token(right).bytes;
                tree.tokens[product as usize] = Token { rank, left, right, bytes };
                tree.pairs.insert(left, right, rank);
                if let Some(products) = &mut tree.products {
                    products[rank as usize] = product;
                }
            }
        }
        let too_late = without_parts.iter().any(|(left, right)| tree.is_made(*left) && tree.is_made(*right));
        (!too_late).then_some(tree)
    }

    /// Whether text can become this token.
    pub(crate) fn is_made(&self, id: u32) -> bool {
        self.tokens[id as usize].rank != u32::MAX
    }

    /// The rank of the merge of two tokens, if it is ever applied.
    #[inline]
    pub(crate) fn rank(&self, left: u32, right: u32) -> Option<u32> {
        self.pairs.get(left, right)
    }

    /// What the merge of a rank makes.
    #[inline]
    pub(crate) fn product(&self, rank: u32) -> u32 {
        match &self.products {
            Some(products) => products[rank as usize],
            None => rank - 1,
        }
    }

    /// The rank of the merge that makes a token.
    #[inline]
    pub(crate) fn rank_of(&self, product: u32) -> u32 {
        match self.products {
            Some(_) => self.token(product).rank,
            None => product + 1,
        }
    }

    #[inline]
    pub(crate) fn token(&self, id: u32) -> Token {
        self.tokens[id as usize]
    }

    /// Whether the bytes of two tokens that text can become, one after the other, become these two tokens.
    #[inline]
    pub(crate) fn stand_together(&self, mut left: u32, mut right: u32) -> bool {
        // When each was merged into more; never yet.
        let (mut left_gone, mut right_gone) = (u32::MAX, u32::MAX);
        let (mut left_token, mut right_token) = (self.token(left), self.token(right));
        loop {
            if let Some(rank) = self.pairs.get(left, right) {
                // Among equals the leftmost goes first.
                if rank < left_gone && rank <= right_gone {
                    return false;
                }
            }
            // The later of the two merges is taken back; of two of one rank, the one to the right.
            if left_token.rank > right_token.rank {
                left_gone = left_token.rank;
                left = left_token.right;
                left_token = self.token(left);
            } else if right_token.rank > 0 {
                right_gone = right_token.rank;
                right = right_token.left;
                right_token = self.token(right);
            } else {
                return true;
            }
        }
    }
}

/// Hashes a pair of ids for a map.
#[derive(Default)]
pub(crate) struct PairHasher(u64);

type FixedHashPair = std::hash::BuildHasherDefault<PairHasher>;

impl std::hash::Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix(self.0 ^ u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = mix(self.0 ^ u64::from(number));
    }
}
