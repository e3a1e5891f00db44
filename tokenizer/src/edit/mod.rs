//! Changing a tokenizer that is there already: its `tokenizer.json`, and what lies beside it.
//!
//! | file | what |
//! |---|---|
//! | `reserved.rs` | a reserved slot becomes a named control token |
//! | `prune.rs` | a smaller vocabulary, by what a corpus uses |
//! | `join.rs` | SentencePiece models put together |
//! | `pass.rs` | that as a step of a run |
//!
//! Going on with a tokenizer is a training ([`TrainTokenizerConfig::extend`](crate::TrainTokenizerConfig)); writing one in another form is in
//! `files/`.

pub(crate) mod join;
mod pass;
mod prune;
mod reserved;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use yuan_pipeline::{Error, Result};

pub use crate::files::{Exported, export_huggingface, export_tiktoken};
pub use join::{Joined, join_models};
pub use pass::{PruneTokenizer, PruneTokenizerConfig};
pub(crate) use prune::rules;
pub use prune::{Pruned, prune};
pub use reserved::{Assignment, assign_reserved, slots};

/// Files beside a `tokenizer.json` that name tokens.
const COMPANIONS: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

pub(crate) fn refuse(path: &Path, problem: impl std::fmt::Display, hint: &str) -> Error {
    Error::Stage {
        stage: "tokenizer".into(),
        problem: format!("`{}` {problem}", path.display()),
        hint: Some(hint.into()),
    }
}

pub(crate) fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| {
        let hint = "name a `tokenizer.json` of Hugging Face `tokenizers`, which a SentencePiece `.model` is not";
        refuse(path, format!("is no JSON: {error}"), hint)
    })
}

/// The companions of a file that are there.
pub(crate) fn companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    let is_named = path.file_name().is_some_and(|name| name == "tokenizer.json");
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    COMPANIONS.into_iter().filter(move |_| is_named).map(move |name| folder.join(name)).filter(|path| path.is_file())
}

/// The vocabulary of a byte-level BPE file.
pub(crate) fn vocabulary<'a>(path: &Path, file: &'a Value) -> Result<&'a Map<String, Value>> {
    let hint = "name a `tokenizer.json` with a model of type BPE";
    if file["model"]["type"].as_str().is_some_and(|kind| kind != "BPE") {
        return Err(refuse(path, format!("has a model of type {}", file["model"]["type"]), hint));
    }
    file["model"]["vocab"].as_object().ok_or_else(|| refuse(path, "has no vocabulary", hint))
}

/// The added tokens: id, content, and whether it is special.
pub(crate) fn added(file: &Value) -> Vec<(u32, String, bool)> {
    let tokens = file["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let token = |token: &Value| {
        let id = token["id"].as_u64().and_then(|id| u32::try_from(id).ok())?;
        Some((id, token["content"].as_str()?.to_owned(), token["special"].as_bool().unwrap_or_default()))
    };
    tokens.iter().filter_map(token).collect()
}
