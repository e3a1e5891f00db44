//! The 256 byte symbols: the printable characters that stand for bytes in a byte-level vocabulary.
//!
//! Source: GPT-2's `bytes_to_unicode`: printable Latin-1 stands for itself, the other bytes follow from
//! U+0100 on.

use std::sync::LazyLock;

use crate::hash::FixedHash;
use std::collections::HashMap;

/// The character of each byte.
pub(crate) static BYTE_CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let char = match byte {
            0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => byte as u32,
            _ => {
                next += 1;
                next - 1
            }
        };
        char::from_u32(char).expect("below the surrogates")
    })
});

static CHAR_BYTES: LazyLock<HashMap<char, u8, FixedHash>> =
    LazyLock::new(|| BYTE_CHARS.iter().enumerate().map(|(byte, char)| (*char, byte as u8)).collect());

/// The bytes in the order of their characters: the order of their ids.
pub(crate) fn bytes_in_order() -> [u8; 256] {
    let mut bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
    bytes.sort_by_key(|byte| BYTE_CHARS[usize::from(*byte)]);
    bytes
}

/// A token's bytes as its name in the vocabulary.
pub(crate) fn to_symbols(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| BYTE_CHARS[usize::from(*byte)]).collect()
}

/// The bytes that a name in the vocabulary stands for, if all its characters are byte symbols.
pub(crate) fn from_symbols(symbols: &str) -> Option<Vec<u8>> {
    symbols.chars().map(|char| CHAR_BYTES.get(&char).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_from_its_symbol() {
        let all = bytes_in_order();
        assert_eq!(from_symbols(&to_symbols(&all)).unwrap(), all);
        // Known from every GPT-2 vocabulary.
        assert_eq!(to_symbols(b" \n!"), "ĠĊ!");
        assert_eq!(to_symbols("中".as_bytes()), "ä¸Ń");
        assert_eq!(from_symbols("中"), None);
    }
}
