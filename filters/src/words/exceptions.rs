//! Strings that English cuts in a set way whatever the rules say: `can't` → `ca` `n't`, `Mr.` whole.

use std::collections::HashMap;

/// How one string is cut.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    /// Lengths of its pieces in bytes.
    pub(super) pieces: Vec<u8>,
    /// Lengths of the tokens that the rules alone would make of it, where some rule cuts it; found again
    /// inside longer words, such tokens become `pieces`.
    pub(super) pattern: Option<Vec<u8>>,
}

/// The exceptions by their text, behind a small filter: almost every look-up fails.
pub(super) struct Exceptions {
    table: HashMap<&'static [u8], Exception>,
    filter: Box<[u64; FILTER_WORDS]>,
    longest: usize,
}

const FILTER_WORDS: usize = 1 << 8;

impl Exceptions {
    /// From lines of pieces separated by spaces.
    pub(super) fn read(lines: impl Iterator<Item = &'static str>) -> Self {
        let mut exceptions = Self { table: HashMap::new(), filter: Box::new([0; FILTER_WORDS]), longest: 0 };
        for line in lines {
            let pieces = line.split(' ').map(|piece| piece.len() as u8).collect();
            let text: &'static [u8] = Vec::leak(line.replace(' ', "").into_bytes());
            let (word, bit) = Self::slot(text);
            exceptions.filter[word] |= 1 << bit;
            exceptions.longest = exceptions.longest.max(text.len());
            exceptions.table.insert(text, Exception { pieces, pattern: None });
        }
        exceptions
    }

    /// Bytes of the longest exception.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The texts, in no set order.
    pub(super) fn texts(&self) -> Vec<&'static str> {
        self.table.keys().map(|text| std::str::from_utf8(text).expect("read from a string")).collect()
    }

    /// Remembers what the rules make of an exception.
    pub(super) fn set_pattern(&mut self, text: &str, pattern: Vec<u8>) {
        if let Some(exception) = self.table.get_mut(text.as_bytes()) {
            exception.pattern = Some(pattern);
        }
    }

    /// The exception with this text.
    #[inline]
    pub(super) fn get(&self, text: &[u8]) -> Option<&Exception> {
        if text.len() > self.longest || text.is_empty() {
            return None;
        }
        let (word, bit) = Self::slot(text);
        if self.filter[word] & 1 << bit == 0 {
            return None;
        }
        self.table.get(text)
    }

    /// A hash of the length, the first two bytes and the last two.
    #[inline]
    fn slot(text: &[u8]) -> (usize, u32) {
        let last = text.len() - 1;
        let at = |index: usize| u32::from(text[index]);
        let key = at(0) | at(last.min(1)) << 8 | at(last) << 16 | at(last.saturating_sub(1)) << 24;
        let hash = (key ^ (text.len() as u32).wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
        ((hash >> 24) as usize, (hash >> 18) & 63)
    }
}
