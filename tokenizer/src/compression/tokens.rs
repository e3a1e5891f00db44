//! What each id of a vocabulary is: a piece of text, a byte, a control token, a slot kept free.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::PieceKind;

use super::NAME;
use crate::Tokenizer;
use crate::bytes::from_symbols;
use crate::sentencepiece::SentencePiece;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A piece of text, or of the bytes of one.
    Text,
    /// One byte of a character that is no token: `<0xE4>`, or a byte from 0x80 in a byte-level vocabulary. Also `<0x0A>`.
    Byte,
    /// A control token; no text becomes it.
    Special,
    /// Kept free for later: by its name a slot, or a piece marked as unused.
    Reserved,
    /// Stands for what is not in the vocabulary.
    Unknown,
}

/// One token of a vocabulary.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub id: u32,
    pub kind: TokenKind,
    /// The bytes of text that it stands for; the name, for those that stand for none.
    pub bytes: Vec<u8>,
}

impl Token {
    /// Whether it is one byte of a character of several.
    pub(super) fn is_fallback(&self) -> bool {
        self.kind == TokenKind::Byte && self.bytes.first().is_some_and(|byte| *byte >= 0x80)
    }

    /// Its text; `None` where its bytes are no whole characters.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// Of a `tokenizer.json` what `tokenizers` does not tell.
#[derive(Deserialize)]
struct File {
    truncation: Option<Value>,
    padding: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    model: ModelPart,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct ModelPart {
    #[serde(rename = "type")]
    kind: Option<String>,
    unk_token: Option<String>,
    unk_id: Option<u32>,
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
}

/// The tokens of a `tokenizer.json` in the order of their ids, and what kind of model it is.
///
/// # Errors
/// If the file is none, or says that texts are cut or padded: then its tokens would say nothing of the texts.
pub(super) fn of_tokenizer(tokenizer: &Tokenizer, json: &[u8]) -> Result<(Vec<Token>, String)> {
    let path = tokenizer.path();
    let file: File = serde_json::from_slice(json)
        .map_err(|problem| Error::stage(NAME, format!("`{}` is no tokenizer: {problem}", path.display())))?;
    for (field, value) in [("truncation", &file.truncation), ("padding", &file.padding)] {
        if value.is_some() {
            return Err(Error::Stage {
                stage: NAME.into(),
                problem: format!("`{}` has `{field}`: its tokens are not those of whole texts", path.display()),
                hint: Some(format!("set `{field}` to null in a copy of the file, and give that")),
            });
        }
    }
    let kind = file.model.kind.unwrap_or_else(|| "model".into());
    let steps = [&file.normalizer, &file.pre_tokenizer, &file.decoder];
    let byte_level = steps.iter().any(|step| mentions(step, "ByteLevel"));
    let spaces = steps.iter().any(|step| mentions(step, "Metaspace") || mentions(step, SPACE));
    let prefix = file.model.continuing_subword_prefix.filter(|prefix| !prefix.is_empty());
    let added: HashMap<u32, bool> = file.added_tokens.iter().map(|added| (added.id, added.special)).collect();
    let tokens = tokenizer.vocabulary().into_iter().map(|(name, id)| {
        let added = added.get(&id);
        let token_kind = if file.model.unk_id == Some(id) || file.model.unk_token.as_ref() == Some(&name) {
            TokenKind::Unknown
        } else if is_slot(&name) {
            TokenKind::Reserved
        } else if added == Some(&true) {
            TokenKind::Special
        } else {
            TokenKind::Text
        };
        let of_text = token_kind == TokenKind::Text && added.is_none();
        let symbols = if of_text && byte_level { from_symbols(&name) } else { None };
        match (symbols, byte_of(&name)) {
            (Some(bytes), _) => {
                let byte = bytes.len() == 1 && bytes[0] >= 0x80;
                Token { id, kind: if byte { TokenKind::Byte } else { TokenKind::Text }, bytes }
            }
            (None, Some(byte)) if of_text && file.model.byte_fallback => {
                Token { id, kind: TokenKind::Byte, bytes: vec![byte] }
            }
            _ if of_text && spaces => Token { id, kind: token_kind, bytes: name.replace(SPACE, " ").into_bytes() },
            _ => {
                let rest = prefix.as_ref().filter(|_| of_text).and_then(|prefix| name.strip_prefix(prefix.as_str()));
                Token { id, kind: token_kind, bytes: rest.unwrap_or(&name).as_bytes().to_vec() }
            }
        }
    });
    let tokens = tokens.collect();
    Ok((tokens, if byte_level { format!("byte-level {kind}") } else { kind }))
}

/// The pieces of a SentencePiece model and the tokens added to it, in the order of their ids.
pub(super) fn of_pieces(pieces: &SentencePiece) -> Vec<Token> {
    let model = pieces.model();
    let token = |(name, id): (String, u32)| {
        let piece_kind = model.piece_kind(id);
        let special = pieces.is_special(id);
        let kind = match piece_kind {
            Some(PieceKind::Unknown) => TokenKind::Unknown,
            Some(PieceKind::Unused) => TokenKind::Reserved,
            Some(PieceKind::Byte) => TokenKind::Byte,
            _ if is_slot(&name) => TokenKind::Reserved,
            Some(PieceKind::Control) => TokenKind::Special,
            _ if special == Some(true) => TokenKind::Special,
            _ => TokenKind::Text,
        };
        let bytes = match (kind, byte_of(&name)) {
            (TokenKind::Byte, Some(byte)) => vec![byte],
            (TokenKind::Text, _) if special.is_none() => name.replace(SPACE, " ").into_bytes(),
            _ => name.into_bytes(),
        };
        Token { id, kind, bytes }
    };
    pieces.vocabulary().into_iter().map(token).collect()
}

/// What SentencePiece writes for a space: U+2581.
const SPACE: &str = "\u{2581}";

/// Whether some string of a step is or has this word.
fn mentions(step: &Value, word: &str) -> bool {
    match step {
        Value::String(text) => text.contains(word),
        Value::Array(steps) => steps.iter().any(|step| mentions(step, word)),
        Value::Object(fields) => fields.values().any(|value| mentions(value, word)),
        _ => false,
    }
}

/// The byte that `<0xE4>` stands for.
fn byte_of(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether a name is that of a slot kept free: `<|reserved_0|>`, `[unused17]`, `<extra_id_3>`.
fn is_slot(name: &str) -> bool {
    let bracketed = (name.starts_with('<') && name.ends_with('>')) || (name.starts_with('[') && name.ends_with(']'));
    let name = name.to_ascii_lowercase();
    bracketed && ["reserved", "unused", "extra_id", "placeholder", "dummy"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bytes_and_slots() {
        assert_eq!(byte_of("<0xE4>"), Some(0xe4));
        assert_eq!((byte_of("<0xE>"), byte_of("<0xE4"), byte_of("<0xG0>")), (None, None, None));
        for slot in ["<|reserved_0|>", "<|reserved_special_token_3|>", "[unused17]", "<extra_id_3>"] {
            assert!(is_slot(slot), "{slot}");
        }
        for name in ["reserved", "Ġunused", "<eod>", "[MASK]"] {
            assert!(!is_slot(name), "{name}");
        }
    }
}
