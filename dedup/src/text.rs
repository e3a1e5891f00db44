//! What characters are to deduplication, and Unicode composition where it is needed.

use std::borrow::Cow;
use std::sync::LazyLock;

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc, is_nfc_quick};

/// What a character does to the token before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// Ends a token: a space, a punctuation mark, a symbol.
    Separator = 0,
    /// Belongs to a run of letters and digits.
    Letter = 1,
    /// Is a letter of a script without spaces between words, or a Hangul syllable.
    Single = 2,
    /// Belongs to whatever letter it follows.
    Mark = 3,
}

/// A character's [`Role`], and whether it is in form C whatever stands beside it.
#[derive(Clone, Copy)]
pub(crate) struct Class(u8);

impl Class {
    const COMPOSED: u8 = 4;

    #[inline(always)]
    pub(crate) fn role(self) -> Role {
        match self.0 & 3 {
            0 => Role::Separator,
            1 => Role::Letter,
            2 => Role::Single,
            _ => Role::Mark,
        }
    }

    /// The quick check of Unicode Standard Annex 15: a text of such characters alone is in form C.
    #[inline(always)]
    pub(crate) fn is_composed(self) -> bool {
        self.0 & Self::COMPOSED != 0
    }

    #[cold]
    fn looked_up(code: u32) -> Self {
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let role = if is_combining_mark(character) {
            Role::Mark
        } else if !character.is_alphanumeric() {
            Role::Separator
        } else if stands_alone(character) {
            Role::Single
        } else {
            Role::Letter
        };
        let composed =
            is_nfc_quick(std::iter::once(character)) == IsNormalized::Yes && canonical_combining_class(character) == 0;
        Self(role as u8 | if composed { Self::COMPOSED } else { 0 })
    }
}

/// The classes of all characters: one read for each character of nearly all text.
#[derive(Clone, Copy)]
pub(crate) struct Classes {
    plane_0: &'static [Class; 0x1_0000],
}

impl Classes {
    pub(crate) fn get() -> Self {
        static PLANE_0: LazyLock<Box<[Class; 0x1_0000]>> = LazyLock::new(|| {
            let classes: Vec<_> = (0..0x1_0000).map(Class::looked_up).collect();
            classes.try_into().unwrap_or_else(|_| unreachable!("as many classes as code points"))
        });
        Self { plane_0: &PLANE_0 }
    }

    /// The class of the character with this code.
    #[inline(always)]
    pub(crate) fn of(self, code: u32) -> Class {
        match self.plane_0.get(code as usize) {
            Some(&class) => class,
            None => Class::looked_up(code),
        }
    }
}

/// Whether the letter is of a script written without spaces, or a Hangul syllable or jamo.
fn stands_alone(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}' // Burmese
        | '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}' // jamo
        | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}' // Khmer, Tai
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3041}'..='\u{318f}' // kana, bopomofo, jamo
        | '\u{31a0}'..='\u{31ff}' // more of these
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' // Han
        | '\u{ac00}'..='\u{d7a3}' // Hangul syllables
        | '\u{ff66}'..='\u{ffdc}' // half-width kana and jamo
        | '\u{1b000}'..='\u{1b16f}') // historic kana
}

/// The text in normalisation form C; borrowed if it already is.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    let classes = Classes::get();
    let quick = text.is_ascii() || text.chars().all(|character| classes.of(character.into()).is_composed());
    if quick || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_some_characters() {
        let roles = |text: &str| -> Vec<_> {
            text.chars().map(|character| Classes::get().of(character.into()).role()).collect()
        };
        assert!(roles("aZ9éжשب").iter().all(|&role| role == Role::Letter));
        assert!(roles("中𠀀々かナｶ한กກကខ").iter().all(|&role| role == Role::Single));
        assert!(roles(" _-.。，「…😀٪").iter().all(|&role| role == Role::Separator));
        assert!(roles("\u{301}\u{e35}\u{93f}").iter().all(|&role| role == Role::Mark));
    }

    #[test]
    fn decomposed_text_is_composed_and_other_text_is_borrowed() {
        assert_eq!(composed("cafe\u{301}"), "caf\u{e9}");
        assert_eq!(composed("\u{304b}\u{3099}"), "\u{304c}");
        assert!(matches!(composed("naïve 中文 текст ｶﾅ"), Cow::Borrowed(_)));
    }
}
