//! One walk over a text that tells whether anything is to be done.

use super::classes::{basic_plane, class};

/// What a text needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The flags of all its characters, of those asked for.
    pub classes: u8,
    /// A line ends in spaces, or blank lines run on.
    pub layout: bool,
    /// U+FFFD stands in it.
    pub replacement: bool,
}

/// How lines are to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub trim_line_ends: bool,
    pub max_blank_lines: usize,
}

/// Sixteen bytes, all of them printable ASCII: the compiler makes vector code of it on every CPU.
fn is_printable(bytes: &[u8; 16]) -> bool {
    bytes.iter().fold(true, |all, byte| all & (byte.wrapping_sub(0x20) < 0x5f))
}

/// Collects the flags in `mask` of all characters, and what the layout needs.
///
/// Cost: printable ASCII goes by sixteen bytes at a time, the main block of Chinese by its lead byte; all else
/// is one look-up a character.
pub(super) fn scan(text: &str, mask: u8, layout: Layout) -> Needs {
    let table = basic_plane();
    let bytes = text.as_bytes();
    let mut needs = Needs::default();
    let mut at = 0;
    // Newlines standing just before `at`.
    let mut newlines = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'\n' => {
                needs.layout |= layout.trim_line_ends && ends_in_space(&bytes[..at]);
                newlines += 1;
                needs.layout |= newlines > layout.max_blank_lines.saturating_add(1);
                at += 1;
                continue;
            }
            b' '..=b'~' => {
                at += 1;
                while let Some(block) = bytes[at..].first_chunk::<16>()
                    && is_printable(block)
                {
                    at += 16;
                }
                while bytes.get(at).is_some_and(|byte| (b' '..=b'~').contains(byte)) {
                    at += 1;
                }
            }
            // U+4000 to U+9FFF: ideographs of three bytes, none of which ever changes.
            0xe4..=0xe9 => {
                at += 3;
                while bytes.get(at).is_some_and(|byte| (0xe4..=0xe9).contains(byte)) {
                    at += 3;
                }
            }
            _ => {
                let character = text[at..].chars().next().expect("`at` is inside the text, on a boundary");
                needs.classes |= class(table, character) & mask;
                needs.replacement |= character == '\u{fffd}';
                at += character.len_utf8();
            }
        }
        newlines = 0;
    }
    needs.layout |= layout.trim_line_ends && ends_in_space(bytes);
    needs
}

/// Whether the text ends in a space, a tab or an ideographic space.
fn ends_in_space(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b' ' | b'\t'] | [.., 0xe3, 0x80, 0x80])
}
