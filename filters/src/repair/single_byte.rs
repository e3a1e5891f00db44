//! UTF-8 that was read as Windows-1252, Latin-1 or Windows-1251: Ã© was é, РџСЂРёРІРµС‚ was Привет.
//!
//! Each place where characters, taken as bytes, make one character of UTF-8 is evidence for or against; a line is
//! repaired if its evidence suffices, with less where other lines of the text have it. No letter before a mark of
//! punctuation that somebody may have meant (FÜR Ä“, CAFÉ…) is enough by itself.

use std::ops::Range;

use super::charset::{ToByte, one_character, windows_1251, windows_1252};
use super::plausible::log_probability;

/// Evidence that repairs a line by itself.
const SURE_LINE: i32 = 4;
/// Evidence of a whole text from which on lines need only some of their own.
const SURE_TEXT: i32 = 12;
/// Twice garbled is not rare; more rounds than this were not seen.
const MAX_ROUNDS: usize = 3;

/// The text repaired, and whether anything was. `cyrillic` takes Windows-1251 for the wrong character set, else
/// Windows-1252.
pub(super) fn repair(text: &str, cyrillic: bool) -> Option<String> {
    let (to_byte, weigh) = character_set(cyrillic);
    let mut current: Option<String> = None;
    for _ in 0..MAX_ROUNDS {
        match round(current.as_deref().unwrap_or(text), to_byte, weigh) {
            Some(repaired) => current = Some(repaired),
            None => break,
        }
    }
    current
}

/// Where a line has evidence enough, in order: one range for each character that was.
pub(super) fn places(text: &str, cyrillic: bool) -> Vec<Range<usize>> {
    let (to_byte, weigh) = character_set(cyrillic);
    sure_places(text, to_byte, weigh).into_iter().map(|place| place.start..place.end).collect()
}

/// What a place tells: for the garbled reading above 0, against it below.
type Weigh = fn(&Around, char) -> i32;

/// What stands around a place.
struct Around {
    before: Option<char>,
    after: Option<char>,
    /// The last of its own characters.
    mark: char,
    /// Whether it follows or precedes another such place.
    beside: bool,
}

/// One character to be put for several.
struct Place {
    start: usize,
    end: usize,
    decoded: char,
    weight: i32,
}

fn character_set(cyrillic: bool) -> (ToByte, Weigh) {
    if cyrillic { (windows_1251, weigh_cyrillic) } else { (windows_1252, weigh_latin) }
}

fn round(text: &str, to_byte: ToByte, weigh: Weigh) -> Option<String> {
    let places = sure_places(text, to_byte, weigh);
    if places.is_empty() {
        return None;
    }
    let (mut out, mut kept) = (String::new(), 0);
    for place in places {
        out.push_str(&text[kept..place.start]);
        out.push(place.decoded);
        kept = place.end;
    }
    out.push_str(&text[kept..]);
    Some(out)
}

/// The places of a text, in order, that lie in lines with evidence enough.
fn sure_places(text: &str, to_byte: ToByte, weigh: Weigh) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    // Places of each line that has some, and their weight.
    let mut lines: Vec<(Range<usize>, i32)> = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let first = places.len();
        find(line, line_start, to_byte, &mut places);
        let all = &mut places[first..];
        for index in 0..all.len() {
            let (start, end) = (all[index].start, all[index].end);
            let beside =
                (index > 0 && all[index - 1].end == start) || all.get(index + 1).is_some_and(|next| next.start == end);
            let around = Around {
                before: text[line_start..start].chars().next_back(),
                after: text[end..].chars().next(),
                mark: text[start..end].chars().next_back().unwrap_or(' '),
                beside,
            };
            all[index].weight = weigh(&around, all[index].decoded);
        }
        if !all.is_empty() {
            lines.push((first..places.len(), places[first..].iter().map(|place| place.weight).sum()));
        }
        line_start += line.len();
    }
    let sure = lines.iter().filter(|(_, weight)| *weight > 0).map(|(_, weight)| weight).sum::<i32>() >= SURE_TEXT;
    let least = if sure { 1 } else { SURE_LINE };
    for (range, _) in lines.into_iter().filter(|(_, weight)| *weight < least) {
        places[range].iter_mut().for_each(|place| place.weight = -1);
    }
    places.retain(|place| place.weight >= 0);
    places
}

