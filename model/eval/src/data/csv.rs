//! Comma-separated values as RFC 4180 has them.

/// The rows of a text: fields between commas, in quotes where they hold commas, quotes (doubled) or line ends.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(char) = chars.next() {
        let row = rows.last_mut().expect("there is always a row");
        let field = row.last_mut().expect("a row always has a field");
        match char {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(String::new()),
            '\r' if !is_quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => rows.push(vec![String::new()]),
            other => field.push(other),
        }
    }
    rows.retain(|row| row.iter().any(|field| !field.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_what_would_end_a_field() {
        let text = "id,question\r\n1,\"a, \"\"b\"\"\nc\"\n\n2,d\n3,\n";
        assert_eq!(rows(text), [vec!["id", "question"], vec!["1", "a, \"b\"\nc"], vec!["2", "d"], vec!["3", ""]]);
        assert!(rows("").is_empty() && rows("\n\n").is_empty());
        assert_eq!(rows("a\"b,\"c"), [["a\"b", "c"]], "an open quotation ends with the text");
    }
}
