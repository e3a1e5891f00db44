//! A trie of byte strings as a double array: the longest of them that a text begins with, a load for each byte.
//!
//! A node's children stand at its base XOR their byte, and no two nodes share a base, so that a slot's byte tells
//! whose it is (Yata et al. 2007; daachorse). One word for each node: 28 bits of base, 8 of byte, 28 of value.

use super::pages::Table;

/// No string ends here.
const NONE: u64 = (1 << 28) - 1;
/// A slot without a node. Its base lies outside, as that of a node without children does.
const FREE: u64 = NONE << 36 | NONE;
/// The base of a node without children.
const CHILDLESS: u64 = NONE - 1;
/// Blocks of 256 slots that are looked through for a place before a new one is begun.
const OPEN_BLOCKS: usize = 16;
/// How often no place is found in a block before it is no longer asked.
const MOST_FAILURES: u32 = 64;

/// Values below 2²⁸ − 1 by byte strings.
pub(crate) struct Trie {
    nodes: Table<u64>,
    longest_bytes: usize,
}

impl Trie {
    /// From strings that are not empty, sorted and each there once, with their values. `None` if they are too many.
    /// O(bytes of all strings).
    pub(crate) fn new(strings: &[(&[u8], u32)]) -> Option<Self> {
        debug_assert!(strings.is_sorted_by(|one, next| one.0 < next.0));
        let mut builder = Builder::default();
        builder.add_block()?;
        builder.take(0, CHILDLESS << 36 | NONE);
        // No node has base 0, so that the root, in slot 0, is nobody's child.
        builder.used_bases[0] = true;
        let mut todo = vec![(0_usize, 0_usize, strings.len(), 0_usize)];
        let mut children: Vec<(u8, usize)> = Vec::new();
        while let Some((node, mut from, to, depth)) = todo.pop() {
            if from < to && strings[from].0.len() == depth {
                let value = u64::from(strings[from].1);
                if value >= NONE {
                    return None;
                }
                builder.nodes[node] = builder.nodes[node] & !NONE | value;
                from += 1;
            }
            if from == to {
                continue;
            }
            children.clear();
            for (at, (string, _)) in (from..).zip(&strings[from..to]) {
                if children.last().is_none_or(|(byte, _)| *byte != string[depth]) {
                    children.push((string[depth], at));
                }
            }
            let base = builder.place(&children)?;
            builder.nodes[node] = builder.nodes[node] & ((1 << 36) - 1) | (base as u64) << 36;
            for (child, (byte, start)) in children.iter().enumerate() {
                let slot = base ^ usize::from(*byte);
                builder.take(slot, CHILDLESS << 36 | u64::from(*byte) << 28 | NONE);
                let end = children.get(child + 1).map_or(to, |(_, next)| *next);
                todo.push((slot, *start, end, depth + 1));
            }
        }
        let longest_bytes = strings.iter().map(|(string, _)| string.len()).max().unwrap_or(0);
        Some(Self { nodes: Table::from(&*builder.nodes), longest_bytes })
    }

    /// Bytes of the longest string.
    pub(crate) fn longest_bytes(&self) -> usize {
        self.longest_bytes
    }

    /// The longest string that `bytes` begins with: its value and length.
    #[inline]
    pub(crate) fn longest(&self, bytes: &[u8]) -> Option<(u32, usize)> {
        let mut found = None;
        let mut base = (self.nodes[0] >> 36) as usize;
        for (at, byte) in bytes.iter().enumerate() {
            let Some(node) = self.nodes.get(base ^ usize::from(*byte)) else { break };
            if (node >> 28) as u8 != *byte {
                break;
            }
            if node & NONE != NONE {
                found = Some(((node & NONE) as u32, at + 1));
            }
            base = (node >> 36) as usize;
        }
        found
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<u64>,
    /// Whether a base is a node's already.
    used_bases: Vec<bool>,
    /// Free slots of each block, a bit for each.
    free: Vec<[u64; 4]>,
    /// Blocks with room, and how often there was none.
    open: Vec<(usize, u32)>,
}

impl Builder {
    fn take(&mut self, slot: usize, node: u64) {
        self.nodes[slot] = node;
        self.free[slot >> 8][slot >> 6 & 3] &= !(1 << (slot & 63));
    }

    fn is_free(&self, slot: usize) -> bool {
        self.free[slot >> 8][slot >> 6 & 3] >> (slot & 63) & 1 == 1
    }

    fn add_block(&mut self) -> Option<usize> {
        let block = self.free.len();
        if (block + 1) << 8 > CHILDLESS as usize & !0xff {
            return None;
        }
        self.nodes.resize((block + 1) << 8, FREE);
        self.used_bases.resize((block + 1) << 8, false);
        self.free.push([u64::MAX; 4]);
        self.open.push((block, 0));
        if self.open.len() > OPEN_BLOCKS {
            self.open.remove(0);
        }
        Some(block)
    }

    /// A base none has, at which all children find a free slot.
    fn place(&mut self, children: &[(u8, usize)]) -> Option<usize> {
        let first = usize::from(children[0].0);
        for at in (0..self.open.len()).rev() {
            let block = self.open[at].0;
            for (word, free) in self.free[block].iter().enumerate() {
                let mut free = *free;
                while free != 0 {
                    let slot = block << 8 | word << 6 | free.trailing_zeros() as usize;
                    free &= free - 1;
                    let base = slot ^ first;
                    if !self.used_bases[base]
                        && children.iter().all(|(byte, _)| self.is_free(base ^ usize::from(*byte)))
                    {
                        self.used_bases[base] = true;
                        return Some(base);
                    }
                }
            }
            self.open[at].1 += 1;
        }
        self.open.retain(|(_, failures)| *failures < MOST_FAILURES);
        let base = self.add_block()? << 8 ^ first;
        self.used_bases[base] = true;
        Some(base)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::hash::mix;

    #[test]
    fn the_longest_string_is_found() {
        let mut state = 7;
        let mut word = |alphabet: u64, longest: u64| -> Vec<u8> {
            state = mix(state);
            let length = state % longest + 1;
            (0..length)
                .map(|_| {
                    state = mix(state);
                    (state % alphabet) as u8
                })
                .collect()
        };
        for (count, alphabet, longest) in [(1, 1, 1), (40, 2, 6), (3_000, 256, 3), (2_000, 4, 12)] {
            let strings: BTreeMap<Vec<u8>, u32> = (0..count).map(|id| (word(alphabet, longest), id)).collect();
            let sorted: Vec<(&[u8], u32)> = strings.iter().map(|(string, id)| (&**string, *id)).collect();
            let trie = Trie::new(&sorted).unwrap();
            assert_eq!(trie.longest_bytes(), strings.keys().map(Vec::len).max().unwrap());
            for (string, id) in &strings {
                assert_eq!(trie.longest(string), Some((*id, string.len())));
            }
            for _ in 0..2_000 {
                let text = word(alphabet + 1, longest + 3);
                let expected = (1..=text.len()).rev().find_map(|length| Some((*strings.get(&text[..length])?, length)));
                assert_eq!(trie.longest(&text), expected, "{text:?}");
            }
        }
        assert_eq!(Trie::new(&[]).unwrap().longest(b"\0"), None);
    }
}
