//! Cutting text into the pieces that merges never cross.
//!
//! The pattern follows GPT-4's (`cl100k_base` of tiktoken), with four differences for Chinese and code:
//! - a run of Han characters is a piece of its own: it holds no punctuation, no Latin letter and no
//!   leading space, so that the same words give the same tokens wherever they stand;
//! - a word takes along a leading space, tab or ASCII sign, not any leading character;
//! - `'s`, `'ll`… are split off only where the word ends there (`'static` is one piece);
//! - marks belong to their letters, so that vowel signs do not cut words of Indic and Thai script.
//!
//! Digits are pieces one by one (YAYI 2, PolyLM, LLaMA) unless kept.
//!
//! The pattern stands in `tokenizer.json` and any regex engine can run it; [`Splitter`] is the same
//! written out, without a regex engine. The classes of characters are asked of the regex engine itself, so
//! that the two never disagree over a Unicode version.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

/// Letters and marks, but Han.
const WORD: &str = r"(?:[^\P{L}\p{Han}]|[^\P{M}\p{Han}])";
/// Digits and other numbers, but Han.
const NUMBER: &str = r"[^\P{N}\p{Han}]";

/// What becomes of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// Each digit is a token.
    #[default]
    Split,
    /// A run of digits is a piece like a word.
    Keep,
}

/// The pattern of the pieces, for any engine with `\p{…}` and look-ahead.
pub fn pattern(digits: Digits) -> String {
    let run = match digits {
        Digits::Split => "",
        Digits::Keep => "+",
    };
    [
        &format!(r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])(?!{WORD})"),
        r"\p{Han}+",
        &format!(r"[\t -/:-@\[-`{{-~]?{WORD}+"),
        &format!("{NUMBER}{run}"),
        r" ?[^\s\p{L}\p{M}\p{N}\p{Han}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
    .join("|")
}

/// What the pattern tells characters apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Other,
    Space,
    Newline,
    Word,
    Han,
    Number,
}

/// The class of every character, by code point.
static CLASSES: LazyLock<Box<[Class]>> = LazyLock::new(|| {
    let mut classes = vec![Class::Other; 0x11_0000].into_boxed_slice();
    let all: String = ('\0'..=char::MAX).collect();
    for (pattern, class) in [
        (r"\s+", Class::Space),
        (r"[\r\n]+", Class::Newline),
        (&format!("{WORD}+"), Class::Word),
        (r"\p{Han}+", Class::Han),
        (&format!("{NUMBER}+"), Class::Number),
    ] {
        for (start, end) in regex(pattern).expect("the pattern is ours").regex.find_iter(&all) {
            all[start..end].chars().for_each(|char| classes[char as usize] = class);
        }
    }
    classes
});

fn class(char: char) -> Class {
    CLASSES[char as usize]
}

fn regex(pattern: &str) -> tokenizers::Result<Split> {
    Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false)
}

/// Cuts text into pieces that together are the text.
pub(crate) enum Splitter {
    /// [`pattern`], written out.
    Ours(Digits),
    /// Any pattern.
    Regex(Box<Split>),
}

impl Splitter {
    /// A splitter by this pattern.
    pub(crate) fn new(wanted: &str) -> tokenizers::Result<Self> {
        let ours = [Digits::Split, Digits::Keep].into_iter().find(|digits| pattern(*digits) == wanted);
        Ok(match ours {
            Some(digits) => Self::Ours(digits),
            None => Self::Regex(Box::new(regex(wanted)?)),
        })
    }

    /// Hands over the pieces in order.
    pub(crate) fn split<'t>(&self, text: &'t str, mut piece: impl FnMut(&'t str)) {
        match self {
            Self::Ours(digits) => {
                let mut rest = text;
                while !rest.is_empty() {
                    let (first, after) = rest.split_at(first_piece(rest, *digits));
                    piece(first);
                    rest = after;
                }
            }
            Self::Regex(split) => {
                let mut done = 0;
                for (start, end) in split.regex.find_iter(text) {
                    // What the pattern leaves out is a piece as well.
                    for (start, end) in [(done, start), (start, end)] {
                        if start < end {
                            piece(&text[start..end]);
                        }
                    }
                    done = end;
                }
                if done < text.len() {
                    piece(&text[done..]);
                }
            }
        }
    }
}

