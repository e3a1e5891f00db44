//! How much of a text is dates, in the spellings of PolyLM's eighteen languages.
//!
//! Numbers with separators (`2024-03-05`, `05.03.2024`, `5/3/24`), numbers with units (`2024年3月5日`, `2024년 3월
//! 5일`), a day beside the name of a month (`5 марта 2024`, `March 5, 2024`, `5 de marzo de 2024`, `ngày 5 tháng
//! 3`), in ASCII, full-width, Thai, Arabic, Persian or Hindi digits; Chinese numerals before 年.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::shape::{Kind, Kinds, Shape, is_letter};

/// Names of months, in lower case: `filters/data/months.txt`, a line a language.
static MONTHS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../../data/months.txt").lines().flat_map(|line| line.split(' ').skip(1)).collect()
});

/// Names of months in Thai, after which a text may go on without a space.
static THAI_MONTHS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    MONTHS.iter().filter(|name| name.starts_with(|c| ('\u{e00}'..'\u{e80}').contains(&c))).copied().collect()
});

/// Their short forms, which end in a full stop.
const SHORT_THAI_MONTHS: [&str; 12] =
    ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."];

/// Vietnamese months have a number in the place of a name.
const VIETNAMESE_MONTH: &str = "tháng";

/// How many characters of the text are in dates.
pub(super) fn date_chars(text: &str, shape: &Shape) -> usize {
    if shape.count(Kind::Digit) == 0 && !text.contains('年') {
        return 0;
    }
    let ascii_digits = (b'0'..=b'9').map(|digit| shape.count_ascii(digit)).sum::<usize>();
    let only_ascii = ascii_digits == shape.count(Kind::Digit);
    let (mut at, mut chars) = (0, chinese_numerals(text));
    while let Some(start) = next_digit(text, at, only_ascii) {
        let number = Number::read(text, start).expect("a digit stands there");
        match date_at(text, at, number) {
            Some((first, end)) => {
                chars += text[first..end].chars().count();
                at = end;
            }
            None => at = number.end,
        }
    }
    chars
}

/// Where the next digit stands.
fn next_digit(text: &str, from: usize, only_ascii: bool) -> Option<usize> {
    if only_ascii {
        return text.as_bytes()[from..].iter().position(u8::is_ascii_digit).map(|at| from + at);
    }
    text[from..].find(|character| digit(character).is_some()).map(|at| from + at)
}

/// The value of a digit.
fn digit(character: char) -> Option<u32> {
    let zero = match character {
        '0'..='9' => '0',
        '０'..='９' => '０',
        '๐'..='๙' => '๐',
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        '०'..='९' => '०',
        _ => return None,
    };
    Some(character as u32 - zero as u32)
}

/// A run of digits.
#[derive(Clone, Copy)]
struct Number {
    value: u32,
    digits: usize,
    start: usize,
    end: usize,
}

impl Number {
    fn read(text: &str, start: usize) -> Option<Self> {
        let mut number = Self { value: 0, digits: 0, start, end: start };
        for character in text.get(start..)?.chars() {
            let Some(value) = digit(character) else { break };
            number.value = number.value.saturating_mul(10).saturating_add(value);
            number.digits += 1;
            number.end += character.len_utf8();
        }
        (number.digits > 0).then_some(number)
    }

    fn is_day(self) -> bool {
        self.digits <= 2 && (1..=31).contains(&self.value)
    }

    fn is_month(self) -> bool {
        self.digits <= 2 && (1..=12).contains(&self.value)
    }

    /// A year of our, the Buddhist or the Hebrew calendar.
    fn is_year(self) -> bool {
        self.digits == 4 && matches!(self.value, 1000..=2700 | 5600..=5900)
    }
}

/// The date that this number begins or is in; what lies before `from` is taken.
fn date_at(text: &str, from: usize, number: Number) -> Option<(usize, usize)> {
    with_separators(text, number)
        .or_else(|| with_units(text, number))
        .or_else(|| before_month_name(text, number))
        .map(|end| (number.start, end))
        .or_else(|| after_month_name(text, from, number))
}

