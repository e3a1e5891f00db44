//! Tokens and their probabilities as answers spell them.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};

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
fn number(log_prob: f32) -> f64 {
    f64::from(log_prob.max(-9999.0))
}

/// A list whose items are made when they are written.
pub struct List<I>(pub I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// What is told of a token of a completion.
#[derive(Clone, Copy)]
pub struct Told<'m> {
    /// Its id.
    pub id: u32,
    /// How likely it is; of the first of a prompt nobody knows.
    pub score: Option<&'m TokenScore>,
    /// The character of the text at which it begins.
    pub offset: usize,
}

/// `logprobs` of a completion: a list for each thing that is told of tokens.
pub struct Columns<'m> {
    pub vocabulary: &'m dyn Vocabulary,
    pub told: Vec<Told<'m>>,
}

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (vocabulary, told) = (self.vocabulary, self.told.iter());
        let name = |id| spell(&vocabulary.piece(id).unwrap_or_default());
        let log_prob = |told: &Told<'_>| told.score.map(|score| number(score.log_prob));
        let top = |told: &Told<'_>| told.score.map(|score| Top(likeliest(told.id, score, name)));
        let mut columns = serializer.serialize_struct("logprobs", 4)?;
        columns.serialize_field("tokens", &List(told.clone().map(|told| name(told.id))))?;
        columns.serialize_field("token_logprobs", &List(told.clone().map(log_prob)))?;
        columns.serialize_field("top_logprobs", &List(told.clone().map(top)))?;
        columns.serialize_field("text_offset", &List(told.map(|told| told.offset)))?;
        columns.end()
    }
}

/// The likeliest tokens by their names: of those that look alike the first. The token itself is told too, and before others that are as
/// likely.
fn likeliest(id: u32, score: &TokenScore, name: impl Fn(u32) -> String) -> Vec<(String, f64)> {
    let above = score.top.iter().filter(|(_, other)| *other > score.log_prob).map(|(id, other)| (*id, *other));
    let below = score.top.iter().filter(|(_, other)| *other <= score.log_prob).map(|(id, other)| (*id, *other));
    let mut named: Vec<(String, f64)> = Vec::with_capacity(score.top.len() + 1);
    for (id, log_prob) in above.chain([(id, score.log_prob)]).chain(below) {
        let name = name(id);
        if named.iter().all(|(other, _)| *other != name) {
            named.push((name, number(log_prob)));
        }
    }
    named
}

/// An object of numbers.
struct Top(Vec<(String, f64)>);

impl Serialize for Top {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, log_prob) in &self.0 {
            map.serialize_entry(name, log_prob)?;
        }
        map.end()
    }
}

/// `logprobs.content` of a chat: what is told of one token.
pub struct ChatToken<'m> {
    pub vocabulary: &'m dyn Vocabulary,
    pub id: u32,
    pub score: &'m TokenScore,
}

impl Serialize for ChatToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let one = |id, log_prob, top_logprobs| {
            let bytes = self.vocabulary.piece(id).unwrap_or_default();
            OneToken { token: spell(&bytes), logprob: number(log_prob), bytes, top_logprobs }
        };
        let top = self.score.top.iter().map(|(id, log_prob)| one(*id, *log_prob, None));
        one(self.id, self.score.log_prob, Some(top.collect())).serialize(serializer)
    }
}

#[derive(serde::Serialize)]
struct OneToken {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<OneToken>>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
        let top = vec![(99, -0.5), (100, -1.0), (101, -2.0)];
        let score = |log_prob| TokenScore { log_prob, top: top.clone() };
        let (some, none) = (score(-1.0), score(f32::NEG_INFINITY));
        let told = vec![
            Told { id: 97, score: None, offset: 0 },
            Told { id: 0xe6, score: Some(&some), offset: 1 },
            Told { id: 120, score: Some(&none), offset: 1 },
        ];
        let json = json!(Columns { vocabulary: &Bytes, told });
        assert_eq!(json["tokens"], json!(["a", "bytes:\\xe6", "x"]));
        assert_eq!(json["token_logprobs"], json!([null, -1.0, -9999.0]));
        assert_eq!(json["top_logprobs"][0], Value::Null);
        let names = |at: usize| json["top_logprobs"][at].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(1), ["c", "bytes:\\xe6", "d", "e"]);
        assert_eq!(names(2), ["c", "d", "e", "x"]);
        assert_eq!(json["text_offset"], json!([0, 1, 1]));
        assert_eq!(characters("源a".as_bytes()), 2);
        let chat = json!(ChatToken { vocabulary: &Bytes, id: 0xe6, score: &some });
        assert_eq!(chat["bytes"], json!([0xe6]));
        assert_eq!(chat["top_logprobs"][1], json!({ "token": "d", "logprob": -1.0, "bytes": [100] }));
    }
}
