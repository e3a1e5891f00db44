//! What a model wrote, as the published drivers put it into their files.

/// Newlines as `<n>`, runs of them shortened by three passes that each halve: sixteen and more leave two.
pub fn collapse_newlines(text: &str) -> String {
    let mut text = text.replace('\n', "<n>");
    for _ in 0..3 {
        text = text.replace("<n><n>", "<n>");
    }
    text
}

/// Without `<n>`s at its end, and the white space about them.
pub fn without_last_newlines(text: &str) -> &str {
    let mut rest = text;
    while let Some(shorter) = rest.trim_end().strip_suffix("<n>") {
        rest = shorter.trim_end();
    }
    rest
}

/// The line of a file of results: prompt and text. `ended` says whether the text ended with `<eod>`; its last five characters are
/// cut off either way, as the drivers do, so a text that ran into the greatest length loses five of its own.
pub fn record(prompt: &str, text: &str, ended: bool) -> String {
    let mut whole = [prompt, text].concat();
    if whole.starts_with(' ') {
        whole.remove(0);
    }
    if !ended {
        let end = whole.char_indices().rev().nth(4).map_or(0, |(at, _)| at);
        whole.truncate(end);
    }
    let whole = whole.trim().replace("<pad>", "").replace("<eod>", "").replace("<sep>", "[SEP]");
    collapse_newlines(&whole).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_with_the_question_before_the_answer() {
        assert_eq!(record(" 1+1?\nsay<sep>", "2\n\nyes.", true), "1+1?<n>say[SEP]2<n>yes.");
        assert_eq!(record("q<sep>", "the answer 是42吗？", false), "q[SEP]the answer", "five characters are lost");
        assert_eq!(record("q", "", false), "");
        assert_eq!(without_last_newlines("a<n>b <n> <n>"), "a<n>b");
        assert_eq!(without_last_newlines("a "), "a ");
    }
}
