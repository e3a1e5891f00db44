//! The little of Python's syntax that published sets are written in.

use std::str::Chars;

/// The strings of a dict of strings, `{'query': '…', 'ans1': "…"}`, in order; `None` if it is something else.
pub fn literal_map(text: &str) -> Option<Vec<(String, String)>> {
    let mut chars = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim().chars();
    let mut pairs = Vec::new();
    while !chars.as_str().is_empty() {
        let key = string(&mut chars)?;
        chars = chars.as_str().trim_start().strip_prefix(':')?.trim_start().chars();
        let value = string(&mut chars)?;
        pairs.push((key, value));
        let rest = chars.as_str().trim_start();
        chars = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start().chars(),
            None if rest.is_empty() => break,
            None => return None,
        };
    }
    Some(pairs)
}

/// A string in single or double quotes.
fn string(chars: &mut Chars<'_>) -> Option<String> {
    let quote = chars.next().filter(|quote| "'\"".contains(*quote))?;
    let mut out = String::new();
    loop {
        match chars.next()? {
            end if end == quote => return Some(out),
            '\\' => escaped(chars, &mut out)?,
            other => out.push(other),
        }
    }
}

/// What follows a backslash.
fn escaped(chars: &mut Chars<'_>, out: &mut String) -> Option<()> {
    match chars.next()? {
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        same @ ('\\' | '\'' | '"') => out.push(same),
        '\n' => {}
        kind @ ('x' | 'u' | 'U') => {
            let length = match kind {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let digits = chars.as_str().get(..length)?;
            out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            *chars = chars.as_str()[length..].chars();
        }
        // Python leaves what it does not know.
        other => out.extend(['\\', other]),
    }
    Some(())
}

/// The examples in a driver of Yuan2.0-M32 (`tasks/GSM8K/eval_for_gsm8k.py`…): the string in three quotes that it puts before each
/// question; `None` if there is none.
pub fn prompt_of_driver(text: &str) -> Option<String> {
    let (_, behind) = text.split_once("prompt = '''")?;
    let (inside, _) = behind.split_once("'''")?;
    let mut chars = inside.chars();
    let mut out = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => escaped(&mut chars, &mut out)?,
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dicts_of_strings_are_read_and_nothing_else() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let read = literal_map(r#"{'query': 'it\'s "so"', 'ans1': "d'e", 'ans2': 'a\\b\n\u4e2d\q'}"#);
        assert_eq!(read, Some(vec![pair("query", "it's \"so\""), pair("ans1", "d'e"), pair("ans2", "a\\b\n中\\q")]));
        assert_eq!(literal_map("{}"), Some(vec![]));
        for odd in ["", "{'a'}", "{'a': 1}", "{'a': 'b' 'c': 'd'}", "{'a': 'b", "['a']", r"{'a': '\u12'}"] {
            assert_eq!(literal_map(odd), None, "{odd}");
        }
        let driver = "x = 1\nprompt = '''Question:1\\\\2<n>Answer:3<n>Question:'''\nline = prompt";
        assert_eq!(prompt_of_driver(driver).as_deref(), Some("Question:1\\2<n>Answer:3<n>Question:"));
        assert_eq!(prompt_of_driver("prompt = ''"), None);
    }
}
