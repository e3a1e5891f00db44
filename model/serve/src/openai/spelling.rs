//! Tokens and their probabilities as answers spell them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::engine::TokenScore;
use crate::vocabulary::Vocabulary;

/// A token's text. One that is no text of itself, as a part of a character, is spelt `bytes:\xe6\xba`, so that no two
/// tokens look alike where their bytes differ.
pub fn spell(piece: &[u8]) -> String {
    match std::str::from_utf8(piece) {
        Ok(text) => text.to_owned(),
        Err(_) => piece.iter().fold("bytes:".to_owned(), |mut text, byte| {
            let _ = write!(text, "\\x{byte:02x}");
            text
        }),
    }
}

/// Characters that begin in these bytes.
pub fn characters(piece: &[u8]) -> usize {
    piece.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A probability in JSON, which has no infinity.
fn number(log_prob: f32) -> Value {
    json!(log_prob.max(-9999.0))
}

/// `logprobs` of a completion: a list for each thing that is told of a token.
#[derive(Debug, Default)]
pub struct Columns {
    tokens: Vec<Value>,
    log_probs: Vec<Value>,
    top: Vec<Value>,
    offsets: Vec<Value>,
}

impl Columns {
    /// Appends a token that begins at a character of the text; the first of a prompt has no score.
    pub fn push(&mut self, vocabulary: &dyn Vocabulary, id: u32, score: Option<&TokenScore>, offset: usize) {
        let spelt = spell(&vocabulary.piece(id).unwrap_or_default());
        self.log_probs.push(score.map_or(Value::Null, |score| number(score.log_prob)));
        self.top.push(score.map_or(Value::Null, |score| {
            // The token itself is told too, and before others that are as likely.
            let mut top: Map<String, Value> = Map::new();
            let above = score.top.iter().filter(|(_, other)| *other > score.log_prob).map(|(id, other)| (*id, *other));
            let below = score.top.iter().filter(|(_, other)| *other <= score.log_prob).map(|(id, other)| (*id, *other));
            for (id, log_prob) in above.chain([(id, score.log_prob)]).chain(below) {
                let name = spell(&vocabulary.piece(id).unwrap_or_default());
                top.entry(name).or_insert_with(|| number(log_prob));
            }
            top.into()
        }));
        self.tokens.push(spelt.into());
        self.offsets.push(offset.into());
    }

    /// As JSON.
    pub fn json(self) -> Value {
        json!({
            "tokens": self.tokens, "token_logprobs": self.log_probs, "top_logprobs": self.top, "text_offset": self.offsets,
        })
    }
}

/// `logprobs` of a chat: what is told of one token.
pub fn chat_token(vocabulary: &dyn Vocabulary, id: u32, score: &TokenScore) -> Value {
    let one = |id: u32, log_prob: f32| {
        let piece = vocabulary.piece(id).unwrap_or_default();
        json!({ "token": spell(&piece), "logprob": number(log_prob), "bytes": piece })
    };
    let mut token = one(id, score.log_prob);
    token["top_logprobs"] = score.top.iter().map(|(id, log_prob)| one(*id, *log_prob)).collect();
    token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Spelt;

    struct Bytes;

    impl Vocabulary for Bytes {
        fn encode(&self, _: &str) -> Result<Spelt, String> {
            Err("not asked for".into())
        }

        fn piece(&self, id: u32) -> Option<Vec<u8>> {
            u8::try_from(id).ok().map(|byte| vec![byte])
        }
    }

    #[test]
    fn a_token_is_told_before_others_that_are_as_likely() {
        let mut columns = Columns::default();
        columns.push(&Bytes, 97, None, 0);
        let top = vec![(99, -0.5), (100, -1.0), (101, -2.0)];
        columns.push(&Bytes, 0xe6, Some(&TokenScore { log_prob: -1.0, top: top.clone() }), 1);
        columns.push(&Bytes, 120, Some(&TokenScore { log_prob: f32::NEG_INFINITY, top }), 1);
        let json = columns.json();
        assert_eq!(json["tokens"], json!(["a", "bytes:\\xe6", "x"]));
        assert_eq!(json["token_logprobs"], json!([null, -1.0, -9999.0]));
        assert_eq!(json["top_logprobs"][0], Value::Null);
        let names = |at: usize| json["top_logprobs"][at].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(1), ["c", "bytes:\\xe6", "d", "e"]);
        assert_eq!(names(2), ["c", "d", "e", "x"]);
        assert_eq!(characters("源a".as_bytes()), 2);
    }
}
