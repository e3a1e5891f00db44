//! Units of a text: lines, paragraphs, sentences.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{sentences, simplified};

/// What is compared, and cut out where it is repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedUnit {
    /// Lines.
    #[default]
    Line,
    /// What blank lines separate.
    Paragraph,
    /// Sentences, by the marks that end them in each script; in Thai and Lao, which have no such mark, lines.
    Sentence,
    /// Runs of `span_sentences` consecutive sentences, overlapping: a sentence goes if it lies in any that is repeated.
    Span,
}

/// A unit where it lies in its text. The pieces of a text follow each other without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The unit itself, without white space at its ends. May be empty.
    pub content: Range<usize>,
    /// Where what separates it from the next ends.
    pub end: usize,
}

/// How a text is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cutting {
    Lines,
    /// At `\n` alone, white space and all.
    BareLines,
    Paragraphs,
    Sentences,
    /// As datatrove does in English.
    DatatroveSentences,
}

impl Cutting {
    /// The pieces of a text, in order.
    pub(crate) fn pieces(self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        match self {
            Self::Lines => lines(text, &mut pieces),
            Self::BareLines => {
                let mut start = 0;
                for line in text.split('\n') {
                    let end = (start + line.len() + 1).min(text.len());
                    pieces.push(Piece { content: start..start + line.len(), end });
                    start = end;
                }
            }
            Self::Paragraphs => {
                let mut all = Vec::new();
                lines(text, &mut all);
                for line in all {
                    match pieces.last_mut() {
                        // A blank line, or one behind no blank line, belongs to what is before it.
                        Some(last) if line.content.is_empty() => last.end = line.end,
                        Some(last) if !last.content.is_empty() && !ends_blank(text, last) => {
                            last.content.end = line.content.end;
                            last.end = line.end;
                        }
                        _ => pieces.push(line),
                    }
                }
            }
            Self::Sentences => sentences::cut(text, &mut pieces),
            Self::DatatroveSentences => simplified::sentences(text, &mut pieces),
        }
        pieces
    }
}

/// Whether a blank line stands at the end of a piece.
fn ends_blank(text: &str, piece: &Piece) -> bool {
    let mut ends = 0;
    let mut before = '\0';
    for character in text[piece.content.end..piece.end].chars() {
        ends += usize::from(is_line_end(character) && !(before == '\r' && character == '\n'));
        before = character;
    }
    ends > 1
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn lines(text: &str, pieces: &mut Vec<Piece>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if !is_line_end(character) {
            continue;
        }
        let mut end = at + character.len_utf8();
        if character == '\r' && bytes.get(end) == Some(&b'\n') {
            characters.next();
            end += 1;
        }
        pieces.push(Piece { content: trimmed(text, start..at), end });
        start = end;
    }
    if start < text.len() {
        pieces.push(Piece { content: trimmed(text, start..text.len()), end: text.len() });
    }
}

/// The range without white space at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(cutting: Cutting, text: &str) -> Vec<&str> {
        let pieces = cutting.pieces(text);
        let mut start = 0;
        for piece in &pieces {
            assert!(start <= piece.content.start && piece.content.end <= piece.end, "{text:?} {piece:?}");
            start = piece.end;
        }
        pieces.into_iter().map(|piece| &text[piece.content]).collect()
    }

    #[test]
    fn lines_and_paragraphs() {
        let text = "one\r\n two \n\n\u{3000}\nthree\u{2028}four";
        assert_eq!(contents(Cutting::Lines, text), ["one", "two", "", "", "three", "four"]);
        assert_eq!(contents(Cutting::Paragraphs, text), ["one\r\n two", "three\u{2028}four"]);
        assert_eq!(contents(Cutting::BareLines, text), ["one\r", " two ", "", "\u{3000}", "three\u{2028}four"]);
        assert_eq!(contents(Cutting::BareLines, "a\n"), ["a", ""]);
        assert_eq!(contents(Cutting::Lines, "a\n"), ["a"]);
        assert_eq!(contents(Cutting::Paragraphs, "\n\n  a\nb\n"), ["", "a\nb"]);
        assert!(contents(Cutting::Lines, "").is_empty() && contents(Cutting::Paragraphs, "").is_empty());
    }

    #[test]
    fn pieces_cover_a_text() {
        let text = "A b. “C d?” E\n\n下雨了。“真的？”他问……是的！ end\r\n\u{2029}…\n";
        for cutting in [Cutting::Lines, Cutting::BareLines, Cutting::Paragraphs, Cutting::Sentences] {
            let pieces = cutting.pieces(text);
            assert_eq!(pieces.last().map(|piece| piece.end), Some(text.len()), "{cutting:?}");
            assert!(pieces.windows(2).all(|two| two[0].end <= two[1].content.start), "{cutting:?}");
        }
    }
}