/// `2024-03-05`, `05.03.2024`, `5/3/24`, with direction marks beside the separators, as Arabic has them, or without.
fn with_separators(text: &str, one: Number) -> Option<usize> {
    let separated = |at: usize| {
        let (separator, rest) = split_first(text[at..].trim_start_matches(DIRECTION_MARKS))?;
        let rest = rest.trim_start_matches(DIRECTION_MARKS);
        Some((separator, Number::read(text, text.len() - rest.len())?))
    };
    let (separator, two) = separated(one.end).filter(|(c, _)| matches!(c, '-' | '/' | '.' | '／' | '．'))?;
    let (_, three) = separated(two.end).filter(|(next, _)| *next == separator)?;
    // A fourth number makes it an address or a version.
    if separated(three.end).is_some_and(|(next, _)| next == separator) {
        return None;
    }
    let in_order = one.is_year() && two.is_month() && three.is_day();
    let full_year = three.is_year() && (one.is_day() && two.is_month() || one.is_month() && two.is_day());
    let short_year = three.digits == 2 && (one.is_day() && two.is_month() || one.is_month() && two.is_day());
    let is_date = in_order || full_year || short_year && (separator != '.' || one.digits + two.digits == 4);
    is_date.then_some(three.end)
}

/// What says which way a text runs, and is not seen.
const DIRECTION_MARKS: [char; 3] = ['\u{200e}', '\u{200f}', '\u{61c}'];

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// `2024年3月5日`, `3月5日`, `2024年`, `2024년 3월 5일`.
fn with_units(text: &str, one: Number) -> Option<usize> {
    let (mut number, mut end, mut units) = (one, None, 0);
    loop {
        let (unit, after) = unit_at(text, number.end)?;
        let fits = match unit {
            '年' | '년' => number.is_year(),
            '月' | '월' => number.is_month(),
            _ => number.is_day(),
        };
        if !fits {
            break;
        }
        units += 1;
        if units > 1 || matches!(unit, '年' | '년') {
            end = Some(after);
        }
        let next = after + text[after..].len() - text[after..].trim_start_matches(' ').len();
        match Number::read(text, next) {
            Some(found) if unit_at(text, found.end).is_some() => number = found,
            _ => break,
        }
    }
    end
}

fn unit_at(text: &str, at: usize) -> Option<(char, usize)> {
    let spaces = text[at..].len() - text[at..].trim_start_matches(' ').len();
    let unit = text[at + spaces..].chars().next()?;
    let known = matches!(unit, '年' | '月' | '日' | '号' | '號' | '년' | '월' | '일');
    (known && spaces < 2).then_some((unit, at + spaces + unit.len_utf8()))
}

/// `March 5, 2024`, `marca 2024`, `tháng 3 năm 2024`: the name of the month stands before the number.
fn after_month_name(text: &str, from: usize, number: Number) -> Option<(usize, usize)> {
    if !number.is_day() && !number.is_year() {
        return None;
    }
    let ended = text[from..number.start].trim_end_matches(' ');
    if let Some(name) = SHORT_THAI_MONTHS.iter().find(|name| number.is_year() && ended.ends_with(**name)) {
        return Some((from + ended.len() - name.len(), number.end));
    }
    let before = word_before(text, from, number.start)?;
    let name = &text[before.clone()];
    if !is_month_name(name) || name == VIETNAMESE_MONTH && !number.is_month() {
        return None;
    }
    let year = if number.is_day() { year_after(text, number.end) } else { None };
    Some((before.start, year.unwrap_or(number.end)))
}

/// `5 марта 2024`, `5. März`, `5 de marzo de 2024`, `5 tháng 3`: the day stands before the name of the month.
fn before_month_name(text: &str, number: Number) -> Option<usize> {
    if !number.is_day() {
        return None;
    }
    let rest = text[number.end..].trim_start_matches(['.', 'º', '°', ' ', '-']);
    let without = |rest: &'_ str, any: [&str; 4]| any.iter().find_map(|link| Some(rest.strip_prefix(link)?.len()));
    let rest = without(rest, ["st ", "nd ", "rd ", "th "]).map_or(rest, |length| &rest[rest.len() - length..]);
    let rest = without(rest, ["de ", "of ", "del ", "d'"]).map_or(rest, |length| &rest[rest.len() - length..]);
    let begin = text.len() - rest.len();
    if begin - number.end > 6 {
        return None;
    }
    if let Some(name) = SHORT_THAI_MONTHS.iter().find(|name| rest.starts_with(**name)) {
        let end = begin + name.len();
        // Of the year often the last two digits are all.
        let rest = text[end..].trim_start_matches(' ');
        let short = Number::read(text, text.len() - rest.len()).filter(|year| year.digits == 2);
        return Some(year_after(text, end).or(short.map(|year| year.end)).unwrap_or(end));
    }
    let word = word_at(rest);
    let end = if word == VIETNAMESE_MONTH {
        Number::read(text, begin + word.len() + 1).filter(|month| month.is_month())?.end
    } else if is_month_name(word) {
        begin + word.len()
    } else {
        begin + THAI_MONTHS.iter().find(|name| word.starts_with(**name))?.len()
    };
    Some(year_after(text, end).unwrap_or(end))
}

