//! Answers that stand by themselves in a text: "16" is not in "160", nor in "16.5".

/// How often `word` stands in `text`, without overlap, where the characters beside it are admitted; `None` is the text's end.
pub(super) fn count(
    text: &str,
    word: &str,
    before: impl Fn(Option<char>) -> bool,
    after: impl Fn(Option<char>) -> bool,
) -> usize {
    if word.is_empty() {
        return 0;
    }
    let (mut at, mut found) = (0, 0);
    while let Some(start) = text[at..].find(word).map(|start| at + start) {
        let end = start + word.len();
        if before(text[..start].chars().next_back()) && after(text[end..].chars().next()) {
            found += 1;
            at = end;
        } else {
            at = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// Neither a digit nor one of these; an end of the text will do.
pub(super) fn none_of(others: &'static str) -> impl Fn(Option<char>) -> bool {
    move |char| char.is_none_or(|char| !is_digit(char) && !others.contains(char))
}

/// A character that is neither a digit nor one of these.
pub(super) fn some_but(others: &'static str) -> impl Fn(Option<char>) -> bool {
    move |char| char.is_some_and(|char| !is_digit(char) && !others.contains(char))
}

/// A decimal digit of any script that has come up in answers.
pub(super) fn is_digit(char: char) -> bool {
    char.is_ascii_digit() || ('\u{ff10}'..='\u{ff19}').contains(&char) || (!char.is_ascii() && is_other_digit(char))
}

/// Digits of the scripts between Arabic and Thai, which stand in tens.
fn is_other_digit(char: char) -> bool {
    const FIRST: [u32; 12] = [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xe50];
    FIRST.iter().any(|first| (*first..first + 10).contains(&(char as u32)))
}

/// The number a string spells as Python's `float` reads it; full-width digits are digits.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = |char: char| match char {
        '\u{ff10}'..='\u{ff19}' => char::from(b'0' + (char as u32 - 0xff10) as u8),
        other => other,
    };
    text.trim().chars().map(plain).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_by_itself_or_not_at_all() {
        let stands = |text| count(text, "16", none_of("."), none_of("."));
        assert_eq!([stands("16"), stands("160"), stands("a16b16"), stands("16.5"), stands("116 16")], [1, 0, 2, 0, 1]);
        assert_eq!(count("16", "16", some_but(""), none_of("")), 0, "nothing stands before it");
        assert_eq!((number("１６"), number("3/4"), number(" -2.50")), (Some(16.0), None, Some(-2.5)));
    }
}
