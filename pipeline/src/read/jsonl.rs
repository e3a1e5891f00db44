//! JSON lines: the text is taken out, everything else is kept as the record's own bytes.

use std::borrow::Cow;

use sonic_rs::JsonValueTrait;

use super::BatchBuilder;
use super::text::invalid_utf8;
use crate::Result;

/// Parses whole lines; blank lines are no documents.
pub(super) fn parse(bytes: &[u8], first_row: u64, builder: &mut BatchBuilder<'_>) -> Result<()> {
    // One check for the block; only a damaged block is checked line by line.
    let valid = simdutf8::basic::from_utf8(bytes).is_ok();
    let mut rest = bytes;
    let mut row = first_row;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        let this = row;
        row += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if line.len() as u64 > builder.input.max_document_bytes {
            builder.oversize(this, line);
            continue;
        }
        if !valid && let Err(error) = std::str::from_utf8(line) {
            builder.bad(this, line, invalid_utf8(&error), false)?;
            continue;
        }
        match find_text(line, &builder.input.text_field) {
            Ok(found) => {
                let (before, rest) = line.split_at(found.start);
                let (token, after) = rest.split_at(found.length);
                let spelling = (!is_canonical(token)).then_some(token);
                builder.push_json(this, &found.text, before, spelling, after)?;
            }
            Err(problem) => builder.bad(this, line, problem.message, problem.field)?,
        }
    }
    Ok(())
}

impl BatchBuilder<'_> {
    /// A record above `max_document_bytes` is set aside whatever `on_bad_record` says.
    pub(super) fn oversize(&mut self, row: u64, bytes: &[u8]) {
        let limit = self.input.max_document_bytes;
        let reason = format!("the record has {} bytes, more than max_document_bytes = {limit}", bytes.len());
        self.bad.push(super::SetAside { row, reason, bytes: bytes.to_vec(), file: None });
    }
}

struct Text<'a> {
    text: Cow<'a, str>,
    /// Where the text's JSON string stands in the record.
    start: usize,
    length: usize,
}

struct Problem {
    message: String,
    field: bool,
}

impl Problem {
    fn json(error: impl std::fmt::Display) -> Self {
        // The parser's messages go on with an excerpt of the record over several lines.
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default().trim_end_matches([':', ' ', '.']).to_owned();
        Self { message: format!("it is not JSON: {first}"), field: false }
    }
}

/// Walks the record's top level once: every value is checked, the text is decoded.
fn find_text<'a>(line: &'a [u8], field: &str) -> Result<Text<'a>, Problem> {
    if line[0] != b'{' {
        let what = if line[0] == b'[' { "an array" } else { "no object" };
        return Err(Problem {
            message: format!("it is not JSON lines: the line is {what}, not `{{…}}`"),
            field: false,
        });
    }
    let mut found: Option<Text<'a>> = None;
    let mut end = 1;
    for entry in sonic_rs::to_object_iter(line) {
        let (key, value) = entry.map_err(Problem::json)?;
        let raw = value.as_raw_str();
        let start = raw.as_ptr() as usize - line.as_ptr() as usize;
        end = start + raw.len();
        if key != field {
            continue;
        }
        if found.is_some() {
            return Err(Problem { message: format!("field `{field}` occurs twice"), field: false });
        }
        if !value.is_str() {
            let kind = kind_of(raw);
            return Err(Problem { message: format!("field `{field}` is {kind}, not a string"), field: true });
        }
        let token = &line[start..end];
        let text = decode(token).map_err(Problem::json)?;
        found = Some(Text { text, start, length: token.len() });
    }
    if line[end..].trim_ascii() != b"}" {
        return Err(Problem {
            message: "it is not JSON: something stands behind the record's end".into(),
            field: false,
        });
    }
    found.ok_or_else(|| Problem { message: format!("it has no field `{field}`"), field: true })
}

fn kind_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        _ => "a number",
    }
}

