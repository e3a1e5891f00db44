//! datatrove's `simplify_text`: what shingles are made of.
//!
//! Source: datatrove 0.10.1, `utils/text.py`. In this order: lower case; numbers as `0`; names of days and months as one word
//! each; punctuation and control characters as spaces; runs of white space as one space; no diacritics.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfd_quick};

use super::super::python::{is_decimal, is_nonspacing, is_space};

/// What is made alike before texts are compared: datatrove's `TextNormConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextNorm {
    /// Upper and lower case. Default true.
    pub lowercase: bool,
    /// White space. Default true.
    pub norm_whitespace: bool,
    /// Punctuation: it becomes white space. Default true.
    pub remove_punctuation: bool,
    /// Letters with and without diacritics. Default true.
    pub norm_unicode_diacritics: bool,
    /// Numbers: each becomes 0. Default true.
    pub norm_numbers: bool,
    /// English names of weekdays. Default false.
    pub norm_weekdays: bool,
    /// English names of months. Default false.
    pub norm_monthnames: bool,
}

impl Default for TextNorm {
    fn default() -> Self {
        Self {
            lowercase: true,
            norm_whitespace: true,
            remove_punctuation: true,
            norm_unicode_diacritics: true,
            norm_numbers: true,
            norm_weekdays: false,
            norm_monthnames: false,
        }
    }
}

const PUNCTUATION: &str = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»";
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether `remove_punctuation` makes a space of it. All of them are below U+10000.
fn is_removed(character: char) -> bool {
    static REMOVED: LazyLock<Box<[bool]>> = LazyLock::new(|| {
        let mut removed = vec![false; 0x1_0000].into_boxed_slice();
        PUNCTUATION.chars().for_each(|character| removed[character as usize] = true);
        // Control characters but for tab and line feed.
        [0..9, 11..13, 13..32, 127..160].into_iter().flatten().for_each(|code: usize| removed[code] = true);
        removed
    });
    REMOVED.get(character as usize).copied().unwrap_or(false)
}

/// Whether a number's decimal part may follow it.
fn is_decimal_separator(character: char) -> bool {
    matches!(character, '.' | ',' | '،' | '٫' | '⎖' | '⎗' | '⎘')
}

impl TextNorm {
    /// The text made simple.
    pub(super) fn simplify(self, text: &str) -> String {
        let mut text = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
        if self.norm_numbers {
            text = with_zeros(&text);
        }
        if self.norm_weekdays {
            text = with_one_word(&text, &WEEKDAYS, "WEEKDAY");
        }
        if self.norm_monthnames {
            text = with_one_word(&text, &MONTHS, "MONTH");
        }
        if self.remove_punctuation || self.norm_whitespace {
            text = self.with_spaces(&text);
        }
        if self.norm_unicode_diacritics && !text.is_ascii() {
            let is_plain = is_nfd_quick(text.chars()) == IsNormalized::Yes && !text.contains(is_nonspacing);
            if !is_plain {
                text = text.nfd().filter(|character| !is_nonspacing(*character)).collect();
            }
        }
        text.trim_matches(is_space).to_owned()
    }

    /// With a space for each mark, and one for each run of white space, none at the ends.
    fn with_spaces(self, text: &str) -> String {
        let mut spaced = String::with_capacity(text.len());
        let mut is_after_space = true;
        for character in text.chars() {
            let character = if self.remove_punctuation && is_removed(character) { ' ' } else { character };
            if self.norm_whitespace && is_space(character) {
                if !is_after_space {
                    spaced.push(' ');
                }
                is_after_space = true;
            } else {
                spaced.push(character);
                is_after_space = false;
            }
        }
        if self.norm_whitespace && spaced.ends_with(' ') {
            spaced.pop();
        }
        spaced
    }
}

