//! Word and character models: a look-up for each word or character.

use crate::normalize::SPACE;
use crate::specification::PieceKind;
use crate::symbols::Symbols;
use crate::unigram::UNKNOWN;
use crate::vocabulary::Vocabulary;

/// The length of the word that `text` begins with: up to the next space, which belongs to the word after it.
pub(crate) fn first_word(text: &str) -> usize {
    let space = if text.starts_with(SPACE) { SPACE.len() } else { 0 };
    text[space..].find(SPACE).map_or(text.len(), |length| space + length)
}

/// The length of the character that `text` begins with.
#[inline]
pub(crate) fn first_character(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Appends the id of each word, or [`UNKNOWN`].
pub(crate) fn encode_words(vocabulary: &Vocabulary, text: &str, ids: &mut Vec<u32>) {
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(first_word(rest));
        ids.push(used(vocabulary, word));
        rest = after;
    }
}

/// Appends the id of each character or user-defined symbol, or [`UNKNOWN`].
pub(crate) fn encode_characters(vocabulary: &Vocabulary, symbols: &Symbols, text: &str, ids: &mut Vec<u32>) {
    let mut rest = text;
    while !rest.is_empty() {
        let symbol = if symbols.may_begin(rest.as_bytes()[0]) { symbols.longest(rest.as_bytes()) } else { None };
        let length = match symbol {
            Some((length, id)) => {
                ids.push(id);
                length
            }
            None => {
                let length = first_character(rest);
                ids.push(used(vocabulary, &rest[..length]));
                length
            }
        };
        rest = &rest[length..];
    }
}

fn used(vocabulary: &Vocabulary, text: &str) -> u32 {
    let id = vocabulary.find(text.as_bytes());
    id.filter(|&id| vocabulary.kind(id) != PieceKind::Unused).unwrap_or(UNKNOWN)
}
