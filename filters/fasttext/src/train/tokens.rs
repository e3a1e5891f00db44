//! From an example to its tokens, labels with their prefix.

use super::source::Example;
use crate::tokens::{END_OF_LINE, is_separator, next_token, next_word};
use crate::{Error, Result};

/// Gives an example's tokens in order, labels first where they come apart from the text, and an `</s>` behind each line.
///
/// A reader keeps the memory that it needs to put a prefix before a label.
#[derive(Clone, Debug)]
pub(super) struct TokenReader {
    prefix: Vec<u8>,
    label: Vec<u8>,
    /// Examples seen so far, for messages.
    examples: u64,
}

impl TokenReader {
    pub(super) fn new(prefix: &[u8]) -> Self {
        TokenReader { prefix: prefix.to_vec(), label: Vec::new(), examples: 0 }
    }

    /// Gives the tokens of `example` to `visit`, each with the example's weight.
    ///
    /// # Errors
    /// [`Error::Example`] for an empty label, one with white space, and a weight that is negative or no number; what `visit` gives.
    pub(super) fn read(&mut self, example: Example<'_>, mut visit: impl FnMut(&[u8], f32) -> Result<()>) -> Result<()> {
        self.examples += 1;
        match example {
            Example::Line(mut line) => {
                while let Some(token) = next_token(&mut line) {
                    visit(token, 1.0)?;
                }
                Ok(())
            }
            Example::Labelled { labels, text, weight } => {
                let mut text = text.as_bytes();
                if !(weight >= 0.0 && weight.is_finite()) {
                    return self.refuse(format!("its weight is {weight}; weights are numbers from 0 up"));
                }
                for label in labels {
                    visit(self.prefixed(label)?, weight)?;
                }
                while let Some(token) = next_word(&mut text) {
                    if token == END_OF_LINE {
                        break;
                    }
                    if !token.starts_with(&self.prefix) {
                        visit(token, weight)?;
                    }
                }
                visit(END_OF_LINE, weight)
            }
        }
    }

    /// The label with its prefix.
    fn prefixed(&mut self, label: &str) -> Result<&[u8]> {
        let bytes = label.as_bytes();
        let name = bytes.strip_prefix(self.prefix.as_slice()).unwrap_or(bytes);
        if name.is_empty() {
            return self.refuse("one of its labels is empty; name it or leave the label out".into());
        }
        if name.iter().any(|&byte| is_separator(byte)) {
            return self.refuse(format!("its label `{label}` has white space; write `_` in its place"));
        }
        self.label.clear();
        self.label.extend_from_slice(&self.prefix);
        self.label.extend_from_slice(name);
        Ok(&self.label)
    }

    fn refuse<T>(&self, problem: String) -> Result<T> {
        Err(Error::Example { number: self.examples, problem })
    }
}
