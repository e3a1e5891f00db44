//! A byte-level BPE tokenizer put together from what files of other kinds say.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::hash::FixedHash;
use crate::huggingface::{byte_level, pre_tokenizer_json};

/// An added token.
pub(crate) struct Added {
    pub id: u32,
    pub content: String,
    pub special: bool,
}

/// What a file says of a tokenizer.
pub(crate) struct ByteLevel {
    /// The tokens of the model by the symbols of their bytes.
    pub vocab: Vec<(String, u32)>,
    /// The merges in the order of their ranks.
    pub merges: Vec<(String, String)>,
    pub added: Vec<Added>,
    /// Each cuts the pieces of the one before.
    pub patterns: Vec<String>,
    pub nfc: bool,
    /// Whether a piece that is a token becomes that token whatever the merges.
    pub ignore_merges: bool,
}

impl ByteLevel {
    /// As the `tokenizer.json` that Hugging Face `tokenizers` reads.
    pub(crate) fn json(mut self) -> Value {
        self.added.sort_by_key(|token| token.id);
        let added: Vec<Value> = self
            .added
            .iter()
            .map(|Added { id, content, special }| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special,
                })
            })
            .collect();
        // Added tokens keep their ids only if the model knows them.
        let names = self.added.into_iter().map(|token| (token.content, token.id));
        let mut vocab: Vec<(String, u32)> = self.vocab.into_iter().chain(names).collect();
        vocab.sort_by_key(|(_, id)| *id);
        let vocab: Map<String, Value> = vocab.into_iter().map(|(name, id)| (name, id.into())).collect();
        let merges: Vec<[String; 2]> = self.merges.into_iter().map(|(left, right)| [left, right]).collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": if self.nfc { json!({ "type": "NFC" }) } else { Value::Null },
            "pre_tokenizer": pre_tokenizer_json(&self.patterns),
            "post_processor": null,
            "decoder": byte_level(true),
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": self.ignore_merges,
                "vocab": vocab,
                "merges": merges,
            },
        })
    }
}

/// Ranks by the bytes of tokens, as tiktoken has them: of all neighbours the two go together first that make the token of lowest
/// rank, the leftmost of equals.
pub(super) struct Ranks<'t> {
    by_bytes: HashMap<&'t [u8], u32, FixedHash>,
}

impl<'t> Ranks<'t> {
    pub(super) fn new(tokens: impl Iterator<Item = (&'t [u8], u32)>) -> Self {
        Self { by_bytes: tokens.collect() }
    }

    /// How many bytes the first of the two parts has that a token is last made of; nothing if its bytes never become it. What merges
    /// inside a token does not depend on what lies around it, so that a token that comes out of any text is always made so, of parts
    /// of lower or, in vocabularies put together of several, of higher ranks.
    pub(super) fn split(&self, token: &[u8]) -> Option<usize> {
        let mut ends: Vec<usize> = (0..=token.len()).collect();
        while ends.len() > 3 {
            let two = |at: usize| self.by_bytes.get(&token[ends[at - 1]..ends[at + 1]]);
            let (_, at) = (1..ends.len() - 1).filter_map(|at| Some((two(at)?, at))).min()?;
            ends.remove(at);
        }
        (ends.len() == 3 && self.by_bytes.contains_key(token)).then(|| ends[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_parts_that_its_bytes_become() {
        let tokens: Vec<&[u8]> = vec![b"a", b"b", b"c", b"bc", b"ab", b"abc", b"abab", b"cab"];
        let ranks = Ranks::new(tokens.iter().copied().zip(0..));
        assert_eq!(ranks.split(b"bc"), Some(1));
        assert_eq!(ranks.split(b"abc"), Some(1), "bc goes together before ab");
        assert_eq!(ranks.split(b"abab"), Some(2));
        assert_eq!(ranks.split(b"cab"), Some(1));
        assert_eq!((ranks.split(b"a"), ranks.split(b"zz")), (None, None));
        let late: Vec<&[u8]> = vec![b"a", b"b", b"abb", b"bb"];
        assert_eq!(Ranks::new(late.into_iter().zip(0..)).split(b"abb"), Some(1), "its part comes after it");
        let never: Vec<&[u8]> = vec![b"a", b"b", b"c", b"ab", b"bc", b"abcc"];
        assert_eq!(Ranks::new(never.into_iter().zip(0..)).split(b"abcc"), None);
    }
}
