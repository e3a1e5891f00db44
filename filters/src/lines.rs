//! Lines and paragraphs of a text, by the several definitions that published rules use.

use crate::words::{Classes, SPACE, count};

/// Lines as Python's `str.splitlines` gives them: ended by `\n`, `\r`, `\r\n`, `\v`, `\f`, U+001C–U+001E,
/// U+0085, U+2028 or U+2029; no line after a final end, no line in an empty text.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let has_rare_ends = count(bytes, |byte| matches!(byte, 0x0B | 0x0C | 0x1C..=0x1E)) > 0
        || ["\u{85}", "\u{2028}", "\u{2029}"].iter().any(|end| memchr::memmem::find(bytes, end.as_bytes()).is_some());
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (end, next) = if has_rare_ends {
            any_line_end(rest.as_bytes())
        } else {
            let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
            (end, end + line_end_length(&rest.as_bytes()[end..]))
        };
        let line = &rest[..end];
        rest = &rest[next..];
        Some(line)
    })
}

/// Where the first line ends and where the next begins.
fn any_line_end(bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while at < bytes.len() && line_end_length(&bytes[at..]) == 0 {
        at += 1;
    }
    (at, at + line_end_length(&bytes[at..]))
}

/// Length of the line end that the bytes begin with, 0 if they do not.
fn line_end_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] | [0xC2, 0x85, ..] => 2,
        [b'\n' | b'\r' | 0x0B | 0x0C | 0x1C..=0x1E, ..] => 1,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// The pieces between runs of at least `shortest` newlines, empty ones at either end included: Python's
/// `re.split("\n{shortest,}", text)`. At least one piece.
pub(crate) fn split_at_newlines(text: &str, shortest: usize) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let bytes = current.as_bytes();
        for at in memchr::memchr_iter(b'\n', bytes) {
            let run = bytes[at..].iter().take_while(|&&byte| byte == b'\n').count();
            // A later newline of a run that is too short is too short as well.
            if run >= shortest {
                rest = Some(&current[at + run..]);
                return Some(&current[..at]);
            }
        }
        rest = None;
        Some(current)
    })
}

/// The text without white space at its ends, as Python's `str.strip` takes it off.
pub(crate) fn strip(text: &str) -> &str {
    strip_end(strip_start(text))
}

/// Python's `str.lstrip`.
pub(crate) fn strip_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// Python's `str.rstrip`.
pub(crate) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

fn is_space(character: char) -> bool {
    Classes::get().of(character) & SPACE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of Python 3.11.
    #[test]
    fn lines_end_where_python_ends_them() {
        let text = "a\nb\r\nc\rd\u{b}e\u{c}f\u{1c}g\u{85}h\u{2028}i\u{2029}\n\nj\n";
        let expected = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "", "", "j"];
        assert_eq!(lines(text).collect::<Vec<_>>(), expected);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("\n").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn pieces_lie_between_runs_of_newlines() {
        let pieces = |text, shortest| split_at_newlines(text, shortest).collect::<Vec<_>>();
        assert_eq!(pieces("\na\n\n\nb\nc\n", 1), ["", "a", "b", "c", ""]);
        assert_eq!(pieces("\na\n\n\nb\nc\n\n", 2), ["\na", "b\nc", ""]);
        assert_eq!(pieces("", 1), [""]);
    }

    #[test]
    fn strip_takes_what_python_takes() {
        assert_eq!(strip("\u{1f}\u{a0}\u{3000} a b\u{85}\n"), "a b");
        assert_eq!(strip("\u{200b}a"), "\u{200b}a");
    }
}