/// The string of a JSON string token; borrowed where no escape forces a copy.
fn decode(token: &[u8]) -> sonic_rs::Result<Cow<'_, str>> {
    let inner = &token[1..token.len() - 1];
    if memchr::memchr(b'\\', inner).is_none() {
        // SAFETY: the caller checked the record to be UTF-8, and quotes are whole characters.
        return Ok(Cow::Borrowed(unsafe { std::str::from_utf8_unchecked(inner) }));
    }
    sonic_rs::from_slice::<String>(token).map(Cow::Owned)
}

/// Whether [`escape_into`] would spell the string this way: true unless it uses `\/`, or `\u` for what needs none.
fn is_canonical(token: &[u8]) -> bool {
    let mut at = 1;
    while let Some(next) = memchr::memchr(b'\\', &token[at..]) {
        at += next;
        match token[at + 1] {
            b'n' | b't' | b'r' | b'"' | b'\\' | b'b' | b'f' => at += 2,
            b'u' if is_canonical_control(&token[at..]) => at += 6,
            _ => return false,
        }
    }
    true
}

fn is_canonical_control(escape: &[u8]) -> bool {
    let Some(digits) = escape.get(2..6).and_then(|digits| std::str::from_utf8(digits).ok()) else { return false };
    match u32::from_str_radix(digits, 16) {
        Ok(code) if code < 0x20 && !matches!(code, 8 | 9 | 10 | 12 | 13) => digits == format!("{code:04x}"),
        _ => false,
    }
}

/// Appends `text` as a JSON string: UTF-8 as it is, escapes only where JSON asks for them.
pub(crate) fn escape_into(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 16 + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[*byte as usize];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// What follows the backslash for each byte that needs one; `u` for the long form, 0 for none.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: &str) -> String {
        find_text(line.as_bytes(), "text").err().expect("a problem").message
    }

    #[test]
    fn the_text_is_found_wherever_it_stands() {
        for line in [r#"{"text":"a\nb","n":1.50}"#, r#"{ "x" : {"text": 3} , "text" : "a\nb" }"#] {
            let found = find_text(line.as_bytes(), "text").ok().expect("found");
            assert_eq!(found.text, "a\nb");
            assert_eq!(&line[found.start..found.start + found.length], r#""a\nb""#);
        }
    }

    #[test]
    fn what_is_no_document_is_said_exactly() {
        assert_eq!(problem(r#"{"text": 3}"#), "field `text` is a number, not a string");
        assert_eq!(problem(r#"{"body": "x"}"#), "it has no field `text`");
        assert_eq!(problem("{}"), "it has no field `text`");
        assert_eq!(problem(r#"{"text":"a","text":"b"}"#), "field `text` occurs twice");
        assert_eq!(problem("[1]"), "it is not JSON lines: the line is an array, not `{…}`");
        for broken in [
            r#"{"text": "a""#,
            r#"{"text": "a"} x"#,
            r#"{"text": "\ud800"}"#,
            "{\"text\": \"a\u{0}\"}",
            r#"{"text" "a"}"#,
            r#"{"text":"a","n":01}"#,
        ] {
            assert!(problem(broken).starts_with("it is not JSON: "), "{broken}: {}", problem(broken));
        }
    }

    #[test]
    fn our_spelling_is_the_one_serde_json_writes_and_other_spellings_are_told() {
        let text: String = (0..0x250).filter_map(char::from_u32).chain("中文 🙂 </script>".chars()).collect();
        let mut ours = Vec::new();
        escape_into(&text, &mut ours);
        assert_eq!(String::from_utf8(ours.clone()).expect("UTF-8"), serde_json::to_string(&text).expect("JSON"));
        assert!(is_canonical(&ours));
        for other in [r#""\u4e2d""#, r#""a\/b""#, r#""\u000a""#, r#""\u001F""#] {
            assert!(!is_canonical(other.as_bytes()), "{other}");
        }
    }
}
