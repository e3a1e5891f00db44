//! Where the tokens of a text are: [`token_hashes`](crate::token_hashes) with places, for the few texts that need them.

use std::ops::Range;

use crate::text::{Classes, Role};

/// A token of a text in Unicode form C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub at: Range<usize>,
    /// Whether it is one letter of a script without spaces between words.
    pub is_single: bool,
}

/// The tokens of `text`, which is in form C: as many, in the same order, as `token_hashes` gives hashes of
/// [`Shingles::Auto`](crate::Shingles::Auto).
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let classes = Classes::get();
    let mut tokens: Vec<Token> = Vec::new();
    // Whether the character before belongs to a run of letters.
    let mut in_run = false;
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        let joins = tokens.last().is_some_and(|last| last.at.end == start);
        match classes.of(character.into()).role() {
            Role::Separator => in_run = false,
            Role::Single => {
                tokens.push(Token { at: start..end, is_single: true });
                in_run = false;
            }
            role @ (Role::Letter | Role::Mark) => {
                let is_of_last = joins && (in_run || role == Role::Mark);
                match tokens.last_mut().filter(|_| is_of_last) {
                    Some(last) => last.at.end = end,
                    None => {
                        tokens.push(Token { at: start..end, is_single: false });
                        in_run = true;
                    }
                }
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::composed;
    use crate::{Shingles, token_hashes};

    fn assert_agrees(text: &str) {
        let text = composed(text);
        let mut hashes = Vec::new();
        token_hashes(&text, Shingles::Auto, &mut hashes);
        let tokens = tokens(&text);
        let alone: Vec<u64> = tokens
            .iter()
            .flat_map(|token| {
                let mut hashes = Vec::new();
                token_hashes(&text[token.at.clone()], Shingles::Auto, &mut hashes);
                hashes
            })
            .collect();
        assert_eq!(alone, hashes, "{text:?}");
        assert_eq!(tokens.len(), hashes.len());
    }

    #[test]
    fn places_and_hashes_are_of_the_same_tokens() {
        for text in [
            "The quick_brown fox's 3.5 中文Rust语言、かな 한국 ÉTÉ",
            "ที่นี่ हिन्दी में cafe\u{301} \u{301}x a\u{301}b 中\u{301}b か\u{3099}な",
            "",
            " \n — …",
            "\u{301}",
            "ｶﾞ x\u{301}\u{302}中",
        ] {
            assert_agrees(text);
        }
    }

    #[test]
    fn real_pages_agree_too() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dedup/neardup_sample.jsonl");
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_agrees(row["text"].as_str().unwrap());
        }
    }
}
