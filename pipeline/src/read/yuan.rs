//! Lines as Yuan 2.0's `tools/preprocess_data_yuan.py` reads them (IEIT-Yuan/Yuan-2.0 and Yuan2.0-M32, the same file in both).
//!
//! In this order: bytes that are no UTF-8 are dropped; `\n`, `\r\n` and a lone `\r` end a line; one `<n>` at its front goes; white space
//! at both ends goes; each `<n>` is a newline; each `▃` goes; `[SEP]` is `<sep>`; and what is nothing but newlines is no document. As
//! markers are looked for one after the other, `[S▃EP]` is a separator and `<▃n>` no newline. One scan for each marker, copies
//! only where there is one.

use memchr::memmem::Finder;

use super::BatchBuilder;
use super::text::split_lines;
use crate::Result;

/// The documents of whole lines.
pub(super) fn parse(bytes: &[u8], first_row: u64, builder: &mut BatchBuilder<'_>) -> Result<()> {
    let mut lines = Lines::default();
    let mut decoded = String::new();
    // The original decodes before it looks for line ends. That is the same: no broken character holds a line end, and a line
    // end that only appears when bytes between `\r` and `\n` go is one more blank line here, which is no document either.
    for (row, line) in (first_row..).zip(split_lines(bytes, true)) {
        if line.len() as u64 > builder.input.max_document_bytes {
            builder.oversize(row, line);
            continue;
        }
        let line = match std::str::from_utf8(line) {
            Ok(line) => line,
            Err(_) => {
                decoded.clear();
                for chunk in line.utf8_chunks() {
                    decoded.push_str(chunk.valid());
                    builder.passed_over.undecodable_bytes += chunk.invalid().len() as u64;
                }
                &decoded
            }
        };
        match lines.document(line) {
            Some(text) => builder.push(row, text)?,
            None => builder.passed_over.blank_lines += 1,
        }
    }
    Ok(())
}

/// What the markers are found with, and texts being changed.
struct Lines {
    newline: Replacement,
    block: Replacement,
    separator: Replacement,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            newline: Replacement::new(NEWLINE, "\n"),
            block: Replacement::new("▃", ""),
            separator: Replacement::new("[SEP]", "<sep>"),
        }
    }
}

/// How a sample's line spells a newline.
const NEWLINE: &str = "<n>";

impl Lines {
    /// The document of a line, whose end is cut off; `None` if there is none.
    fn document<'t>(&'t mut self, line: &'t str) -> Option<&'t str> {
        let line = line.strip_prefix(NEWLINE).unwrap_or(line).trim_matches(is_white_space);
        let text = self.separator.all(self.block.all(self.newline.all(line)));
        text.bytes().any(|byte| byte != b'\n').then_some(text)
    }
}

/// What Python's `str.strip` takes for white space: Unicode's, and four control characters that separate records.
fn is_white_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

struct Replacement {
    marker: Finder<'static>,
    by: &'static str,
    changed: String,
}

impl Replacement {
    fn new(marker: &'static str, by: &'static str) -> Self {
        Self { marker: Finder::new(marker), by, changed: String::new() }
    }

    /// The text with every marker replaced, from left to right.
    fn all<'t>(&'t mut self, text: &'t str) -> &'t str {
        let mut found = self.marker.find_iter(text.as_bytes()).peekable();
        if found.peek().is_none() {
            return text;
        }
        self.changed.clear();
        let mut done = 0;
        for at in found {
            self.changed.push_str(&text[done..at]);
            self.changed.push_str(self.by);
            done = at + self.marker.needle().len();
        }
        self.changed.push_str(&text[done..]);
        &self.changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Format, Input, Shard};
    use crate::read::{self, PassedOver, Start};

    #[test]
    fn each_rule_in_its_place() {
        let mut lines = Lines::default();
        let mut of = |line: &str| lines.document(line).map(str::to_owned);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("<n>a<n>b"), some("a\nb"), "one marker at the front goes");
        assert_eq!(of("<n><n>a"), some("\na"), "no more than one");
        assert_eq!(of(" <n>a<n> "), some("\na\n"), "white space goes before markers are newlines");
        assert_eq!(of("\u{1c}\u{2028}\u{85}\u{3000}a\u{1f}"), some("a"));
        assert_eq!(of("\u{feff}a\u{200b}"), some("\u{feff}a\u{200b}"), "neither is white space");
        assert_eq!(of("a\u{2028}b\u{85}c\u{b}d"), some("a\u{2028}b\u{85}c\u{b}d"), "none of them ends a line");
        assert_eq!(of("[S▃EP]<▃n>"), some("<sep><n>"));
        assert_eq!(of("[SEP<n>]"), some("[SEP\n]"));
        for nothing in ["", "<n>", "<n> <n>", "<n><n><n>", "▃", " \t", "<n>▃<n>"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(of("▃ ▃"), some(" "), "what is left of it is no newline");
    }

    /// Every way to end a line, in units of every size: the same documents with the same numbers.
    #[test]
    fn units_are_cut_at_any_line_end() {
        let bytes = b"a\rb\r\nc\n\r\r\n\n\rd\xff\xe4\xb8\r\n\xe4\xb8\nlong line\r\r\re\r";
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part");
        std::fs::write(&path, bytes).expect("written");
        let read = |unit_bytes: u64, max_document_bytes: u64| {
            let input = Input { unit_bytes, max_document_bytes, ..Input::default() };
            let shard =
                Shard { path: path.clone(), format: Format::YuanPreprocess, bytes: bytes.len() as u64, fingerprint: 0 };
            let mut reader =
                read::open(&shard, 0, &input, Start::default(), Some(folder.path().join("large"))).expect("open");
            let (mut found, mut bad, mut over, mut units) = (Vec::new(), Vec::new(), PassedOver::default(), 0);
            while let Some(unit) = reader.next_unit().expect("a unit") {
                units += 1;
                let of_unit = read::batches(&unit, &shard, &input, &mut bad, &mut |batch| {
                    found.extend(batch.documents().map(|document| (document.doc_id(), document.text().to_owned())));
                    Ok(())
                });
                let of_unit = of_unit.expect("documents");
                over.blank_lines += of_unit.blank_lines;
                over.undecodable_bytes += of_unit.undecodable_bytes;
                bad.extend(unit.set_aside);
            }
            (found, over, bad.len(), units)
        };
        let (found, over, bad, units) = read(1 << 20, 1 << 20);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c", "d", "long line", "e"]);
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 1, 2, 7, 9, 12]);
        assert_eq!((over, bad, units), (PassedOver { blank_lines: 7, undecodable_bytes: 5 }, 0, 1));
        for unit_bytes in 1..20 {
            let cut = read(unit_bytes, 1 << 20);
            assert_eq!((&cut.0, cut.1, cut.2), (&found, over, 0), "units of {unit_bytes} bytes");
            assert!(cut.3 > 1, "units of {unit_bytes} bytes");
        }
        let large = read(1, 5);
        let texts: Vec<&str> = large.0.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!((texts, large.2), (vec!["a", "b", "c", "d", "e"], 1));
    }
}
