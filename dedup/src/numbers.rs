//! Numbers of a text: what tells pages of one template from copies of a page.
//!
//! Weather, prices, results: the words of such pages are a template's, and their shingles are alike however much the numbers
//! differ. A number is a token of decimal digits alone, so `2017年` has one and `v2` has none; `12.5` is two. What it
//! costs in recall on versions of one page stands in `tests/fixtures/dedup/MEASUREMENTS.md`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compat::is_python_decimal;
use crate::text::{Classes, Role};

/// What digits are to shingles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// Characters like others.
    #[default]
    AsIs,
    /// All the same: each run of them is one 0.
    Mask,
}

/// The bit that tells a number from a shingle among the hashes of a document.
const NUMBER: u32 = 1 << 31;

fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || !character.is_ascii() && is_python_decimal(character)
}

/// The text with `0` for each run of digits; borrowed if it has none.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains(is_digit) {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    for character in text.chars() {
        if !is_digit(character) {
            masked.push(character);
        } else if !masked.ends_with('0') {
            masked.push('0');
        }
    }
    Cow::Owned(masked)
}

/// Makes room for numbers among sorted, distinct shingles, and appends those of the text: a hash of each, and of how many times it
/// was there before, so that the set of hashes stands for the multiset of numbers. Sorted, distinct.
pub(crate) fn append_numbers(text: &str, shingles: &mut Vec<u32>) {
    shingles.iter_mut().for_each(|shingle| *shingle &= !NUMBER);
    shingles.sort_unstable();
    shingles.dedup();
    let mut numbers = Vec::new();
    let classes = Classes::get();
    let mut start = None;
    let mut only_digits = true;
    let mut hash = |digits: &str| {
        let folded = digits.chars().fold(0x9e37_79b9_7f4a_7c15_u64, |hash, digit| {
            (hash.rotate_left(5) ^ u64::from(u32::from(digit))).wrapping_mul(0xd134_2543_de82_ef95)
        });
        numbers.push((folded >> 32) as u32);
    };
    for (at, character) in text.char_indices() {
        let role = classes.of(character.into()).role();
        if role == Role::Letter {
            if start.is_none() {
                (start, only_digits) = (Some(at), true);
            }
            only_digits &= is_digit(character);
        } else if let Some(first) = start.take()
            && only_digits
        {
            hash(&text[first..at]);
        }
    }
    if let Some(first) = start.filter(|_| only_digits) {
        hash(&text[first..]);
    }
    numbers.sort_unstable();
    let mut times = 0_u32;
    for at in 0..numbers.len() {
        times = if at > 0 && numbers[at] == numbers[at - 1] { times + 1 } else { 0 };
        shingles.push(numbers[at].wrapping_add(times.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b) | NUMBER);
    }
    // Shingles lack the bit, so all numbers come behind them.
    shingles.sort_unstable();
    shingles.dedup();
}

/// Shingles, and the numbers that [`append_numbers`] put behind them.
pub(crate) fn split(hashes: &[[u8; 4]]) -> (&[[u8; 4]], &[[u8; 4]]) {
    hashes.split_at(hashes.partition_point(|hash| u32::from_le_bytes(*hash) < NUMBER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<u32> {
        let mut hashes = vec![u32::MAX, 7, 7];
        append_numbers(text, &mut hashes);
        assert_eq!(hashes[..2], [7, u32::MAX >> 1]);
        hashes.split_off(2)
    }

    #[test]
    fn numbers_are_tokens_of_digits_alone_and_count_as_often_as_they_come() {
        assert_eq!(numbers("on 3 May 2017, 2017年").len(), 3);
        assert_eq!(numbers("v2 w10 and no other").len(), 0);
        assert_eq!(numbers("3 and 2017, 2017"), numbers("2017 2017 or 3"));
        assert_ne!(numbers("3 2017"), numbers("3 2017 2017"));
        assert_eq!(numbers("12.5").len(), 2);
        assert_eq!(numbers("1 1 1 1").len(), 4);
        assert!(numbers("٣ ३").len() == 2);
    }

    #[test]
    fn masked_digits_are_one_zero_each_run() {
        assert_eq!(masked("1,234 and v22, 2017年"), "0,0 and v0, 0年");
        assert!(matches!(masked("none"), Cow::Borrowed(_)));
    }
}
