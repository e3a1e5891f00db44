//! A trie in an array: finds all keys that a byte string begins with, one memory access for each byte.
//!
//! A node with `offset` has its child for `label` in slot `offset ^ label`. No two nodes share an offset, so the label
//! kept in a slot tells whose child it is (Yata, Oono, Morita, Fuketa and Aoe 2007, "A compact static double-array
//! keeping character codes"). Slots come in blocks of 256; a node whose children fit in none of the last
//! [`OPEN_BLOCKS`] blocks begins a new one, so building takes time and memory in proportion to the keys.

use crate::{Error, Result};

/// How many blocks are searched for a node's place.
const OPEN_BLOCKS: usize = 16;
/// The label of a slot that nobody has, and of the root: no byte.
const NO_LABEL: u32 = 0x1ff;

/// A slot: the offset of its children, nine bits of label, and the value of the key that ends there.
#[derive(Clone, Copy, Debug)]
struct Slot<V> {
    link: u32,
    value: V,
}

/// The offset of leaves: block 0 holds the root alone, so every step from there fails.
const NO_CHILDREN: u32 = 0;
const FREE: u32 = NO_CHILDREN << 9 | NO_LABEL;

/// The trie, with a value for each node.
#[derive(Clone, Debug)]
pub(crate) struct DoubleArray<V> {
    slots: Vec<Slot<V>>,
}

/// A place in the trie from which the next byte is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node(u32);

/// What a step finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<V> {
    /// Where the next step begins.
    pub(crate) node: Node,
    /// The number of this place, below [`DoubleArray::len`].
    pub(crate) slot: u32,
    /// The value of the key that ends here, or that of no key.
    pub(crate) value: V,
}

impl<V: Copy> DoubleArray<V> {
    /// Builds the trie of `keys`, sorted and without duplicates or empty ones, with their values, and `no_key` where none
    /// ends.
    ///
    /// # Errors
    /// [`Error::Pieces`] when it would need more than 2²³ slots.
    pub(crate) fn build(keys: &[(&[u8], V)], no_key: V) -> Result<Self> {
        debug_assert!(keys.is_sorted_by(|a, b| a.0 < b.0) && keys.iter().all(|key| !key.0.is_empty()));
        let free = Slot { link: FREE, value: no_key };
        let mut builder = Builder { slots: vec![free; 256], free, blocks: vec![Block::default()], open: Vec::new() };
        // What is still to be placed: the children of `slot`, whose keys are `range` and share `depth` bytes.
        let mut todo = vec![(0usize, 0..keys.len(), 0usize)];
        let mut children: Vec<(u8, std::ops::Range<usize>)> = Vec::new();
        while let Some((slot, mut range, depth)) = todo.pop() {
            if range.start < range.end && keys[range.start].0.len() == depth {
                builder.slots[slot].value = keys[range.start].1;
                range.start += 1;
            }
            if range.is_empty() {
                continue;
            }
            children.clear();
            let mut start = range.start;
            while start < range.end {
                let label = keys[start].0[depth];
                let rest = &keys[start..range.end];
                let end = start + rest.partition_point(|key| key.0[depth] == label);
                children.push((label, start..end));
                start = end;
            }
            let offset = builder.place(&children)?;
            builder.slots[slot].link = offset << 9 | (builder.slots[slot].link & NO_LABEL);
            for (label, keys) in children.drain(..) {
                let child = (offset ^ u32::from(label)) as usize;
                builder.slots[child].link = NO_CHILDREN << 9 | u32::from(label);
                todo.push((child, keys, depth + 1));
            }
        }
        builder.slots.shrink_to_fit();
        Ok(Self { slots: builder.slots })
    }

