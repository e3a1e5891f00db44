//! Objects as Python prints them: `{'query': "it's", 'answer': None}`.

use serde_json::{Map, Value};

/// How deep values may lie in each other.
const DEEPEST: usize = 64;

/// The value that a whole text is, if it is one.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(DEEPEST)?;
    reader.blank();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, character: char) -> bool {
        self.blank();
        let found = self.rest.strip_prefix(character);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.blank();
        match self.rest.chars().next()? {
            '{' => {
                self.take('{');
                let mut map = Map::new();
                while !self.take('}') {
                    let name = match self.value(depth)? {
                        Value::String(name) => name,
                        other => other.to_string(),
                    };
                    if !self.take(':') {
                        return None;
                    }
                    map.insert(name, self.value(depth)?);
                    if !self.take(',') && !self.rest.starts_with('}') {
                        return None;
                    }
                }
                Some(Value::Object(map))
            }
            open @ ('[' | '(') => {
                self.take(open);
                let close = if open == '[' { ']' } else { ')' };
                let mut values = Vec::new();
                while !self.take(close) {
                    values.push(self.value(depth)?);
                    if !self.take(',') && !self.rest.starts_with(close) {
                        return None;
                    }
                }
                Some(Value::Array(values))
            }
            quote @ ('\'' | '"') => self.string(quote).map(Value::String),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', '}', ']', ')', ':']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.trim() {
            "None" => Some(Value::Null),
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            number => serde_json::from_str(number).ok().filter(Value::is_number),
        }
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest[1..].char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                character if character == quote => {
                    self.rest = &self.rest[at + 2..];
                    return Some(text);
                }
                '\\' => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    code @ ('x' | 'u' | 'U') => {
                        let digits = match code {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let hex: String = characters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                        text.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                    }
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_prints_is_read() {
        let text = r#"{'q': 'it\'s', "a": ["x", 'y\n', None], 'n': -1.5e3, 't': (True, False,), 3: {}, 'u': '\u4e2d'}"#;
        let expected = r#"{"q": "it's", "a": ["x", "y\n", null], "n": -1.5e3, "t": [true, false], "3": {}, "u": "中"}"#;
        assert_eq!(value(text), serde_json::from_str(expected).ok());
    }

    #[test]
    fn anything_else_is_nothing() {
        for text in [
            "",
            "{",
            "{'a'}",
            "{'a': 1} more",
            "'open",
            "{'a': nothing}",
            "['\\",
            &"[".repeat(1000),
            "{'a': '\\ud800'}",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
