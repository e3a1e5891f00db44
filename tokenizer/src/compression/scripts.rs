//! Which scripts a token's characters belong to.
//!
//! Source: Unicode's `Script` and `General_Category`. Characters of one script are of that script; those that all scripts share
//! are digits, punctuation, symbols or spaces by their category; marks that go with any letter say nothing.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// Kinds of characters, by their numbers in a [`Mix`].
const NAMES: [&str; 18] = [
    "Han",
    "Kana",
    "Hangul",
    "Bopomofo",
    "Latin",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Tamil",
    "Thai",
    "other scripts",
    "digits",
    "punctuation",
    "symbols",
    "spaces",
];
const HAN: usize = 0;
const KANA: usize = 1;
const HANGUL: usize = 2;
const OTHER: usize = 13;
const DIGITS: usize = 14;
const PUNCTUATION: usize = 15;
const SYMBOLS: usize = 16;
const SPACES: usize = 17;

/// The kinds of characters that a text has: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mix(u32);

impl Mix {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().filter_map(kind).fold(0, |bits, kind| bits | 1 << kind))
    }

    /// Whether there are characters of more than one kind, spaces aside.
    pub(super) fn is_mixed(self) -> bool {
        self.without_spaces().0.count_ones() > 1
    }

    /// Chinese: Han characters, and neither kana nor hangul.
    pub(super) fn is_chinese(self) -> bool {
        self.0 & (1 << HAN | 1 << KANA | 1 << HANGUL) == 1 << HAN
    }

    pub(super) fn without_spaces(self) -> Self {
        Self(self.0 & !(1 << SPACES))
    }

    /// The names, `Han + Latin`.
    pub(super) fn name(self) -> String {
        let there = NAMES.iter().enumerate().filter(|(kind, _)| self.0 & (1 << kind) != 0);
        there.map(|(_, name)| *name).collect::<Vec<_>>().join(" + ")
    }
}

/// The kind of a character by its number; nothing for those that go with any.
pub(crate) fn kind(character: char) -> Option<usize> {
    let script = match CodePointMapData::<Script>::new().get(character) {
        Script::Han => HAN,
        Script::Hiragana | Script::Katakana => KANA,
        Script::Hangul => HANGUL,
        Script::Bopomofo => 3,
        Script::Latin => 4,
        Script::Cyrillic => 5,
        Script::Greek => 6,
        Script::Arabic => 7,
        Script::Hebrew => 8,
        Script::Devanagari => 9,
        Script::Bengali => 10,
        Script::Tamil => 11,
        Script::Thai => 12,
        Script::Common | Script::Inherited | Script::Unknown => return shared(character),
        _ => OTHER,
    };
    Some(script)
}

/// The kind of a character that no script has for itself.
fn shared(character: char) -> Option<usize> {
    use GeneralCategory as Category;
    match CodePointMapData::<GeneralCategory>::new().get(character) {
        _ if character.is_whitespace() => Some(SPACES),
        Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber => Some(DIGITS),
        Category::ConnectorPunctuation
        | Category::DashPunctuation
        | Category::OpenPunctuation
        | Category::ClosePunctuation
        | Category::InitialPunctuation
        | Category::FinalPunctuation
        | Category::OtherPunctuation => Some(PUNCTUATION),
        Category::MathSymbol | Category::CurrencySymbol | Category::ModifierSymbol | Category::OtherSymbol => {
            Some(SYMBOLS)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_is_made_of() {
        for (text, name, mixed) in [
            ("中文", "Han", false),
            (" the", "Latin + spaces", false),
            ("的。", "Han + punctuation", true),
            ("卡拉OK", "Han + Latin", true),
            ("2024年", "Han + digits", true),
            ("ラーメン", "Kana", false),
            ("食べる", "Han + Kana", true),
            ("〇", "Han", false),
            ("e\u{301}", "Latin", false),
            ("\n\n", "spaces", false),
            ("１．", "digits + punctuation", true),
            ("$x", "Latin + symbols", true),
            ("ⰰ", "other scripts", false),
            ("", "", false),
        ] {
            let mix = Mix::of(text);
            assert_eq!((mix.name().as_str(), mix.is_mixed()), (name, mixed), "{text:?}");
        }
        assert!(Mix::of("中a").is_chinese() && !Mix::of("食べ").is_chinese() && !Mix::of("a").is_chinese());
    }
}
