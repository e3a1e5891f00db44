//! The compiled rules of a normalizer: which string becomes which, the longest rule first.
//!
//! On disk: the size of the trie in bytes (`u32`), a Darts double array of that size, and the replacements, each ended
//! by a zero byte; the trie's values are places in them. All numbers little-endian. A unit of the array is a leaf (bit
//! 31, the rest is the value) or a node: bits 0–7 label, bit 8 whether a key ends here, bits 10–30 offset, which is
//! shifted by 8 more if bit 9 is set. Source: `normalizer.cc` and `darts.h` of SentencePiece 0.2.3.

use crate::{Error, Result};

/// At most so many rules that begin each other are looked at, as the C++ library does.
const MAX_MATCHES: usize = 32;

/// The rules.
#[derive(Clone, Debug)]
pub(crate) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
    /// A bit for each code point below 65,536: whether a rule begins with it.
    begins: Vec<u64>,
}

fn offset(unit: u32) -> u32 {
    (unit >> 10) << ((unit & 1 << 9) >> 6)
}

fn ends_key(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn label(unit: u32) -> u32 {
    unit & (1 << 31 | 0xff)
}

impl Charsmap {
    /// Reads the blob of the field `field`.
    ///
    /// # Errors
    /// [`Error::Charsmap`] unless every step through the trie stays in it and every value is the start of a character.
    pub(crate) fn read(blob: &[u8], field: &'static str) -> Result<Self> {
        let error = |what| Error::Charsmap { field, what };
        let (size, rest) = blob.split_first_chunk::<4>().ok_or_else(|| error("shorter than its first number"))?;
        let size = u32::from_le_bytes(*size) as usize;
        if size >= rest.len() {
            return Err(error("its trie is longer than the field"));
        }
        if size < 1024 || !size.is_multiple_of(1024) {
            return Err(error("its trie is not made of blocks of 1024 bytes"));
        }
        let (trie, replacements) = rest.split_at(size);
        let units: Vec<u32> =
            trie.chunks_exact(4).map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])).collect();
        if replacements.last() != Some(&0) {
            return Err(error("its replacements do not end with a zero byte"));
        }
        let replacements = std::str::from_utf8(replacements).map_err(|_| error("its replacements are not UTF-8"))?;
        let mut charsmap = Self { units, replacements: replacements.to_owned(), begins: Vec::new() };
        if !charsmap.is_sound() {
            return Err(error("its trie is damaged"));
        }
        charsmap.begins = (0..1024u32).map(|word| charsmap.beginnings(word * 64)).collect();
        Ok(charsmap)
    }

    fn is_sound(&self) -> bool {
        let size = self.units.len();
        let inside = |at: usize, unit: u32| (at ^ offset(unit) as usize | 0xff) < size;
        let root = self.units[0];
        if label(root) != 0 || ends_key(root) || offset(root) == 0 || !inside(0, root) {
            return false;
        }
        self.units.iter().enumerate().skip(1).all(|(at, &unit)| {
            if label(unit) <= 0xff {
                inside(at, unit) && (!ends_key(unit) || label(self.units[at ^ offset(unit) as usize]) > 0xff)
            } else {
                self.replacements.is_char_boundary((unit & !(1 << 31)) as usize)
                    && ((unit & !(1 << 31)) as usize) < self.replacements.len()
            }
        })
    }

    /// The child of the node whose children begin at `base`: where its children begin, and its value if a rule ends.
    fn step(&self, base: usize, byte: u8) -> Option<(usize, Option<usize>)> {
        let at = base ^ usize::from(byte);
        let unit = *self.units.get(at)?;
        if label(unit) != u32::from(byte) {
            return None;
        }
        let base = at ^ offset(unit) as usize;
        let value = if ends_key(unit) { Some((self.units.get(base)? & !(1 << 31)) as usize) } else { None };
        Some((base, value))
    }

    fn root(&self) -> usize {
        offset(self.units[0]) as usize
    }

    /// The longest rule that `input` begins with: its length in bytes and what it becomes.
    pub(crate) fn longest(&self, input: &[u8]) -> Option<(usize, &str)> {
        let mut base = self.root();
        let mut found = None;
        let mut matches = 0;
        for (at, &byte) in input.iter().enumerate() {
            let Some((next, value)) = self.step(base, byte) else { break };
            if let Some(value) = value {
                found = Some((at + 1, value));
                matches += 1;
                if matches == MAX_MATCHES {
                    break;
                }
            }
            base = next;
        }
        let (length, value) = found?;
        let rest = self.replacements.get(value..)?;
        Some((length, rest.split('\0').next().unwrap_or(rest)))
    }

    /// Whether a rule may begin with this character.
    #[inline]
    pub(crate) fn may_begin(&self, character: u32) -> bool {
        self.begins.get(character as usize / 64).is_none_or(|word| word >> (character % 64) & 1 == 1)
    }

    /// Whether a rule begins with this byte of ASCII and another byte of ASCII.
    pub(crate) fn joins_ascii(&self, byte: u8) -> bool {
        let Some((base, _)) = self.step(self.root(), byte) else { return false };
        (0..0x80).any(|next| self.step(base, next).is_some())
    }

    /// Bit `n` tells whether a rule may begin with the code point `first + n`.
    fn beginnings(&self, first: u32) -> u64 {
        (0..64).filter(|n| self.begins_with(first + n)).fold(0, |bits, n| bits | 1 << n)
    }

    fn begins_with(&self, code_point: u32) -> bool {
        let Some(character) = char::from_u32(code_point) else { return true };
        let mut base = self.root();
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            match self.step(base, byte) {
                None => return false,
                // A rule for the first bytes of a character is nonsense, but it is a rule.
                Some((_, Some(_))) => return true,
                Some((next, None)) => base = next,
            }
        }
        true
    }
}
