//! A tokenizer to be measured: a file, how it encodes, and what its tokens are.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{Model, ModelKind};

use super::NAME;
use super::tokens::{Token, TokenKind, of_model, of_tokenizer};
use crate::{Scratch, Tokenizer, files};

/// A tokenizer to be measured, by the name it has in the report.
pub struct Subject {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// `byte-level BPE`, `SentencePiece unigram`, ….
    pub(super) kind: String,
    pub(super) fingerprint: String,
    encoder: Encoder,
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

enum Encoder {
    HuggingFace(Box<Tokenizer>),
    SentencePiece(Box<Model>),
}

/// What a thread needs to encode by one subject.
#[derive(Default)]
pub(super) struct SubjectScratch {
    ours: Scratch,
    pieces: yuan_sentencepiece::Scratch,
}

impl Subject {
    /// Loads a `tokenizer.json` or what comes to one (ranks of tiktoken, GGUF), a SentencePiece `.model`, or the one of these that a folder has. Which of the two a file is,
    /// its first byte tells.
    ///
    /// # Errors
    /// If there is no such file, it is neither of these, or it cuts or pads texts.
    pub fn load(name: impl Into<String>, path: impl AsRef<Path>) -> Result<Self> {
        let (name, given) = (name.into(), path.as_ref());
        let path = inside(given)?;
        if !path.exists() {
            return Err(missing(given));
        }
        let bytes = files::load(&path)?;
        let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let (encoder, tokens, kind) = if is_json {
            let tokenizer = Tokenizer::load(&path)?;
            let (tokens, kind) = of_tokenizer(&tokenizer, &bytes)?;
            (Encoder::HuggingFace(Box::new(tokenizer)), tokens, kind)
        } else {
            let model = Model::from_bytes(&bytes).map_err(|problem| Error::Stage {
                stage: NAME.into(),
                problem: format!("`{}` is no tokenizer: {problem}", path.display()),
                hint: Some(KINDS.into()),
            })?;
            let kind = match model.kind() {
                ModelKind::Unigram => "unigram",
                ModelKind::Bpe => "BPE",
                ModelKind::Word => "words",
                ModelKind::Char => "characters",
            };
            let tokens = of_model(&model);
            (Encoder::SentencePiece(Box::new(model)), tokens, format!("SentencePiece {kind}"))
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
        let fingerprint = format!("{:016x}", xxh3_64(&bytes));
        Ok(Self { name, path: given.to_path_buf(), kind, fingerprint, encoder, tokens, size, marks })
    }

    /// Its name in the report.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokens of a text in the place of those in `ids`. What looks like a control token in a text is text.
    ///
    /// # Errors
    /// If the model cannot encode it.
    pub(super) fn encode(&self, text: &str, scratch: &mut SubjectScratch, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        match &self.encoder {
            Encoder::HuggingFace(tokenizer) => tokenizer.encode_into(text, &mut scratch.ours, ids),
            Encoder::SentencePiece(model) => {
                model.encode_ids(text, &mut scratch.pieces, ids);
                Ok(())
            }
        }
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

fn missing(path: &Path) -> Error {
    let what = if path.is_dir() { "has neither `tokenizer.json` nor `tokenizer.model`" } else { "is not there" };
    Error::Stage { stage: NAME.into(), problem: format!("`{}` {what}", path.display()), hint: Some(KINDS.into()) }
}
