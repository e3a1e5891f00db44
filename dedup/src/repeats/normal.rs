//! What of a unit is compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::simplified::{is_digit, simplify};
use crate::text::{Classes, Role, composed};

/// In what two units may differ and still be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitNormalization {
    /// In white space at their ends.
    None,
    /// In case, Unicode form (NFC), which digits they have, punctuation, symbols and white space: letters in lower case, their
    /// marks, and 0 for each digit are compared, in every script. A unit without any of these is never repeated.
    #[default]
    Letters,
    /// As cc_net's `normalize_for_dedup`: white space stripped, lower case, digits to 0, 34 punctuation marks (none of
    /// them ASCII) and control characters removed.
    Ccnet,
    /// As datatrove's `simplify_text`: lower case, numbers to 0, punctuation to spaces, letters without marks.
    Simplified,
}

impl UnitNormalization {
    /// Appends what is compared of `unit`.
    pub(super) fn push(self, unit: &str, out: &mut String) {
        match self {
            Self::None => out.push_str(unit.trim()),
            Self::Letters => letters(unit, out),
            Self::Ccnet => ccnet(unit, out),
            Self::Simplified => simplify(unit, out),
        }
    }
}

fn letters(unit: &str, out: &mut String) {
    let classes = Classes::get();
    for character in composed(unit).chars() {
        if character.is_ascii() {
            if character.is_ascii_digit() {
                out.push('0');
            } else if character.is_ascii_alphabetic() {
                out.push(character.to_ascii_lowercase());
            }
            continue;
        }
        match classes.of(character.into()).role() {
            Role::Separator => {}
            // Ideographs have neither case nor digits among them.
            Role::Single if character >= '\u{2e80}' => out.push(character),
            _ if is_digit(character) => out.push('0'),
            _ => out.extend(character.to_lowercase()),
        }
    }
}

/// cc_net's `UNICODE_PUNCT`, the full-width digit one among it.
const CCNET_PUNCTUATION: &str = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►";

fn ccnet(unit: &str, out: &mut String) {
    // Python strips these four controls too.
    let line =
        unit.trim_matches(|character: char| character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}'));
    for character in line.to_lowercase().chars() {
        if is_digit(character) {
            out.push('0');
        } else if !matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}') && !CCNET_PUNCTUATION.contains(character)
        {
            out.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(normalization: UnitNormalization, unit: &str) -> String {
        let mut out = String::new();
        normalization.push(unit, &mut out);
        out
    }

    #[test]
    fn letters_alone_are_compared_in_every_script() {
        use UnitNormalization::Letters;
        assert_eq!(normal(Letters, " Hello, World 3.5! "), "helloworld00");
        assert_eq!(normal(Letters, "CAFE\u{301} ÉTÉ"), "caféété");
        assert_eq!(normal(Letters, "你好，世界！第１２章（三）"), "你好世界第00章三");
        assert_eq!(normal(Letters, "नमस्ते १२ — ทดสอบ ๓"), "नमस्ते00ทดสอบ0");
        assert_eq!(normal(Letters, "———— * * *"), "");
    }

    #[test]
    fn ccnet_is_as_its_own_program() {
        use UnitNormalization::Ccnet;
        // By cc_net's `normalize_for_dedup`, Python 3.11. It deletes control characters before it sees 0x7f as one: `\x7f` is
        // in its list, `1` in full width becomes 0 before the list is looked at.
        assert_eq!(normal(Ccnet, "\u{1f} The 3 “Cats”, 12%… \t"), "the 0 cats, 00%");
        assert_eq!(normal(Ccnet, "第１２章：好。"), "第00章好");
        assert_eq!(normal(Ccnet, "  "), "");
    }
}
