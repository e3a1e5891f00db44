//! Where a text may be cut.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

/// Where a cut may begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CutAt {
    /// Between two characters.
    #[default]
    Character,
    /// Between two grapheme clusters (Unicode Standard Annex 29).
    Grapheme,
    /// At a word's border (the same). In scripts without spaces between words that is between two characters.
    Word,
    /// Between two sentences (the same).
    Sentence,
    /// Behind a line's end.
    Line,
}

impl CutAt {
    /// The parts of `spans`, in bytes, that lie between two borders. O(text), if there is any span.
    pub(crate) fn within(self, text: &str, spans: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
        let mut spans = spans.peekable();
        if spans.peek().is_none() {
            return Vec::new();
        }
        match self {
            Self::Character => spans
                .map(|span| {
                    let inner = |at: &usize| text.is_char_boundary(*at);
                    let start = (span.start..span.end).find(inner).unwrap_or(span.end);
                    start..(start..=span.end.min(text.len())).rev().find(inner).unwrap_or(start)
                })
                .filter(|span| !span.is_empty())
                .collect(),
            Self::Grapheme => between(text.grapheme_indices(true).map(|(at, _)| at), text.len(), spans),
            Self::Word => between(text.split_word_bound_indices().map(|(at, _)| at), text.len(), spans),
            Self::Sentence => between(text.split_sentence_bound_indices().map(|(at, _)| at), text.len(), spans),
            Self::Line => between(std::iter::once(0).chain(line_starts(text)), text.len(), spans),
        }
    }
}

impl CutAt {
    /// Each span of bytes with all that is between its borders, joined where they meet. O(text), if there is any span.
    pub(crate) fn around(self, text: &str, spans: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
        let mut spans = spans.peekable();
        if spans.peek().is_none() {
            return Vec::new();
        }
        let mut borders: Vec<usize> = match self {
            Self::Character => text.char_indices().map(|(at, _)| at).collect(),
            Self::Grapheme => text.grapheme_indices(true).map(|(at, _)| at).collect(),
            Self::Word => text.split_word_bound_indices().map(|(at, _)| at).collect(),
            Self::Sentence => text.split_sentence_bound_indices().map(|(at, _)| at).collect(),
            Self::Line => std::iter::once(0).chain(line_starts(text)).collect(),
        };
        borders.push(text.len());
        let mut wide: Vec<Range<usize>> = Vec::new();
        for span in spans {
            let start = borders[borders.partition_point(|border| *border <= span.start).saturating_sub(1)];
            let end = borders[borders.partition_point(|border| *border < span.end).min(borders.len() - 1)];
            match wide.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => wide.push(start..end.max(start)),
            }
        }
        wide
    }
}

fn line_starts(text: &str) -> impl Iterator<Item = usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1)
}

/// For each span, from the first to the last of the borders (and the text's end) in it. Both are in order.
fn between(
    borders: impl Iterator<Item = usize>,
    end: usize,
    spans: impl Iterator<Item = Range<usize>>,
) -> Vec<Range<usize>> {
    let mut borders = borders.chain([end]).peekable();
    let mut inner = Vec::new();
    for span in spans {
        while borders.next_if(|border| *border < span.start).is_some() {}
        let Some(&start) = borders.peek() else { break };
        let mut last = start;
        while let Some(border) = borders.next_if(|border| *border <= span.end) {
            last = border;
        }
        if last > start {
            inner.push(start..last);
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(at: CutAt, text: &str, span: Range<usize>) -> String {
        at.within(text, std::iter::once(span)).into_iter().map(|span| &text[span]).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn only_what_is_whole_is_cut() {
        let text = "One two. 三四五。Six\nse\u{301}ven eight.";
        // From the second byte of 三 into the combining accent.
        let (start, end) = (text.find('三').unwrap() + 1, text.find('\u{301}').unwrap());
        assert_eq!(cut(CutAt::Character, text, start..end + 1), "四五。Six\nse");
        assert_eq!(cut(CutAt::Grapheme, text, start..end), "四五。Six\ns");
        assert_eq!(cut(CutAt::Word, text, start..end + 4), "四五。Six\n");
        assert_eq!(cut(CutAt::Sentence, text, 3..end), "三四五。Six\n");
        assert_eq!(cut(CutAt::Line, text, 3..end), "");
        assert_eq!(cut(CutAt::Line, text, 0..end), "One two. 三四五。Six\n");
        assert_eq!(cut(CutAt::Line, text, 5..text.len()), "se\u{301}ven eight.");
        assert_eq!(cut(CutAt::Character, text, 0..text.len()), text);
        assert_eq!(cut(CutAt::Character, "三", 1..2), "");
    }

    #[test]
    fn what_is_touched_goes_whole() {
        let text = "One two. Three four. Five\nsix 七八。九";
        let around = |at: CutAt, words: &[&str]| {
            let spans = words.iter().map(|word| text.find(word).unwrap()..text.find(word).unwrap() + word.len());
            at.around(text, spans).into_iter().map(|span| &text[span]).collect::<Vec<_>>().join("|")
        };
        assert_eq!(around(CutAt::Sentence, &["two. Th", "six"]), "One two. Three four. |six 七八。");
        assert_eq!(around(CutAt::Line, &["four"]), "One two. Three four. Five\n");
        assert_eq!(around(CutAt::Word, &["wo", "ou"]), "two|four");
        assert_eq!(around(CutAt::Character, &["八"]), "八");
        assert_eq!(around(CutAt::Sentence, &["wo", "hree"]), "One two. Three four. ");
        assert_eq!(around(CutAt::Sentence, &["九"]), "九");
    }
}
