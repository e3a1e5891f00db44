//! From ids to a text.

use crate::normalize::{SPACE, first_character};
use crate::specification::PieceKind;
use crate::vocabulary::byte_of;
use crate::{Error, Model, Result};

impl Model {
    /// The text of some ids, as `DecodeIds` gives it.
    ///
    /// Control pieces give nothing, the unknown piece gives ` ⁇ ` (or what the model says), runs of byte pieces give the
    /// characters that they spell (U+FFFD for each byte that is in none), `▁` gives a space, and the space that encoding
    /// put in front is taken away. O(bytes of the pieces).
    ///
    /// # Errors
    /// [`Error::UnknownId`] for an id that is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = String::new();
        let mut bytes = Vec::new();
        // Whether the space of the beginning may still come.
        let mut at_start = true;
        let takes_space = self.normalizer.adds_dummy_prefix() || self.normalizer.removes_extra_whitespaces();
        for &id in ids {
            let piece = self.piece(id).ok_or(Error::UnknownId { id, vocab_size: self.vocab_size() })?;
            let kind = self.vocabulary.kind(id);
            if kind == PieceKind::Byte {
                bytes.extend(byte_of(piece));
                continue;
            }
            push_bytes(&mut bytes, &mut text);
            at_start &= text.is_empty();
            if kind == PieceKind::Control {
                continue;
            }
            let without_space = piece.strip_prefix(SPACE).filter(|_| at_start && takes_space);
            if kind == PieceKind::Unknown {
                text.push_str(&self.unknown_surface);
            } else {
                push_piece(without_space.unwrap_or(piece), &mut text);
            }
            // Of several spaces at the beginning, one is taken, or all of them.
            at_start &= text.is_empty() && (without_space.is_none() || self.normalizer.removes_extra_whitespaces());
        }
        push_bytes(&mut bytes, &mut text);
        match &self.denormalizer {
            None => Ok(text),
            Some(denormalizer) => {
                let mut denormalized = String::new();
                denormalizer.normalize(&text, None, &mut denormalized, None);
                Ok(denormalized)
            }
        }
    }
}

fn push_piece(piece: &str, text: &mut String) {
    let mut parts = piece.split(SPACE);
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push(' ');
        text.push_str(part);
    }
}

/// Appends the characters that `bytes` spell, and empties them.
fn push_bytes(bytes: &mut Vec<u8>, text: &mut String) {
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let length = first_character(rest);
        let (character, after) = rest.split_at(length.unwrap_or(1));
        text.push_str(length.and_then(|_| std::str::from_utf8(character).ok()).unwrap_or("\u{fffd}"));
        rest = after;
    }
    bytes.clear();
}
