//! Shingles: the runs of `n` tokens a document is compared by.
//!
//! A token is a word in scripts that put spaces between words, and a single character in scripts that do not
//! (Han, kana, Thai…) and in Hangul, whose words carry their particles. Text is compared in Unicode form C and
//! lower case; punctuation, symbols and `_` only separate. One walk over the text: O(bytes).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{Classes, Role, composed};

/// What one token of a shingle is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shingles {
    /// Words in spaced scripts; characters in Han, kana, Hangul, Thai, Lao, Khmer and Burmese.
    #[default]
    Auto,
    /// Runs of letters and digits, whatever their script. Unfit for scripts without spaces.
    Words,
    /// Single letters and digits, whatever their script. Needs a larger `ngram` in spaced scripts.
    Characters,
}

/// Appends the hash of each token of `text`, in order.
pub fn token_hashes(text: &str, shingles: Shingles, hashes: &mut Vec<u64>) {
    let start = hashes.len();
    if !push_tokens(text, shingles, false, hashes) {
        hashes.truncate(start);
        push_tokens(&composed(text), shingles, true, hashes);
    }
}

/// Appends a hash of each run of `ngram` tokens: `tokens.len() + 1 - ngram` of them, none if there are fewer tokens.
///
/// # Panics
/// If `ngram` is 0.
pub fn shingle_hashes(tokens: &[u64], ngram: usize, hashes: &mut Vec<u32>) {
    assert!(ngram > 0, "a shingle has at least one token");
    if tokens.len() < ngram {
        return;
    }
    // A polynomial over the tokens' hashes, so that a step costs the same for any `ngram`.
    let leaving = (0..ngram).fold(1_u64, |power, _| power.wrapping_mul(ROLL));
    let (first, rest) = tokens.split_at(ngram);
    let mut rolling = first.iter().fold(0_u64, |sum, &token| sum.wrapping_mul(ROLL).wrapping_add(token));
    hashes.reserve(rest.len() + 1);
    hashes.push((mix(rolling) >> 32) as u32);
    hashes.extend(rest.iter().zip(tokens).map(|(&enters, &leaves)| {
        rolling = rolling.wrapping_mul(ROLL).wrapping_add(enters).wrapping_sub(leaves.wrapping_mul(leaving));
        (mix(rolling) >> 32) as u32
    }));
}

const TOKEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ROLL: u64 = 0xd134_2543_de82_ef95;
const MIX: u64 = 0xd6e8_feb8_6659_fd93;

/// A bijection whose upper half depends on all bits.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(MIX);
    (value ^ (value >> 32)).wrapping_mul(MIX)
}

/// A token's hash after eight more of its bytes, or fewer and zeros.
fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(TOKEN)
}

/// The hash of a token of `length` bytes after all [`step`]s.
fn finish(hash: u64, length: usize) -> u64 {
    mix(hash ^ length as u64)
}

/// Eight bytes from `at` on as one number, with zeros after the text's end.
#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8) {
        Some(word) => u64::from_le_bytes(word.try_into().expect("eight bytes")),
        None => bytes[at..].iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte)),
    }
}

/// The first `length` bytes of a word, at most eight.
fn first_bytes(word: u64, length: usize) -> u64 {
    if length == 0 { 0 } else { word & (u64::MAX >> (64 - 8 * length)) }
}

/// How many bytes at the front of a word are ASCII letters and digits.
fn leading_alphanumeric(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // Bit 7 of each byte below 0x80 tells whether the byte is at least `bound`.
    let at_least = |bytes: u64, bound: u8| bytes + (0x80 - u64::from(bound)) * ONES;
    let low = word & !HIGH;
    let lower = low | (0x20 * ONES);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digits = at_least(low, b'0') & !at_least(low, b'9' + 1);
    (!((letters | digits) & !word) & HIGH).trailing_zeros() as usize / 8
}

/// The hash of the lower case of the ASCII letters and digits from `start` on, and where they end.
#[inline(always)]
fn ascii_token(bytes: &[u8], start: usize) -> (u64, usize) {
    let (mut hash, mut end) = (TOKEN, start);
    loop {
        let word = word_at(bytes, end);
        let length = leading_alphanumeric(word);
        if length > 0 {
            // The bit makes letters lower case; digits have it anyway.
            hash = step(hash, first_bytes(word | 0x2020_2020_2020_2020, length));
            end += length;
        }
        if length < 8 {
            return (finish(hash, end - start), end);
        }
    }
}

/// The hash of these bytes as one token.
#[inline(always)]
fn token_hash(bytes: &[u8]) -> u64 {
    let hash = (0..bytes.len()).step_by(8).fold(TOKEN, |hash, at| step(hash, word_at(bytes, at)));
    finish(hash, bytes.len())
}

/// The character at `at` and its length, in bytes that are valid UTF-8.
#[inline(always)]
fn decode(bytes: &[u8], at: usize) -> (u32, usize) {
    let first = u32::from(bytes[at]);
    let next = |offset| u32::from(bytes[at + offset] & 0x3f);
    match first {
        0..0x80 => (first, 1),
        0x80..0xe0 => ((first & 0x1f) << 6 | next(1), 2),
        0xe0..0xf0 => ((first & 0xf) << 12 | next(1) << 6 | next(2), 3),
        _ => ((first & 7) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4),
    }
}