    /// Where every key begins.
    #[inline]
    pub(crate) fn root(&self) -> Node {
        Node(self.slots[0].link >> 9)
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The child for the next byte; `None` where no key goes on with it.
    #[inline(always)]
    pub(crate) fn step(&self, node: Node, label: u8) -> Option<Step<V>> {
        let slot = node.0 ^ u32::from(label);
        let Slot { link, value } = *self.slots.get(slot as usize)?;
        (link & NO_LABEL == u32::from(label)).then_some(Step { node: Node(link >> 9), slot, value })
    }
}

/// Which slots of a block are taken, and which offsets in it.
#[derive(Clone, Debug, Default)]
struct Block {
    taken: [u64; 4],
    offsets: [u64; 4],
}

fn bit(bits: &[u64; 4], at: u32) -> bool {
    bits[at as usize / 64] >> (at % 64) & 1 == 1
}

fn set(bits: &mut [u64; 4], at: u32) {
    bits[at as usize / 64] |= 1 << (at % 64);
}

struct Builder<V> {
    slots: Vec<Slot<V>>,
    free: Slot<V>,
    blocks: Vec<Block>,
    /// Numbers of the blocks that may still have room, oldest first.
    open: Vec<u32>,
}

impl<V: Copy> Builder<V> {
    /// Takes slots for children with these labels and returns their offset.
    fn place(&mut self, children: &[(u8, std::ops::Range<usize>)]) -> Result<u32> {
        let found = self.open.iter().find_map(|&block| {
            let low = self.blocks[block as usize].find(children)?;
            Some(block << 8 | low)
        });
        let offset = match found {
            Some(offset) => offset,
            None => {
                let block = self.blocks.len() as u32;
                if block >= 1 << 15 {
                    return Err(Error::Pieces(
                        "too long together for a trie; the limit is about eight million characters",
                    ));
                }
                self.blocks.push(Block::default());
                self.slots.resize(self.slots.len() + 256, self.free);
                if self.open.len() == OPEN_BLOCKS {
                    self.open.remove(0);
                }
                self.open.push(block);
                // Any offset would do in an empty block; this one puts the first child into the first slot.
                block << 8 | u32::from(children[0].0)
            }
        };
        let number = offset >> 8;
        let block = &mut self.blocks[number as usize];
        set(&mut block.offsets, offset & 0xff);
        for &(label, _) in children {
            set(&mut block.taken, (offset ^ u32::from(label)) & 0xff);
        }
        if block.taken == [u64::MAX; 4] {
            self.open.retain(|&open| open != number);
        }
        Ok(offset)
    }
}

impl Block {
    /// An offset that nobody has and at which all the children's slots are free.
    fn find(&self, children: &[(u8, std::ops::Range<usize>)]) -> Option<u32> {
        let first = u32::from(children[0].0);
        for (word, &taken) in self.taken.iter().enumerate() {
            let mut free = !taken;
            while free != 0 {
                let offset = (word as u32 * 64 + free.trailing_zeros()) ^ first;
                let fits = |&(label, _): &(u8, _)| !bit(&self.taken, offset ^ u32::from(label));
                if !bit(&self.offsets, offset) && children.iter().all(fits) {
                    return Some(offset);
                }
                free &= free - 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(trie: &DoubleArray<u32>, text: &[u8]) -> Vec<(usize, u32)> {
        let (mut node, mut found) = (trie.root(), Vec::new());
        for (at, &byte) in text.iter().enumerate() {
            let Some(step) = trie.step(node, byte) else { break };
            if step.value != 0 {
                found.push((at + 1, step.value));
            }
            node = step.node;
        }
        found
    }

    #[test]
    fn finds_what_a_sorted_list_finds() {
        // Keys of up to six bytes over alphabets of two sizes, so that nodes with one and with many children occur.
        let mut state = 1u64;
        let mut next = |limit: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % limit
        };
        for alphabet in [3, 256] {
            let mut keys: Vec<Vec<u8>> =
                (0..3000).map(|_| (0..1 + next(6)).map(|_| next(alphabet) as u8).collect()).collect();
            keys.sort();
            keys.dedup();
            let pairs: Vec<(&[u8], u32)> = keys.iter().zip(7..).map(|(key, value)| (key.as_slice(), value)).collect();
            let trie = DoubleArray::build(&pairs, 0).unwrap();
            for _ in 0..20_000 {
                let text: Vec<u8> = (0..next(9)).map(|_| next(alphabet) as u8).collect();
                let expected: Vec<(usize, u32)> = (1..=text.len())
                    .filter_map(|length| Some((length, keys.binary_search(&text[..length].to_vec()).ok()? as u32 + 7)))
                    .collect();
                assert_eq!(prefixes(&trie, &text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn no_keys_find_nothing() {
        let trie = DoubleArray::build(&[], 0).unwrap();
        for byte in 0..=255 {
            assert!(trie.step(trie.root(), byte).is_none());
        }
    }
}
