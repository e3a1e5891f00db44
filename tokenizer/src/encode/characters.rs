//! Runs of characters of three bytes each, merged character by character.
//!
//! Most tokens of Chinese text are one or two characters: the first are in a table by character, the second in one by
//! pair, and what is longer is merged from these, the rule learnt first going first. Nothing has to be remembered from text
//! to text, and the tables are small enough to stay in the second cache.
//!
//! Why merging may begin with whole characters: [`Cuts`](super::cuts::Cuts) tells where a token with a part of a character
//! lies across a border, and there this way is not taken. All other rules that cross a border join whole characters, and
//! in a vocabulary whose rules are in order ([`Tree`]) they come after those that made the characters.

use super::cuts::hash;
use super::pages::Table;
use super::tree::Tree;

/// The first character of three bytes.
const FIRST: u32 = 0x800;
/// Characters from there to U+FFFF.
const COUNT: usize = 0x1_0000 - FIRST as usize;
/// Most characters looked at together.
pub(crate) const BLOCK: usize = 64;
/// A character that is no token.
const NO_TOKEN: u32 = u32::MAX;
/// No rule merges two symbols.
const NO_RANK: u32 = u32::MAX;

/// Tokens by their characters.
pub(crate) struct Characters {
    /// By code from U+0800 on.
    tokens: Table<u32>,
    /// Tokens of two characters: both codes in the upper half of a word, the id in the lower. Open addressing, at most
    /// half full; no pair is zero.
    doubles: Table<u64>,
    shift: u32,
}

/// Up to 64 characters of three bytes and the next, by code, and room for what becomes of some.
pub(crate) struct Block {
    codes: [u16; BLOCK + 1],
    pub ids: [u32; BLOCK],
    /// Of the merge of each id with the next.
    ranks: [u32; BLOCK],
}

impl Default for Block {
    fn default() -> Self {
        Self { codes: [0; BLOCK + 1], ids: [0; BLOCK], ranks: [NO_RANK; BLOCK] }
    }
}

impl Block {
    /// The codes of a character and the next.
    #[inline]
    pub(crate) fn codes(&self, at: usize) -> u32 {
        u32::from(self.codes[at]) << 16 | u32::from(self.codes[at + 1])
    }

    /// Takes the first characters of `bytes`, up to 65 or all there are; whether each has three bytes.
    #[inline]
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        let mut leads = 0xe0;
        let mut all = 0xff;
        for (code, character) in self.codes.iter_mut().zip(bytes.as_chunks::<3>().0) {
            let [first, second, third] = character.map(u16::from);
            *code = first << 12 | (second & 0x3f) << 6 | third & 0x3f;
            leads |= character[0] & 0xf0;
            all &= character[0];
        }
        leads == 0xe0 && all & 0xe0 == 0xe0
    }
}