/// With `0` for each number: decimal digits of any script, and as many again after a separator.
fn with_zeros(text: &str) -> String {
    let mut zeroed = String::with_capacity(text.len());
    let mut characters = text.char_indices().peekable();
    while let Some((_, character)) = characters.next() {
        if !is_decimal(character) {
            zeroed.push(character);
            continue;
        }
        zeroed.push('0');
        while characters.next_if(|(_, next)| is_decimal(*next)).is_some() {}
        let has_fraction = characters.peek().is_some_and(|(at, separator)| {
            is_decimal_separator(*separator) && text[at + separator.len_utf8()..].chars().next().is_some_and(is_decimal)
        });
        if has_fraction {
            characters.next();
            while characters.next_if(|(_, next)| is_decimal(*next)).is_some() {}
        }
    }
    zeroed
}

/// With `word` for each of these words, even inside others.
fn with_one_word(text: &str, words: &[&str], word: &str) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match words.iter().find(|word| rest.starts_with(**word)) {
            Some(found) => {
                changed.push_str(word);
                rest = &rest[found.len()..];
            }
            None => {
                changed.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `simplify_text` of datatrove 0.10.1.
    #[test]
    fn texts_are_simplified_as_datatrove_simplifies_them() {
        let dates = TextNorm { norm_weekdays: true, norm_monthnames: true, ..TextNorm::default() };
        for (text, simple, with_dates) in [
            ("Hello, World! 1,234.56 and 3.14.15", "hello world 0 0 and 0 0", "hello world 0 0 and 0 0"),
            ("  ÉCOLE naïve Ǖ  \t\n x", "ecole naive u x", "ecole naive u x"),
            ("１２３ ٣٫٥ १२,५ 1٬000", "0 0 0 0٬0", "0 0 0 0٬0"),
            ("价格：￥12.5元（约US$2）…", "价格 ￥0元 约us 0", "价格 ￥0元 约us 0"),
            (
                "Monday-may 5: Sundays in DECEMBER, mayonnaise",
                "monday may 0 sundays in december mayonnaise",
                "WEEKDAY MONTH 0 WEEKDAYs in MONTH MONTHonnaise",
            ),
            ("ΟΔΟΣ ΣΑΣ İstanbul", "οδος σας istanbul", "οδος σας istanbul"),
            ("a\u{200b}b\u{3000}c\u{a0}d\u{2028}e\u{1c}f", "a\u{200b}b c d e f", "a\u{200b}b c d e f"),
            ("cafe\u{301} हिन्दी ที่ 한국", "cafe हिनदी ท 한국", "cafe हिनदी ท 한국"),
            ("", "", ""),
            ("...!?", "", ""),
            ("x̀\u{301} 1.", "x 0", "x 0"),
            ("v1.2.3 1,,2 ½ ² Ⅷ ①", "v0 0 0 0 ½ ² ⅷ ①", "v0 0 0 0 ½ ² ⅷ ①"),
        ] {
            assert_eq!(TextNorm::default().simplify(text), simple, "{text:?}");
            assert_eq!(dates.simplify(text), with_dates, "{text:?}");
        }
    }

    /// The same with single steps left out.
    #[test]
    fn every_step_can_be_left_out() {
        let text = "Été  2,5—ＡＢ";
        let off = TextNorm {
            lowercase: false,
            norm_whitespace: false,
            remove_punctuation: false,
            norm_unicode_diacritics: false,
            norm_numbers: false,
            ..TextNorm::default()
        };
        for (norm, simple) in [
            (off, "Été  2,5—ＡＢ"),
            (TextNorm { lowercase: true, ..off }, "été  2,5—ａｂ"),
            (TextNorm { norm_whitespace: true, ..off }, "Été 2,5—ＡＢ"),
            (TextNorm { remove_punctuation: true, ..off }, "Été  2 5 ＡＢ"),
            (TextNorm { norm_unicode_diacritics: true, ..off }, "Ete  2,5—ＡＢ"),
            (TextNorm { norm_numbers: true, ..off }, "Été  0—ＡＢ"),
        ] {
            assert_eq!(norm.simplify(text), simple, "{norm:?}");
        }
    }
}
