//! Cutting a text where no piece of a SentencePiece model may lie across.
//!
//! Source: `TrainerInterface::IsValidSentencePiece` of SentencePiece 0.2.3, with `split_by_unicode_script`, `split_by_number`,
//! `split_by_whitespace` and `allow_whitespace_only_pieces`: a piece has characters of one script (kana counts as Han; punctuation
//! and symbols are scripts of their own, digits another), spaces in front or alone. A rule that forbids a piece for two of its
//! neighbours forbids all pieces with these neighbours, so that texts can be cut there before anything is counted.
//!
//! Spaces stay spaces here (`▁` in a text is one too, as it is for SentencePiece). Control characters, those for private use and
//! unassigned code points are in no piece: byte pieces spell them.

use std::sync::LazyLock;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// SentencePiece's spelling of a space.
pub(super) const SPACE: char = '\u{2581}';

/// Classes of characters beside the scripts, which have higher numbers.
const CONTROL: u8 = 0;
const SPACES: u8 = 1;
const DIGIT: u8 = 2;
const FIRST_SCRIPT: u8 = 3;

/// The class of each code point. Characters that no one script has, punctuation and symbols, are a class like one.
static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let scripts = CodePointMapData::<Script>::new();
    // There are fewer than 200 of them, and characters of one stand together.
    let mut known: Vec<Script> = Vec::new();
    let mut last = (Script::Common, CONTROL);
    let class = |code: u32| {
        let Some(char) = char::from_u32(code) else { return CONTROL };
        let script = match char {
            ' ' | SPACE => return SPACES,
            '0'..='9' | '０'..='９' => return DIGIT,
            'ー' => Script::Han,
            _ => match scripts.get(char) {
                Script::Hiragana | Script::Katakana => Script::Han,
                script => script,
            },
        };
        let category = categories.get(char);
        if matches!(category, GeneralCategory::Control | GeneralCategory::Unassigned | GeneralCategory::PrivateUse) {
            return CONTROL;
        }
        if last.0 != script || last.1 == CONTROL {
            let place = known.iter().position(|known| *known == script).unwrap_or_else(|| {
                known.push(script);
                known.len() - 1
            });
            last = (script, FIRST_SCRIPT + place as u8);
        }
        last.1
    };
    (0..=u32::from(char::MAX)).map(class).collect()
});

/// Whether a character may be in a piece.
pub(super) fn is_in_pieces(char: char) -> bool {
    CLASSES[char as usize] != CONTROL
}

/// Hands over the parts of a text between places where no piece lies across, control characters left out. A part of more than
/// `max_bytes` is cut. O(bytes).
pub(in crate::train) fn cut<'t>(text: &'t str, split_digits: bool, max_bytes: usize, mut take: impl FnMut(&'t str)) {
    let classes = &**CLASSES;
    let mut start = 0;
    let mut previous = CONTROL;
    for (at, char) in text.char_indices() {
        let class = classes[char as usize];
        // Spaces belong to what comes after them; but no digit that is a piece of its own has any.
        let joined = if previous == SPACES { class != DIGIT || !split_digits } else { class == previous };
        if !joined || class == CONTROL || (class == DIGIT && split_digits) || at - start >= max_bytes {
            if start < at && previous != CONTROL {
                take(&text[start..at]);
            }
            start = at;
        }
        previous = class;
    }
    if start < text.len() && previous != CONTROL {
        take(&text[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, split_digits: bool) -> Vec<&str> {
        let mut parts = Vec::new();
        cut(text, split_digits, 1024, |part| parts.push(part));
        parts
    }

    #[test]
    fn parts_are_of_one_script_with_spaces_in_front() {
        assert_eq!(parts(" Hello, world", true), [" Hello", ",", " world"]);
        assert_eq!(parts("我们去公园。ひらがな漢字カー", true), ["我们去公园", "。", "ひらがな漢字カー"]);
        assert_eq!(parts(" 2024年", true), [" ", "2", "0", "2", "4", "年"]);
        assert_eq!(parts(" 2024年", false), [" 2024", "年"]);
        assert_eq!(parts("a\n\n\tb  c", true), ["a", "b", "  c"]);
        assert_eq!(parts("naïve straße", true), ["naïve", " straße"]);
        assert_eq!(parts("Привет мир", true), ["Привет", " мир"]);
        assert_eq!(parts("   ", true), ["   "]);
        assert_eq!(parts("", true), Vec::<&str>::new());
        assert_eq!(parts("\u{0}\u{e000}", true), Vec::<&str>::new());
    }

    #[test]
    fn long_parts_are_cut_at_characters() {
        let text = "好".repeat(1000);
        let mut parts = Vec::new();
        cut(&text, true, 100, |part| parts.push(part));
        assert_eq!(parts.concat(), text);
        assert!(parts.iter().all(|part| part.len() <= 102));
    }
}
