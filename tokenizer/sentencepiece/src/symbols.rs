//! User-defined symbols: strings that are one piece wherever they stand, and that normalizing leaves alone.

use crate::Result;
use crate::double_array::DoubleArray;

/// At most so many symbols that begin each other are looked at, as the C++ library does.
const MAX_MATCHES: usize = 64;
/// The value where no symbol ends.
const NO_SYMBOL: u32 = u32::MAX;

/// Finds the longest symbol that a text begins with.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    trie: DoubleArray<u32>,
    /// A bit for each first byte.
    first: [u64; 4],
    empty: bool,
}

impl Symbols {
    /// Of symbols and their ids, in any order.
    ///
    /// # Errors
    /// As [`DoubleArray::build`].
    pub(crate) fn new<'a>(symbols: impl Iterator<Item = (&'a str, u32)>) -> Result<Self> {
        let mut keys: Vec<(&[u8], u32)> = symbols.map(|(symbol, id)| (symbol.as_bytes(), id)).collect();
        keys.sort_unstable();
        keys.dedup_by_key(|key| key.0);
        let mut first = [0u64; 4];
        for (key, _) in &keys {
            first[usize::from(key[0]) / 64] |= 1 << (key[0] % 64);
        }
        Ok(Self { trie: DoubleArray::build(&keys, NO_SYMBOL)?, first, empty: keys.is_empty() })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whether a symbol begins with this byte.
    #[inline]
    pub(crate) fn may_begin(&self, byte: u8) -> bool {
        self.first[usize::from(byte) / 64] >> (byte % 64) & 1 == 1
    }

    /// The longest symbol that `text` begins with: its length in bytes and its id.
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        let mut node = self.trie.root();
        let mut found = None;
        let mut matches = 0;
        for (at, &byte) in text.iter().enumerate() {
            let Some(step) = self.trie.step(node, byte) else { break };
            if step.value != NO_SYMBOL {
                found = Some((at + 1, step.value));
                matches += 1;
                if matches == MAX_MATCHES {
                    break;
                }
            }
            node = step.node;
        }
        found
    }
}