impl Characters {
    /// From all tokens that merges can make.
    pub(crate) fn new(tree: &Tree, tokens: &[(&[u8], u32)]) -> Self {
        let code = |character: &[u8]| match character {
            [first @ 0xe0..0xf0, second, third] => {
                Some(u32::from(first & 0xf) << 12 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f))
            }
            _ => None,
        };
        let is_whole = |bytes: &[u8]| bytes[1..].iter().all(|byte| byte & 0xc0 == 0x80);
        let mut by_code = Table::from(&*vec![NO_TOKEN; COUNT]);
        for (bytes, id) in tokens.iter().filter(|(bytes, _)| bytes.len() == 3 && is_whole(bytes)) {
            if let Some(code) = code(bytes) {
                by_code[(code - FIRST) as usize] = *id;
            }
        }
        let mut doubles = Vec::new();
        for (bytes, id) in tokens.iter().filter(|(bytes, _)| bytes.len() == 6) {
            let (left, right) = bytes.split_at(3);
            let token = tree.token(*id);
            let of = |code: u32| by_code[(code - FIRST) as usize];
            if let (Some(left), Some(right)) = (code(left), code(right))
                && (of(left), of(right)) == (token.left, token.right)
            {
                doubles.push((u64::from(left << 16 | right), *id));
            }
        }
        let bits = (doubles.len() * 2).next_power_of_two().max(2).trailing_zeros();
        let mut table = Self { tokens: by_code, doubles: Table::zeroed(1 << bits), shift: 64 - bits };
        for (both, id) in doubles {
            let mut slot = table.slot(hash(both as u32));
            while table.doubles[slot] != 0 {
                slot = (slot + 1) & (table.doubles.len() - 1);
            }
            table.doubles[slot] = both << 32 | u64::from(id);
        }
        table
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    /// Asks for what is known of two characters, by the hash of their codes, before it is needed; only if `wanted`.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64, wanted: bool) {
        let slot = if wanted { self.slot(hash) } else { 0 };
        self.doubles.prefetch(slot);
    }

    /// The token of a character, if it is one.
    #[inline]
    fn token(&self, code: u16) -> u32 {
        // Valid text has none below in three bytes.
        self.tokens[usize::from(code) - FIRST as usize]
    }

    /// The token of two characters, if it is one.
    #[inline]
    fn double(&self, left: u16, right: u16) -> Option<u32> {
        let both = u32::from(left) << 16 | u32::from(right);
        let mut slot = self.slot(hash(both));
        loop {
            let found = self.doubles[slot];
            if (found >> 32) as u32 == both {
                return Some(found as u32);
            }
            if found == 0 {
                return None;
            }
            slot = (slot + 1) & (self.doubles.len() - 1);
        }
    }

    /// Puts the tokens of the characters `from..to` of a block, at least one, at the beginning of its `ids`; how many they are.
    /// `None` if one of the characters is no token.
    #[inline]
    pub(crate) fn encode(&self, tree: &Tree, block: &mut Block, from: usize, to: usize) -> Option<usize> {
        let Block { codes, ids, ranks } = block;
        let codes = &codes[from..to];
        match *codes {
            [one] => ids[0] = self.token(one),
            [left, right] => {
                ids[0] = self.token(left);
                ids[1] = self.token(right);
                if let Some(id) = self.double(left, right) {
                    ids[0] = id;
                    return Some(1);
                }
            }
            _ => codes.iter().zip(ids.iter_mut()).for_each(|(code, id)| *id = self.token(*code)),
        }
        let ids = &mut ids[..codes.len()];
        if ids.contains(&NO_TOKEN) {
            return None;
        }
        if ids.len() < 3 {
            return Some(ids.len());
        }
        for (rank, two) in ranks.iter_mut().zip(codes.windows(2)) {
            *rank = self.double(two[0], two[1]).map_or(NO_RANK, |id| tree.rank_of(id));
        }
        Some(merge(tree, ids, ranks))
    }
}

/// Merges symbols; how many are left, at the beginning. `ranks` has the rank of the merge of each with the next.
fn merge(tree: &Tree, ids: &mut [u32], ranks: &mut [u32; BLOCK]) -> usize {
    let mut count = ids.len();
    loop {
        let (mut best, mut at) = (NO_RANK, 0);
        for (place, rank) in ranks[..count - 1].iter().enumerate() {
            if *rank < best {
                (best, at) = (*rank, place);
            }
        }
        if best == NO_RANK {
            return count;
        }
        ids[at] = tree.product(best);
        ids.copy_within(at + 2..count, at + 1);
        ranks.copy_within(at + 1..count, at);
        count -= 1;
        if at > 0 {
            ranks[at - 1] = tree.rank(ids[at - 1], ids[at]).unwrap_or(NO_RANK);
        }
        if at + 1 < count {
            ranks[at] = tree.rank(ids[at], ids[at + 1]).unwrap_or(NO_RANK);
        }
        if count == 1 {
            return 1;
        }
    }
}
