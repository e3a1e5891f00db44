//! Characters as Python classes them.
//!
//! By Unicode's general categories (`unicodedata`, `str.isalnum`, `\w`, `\s`); Python 3.11 knows Unicode 14, ICU4X a later
//! version: characters that were assigned since may differ.

use std::sync::LazyLock;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

const WORD: u8 = 1;
const DECIMAL: u8 = 2;
const NONSPACING: u8 = 4;
const PUNCTUATION: u8 = 8;
const SPACE: u8 = 16;

fn class(character: char) -> u8 {
    static PLANE_0: LazyLock<Box<[u8; 0x1_0000]>> = LazyLock::new(|| {
        let classes: Vec<u8> = (0..0x1_0000).map(|code| char::from_u32(code).map_or(0, looked_up)).collect();
        classes.try_into().unwrap_or_else(|_| unreachable!("as many classes as code points"))
    });
    match PLANE_0.get(character as usize) {
        Some(class) => *class,
        None => looked_up(character),
    }
}

#[cold]
fn looked_up(character: char) -> u8 {
    use GeneralCategory as Category;
    let category = CodePointMapData::<Category>::new().get(character);
    let class = match category {
        Category::UppercaseLetter
        | Category::LowercaseLetter
        | Category::TitlecaseLetter
        | Category::ModifierLetter
        | Category::OtherLetter
        | Category::LetterNumber
        | Category::OtherNumber => WORD,
        Category::DecimalNumber => WORD | DECIMAL,
        Category::NonspacingMark => NONSPACING,
        Category::ConnectorPunctuation if character == '_' => WORD | PUNCTUATION,
        Category::ConnectorPunctuation
        | Category::DashPunctuation
        | Category::OpenPunctuation
        | Category::ClosePunctuation
        | Category::InitialPunctuation
        | Category::FinalPunctuation
        | Category::OtherPunctuation => PUNCTUATION,
        _ => 0,
    };
    let is_space = character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}');
    class | if is_space { SPACE } else { 0 }
}

/// `\w` of `re`: letters, numbers and `_`; marks are none.
pub(crate) fn is_word(character: char) -> bool {
    class(character) & WORD != 0
}

/// Category Nd.
pub(crate) fn is_decimal(character: char) -> bool {
    class(character) & DECIMAL != 0
}

/// Category Mn.
pub(super) fn is_nonspacing(character: char) -> bool {
    class(character) & NONSPACING != 0
}

/// Categories P….
pub(super) fn is_punctuation(character: char) -> bool {
    class(character) & PUNCTUATION != 0
}

/// `str.isspace` and `\s`.
pub(super) fn is_space(character: char) -> bool {
    class(character) & SPACE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `python3.11 -c` over all code points: how many have each class, and the sum of their numbers. Unicode 14 there, so the
    /// counts are of the planes and blocks that have not changed since: below U+0530.
    #[test]
    fn classes_below_0530_are_those_of_python() {
        for (is, count, sum) in [
            (is_word as fn(char) -> bool, 1028, 722467),
            (is_decimal as fn(char) -> bool, 10, 525),
            (is_nonspacing as fn(char) -> bool, 117, 98017),
            (is_punctuation as fn(char) -> bool, 32, 4423),
            (is_space as fn(char) -> bool, 12, 498),
        ] {
            let members: Vec<u32> = (0..0x530).filter(|code| char::from_u32(*code).is_some_and(is)).collect();
            assert_eq!((members.len(), members.iter().sum::<u32>()), (count, sum));
        }
    }
}