/// Behind a year that follows here, after a comma, a space, `de` or `năm`.
fn year_after(text: &str, at: usize) -> Option<usize> {
    let rest = text[at..].trim_start_matches(['.', ',', ' ', '،', '/', 'г']);
    let rest =
        ["de ", "năm ", "del ", "พ.ศ. ", "ค.ศ. "].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
    let begin = text.len() - rest.len();
    let year = Number::read(text, begin).filter(|year| year.is_year())?;
    (begin - at <= 12).then_some(year.end)
}

fn is_word_char(character: char) -> bool {
    let kind = Kinds::get().of(character);
    is_letter(kind) || kind == Kind::Mark as u8
}

/// Where the word lies that ends one space, or a full stop and a space, before `end`, and begins at `from` or later.
fn word_before(text: &str, from: usize, end: usize) -> Option<Range<usize>> {
    let before = text[from..end].strip_suffix(' ')?;
    let before = before.strip_suffix('.').unwrap_or(before);
    let length: usize = before.chars().rev().take_while(|&c| is_word_char(c)).map(char::len_utf8).sum();
    let stop = from + before.len();
    (0 < length && length < 40).then_some(stop - length..stop)
}

/// The word at the beginning, or nothing.
fn word_at(text: &str) -> &str {
    &text[..text.find(|character| !is_word_char(character)).unwrap_or(text.len())]
}

fn is_month_name(word: &str) -> bool {
    word.len() < 40 && (MONTHS.contains(word) || MONTHS.contains(word.to_lowercase().as_str()))
}

/// Characters of dates in Chinese numerals: `二〇二四年三月五日`.
fn chinese_numerals(text: &str) -> usize {
    let is_numeral =
        |c: &char| matches!(c, '〇' | '○' | '零' | '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十');
    let mut chars = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), "年".as_bytes()) {
        let year = text[..at].chars().rev().take_while(is_numeral).count();
        if year != 4 {
            continue;
        }
        chars += 5;
        let mut rest = &text[at + '年'.len_utf8()..];
        for units in [&['月'][..], &['日', '号', '號']] {
            let numerals = rest.chars().take_while(is_numeral).count();
            let after = &rest[rest.char_indices().nth(numerals).map_or(rest.len(), |(at, _)| at)..];
            let Some(next) = after.strip_prefix(units).filter(|_| (1..=3).contains(&numerals)) else { break };
            chars += numerals + 1;
            rest = next;
        }
    }
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> usize {
        date_chars(text, &Shape::of_text(text))
    }

    #[test]
    fn dates_of_every_language_are_whole() {
        let whole = [
            "2024年3月5日",
            "二〇二四年三月五日",
            "3月5号",
            "２０２４年３月",
            "March 5, 2024",
            "5 March 2024",
            "Mar. 5",
            "2024-03-05",
            "05.03.2024",
            "5/3/24",
            "5 марта 2024",
            "5 de marzo de 2024",
            "5 mars 2024",
            "5 de março de 2024",
            "5. März 2024",
            "5 marzo 2024",
            "5 maart 2024",
            "5 marca 2024",
            "5 مارس 2024",
            "٥/٣/٢٠٢٤",
            "٥\u{200f}/٣\u{200f}/٢٠٢٤",
            "5/\u{200f}3/\u{200f}2024",
            "5 Mart 2024",
            "5 במרץ 2024",
            "2024年3月5日",
            "2024년 3월 5일",
            "5 มีนาคม 2567",
            "๕ มีนาคม ๒๕๖๗",
            "5 มี.ค. 2567",
            "5 มี.ค. 67",
            "๕ พ.ย. ๒๕๖๗",
            "มี.ค. 2567",
            "5 ธ.ค.",
            "5 tháng 3 năm 2024",
            "tháng 3 năm 2024",
            "5 Maret 2024",
            "3rd of May, 2024",
        ];
        for text in whole {
            assert_eq!(chars(text), text.chars().count(), "{text}");
            let framed = format!("a {text} b");
            assert_eq!(chars(&framed), text.chars().count(), "{framed}");
        }
    }

    #[test]
    fn what_only_looks_like_a_date_is_none() {
        for text in
            ["192.168.1.1", "1.2.10", "3.14", "12345", "5 apples", "第5章", "10/20/30/40", "2024", "", "99年", "5 日本"]
        {
            assert_eq!(chars(text), 0, "{text}");
        }
    }
}
