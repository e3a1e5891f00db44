//! Normalisation form C, as `tokenizers` does it: with the tables of the same crate.
//!
//! Most text is normalised already, and most characters are *inert*: nothing that stands before or behind changes
//! them. Only runs of other characters, each with the inert one before it, are normalised at all.

use std::sync::LazyLock;

use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Whether each character below U+10000 is inert, a bit for each: 8 KiB.
static INERT: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let mut bits = vec![0; 0x1_0000 / 64].into_boxed_slice();
    for char in ('\0'..='\u{ffff}').filter(|char| ask_inert(*char)) {
        bits[char as usize / 64] |= 1_u64 << (char as u32 % 64);
    }
    bits
});

/// A starter that is itself in normalised text and never joins the character before it.
fn ask_inert(char: char) -> bool {
    is_nfc_quick(std::iter::once(char)) == IsNormalized::Yes && canonical_combining_class(char) == 0
}

/// A text that normalising changed.
pub(crate) struct Normalized {
    pub text: String,
    /// What was changed, in order: where it is now, and where it was.
    changes: Vec<Change>,
}

struct Change {
    now: std::ops::Range<usize>,
    was: std::ops::Range<usize>,
}

/// The text in form C, if it is not already. O(bytes).
pub(crate) fn nfc(text: &str) -> Option<Normalized> {
    let inert = &**INERT;
    let is_inert = |char: char| match inert.get(char as usize / 64) {
        Some(bits) => bits >> (char as u32 % 64) & 1 == 1,
        None => ask_inert(char),
    };
    let mut normalized = Normalized { text: String::new(), changes: Vec::new() };
    let mut copied = 0;
    let mut base = 0;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char.is_ascii() || is_inert(char) {
            base = at;
            continue;
        }
        let end = chars.find(|(_, char)| is_inert(*char)).map_or(text.len(), |(at, _)| at);
        let run = &text[base..end];
        if !run.chars().eq(run.chars().nfc().map(|(char, _)| char)) {
            normalized.text.push_str(&text[copied..base]);
            let start = normalized.text.len();
            normalized.text.extend(run.chars().nfc().map(|(char, _)| char));
            normalized.changes.push(Change { now: start..normalized.text.len(), was: base..end });
            copied = end;
        }
        base = end;
    }
    if normalized.changes.is_empty() {
        return None;
    }
    normalized.text.push_str(&text[copied..]);
    Some(normalized)
}

impl Normalized {
    /// Where the bytes before this place come from end; inside of what was changed, the end or the start of all of it.
    pub(crate) fn origin(&self, place: usize, is_end: bool) -> usize {
        let next = self.changes.partition_point(|change| change.now.end <= place);
        match self.changes.get(next) {
            Some(change) if place > change.now.start => {
                if is_end {
                    change.was.end
                } else {
                    change.was.start
                }
            }
            _ => match next.checked_sub(1).map(|before| &self.changes[before]) {
                Some(change) => place - change.now.end + change.was.end,
                None => place,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    fn slow(text: &str) -> String {
        text.chars().nfc().map(|(char, _)| char).collect()
    }

    #[test]
    fn only_what_is_not_normal_is_changed() {
        let chars: Vec<char> =
            "ae\u{e9}\u{301}\u{323}\u{30a}\u{212b}中\u{f900}\u{ac00}\u{11a8}\u{1100}\u{1161}か\u{3099}\u{9be}\u{9c7}\u{1d15e} \u{0}\u{1d165}\u{10ffff}"
                .chars()
                .collect();
        let mut state = 3;
        let mut changed = 0;
        for _ in 0..20_000 {
            state = mix(state);
            let length = state % 9;
            let text: String = (0..length)
                .map(|_| {
                    state = mix(state);
                    chars[state as usize % chars.len()]
                })
                .collect();
            let expected = slow(&text);
            match nfc(&text) {
                None => assert_eq!(text, expected),
                Some(normalized) => {
                    changed += 1;
                    assert_eq!(normalized.text, expected, "{text:?}");
                    assert_ne!(text, expected);
                }
            }
        }
        assert!(changed > 1_000);
        for char in '\0'..=char::MAX {
            let text = format!("e{char}\u{301}");
            assert_eq!(nfc(&text).map_or(text.clone(), |normalized| normalized.text), slow(&text), "{char:?}");
        }
    }

    #[test]
    fn places_come_from_where_they_were() {
        // é as two characters: three bytes become two.
        let normalized = nfc("ab e\u{301}cd e\u{301}").unwrap();
        assert_eq!(normalized.text, "ab \u{e9}cd \u{e9}");
        let origins = |is_end| (0..=normalized.text.len()).map(|at| normalized.origin(at, is_end)).collect::<Vec<_>>();
        assert_eq!(origins(false), [0, 1, 2, 3, 3, 6, 7, 8, 9, 9, 12]);
        assert_eq!(origins(true), [0, 1, 2, 3, 6, 6, 7, 8, 9, 12, 12]);
    }
}
