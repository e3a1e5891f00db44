//! What each character is to the patterns: eight bits a character, in two stages of 256.
//!
//! The bits are those of the regex engine of `tokenizers`, asked once (`cargo test -p yuan-tokenizer --lib --
//! --ignored write_the_classes`) and kept as `classes.bin`, so that a start costs nothing; a test asks again for every
//! character. The table has 44 KiB, of which a text of one script touches a few hundred bytes.

/// Upper and title case: `\p{Lu}`, `\p{Lt}`.
pub(super) const UPPER: u8 = 1;
/// Lower case: `\p{Ll}`.
pub(super) const LOWER: u8 = 1 << 1;
/// Letters without case: `\p{Lm}`, `\p{Lo}`.
pub(super) const CASELESS: u8 = 1 << 2;
/// `\p{M}`.
pub(super) const MARK: u8 = 1 << 3;
/// `\p{N}`.
pub(super) const NUMBER: u8 = 1 << 4;
/// `\s`.
pub(super) const SPACE: u8 = 1 << 5;
/// `\p{P}`, `\p{S}`.
pub(super) const SIGN: u8 = 1 << 6;
/// `\p{Han}`, beside what else the character is.
pub(super) const HAN: u8 = 1 << 7;

/// `\p{L}`.
pub(super) const LETTER: u8 = UPPER | LOWER | CASELESS;

/// The classes in the engine's words, in the order of their bits.
#[cfg(test)]
pub(super) const PATTERNS: [&str; 8] =
    [r"[\p{Lu}\p{Lt}]+", r"\p{Ll}+", r"[\p{Lm}\p{Lo}]+", r"\p{M}+", r"\p{N}+", r"\s+", r"[\p{P}\p{S}]+", r"\p{Han}+"];

/// The number of the block of every 256 characters, then the blocks.
static TABLE: &[u8] = include_bytes!("classes.bin");
const BLOCKS: usize = 0x11_0000 >> 8;

/// ASCII by rules: what most texts ask for needs no table of all characters.
static ASCII: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => NUMBER,
            b' ' | b'\t'..=b'\r' => SPACE,
            b'!'..=b'~' => SIGN,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// The class of the character at `at` and its bytes; nothing at the end of the text.
#[inline(always)]
pub(super) fn class(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *text.get(at)?;
    Some(match ASCII.get(usize::from(first)) {
        Some(class) => (*class, 1),
        None => wide(text, at, first),
    })
}

/// [`class`] of a character beyond ASCII.
#[inline(always)]
fn wide(text: &[u8], at: usize, first: u8) -> (u8, usize) {
    // The text is a `str`: as many bytes follow as the first says.
    let next = |place: usize| text.get(at + place).map_or(0, |byte| usize::from(byte & 0x3f));
    let first = usize::from(first);
    let (code, bytes) = if first >= 0xf0 {
        ((first & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4)
    } else if first >= 0xe0 {
        ((first & 0x0f) << 12 | next(1) << 6 | next(2), 3)
    } else {
        ((first & 0x1f) << 6 | next(1), 2)
    };
    (of_code(code), bytes)
}

fn of_code(code: usize) -> u8 {
    let block = usize::from(TABLE[code >> 8]);
    TABLE[BLOCKS + (block << 8 | code & 0xff)]
}

/// Of the characters U+4E00 to U+9FFF, as UTF-8: Han letters all of them, and most of what is written with Han.
#[inline(always)]
pub(super) fn is_common_han(first: u8, second: u8) -> bool {
    first.wrapping_sub(0xe5) <= 4 || (first == 0xe4 && second >= 0xb8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretokenize::regex;

    /// Bit by bit what the regex engine says.
    fn asked() -> Vec<u8> {
        let all: String = ('\0'..=char::MAX).collect();
        let mut classes = vec![0; 0x11_0000];
        for (bit, pattern) in PATTERNS.iter().enumerate() {
            for (start, end) in regex(pattern).unwrap().regex.find_iter(&all) {
                all[start..end].chars().for_each(|char| classes[char as usize] |= 1 << bit);
            }
        }
        classes
    }

    #[test]
    fn the_table_is_what_the_engine_says() {
        let asked = asked();
        for char in '\0'..=char::MAX {
            let class = asked[char as usize];
            let text = char.to_string();
            assert_eq!(super::class(text.as_bytes(), 0), Some((class, text.len())), "U+{:04X}", char as u32);
            let common = is_common_han(text.as_bytes()[0], *text.as_bytes().get(1).unwrap_or(&0));
            assert_eq!(common, ('\u{4e00}'..='\u{9fff}').contains(&char));
            assert!(!common || class == CASELESS | HAN, "U+{:04X}", char as u32);
        }
        assert_eq!(super::class(b"", 0), None);
    }

    #[test]
    #[ignore = "writes the table"]
    fn write_the_classes() {
        let asked = asked();
        let mut blocks: Vec<&[u8]> = Vec::new();
        let mut table: Vec<u8> = Vec::new();
        for block in asked.chunks(256) {
            let number = blocks.iter().position(|known| *known == block).unwrap_or_else(|| {
                blocks.push(block);
                blocks.len() - 1
            });
            table.push(number.try_into().unwrap());
        }
        table.extend(blocks.concat());
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/pretokenize/classes.bin"), table).unwrap();
    }
}
