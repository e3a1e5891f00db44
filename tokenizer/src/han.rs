//! Han characters that a new tokenizer knows whole: their bytes are merged before anything is learnt.
//!
//! Lead bytes are never continuation bytes, so that rules for the first two bytes of these characters, and then for all three,
//! apply at the beginnings of characters only: a text has the tokens that it has by looking its characters up.

use encoding_rs::{BIG5, GBK};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::train::Merges;

/// Tokens of a vocabulary that has room for common Han characters without being asked.
const LARGE: u32 = 16_384;

/// Which Han characters are tokens whatever the corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HanCharacters {
    /// `simplified` in vocabularies of 16,384 tokens and more, else none.
    #[default]
    Auto,
    /// None: those that the corpus teaches.
    None,
    /// The 3,755 of level 1 of GB 2312, in common use in simplified writing.
    Simplified,
    /// The 5,401 of level 1 of Big5, in common use in traditional writing.
    Traditional,
    /// Both.
    All,
}

impl HanCharacters {
    /// The characters for a vocabulary of this size, in the order of their code points, each once.
    pub fn characters(self, vocab_size: u32) -> Vec<char> {
        // Rows of a table of two bytes: first bytes, and the second bytes that each has.
        let gb2312 = (0xb0..=0xd7_u8).flat_map(|row| (0xa1..=0xfe_u8).map(move |cell| [row, cell]));
        let big5 = (0xa4..=0xc6_u8).flat_map(|row| (0x40..=0x7e).chain(0xa1..=0xfe_u8).map(move |cell| [row, cell]));
        let big5 = big5.filter(|code| *code <= [0xc6, 0x7e]);
        let decode = |encoding: &'static encoding_rs::Encoding, code: [u8; 2]| {
            let (text, _, failed) = encoding.decode(&code);
            text.chars().next().filter(|_| !failed)
        };
        let gb2312 = gb2312.filter_map(|code| decode(GBK, code));
        let big5 = big5.filter_map(|code| decode(BIG5, code));
        let mut characters: Vec<char> = match self {
            Self::None => Vec::new(),
            Self::Auto if vocab_size < LARGE => Vec::new(),
            Self::Auto | Self::Simplified => gb2312.collect(),
            Self::Traditional => big5.collect(),
            Self::All => gb2312.chain(big5).collect(),
        };
        // Row D7 has five cells less; others of its cells are for private use.
        characters.retain(|char| ('\u{4e00}'..='\u{9fff}').contains(char));
        characters.sort_unstable();
        characters.dedup();
        characters
    }
}

/// Bytes, and merges that put whole characters together.
pub(crate) struct Start {
    byte: [u32; 256],
    /// By the first two bytes: what they are merged to; 0 if they are not.
    two: Box<[u32]>,
    /// By code point below U+10000: the character's token; 0 if it has none.
    char: Box<[u32]>,
    pub merges: Merges,
}

impl Start {
    /// `bytes` are the byte symbols in the order of their ids.
    pub(crate) fn new(bytes: &[u8; 256], characters: &[char]) -> Self {
        let mut start = Self {
            byte: [0; 256],
            two: vec![0; 1 << 16].into(),
            char: vec![0; 1 << 16].into(),
            merges: Merges::of_bytes(bytes),
        };
        (0..).zip(bytes).for_each(|(id, byte)| start.byte[usize::from(*byte)] = id);
        let encoded = |char: &char| {
            let mut bytes = [0; 4];
            char.encode_utf8(&mut bytes);
            [bytes[0], bytes[1], bytes[2]]
        };
        let mut learn = |left: u32, right: u32| {
            let Merges { tokens, rules } = &mut start.merges;
            tokens.push([&tokens[left as usize][..], &tokens[right as usize]].concat());
            rules.push((left, right));
            tokens.len() as u32 - 1
        };
        for [first, second, _] in characters.iter().map(encoded) {
            let two = &mut start.two[usize::from(first) << 8 | usize::from(second)];
            if *two == 0 {
                *two = learn(start.byte[usize::from(first)], start.byte[usize::from(second)]);
            }
        }
        for char in characters {
            let [first, second, third] = encoded(char);
            let two = start.two[usize::from(first) << 8 | usize::from(second)];
            start.char[*char as usize] = learn(two, start.byte[usize::from(third)]);
        }
        start
    }

    /// Appends the tokens of a piece. Broken characters at its ends are bytes.
    pub(crate) fn encode(&self, piece: &[u8], symbols: &mut Vec<u32>) {
        let mut at = 0;
        while let Some(first) = piece.get(at) {
            let byte = |at: usize| self.byte[usize::from(piece[at])];
            if *first & 0xf0 == 0xe0 && at + 2 < piece.len() {
                let [second, third] = [piece[at + 1], piece[at + 2]];
                let point = u32::from(first & 0xf) << 12 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f);
                let (whole, two) =
                    (self.char[point as usize], self.two[usize::from(*first) << 8 | usize::from(second)]);
                match (whole, two) {
                    (0, 0) => symbols.extend([byte(at), byte(at + 1), byte(at + 2)]),
                    (0, two) => symbols.extend([two, byte(at + 2)]),
                    (whole, _) => symbols.push(whole),
                }
                at += 3;
            } else {
                symbols.push(byte(at));
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::bytes_in_order;

    #[test]
    fn the_characters_are_those_of_the_standards() {
        let simplified = HanCharacters::Simplified.characters(0);
        assert_eq!(simplified.len(), 3755);
        // The first and the last of level 1, in the order of their sounds, and the first of level 2.
        assert!(simplified.contains(&'啊') && simplified.contains(&'座') && !simplified.contains(&'亍'));
        let traditional = HanCharacters::Traditional.characters(0);
        assert_eq!(traditional.len(), 5401);
        assert!(traditional.contains(&'龜') && traditional.contains(&'籲') && !traditional.contains(&'龟'));
        let all = HanCharacters::All.characters(0);
        assert!(simplified.iter().chain(&traditional).all(|char| all.contains(char)));
        assert_eq!(all.len(), 6722);
        assert!(HanCharacters::None.characters(1 << 20).is_empty());
        let auto = |vocab_size| HanCharacters::Auto.characters(vocab_size).len();
        assert_eq!((auto(16_383), auto(16_384)), (0, 3755));
    }

    #[test]
    fn looking_up_is_merging() {
        let bytes = bytes_in_order();
        let start = Start::new(&bytes, &HanCharacters::Simplified.characters(0));
        let Merges { tokens, rules } = &start.merges;
        assert!(tokens.contains(&"啊".as_bytes().to_vec()));
        // Rule by rule, wherever its two stand.
        let merged = |piece: &[u8]| {
            let mut ids: Vec<u32> = piece.iter().map(|byte| start.byte[usize::from(*byte)]).collect();
            for ((left, right), product) in rules.iter().zip(256..) {
                while let Some(at) = ids.windows(2).position(|two| two == [*left, *right]) {
                    ids.splice(at..at + 2, [product]);
                }
            }
            ids
        };
        for text in ["今天天气很好 龜籲亍 abc é 😀 龟", "", "中", "\u{4e00}\u{9fff}\u{3400}ㄅ가"] {
            let text = text.as_bytes();
            for cut in 0..text.len() {
                let mut found = Vec::new();
                start.encode(&text[cut..], &mut found);
                assert_eq!(found, merged(&text[cut..]), "{cut}");
            }
        }
    }
}