/// Bytes of the first piece of a text that is not empty.
fn first_piece(text: &str, digits: Digits) -> usize {
    let mut chars = text.chars();
    let first = chars.next().expect("the text is not empty");
    let rest = chars.as_str();
    let own = first.len_utf8();
    match class(first) {
        Class::Word => return own + run(rest, Class::Word),
        Class::Han => return own + run(rest, Class::Han),
        Class::Number => {
            return match digits {
                Digits::Split => own,
                Digits::Keep => own + run(rest, Class::Number),
            };
        }
        Class::Other | Class::Space | Class::Newline => {}
    }
    if first == '\''
        && let Some(end) = contraction(rest)
    {
        return own + end;
    }
    // A tab, a space or an ASCII sign: all of them that are no letter, digit or control character.
    if first == '\t' || matches!(first, ' '..='~') {
        let word = run(rest, Class::Word);
        if word > 0 {
            return own + word;
        }
    }
    let signs_from = if first == ' ' { own } else { 0 };
    let signs = signs_from + run(&text[signs_from..], Class::Other);
    if signs > signs_from {
        return signs + run(&text[signs..], Class::Newline);
    }
    let mut spaces = 0;
    let mut last_start = 0;
    let mut after_newline = 0;
    for (at, char) in text.char_indices() {
        let newline = match class(char) {
            Class::Newline => true,
            Class::Space => false,
            _ => break,
        };
        last_start = at;
        spaces = at + char.len_utf8();
        if newline {
            after_newline = spaces;
        }
    }
    match (after_newline, last_start) {
        (1.., _) => after_newline,
        // The last space before a word is left for the word.
        (0, 1..) if spaces < text.len() => last_start,
        _ => spaces,
    }
}

/// Bytes of the characters of `class` at the start.
fn run(text: &str, wanted: Class) -> usize {
    text.char_indices().find(|(_, char)| class(*char) != wanted).map_or(text.len(), |(at, _)| at)
}

/// Bytes of the rest of an English contraction after its apostrophe, if a word ends there.
fn contraction(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let length = match bytes.first()?.to_ascii_lowercase() {
        b's' | b'd' | b'm' | b't' => 1,
        b'l' if bytes.get(1)?.eq_ignore_ascii_case(&b'l') => 2,
        b'v' | b'r' if bytes.get(1)?.eq_ignore_ascii_case(&b'e') => 2,
        _ => return None,
    };
    let ends = rest[length..].chars().next().is_none_or(|next| class(next) != Class::Word);
    ends.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'t>(splitter: &Splitter, text: &'t str) -> Vec<&'t str> {
        let mut pieces = Vec::new();
        splitter.split(text, |piece| pieces.push(piece));
        pieces
    }

    fn oracle(digits: Digits) -> Splitter {
        Splitter::Regex(Box::new(regex(&pattern(digits)).unwrap()))
    }

    #[test]
    fn what_becomes_a_piece() {
        for (text, expected) in [
            ("今天天气很好，我们去公园。\n", &["今天天气很好", "，", "我们去公园", "。\n"][..]),
            ("用Python写的3个脚本", &["用", "Python", "写的", "3", "个脚本"]),
            ("in 2024,  it's fine", &["in", " ", "2", "0", "2", "4", ",", " ", " it", "'s", " fine"]),
            ("'static don't", &["'static", " don", "'t"]),
            ("    return x\n\n  y", &["   ", " return", " x", "\n\n", " ", " y"]),
            ("हिन्दी ภาษาไทย", &["हिन्दी", " ภาษาไทย"]),
            ("二〇二四年", &["二〇二四年"]),
            ("  ", &["  "]),
        ] {
            assert_eq!(pieces(&Splitter::Ours(Digits::Split), text), expected);
        }
        assert_eq!(pieces(&Splitter::Ours(Digits::Keep), "a 1234"), ["a", " ", "1234"]);
    }

    #[test]
    fn the_pattern_is_known_again() {
        assert!(matches!(Splitter::new(&pattern(Digits::Keep)), Ok(Splitter::Ours(Digits::Keep))));
        assert!(matches!(Splitter::new(r"\s"), Ok(Splitter::Regex(_))));
        assert!(Splitter::new("(").is_err());
    }

    /// The regex engine is the oracle: all strings of up to four characters of a telling alphabet.
    #[test]
    fn the_pattern_written_out_is_the_pattern() {
        let alphabet = [
            'a', 'S', 'l', 'e', '中', '〇', '1', '½', ' ', '\t', '\n', '\r', '\u{3000}', '\'', '.', '，', '\u{301}',
            '\u{0}', '😀', 'か',
        ];
        for digits in [Digits::Split, Digits::Keep] {
            let (ours, oracle) = (Splitter::Ours(digits), oracle(digits));
            let longest = if digits == Digits::Split { 4 } else { 3 };
            for length in 0..=longest {
                for number in 0..alphabet.len().pow(length) {
                    let text: String = (0..length)
                        .map(|place| alphabet[number / alphabet.len().pow(place) % alphabet.len()])
                        .collect();
                    assert_eq!(pieces(&ours, &text), pieces(&oracle, &text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn every_character_is_in_the_class_the_pattern_gives_it() {
        let (ours, oracle) = (Splitter::Ours(Digits::Split), oracle(Digits::Split));
        for char in '\0'..=char::MAX {
            for text in [format!("a{char}b 中{char}"), format!(" {char}"), format!("'s{char}\n")] {
                if pieces(&ours, &text) != pieces(&oracle, &text) {
                    panic!("U+{:04X}: {:?}", char as u32, pieces(&oracle, &text));
                }
            }
        }
    }
}
