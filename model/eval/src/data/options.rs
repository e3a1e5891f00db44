//! Questions that list their options, `question<n>A.x<n>B.y`.

/// A question and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What stands before the options.
    pub question: String,
    /// The options without their letters, A first.
    pub options: Vec<String>,
}

/// Cuts a question into what is asked and what may be answered; `None` if no options are listed. `<n>` becomes a newline.
pub fn split_options(text: &str) -> Option<Options> {
    let (question, mut rest) = text.split_once("<n>A.")?;
    let mut options = Vec::new();
    for letter in 'B'..='Z' {
        match rest.split_once(&format!("<n>{letter}.")) {
            Some((option, behind)) => {
                options.push(option);
                rest = behind;
            }
            None => break,
        }
    }
    options.push(rest);
    let plain = |text: &str| text.replace("<n>", "\n").trim().to_owned();
    Some(Options { question: plain(question), options: options.into_iter().map(plain).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_in_turn() {
        let cut = split_options("Which? A.<n>Say.<n>A.one<n>B. two<n>C.see D.<n>").expect("options");
        assert_eq!(
            (cut.question.as_str(), cut.options),
            ("Which? A.\nSay.", vec!["one".into(), "two".into(), "see D.".into()])
        );
        assert_eq!(split_options("no options"), None);
    }
}
