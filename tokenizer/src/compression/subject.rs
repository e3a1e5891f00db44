//! A tokenizer to be measured: a file, how it encodes, and what its tokens are.

use std::path::{Path, PathBuf};

use yuan_pipeline::{Error, Result};

use super::NAME;
use super::tokens::{Token, TokenKind, of_pieces, of_tokenizer};
use crate::{Scratch, Tokenizer, files};

/// A tokenizer to be measured, by the name it has in the report.
pub struct Subject {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// `byte-level BPE`, `SentencePiece unigram`, ….
    pub(super) kind: String,
    pub(super) tokenizer: Tokenizer,
    /// In the order of their ids.
    pub(super) tokens: Vec<Token>,
    /// One more than the largest id.
    pub(super) size: u32,
    /// By id: one byte of a character of several, or the unknown token.
    pub(super) marks: Vec<Mark>,
}

/// What is counted of a token beside that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    #[default]
    None,
    Fallback,
    Unknown,
}

impl Subject {
    /// Loads whatever [`Tokenizer::load`] does, or the file of these that a folder has.
    ///
    /// # Errors
    /// If there is no such file, it is neither of these, or it cuts or pads texts.
    pub fn load(name: impl Into<String>, path: impl AsRef<Path>) -> Result<Self> {
        let (name, given) = (name.into(), path.as_ref());
        let path = inside(given)?;
        let tokenizer = Tokenizer::load(&path).map_err(|error| as_subject(error, &path, given))?;
        let (tokens, kind) = match tokenizer.sentencepiece() {
            Some(pieces) => (of_pieces(pieces), pieces.kind().to_owned()),
            None => of_tokenizer(&tokenizer, &files::load(&path)?)?,
        };
        let size = tokens.last().map_or(0, |token| token.id + 1);
        let mut marks = vec![Mark::None; size as usize];
        for token in &tokens {
            marks[token.id as usize] = match token.kind {
                TokenKind::Unknown => Mark::Unknown,
                _ if token.is_fallback() => Mark::Fallback,
                _ => Mark::None,
            };
        }
        Ok(Self { name, path: given.to_path_buf(), kind, tokenizer, tokens, size, marks })
    }

    /// Its name in the report.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokens of a text in the place of those in `ids`. What looks like a control token in a text is text.
    ///
    /// # Errors
    /// If the model cannot encode it.
    pub(super) fn encode(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        self.tokenizer.encode_into(text, scratch, ids)
    }
}

/// What a tokenizer may be.
const KINDS: &str =
    "name a `tokenizer.json` of Hugging Face `tokenizers` or a SentencePiece `.model`, or a folder with one";

/// The tokenizer in a folder, or the file itself.
fn inside(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let files = ["tokenizer.json", "tokenizer.model"].map(|name| path.join(name));
    files.into_iter().find(|file| file.is_file()).ok_or_else(|| missing(path))
}

/// An error of loading in the words of a report.
fn as_subject(error: Error, path: &Path, given: &Path) -> Error {
    match error {
        Error::Stage { .. } if !path.exists() => missing(given),
        Error::Stage { problem, .. } => Error::Stage { stage: NAME.into(), problem, hint: Some(KINDS.into()) },
        other => other,
    }
}

fn missing(path: &Path) -> Error {
    let what = if path.is_dir() { "has neither `tokenizer.json` nor `tokenizer.model`" } else { "is not there" };
    Error::Stage { stage: NAME.into(), problem: format!("`{}` {what}", path.display()), hint: Some(KINDS.into()) }
}
