//! Values as Python writes them: chat templates were written for it.

use std::fmt::{self, Write};

use minijinja::Value;
use minijinja::value::ValueKind;

/// Lists and maps within one another that are written; Python, too, stops somewhere.
const DEEPEST: usize = 200;

/// The options of Python's `json.dumps`.
#[derive(Clone, Debug)]
pub struct Json {
    /// Spaces of a level; `None` writes one line.
    pub indent: Option<usize>,
    /// Between items, and after a key.
    pub separators: (String, String),
    /// Whether characters beyond ASCII are escaped.
    pub ensure_ascii: bool,
    /// Whether keys come in order.
    pub sort_keys: bool,
}

impl Json {
    /// `json.dumps(value)` with these options.
    pub fn write(&self, value: &Value) -> Result<String, minijinja::Error> {
        let mut out = String::new();
        self.value(&mut out, value, 0)?;
        Ok(out)
    }

    fn value(&self, out: &mut String, value: &Value, level: usize) -> Result<(), minijinja::Error> {
        check_depth(level)?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => number(out, value, ["NaN", "Infinity", "-Infinity"]),
            ValueKind::String => self.string(out, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item));
                self.items(out, items.collect(), level, ['[', ']'])?;
            }
            ValueKind::Map => {
                let mut items = Vec::new();
                for key in value.try_iter()? {
                    let item = value.get_item(&key)?;
                    let key = match key.kind() {
                        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
                        _ => self.write(&key)?,
                    };
                    items.push((Some(key), item));
                }
                if self.sort_keys {
                    items.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                self.items(out, items, level, ['{', '}'])?;
            }
            kind => {
                let problem = format!("`tojson` cannot write what is {kind}");
                return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, problem));
            }
        }
        Ok(())
    }

    fn items(
        &self,
        out: &mut String,
        items: Vec<(Option<String>, Value)>,
        level: usize,
        [open, close]: [char; 2],
    ) -> Result<(), minijinja::Error> {
        let new_line = |out: &mut String, level: usize| {
            if let Some(indent) = self.indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent * level));
            }
        };
        out.push(open);
        let some = !items.is_empty();
        for (nth, (key, item)) in items.into_iter().enumerate() {
            if nth > 0 {
                out.push_str(&self.separators.0);
            }
            new_line(out, level + 1);
            if let Some(key) = key {
                self.string(out, &key);
                out.push_str(&self.separators.1);
            }
            self.value(out, &item, level + 1)?;
        }
        if some {
            new_line(out, level);
        }
        out.push(close);
        Ok(())
    }

    fn string(&self, out: &mut String, text: &str) {
        out.push('"');
        for char in text.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                _ if char < ' ' || self.ensure_ascii && char > '~' => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        append(out, format_args!("\\u{unit:04x}"));
                    }
                }
                _ => out.push(char),
            }
        }
        out.push('"');
    }
}

/// `str(value)`, what `{{ value }}` prints.
pub fn print(out: &mut String, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) => out.push_str(text),
        None => repr(out, value, 0)?,
    }
    Ok(())
}

/// `repr(value)`.
fn repr(out: &mut String, value: &Value, level: usize) -> Result<(), minijinja::Error> {
    check_depth(level)?;
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => number(out, value, ["nan", "inf", "-inf"]),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            out.push('[');
            for (nth, item) in value.try_iter()?.enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                repr(out, &item, level + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (nth, key) in value.try_iter()?.enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                repr(out, &key, level + 1)?;
                out.push_str(": ");
                repr(out, &value.get_item(&key)?, level + 1)?;
            }
            out.push('}');
        }
        _ => append(out, format_args!("{value}")),
    }
    Ok(())
}

/// Whether a value lies too deep to be written.
fn check_depth(level: usize) -> Result<(), minijinja::Error> {
    if level > DEEPEST {
        let problem = format!("a value of more than {DEEPEST} levels cannot be written");
        return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, problem));
    }
    Ok(())
}

/// A string in quotes, what cannot be printed escaped.
fn quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if char == quote => out.extend(['\\', char]),
            _ if is_printable(char) => out.push(char),
            '\0'..='\u{ff}' => append(out, format_args!("\\x{:02x}", u32::from(char))),
            '\0'..='\u{ffff}' => append(out, format_args!("\\u{:04x}", u32::from(char))),
            _ => append(out, format_args!("\\U{:08x}", u32::from(char))),
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable`: all but controls, formats, surrogates, private and unassigned characters, and all spaces
/// but one. Rust's `escape_debug` has the same classes, but escapes marks, too, unless they follow a letter.
fn is_printable(char: char) -> bool {
    let after_a_letter = ['a', char];
    matches!(char, ' '..='~') || after_a_letter.iter().collect::<String>().escape_debug().count() == 2
}

/// An integer, or the shortest digits that give the float back; `odd` for those that are no numbers.
fn number(out: &mut String, value: &Value, odd: [&str; 3]) {
    if value.is_integer() {
        return append(out, format_args!("{value}"));
    }
    let float = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if !float.is_finite() {
        return out.push_str(odd[if float.is_nan() { 0 } else { 1 + usize::from(float < 0.0) }]);
    }
    // Python writes an exponent below 1e-4 and from 1e16 on.
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        append(out, format_args!("{digits}e{sign}{exponent:0>2}"));
    } else {
        append(out, format_args!("{float:?}"));
    }
}

fn append(out: &mut String, arguments: fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("a string takes every text");
}
