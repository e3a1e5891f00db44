//! Letters that come of the wrong encoding: UTF-8 read as Windows-1252, Latin-1 or Windows-1251, KOI8 read as
//! Windows-1251. What is certain enough to be repaired counts, and no letter that somebody may have meant.

use std::ops::Range;

use crate::repair::garbled_utf8;
use crate::shape::{Kind, Shape};

/// Where such letters lie, in order.
pub(super) fn find(text: &str, shape: &Shape) -> Vec<Range<usize>> {
    let mut found = garbled_utf8(text);
    // KOI8 has its small letters where Windows-1251 has its capitals.
    let (capitals, small) = (shape.count(Kind::CyrillicUpper), shape.count(Kind::CyrillicLower));
    if found.is_empty() && capitals >= MIN_LETTERS && 4 * capitals > small {
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if is_koi8(line) {
                let words = line.split(|character| !is_cyrillic(character)).filter(|word| !word.is_empty());
                found.extend(words.map(|word| {
                    let at = start + (word.as_ptr() as usize - line.as_ptr() as usize);
                    at..at + word.len()
                }));
            }
            start += line.len();
        }
    }
    found
}

/// Fewer letters than this tell nothing by how often each of them occurs.
const MIN_LETTERS: usize = 20;

/// The ten commonest letters of Russian, more than six in ten of all.
const COMMON: &str = "ОЕАИНТСРВЛ";
/// What KOI8 has instead of them, read as Windows-1251.
const COMMON_IN_KOI8: &str = "ПЕБЙОФУТЧМ";

/// Whether a line is KOI8 read as Windows-1251: nearly all capitals (`рТЙЧЕФ` was `Привет`), of which many more
/// stand for a common letter than are one.
fn is_koi8(line: &str) -> bool {
    let (mut letters, mut capitals, mut gain) = (0, 0, 0);
    for character in line.chars().filter(|&character| is_cyrillic(character)) {
        letters += 1;
        let is_capital = character <= 'Я';
        capitals += usize::from(is_capital);
        let capital = if is_capital { character } else { char::from_u32(character as u32 - 0x20).unwrap_or(character) };
        gain += i32::from(COMMON_IN_KOI8.contains(capital)) - i32::from(COMMON.contains(capital));
    }
    letters >= MIN_LETTERS && 5 * capitals >= 4 * letters && gain >= 6 && 5 * gain >= letters as i32
}

fn is_cyrillic(character: char) -> bool {
    ('А'..='я').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> usize {
        find(text, &Shape::of_text(text)).into_iter().map(|range| text[range].chars().count()).sum()
    }

    #[test]
    fn wrong_encodings_of_every_script_are_found() {
        // Made by Python: `text.encode("utf-8").decode("cp1252")`, `text.encode("koi8-r").decode("cp1251")`.
        assert_eq!(chars("ÐŸÑ€Ð¸Ð²ÐµÑ‚ Ð²Ð°Ð¼"), 18);
        assert_eq!(chars("Ø§Ù„Ù…Ø¯ÙŠÙ†Ø©"), 14);
        assert_eq!(chars("à¸§à¸±à¸™"), 9);
        assert_eq!(chars("РџСЂРёРІРµС‚"), 12);
        assert_eq!(chars("цЙФЕМЙ ЗПТПДЛБ ЦЙЧХФ ТСДПН У ТЕЛПК"), 29);
    }

    #[test]
    fn what_was_meant_is_left_alone() {
        for text in [
            "CAFÉ… «À» — FÜR Ä“ Spaß“ ÇĞİÖŞÜ são João não",
            "ПОЛОЖЕНИЕ О ПОРЯДКЕ РАССМОТРЕНИЯ ОБРАЩЕНИЙ ГРАЖДАН",
            "ПРО ЗАТВЕРДЖЕННЯ ПОЛОЖЕННЯ ПРО ВСЕУКРАЇНСЬКИЙ КОНКУРС",
            "НАРЕДБА ЗА УСЛОВИЯТА И РЕДА ЗА ПРОВЕЖДАНЕ НА ИЗПИТИ",
            "РН ОАО МРНК ТРНК ФГУП ГУП МУП ОПФ ПФР ФОМС ТФОМС",
        ] {
            assert_eq!(chars(text), 0, "{text}");
        }
    }
}