/// Appends the tokens' hashes. Gives up, with some appended, where a text that is not known to be `composed` may not be.
fn push_tokens(text: &str, shingles: Shingles, composed: bool, hashes: &mut Vec<u64>) -> bool {
    let bytes = text.as_bytes();
    let classes = Classes::get();
    let mut lower = String::new();
    let mut lower_hash = |token: Range<usize>| {
        lower.clear();
        lower.extend(text[token].chars().flat_map(char::to_lowercase));
        token_hash(lower.as_bytes())
    };
    // The latest token of one character, which marks may join.
    let mut single = 0..0;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (code, length) = decode(bytes, at);
        let class = classes.of(code);
        at += length;
        if !composed && !class.is_composed() {
            return false;
        }
        match (class.role(), shingles) {
            (Role::Separator, _) => {}
            (Role::Single, Shingles::Auto | Shingles::Characters) => {
                single = start..at;
                hashes.push(finish(step(TOKEN, first_bytes(word_at(bytes, start), length)), length));
            }
            (Role::Letter, Shingles::Characters) => {
                single = start..at;
                hashes.push(lower_hash(single.clone()));
            }
            (Role::Mark, _) if single.end == start && start > 0 => {
                single.end = at;
                hashes.pop();
                hashes.push(lower_hash(single.clone()));
            }
            (Role::Letter | Role::Single | Role::Mark, _) => {
                if length == 1 {
                    let (hash, end) = ascii_token(bytes, start);
                    at = end;
                    if bytes.get(at).is_none_or(u8::is_ascii) {
                        hashes.push(hash);
                        continue;
                    }
                }
                // A run with more than ASCII in it, or before something else.
                while at < bytes.len() {
                    let (code, length) = decode(bytes, at);
                    let class = classes.of(code);
                    if !composed && !class.is_composed() {
                        return false;
                    }
                    match class.role() {
                        Role::Letter | Role::Mark => at += length,
                        Role::Single if shingles == Shingles::Words => at += length,
                        Role::Single | Role::Separator => break,
                    }
                }
                hashes.push(lower_hash(start..at));
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, shingles: Shingles) -> Vec<u64> {
        let mut hashes = Vec::new();
        token_hashes(text, shingles, &mut hashes);
        hashes
    }

    /// The tokens as the hashes of these strings, each a token by itself.
    fn each(strings: &[&str]) -> Vec<u64> {
        strings
            .iter()
            .map(|string| {
                let hashes = tokens(string, Shingles::Words);
                assert_eq!(hashes.len(), 1, "{string}");
                hashes[0]
            })
            .collect()
    }

    #[test]
    fn words_are_runs_and_han_characters_stand_alone() {
        let text = "The quick_brown fox's 3.5 中文Rust语言、かな 한국 ÉTÉ";
        let expected = each(&[
            "the", "quick", "brown", "fox", "s", "3", "5", "中", "文", "rust", "语", "言", "か", "な", "한", "국",
            "été",
        ]);
        assert_eq!(tokens(text, Shingles::Auto), expected);
    }

    #[test]
    fn the_other_kinds_take_all_scripts_alike() {
        assert_eq!(tokens("ab 中文c", Shingles::Words), each(&["ab", "中文c"]));
        assert_eq!(tokens("aB 中文c", Shingles::Characters), each(&["a", "b", "中", "文", "c"]));
    }

    #[test]
    fn marks_stay_with_what_they_follow() {
        // Thai: consonant + vowel sign + tone mark are one token; Devanagari: one word.
        assert_eq!(tokens("ที่นี่", Shingles::Auto), each(&["ที่", "นี่"]));
        assert_eq!(tokens("हिन्दी में", Shingles::Auto).len(), 2);
    }

    #[test]
    fn case_and_composition_do_not_matter() {
        assert_eq!(tokens("CAFE\u{301} au lait", Shingles::Auto), tokens("café AU Lait", Shingles::Auto));
    }

    #[test]
    fn text_without_letters_has_no_tokens() {
        for text in ["", " \n\t", "— … 。、_*#"] {
            assert!(tokens(text, Shingles::Auto).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn letters_and_digits_are_counted_eight_at_a_time() {
        for byte in 0..=u8::MAX {
            for (at, around) in (0..8).flat_map(|at| [(at, b'x'), (at, b'7'), (at, b'G')]) {
                let mut bytes = [around; 8];
                bytes[at] = byte;
                let expected = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                assert_eq!(leading_alphanumeric(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_word_hashes_alike_on_the_fast_and_the_slow_path() {
        for length in 0..40 {
            let word = "aB3dE".repeat(8)[..length].to_owned() + "Z";
            for (before, after) in [("", ""), (" ", ". "), ("(", ")and more text")] {
                let text = format!("{before}{word}{after}");
                assert_eq!(tokens(&text, Shingles::Auto)[0], token_hash(word.to_lowercase().as_bytes()), "{text}");
            }
            // The accent sends the word down the slow path.
            assert_eq!(
                tokens(&format!("{word}É"), Shingles::Auto),
                [token_hash(format!("{}é", word.to_lowercase()).as_bytes())]
            );
        }
    }

    #[test]
    fn a_shingle_depends_on_its_tokens_and_their_order_alone() {
        let hash = |tokens: &[u64], ngram| {
            let mut hashes = Vec::new();
            shingle_hashes(tokens, ngram, &mut hashes);
            hashes
        };
        let tokens: Vec<u64> = (1..50).map(mix).collect();
        for ngram in [1, 2, 5, 13] {
            let rolled = hash(&tokens, ngram);
            let one_by_one: Vec<u32> = tokens.windows(ngram).flat_map(|window| hash(window, ngram)).collect();
            assert_eq!(rolled, one_by_one);
        }
        assert_ne!(hash(&[1, 2], 2), hash(&[2, 1], 2));
        assert!(hash(&[1, 2], 3).is_empty());
    }
}
