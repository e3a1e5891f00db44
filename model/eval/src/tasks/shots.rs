//! Examples before the question.

use std::path::{Path, PathBuf};

use crate::data::{Text, prompt_of_driver};
use crate::{Error, Result};

/// What examples are asked for.
#[derive(Clone, Debug, Default)]
pub struct Shots {
    /// So many, instead of the task's own number.
    pub count: Option<usize>,
    /// A file with the very text that stands before each question, `<n>` for newlines; or a driver of Yuan2.0-M32's
    /// (`tasks/*/eval_for_*.py`), whose text is taken out of it.
    pub file: Option<PathBuf>,
}

/// A text before each question, and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// The text; newlines are newlines.
    pub text: String,
    /// Where it comes from; `None` if there are no examples.
    pub source: Option<String>,
}

impl Shots {
    /// So many examples.
    ///
    /// # Errors
    /// If a file of examples is given, which a task of this kind does not take.
    pub(super) fn count(&self, default: usize) -> Result<usize> {
        if let Some(file) = &self.file {
            let problem = format!("this task takes no examples from a file: `{}`", file.display());
            return Err(Error::request(problem, "`--shots-from` is for gsm8k, math and arc-c as M32 has them"));
        }
        Ok(self.count.unwrap_or(default))
    }

    /// Refuses examples, for tasks that have none of their own.
    pub(super) fn none(&self) -> Result<()> {
        match self.count(0)? {
            0 => Ok(()),
            _ => Err(Error::request("this task is asked without examples", "leave `--shots` away, or make it 0")),
        }
    }

    /// M32's examples: `Question:…`, `Answer:…`, and `Question:` for the one that is asked. `pairs` gives so many questions and
    /// answers with where they come from, if no file is named.
    pub(super) fn pairs(
        &self,
        default: usize,
        pairs: impl FnOnce(usize) -> Result<(Vec<(String, String)>, String)>,
    ) -> Result<Examples> {
        if let Some(file) = &self.file {
            return from_file(file);
        }
        let count = self.count.unwrap_or(default);
        if count == 0 {
            return Ok(Examples::default());
        }
        let (pairs, source) = pairs(count)?;
        if pairs.len() < count {
            let problem = format!("{count} examples are asked for, and there are {}: {source}", pairs.len());
            return Err(Error::request(problem, "ask for fewer with `--shots N`"));
        }
        let pair = |(question, answer): &(String, String)| format!("Question:{question}\nAnswer:{answer}\n");
        let text = pairs.iter().map(pair).chain(["Question:".to_owned()]).collect();
        Ok(Examples { text, source: Some(format!("{count} {source}")) })
    }
}

fn from_file(path: &Path) -> Result<Examples> {
    let file = Text::read(path)?;
    let text = match path.extension().is_some_and(|ending| ending == "py") {
        false => file.text.strip_suffix('\n').unwrap_or(&file.text).to_owned(),
        true => prompt_of_driver(&file.text).ok_or_else(|| {
            Error::data(path, None, "it has no line `prompt = '''…'''`: it is no driver with examples")
        })?,
    };
    Ok(Examples { text: text.replace("<n>", "\n"), source: Some(format!("from `{}`", path.display())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_pairs_or_the_text_of_a_file() {
        let pair = |nth: usize| (format!("q{nth}"), format!("a{nth}"));
        let pairs = |count| Ok(((0..count).map(pair).take(3).collect(), "of train".to_owned()));
        let made = Shots::default().pairs(2, pairs).expect("made");
        assert_eq!(made.text, "Question:q0\nAnswer:a0\nQuestion:q1\nAnswer:a1\nQuestion:");
        assert_eq!(made.source.as_deref(), Some("2 of train"));
        let many = Shots { count: Some(5), ..Shots::default() }.pairs(2, pairs).expect_err("too many");
        assert_eq!(many.to_string(), "5 examples are asked for, and there are 3: of train");
        assert_eq!(Shots { count: Some(0), ..Shots::default() }.pairs(2, pairs).expect("none"), Examples::default());
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, driver) = (folder.path().join("a.txt"), folder.path().join("eval.py"));
        std::fs::write(&plain, "Question:1<n>Answer:2<n>Question:\n").expect("written");
        std::fs::write(&driver, "prompt = '''Question:\\\\3<n>Question:'''").expect("written");
        let read = |file: &Path| Shots { file: Some(file.to_path_buf()), ..Shots::default() }.pairs(8, pairs);
        assert_eq!(read(&plain).expect("read").text, "Question:1\nAnswer:2\nQuestion:");
        assert_eq!(read(&driver).expect("read").text, "Question:\\3\nQuestion:");
        std::fs::write(&driver, "pass").expect("written");
        assert!(read(&driver).expect_err("none").to_string().contains("no driver with examples"));
    }
}
