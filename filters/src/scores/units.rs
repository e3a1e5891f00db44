//! What a language model counts as a word, without a dictionary: in scripts without spaces a character, in others a run of
//! letters; a run of digits; any other mark by itself.

/// Calls `unit` with each unit of a text, in order. White space and control characters are between units, and so are never
/// part of one.
///
/// A mark that combines belongs to the letter before it; an apostrophe between two letters belongs to the word. One walk over
/// the characters.
pub fn for_each_unit<'t>(text: &'t str, mut unit: impl FnMut(&'t str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let (first, next) = character(text, at);
        let class = Class::of(first);
        let mut end = next;
        match class {
            Class::Space => {
                at = end;
                continue;
            }
            Class::Letter => loop {
                while end < bytes.len() && ASCII[usize::from(bytes[end])] == Class::Letter as u8 {
                    end += 1;
                }
                if end >= bytes.len() {
                    break;
                }
                let (character, next) = self::character(text, end);
                let joins = match Class::of(character) {
                    Class::Letter | Class::Mark => true,
                    Class::Other if matches!(character, '\'' | '’') => {
                        next < bytes.len() && Class::of(self::character(text, next).0) == Class::Letter
                    }
                    _ => false,
                };
                if !joins {
                    break;
                }
                end = next;
            },
            Class::Digit => end = skip(text, end, Class::Digit),
            Class::Unspaced | Class::Mark | Class::Other => end = skip(text, end, Class::Mark),
        }
        unit(&text[at..end]);
        at = end;
    }
}

/// Behind the characters of a class that begin at `at`.
fn skip(text: &str, mut at: usize, class: Class) -> usize {
    while at < text.len() {
        let (character, next) = character(text, at);
        if Class::of(character) != class {
            break;
        }
        at = next;
    }
    at
}

/// The character at a place, and where the next one begins.
fn character(text: &str, at: usize) -> (char, usize) {
    let byte = text.as_bytes()[at];
    if byte < 0x80 {
        return (char::from(byte), at + 1);
    }
    let character = text[at..].chars().next().expect("a place inside the text");
    (character, at + character.len_utf8())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    Space,
    Letter,
    Digit,
    Unspaced,
    Mark,
    Other,
}

/// Classes of ASCII, so that English costs a byte's look.
static ASCII: [u8; 256] = {
    let mut classes = [Class::Other as u8; 256];
    let mut byte = 0;
    while byte < 128 {
        let class = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            0..=b' ' | 0x7f => Class::Space,
            _ => Class::Other,
        };
        classes[byte] = class as u8;
        byte += 1;
    }
    classes
};

impl Class {
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Digit,
            '\0'..=' ' | '\u{7f}'..='\u{a0}' => Self::Space,
            '!'..='~' => Self::Other,
            // Marks of Thai, Lao, Burmese, Khmer and Tibetan, kana's voicing marks.
            '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' => Self::Mark,
            '\u{eb1}' | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ece}' => Self::Mark,
            '\u{102b}'..='\u{103e}' | '\u{17b4}'..='\u{17d3}' | '\u{f71}'..='\u{f84}' => Self::Mark,
            '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' => Self::Mark,
            '\u{e01}'..='\u{e2e}' | '\u{e30}' | '\u{e32}' | '\u{e33}' | '\u{e40}'..='\u{e46}' => Self::Unspaced,
            '\u{e80}'..='\u{eff}' | '\u{1000}'..='\u{102a}' | '\u{1780}'..='\u{17b3}' | '\u{f40}'..='\u{f6c}' => {
                Self::Unspaced
            }
            '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => Self::Unspaced,
            '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => {
                Self::Unspaced
            }
            '\u{20000}'..='\u{3ffff}' => Self::Unspaced,
            '\u{300}'..='\u{36f}' | '\u{200d}' => Self::Mark,
            _ if character.is_alphabetic() => Self::Letter,
            _ if character.is_numeric() => Self::Digit,
            _ if character.is_whitespace() || character.is_control() => Self::Space,
            '\u{200b}' | '\u{200c}' | '\u{2060}' | '\u{feff}' => Self::Space,
            // Vowel signs of the scripts of India and accents elsewhere: part of a word though no letters.
            _ if unicode_normalization::char::is_combining_mark(character) => Self::Mark,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<&str> {
        let mut units = Vec::new();
        for_each_unit(text, |unit| units.push(unit));
        units
    }

    #[test]
    fn characters_where_there_are_no_spaces_and_words_where_there_are() {
        for (text, expected) in [
            ("我用Python3写code。", "我 用 Python 3 写 code 。"),
            ("don't stop—l’été, rock 'n' roll", "don't stop — l’été , rock ' n ' roll"),
            ("3.14 and 2026年", "3 . 14 and 2026 年"),
            ("คนที่รู้", "ค น ที่ รู้"),
            ("がぎ カタカナー", "が ぎ カ タ カ ナ ー"),
            ("नमस्ते दुनिया", "नमस्ते दुनिया"),
            ("привет, мир!", "привет , мир !"),
            ("한국어 사람", "한국어 사람"),
            ("e\u{301}té", "e\u{301}té"),
            ("\u{3000}，\t\u{feff}\u{a0}", "，"),
            ("", ""),
        ] {
            assert_eq!(units(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn nothing_but_spaces_is_lost() {
        let text = "a'b''c ñ 中\u{301}文 9\u{301}9 'x' ''\u{200d}x 👍🏽 \u{301}";
        let all: String = units(text).concat();
        assert_eq!(all, text.replace(' ', ""));
    }
}
