//! Cutting texts into the pieces that are counted.
//!
//! What a pattern makes of a text is what encoding makes of it, too. In training pieces may be cut further, so that merges never
//! reach across: by words, by scripts. Encoding knows nothing of that, and needs not: a merge that was never learnt is none.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sentencepiece;
use crate::compression::scripts::kind;
use crate::encode::Direct;
use crate::pretokenize::Splitter;

/// A piece is never longer.
pub(super) const MAX_PIECE_BYTES: usize = 1 << 30;

/// Which words merges are kept within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordBoundaries {
    /// None: a piece of the pattern is cut no further.
    #[default]
    None,
    /// Chinese words as Python jieba cuts them.
    Jieba,
}

/// Cuts Chinese text into words. Who puts the steps of a run together hands it in, so that this crate needs no dictionaries.
pub trait ChineseWords: Send + Sync {
    /// Appends where the words of a text lie, in bytes, in order; white space is in none.
    fn cut(&self, text: &str, words: &mut Vec<Range<usize>>);
}

/// Where pieces are cut that the pattern has made.
#[derive(Default)]
pub(super) struct Boundaries {
    pub words: Option<Arc<dyn ChineseWords>>,
    pub scripts: bool,
}

/// What cuts a text into pieces first.
pub(super) enum Source {
    /// The added tokens and the pattern of a new tokenizer.
    New { added: Option<AhoCorasick>, splitter: Box<Splitter> },
    /// A tokenizer that is there already.
    Old(Arc<Direct>),
    /// The added tokens of a SentencePiece model, and where its pieces end.
    Pieces { added: Option<AhoCorasick>, split_digits: bool },
}

/// Cuts texts into the pieces that are counted.
pub(super) struct Cutter {
    source: Source,
    boundaries: Boundaries,
    max_bytes: usize,
}

impl Cutter {
    /// `max_bytes` of 0 are as many as a piece can have.
    pub(super) fn new(source: Source, boundaries: Boundaries, max_bytes: usize) -> Self {
        let max_bytes = if max_bytes == 0 { MAX_PIECE_BYTES } else { max_bytes.min(MAX_PIECE_BYTES) };
        Self { source, boundaries, max_bytes }
    }

    /// The pieces between the added tokens of a text.
    pub(super) fn cut(&self, text: &str, mut take: impl FnMut(&[u8])) {
        let mut short = |piece: &str| {
            let mut rest = piece;
            while rest.len() > self.max_bytes {
                let (first, after) = rest.split_at(rest.floor_char_boundary(self.max_bytes).max(1));
                take(first.as_bytes());
                rest = after;
            }
            take(rest.as_bytes());
        };
        let mut places = Places::default();
        let mut cut = |piece: &str| match self.boundaries {
            Boundaries { words: None, scripts: false } => short(piece),
            _ => self.boundaries.cut(piece, &mut places, &mut short),
        };
        match &self.source {
            Source::New { added, splitter } => between(added.as_ref(), text, |part| splitter.split(part, &mut cut)),
            Source::Old(direct) => direct.pieces(text, cut),
            Source::Pieces { added, split_digits } => {
                let text = sentencepiece::prepared(text);
                between(added.as_ref(), &text, |part| {
                    sentencepiece::cut(part, *split_digits, self.max_bytes, &mut cut)
                });
            }
        }
    }
}

/// What lies between the added tokens of a text.
fn between(added: Option<&AhoCorasick>, text: &str, mut take: impl FnMut(&str)) {
    let mut done = 0;
    for found in added.iter().flat_map(|added| added.find_iter(text)) {
        take(&text[done..found.start()]);
        done = found.end();
    }
    take(&text[done..]);
}

/// Memory kept from piece to piece.
#[derive(Default)]
struct Places {
    words: Vec<Range<usize>>,
    ends: Vec<usize>,
}