fn find(line: &str, line_start: usize, to_byte: ToByte, places: &mut Vec<Place>) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii() {
            at += 1;
            continue;
        }
        match one_character(&line[at..], to_byte) {
            Some((decoded, length)) => {
                let start = line_start + at;
                places.push(Place { start, end: start + length, decoded, weight: 0 });
                at += length;
            }
            None => at += line[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
}

/// Marks that may follow a capital letter or a quoted one.
fn is_closing(character: char) -> bool {
    matches!(character, '»' | '“' | '”' | '’' | '‘' | '…' | '–' | '—' | '›' | '„' | '•' | '·' | '™' | '®' | '\u{a0}')
}

fn weigh_latin(around: &Around, decoded: char) -> i32 {
    let Around { before, after, mark, beside } = *around;
    let closing = is_closing(mark);
    let within_word = before.is_some_and(char::is_alphabetic) && after.is_some_and(char::is_lowercase);
    let after_capital = before.is_some_and(char::is_uppercase) && !beside && !within_word;
    let quoted = before.is_some_and(|before| is_closing(before) || before == '"');
    let doubtful = closing && (after_capital || quoted);
    // The first byte of two is a capital letter in Windows-1252, which no word has in its middle.
    let capital_in_word = before.is_some_and(char::is_lowercase);
    match decoded {
        '\u{a0}'..='\u{17f}' | '\u{218}'..='\u{21b}' if capital_in_word => 4,
        '\u{60c}' | '\u{61b}' | '\u{61f}' => 4,
        // Controls come out of what was garbled twice.
        '\u{80}'..='\u{9f}' => 1,
        // Â and a symbol, Ã and one: the commonest of all.
        '\u{a0}'..='\u{ff}' if doubtful => 0,
        '\u{a0}'..='\u{ff}' if after_capital => 2,
        '\u{a0}'..='\u{ff}' => 4,
        '\u{100}'..='\u{17f}' | '\u{1a0}'..='\u{1b0}' | '\u{218}'..='\u{21b}' => match () {
            // Quotation marks and dashes do not stand before a small letter like this.
            () if after.is_some_and(char::is_lowercase) && (!closing || mark == '™') => 4,
            () if closing => 0,
            () if beside => 3,
            () => 1,
        },
        // What the byte was that was garbled before.
        _ if (decoded as u32) < 0x800 && windows_1252(decoded).is_some() => 2,
        '\u{200b}'..='\u{203a}' | '\u{20ac}' | '\u{2122}' | '\u{fffd}' | '\u{feff}' => 6,
        '\u{1f300}'..='\u{1faff}' | '\u{ff01}'..='\u{ff5e}' | '\u{3000}'..='\u{3011}' => 6,
        '\u{1ea0}'..='\u{1ef9}' => 4,
        '\u{2190}'..='\u{2bff}' => 3,
        // é and a mark or two, as French puts them after it, is an ideograph as well.
        _ if decoded as u32 >= 0x800 && !beside && closing => 0,
        _ if decoded as u32 >= 0x800 => match log_probability(decoded) {
            -9.0.. => 4,
            -11.0.. => 2,
            _ if beside => 0,
            _ => -4,
        },
        // Letters of two bytes: Greek, Cyrillic, Hebrew, Arabic come in runs.
        _ if log_probability(decoded) > -7.0 && beside => 2,
        _ if log_probability(decoded) > -7.0 || beside => 0,
        _ => -4,
    }
}

fn weigh_cyrillic(around: &Around, decoded: char) -> i32 {
    match decoded {
        '\u{2010}'..='\u{2026}' | '\u{2116}' | '\u{2122}' | '\u{fffd}' | '\u{feff}' => 4,
        'а'..='я' | 'ё' | 'і' | 'ї' | 'є' | 'А'..='Я' | 'Ё' if around.beside => 1,
        // «В» and В° are what they say.
        '\u{a0}'..='\u{bf}' | 'А'..='я' => 0,
        _ => -4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin(text: &str) -> String {
        repair(text, false).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn once_and_twice_garbled() {
        assert_eq!(latin("L'Ã©tÃ© est lÃ\u{a0}, dâ€™accord"), "L'été est là, d’accord");
        assert_eq!(latin("cafÃƒÂ©"), "café");
        assert_eq!(latin("ä¸\u{ad}æ–‡"), "中文");
        assert_eq!(repair("РџСЂРёРІРµС‚", true).as_deref(), Some("Привет"));
    }

    #[test]
    fn what_was_meant_stays() {
        for text in ["„Ä“ und Ö…", "CAFÉ…", "répété\u{a0}»", "«IRMû", "Spaß“", "É» – À", "prêt à l’été", "ÃO", "100 Â"]
        {
            assert_eq!(latin(text), text);
        }
        for text in ["группа «В»", "С…", "Рік і Січ", "Рёв мотора"] {
            assert_eq!(repair(text, true), None);
        }
    }
}