impl Boundaries {
    /// Hands over the parts of a piece.
    fn cut(&self, piece: &str, places: &mut Places, mut take: impl FnMut(&str)) {
        let Places { words, ends } = places;
        ends.clear();
        if let Some(cutter) = self.words.as_deref()
            && piece.chars().any(is_han)
        {
            words.clear();
            cutter.cut(piece, words);
            // White space between words is in none of them: both ends count. What is not Han is the pattern's.
            let touches_han = |place: &usize| {
                let (before, after) = piece.split_at(*place);
                before.chars().next_back().is_some_and(is_han) || after.chars().next().is_some_and(is_han)
            };
            ends.extend(words.iter().flat_map(|word| [word.start, word.end]).filter(touches_han));
        }
        if self.scripts {
            script_changes(piece, ends);
            ends.sort_unstable();
        }
        let mut done = 0;
        for end in ends.iter().copied().chain([piece.len()]) {
            if end > done {
                take(&piece[done..end]);
                done = end;
            }
        }
    }
}

fn is_han(char: char) -> bool {
    // The block that a dictionary of Chinese words is of, and its extensions.
    matches!(char, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Appends the places where the kind of characters changes. Spaces go with what comes after them; marks with what comes before.
fn script_changes(piece: &str, ends: &mut Vec<usize>) {
    let mut last = None;
    let mut spaces_from = None;
    for (at, char) in piece.char_indices() {
        if char.is_whitespace() {
            spaces_from = spaces_from.or(Some(at));
            continue;
        }
        let Some(own) = kind(char) else {
            // Of no kind by itself: it goes with what it stands behind.
            spaces_from = None;
            continue;
        };
        if last.is_some_and(|last| last != own) {
            ends.push(spaces_from.unwrap_or(at));
        }
        last = Some(own);
        spaces_from = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of two characters.
    struct Pairs;

    impl ChineseWords for Pairs {
        fn cut(&self, text: &str, words: &mut Vec<Range<usize>>) {
            let places: Vec<usize> =
                text.char_indices().filter(|(_, char)| !char.is_whitespace()).map(|(at, _)| at).collect();
            for two in places.chunks(2) {
                let last = two[two.len() - 1];
                words.push(two[0]..last + text[last..].chars().next().map_or(0, char::len_utf8));
            }
        }
    }

    fn cut(piece: &str, boundaries: &Boundaries) -> Vec<String> {
        let mut parts = Vec::new();
        boundaries.cut(piece, &mut Places::default(), |part| parts.push(part.to_owned()));
        parts
    }

    #[test]
    fn words_are_cut_where_han_characters_are() {
        let words = Boundaries { words: Some(Arc::new(Pairs)), scripts: false };
        assert_eq!(cut("今天天气很好", &words), ["今天", "天气", "很好"]);
        assert_eq!(cut(" 今天天", &words), [" ", "今天", "天"]);
        assert_eq!(cut(" hello", &words), [" hello"], "no Han, no cut");
        assert_eq!(cut("abcd今天", &words), ["abcd", "今天"], "between others the pattern decides");
        assert_eq!(cut("", &words), [""; 0]);
    }

    #[test]
    fn scripts_are_cut_where_the_report_sees_two() {
        let scripts = Boundaries { words: None, scripts: true };
        for (piece, parts) in [
            ("卡拉OK", &["卡拉", "OK"][..]),
            ("2024年", &["2024", "年"]),
            ("，今天", &["，", "今天"]),
            (" the", &[" the"]),
            ("a  中", &["a", "  中"]),
            ("食べる", &["食", "べる"]),
            ("'s", &["'", "s"]),
            ("e\u{301}x", &["e\u{301}x"]),
            ("。\n\n", &["。\n\n"]),
            ("$x", &["$", "x"]),
        ] {
            assert_eq!(cut(piece, &scripts), parts, "{piece:?}");
        }
    }

    #[test]
    fn words_and_scripts_go_together() {
        let both = Boundaries { words: Some(Arc::new(Pairs)), scripts: true };
        assert_eq!(cut("今天天OK2", &both), ["今天", "天", "OK", "2"]);
    }
}
