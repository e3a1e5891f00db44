//! Where chat templates lie, and the special tokens they are given: in a model's folder, or in the metadata of a GGUF file.
//!
//! As in transformers 5.23: `chat_template.jinja` goes before `chat_template` of `tokenizer_config.json`; tokens are those of
//! `tokenizer_config.json`, and those of `special_tokens_map.json` in its place where it has no `added_tokens_decoder`.

use std::path::Path;

use serde_json::{Map, Value as JsonValue};
use yuan_gguf::{Header, Value};

use super::ChatTemplate;
use crate::config::{folder_of, gguf_header, text};
use crate::{Error, Result, bundled, tokenizer_of};

/// Special tokens of GGUF files, and what templates call them. The fourth is spelt so by llama.cpp.
const GGUF_TOKENS: [(&str, &str); 6] = [
    ("bos", "bos_token"),
    ("eos", "eos_token"),
    ("unknown", "unk_token"),
    ("seperator", "sep_token"),
    ("padding", "pad_token"),
    ("mask", "mask_token"),
];

impl ChatTemplate {
    /// The template that lies with a model, which is a folder, a file of weights in one, or a GGUF file; or with a
    /// tokenizer's file. Its special tokens are known to it. `None` if there is no template.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be, or a template that is no Jinja: the file is named.
    pub fn of(model: &Path) -> Result<Option<Self>> {
        if let Some(file) = tokenizer_of(model).filter(|path| path.extension().is_some_and(|it| it == "gguf")) {
            return Self::from_gguf(&gguf_header(&file)?, &file);
        }
        let folder = folder_of(model);
        let (jinja, path) = (folder.join("chat_template.jinja"), folder.join("tokenizer_config.json"));
        let config = object(&path)?;
        let template = if bundled::exists(&jinja) {
            let read = Self::read(&text(&jinja)?);
            Some(read.map_err(|problem| Error::malformed(&jinja, format!("the chat template {problem}")))?)
        } else {
            of_config(&config, &path)?
        };
        let Some(template) = template else { return Ok(None) };
        let mut template = template.with_tokens(&config);
        if !config.contains_key("added_tokens_decoder") {
            template = template.with_tokens(&object(&folder.join("special_tokens_map.json"))?);
        }
        Ok(Some(template))
    }

    /// Reads `chat_template` of a `tokenizer_config.json`, and its special tokens; `None` if it has no template. Of
    /// several templates, the one named "default", or the only one.
    ///
    /// # Errors
    /// Text that is no JSON object; a `chat_template` that is neither a string nor a list of named ones, or has none by
    /// that name; a template that is no Jinja. `path` is named.
    pub fn from_tokenizer_config(json: &str, path: &Path) -> Result<Option<Self>> {
        let config = parse(json, path)?;
        Ok(of_config(&config, path)?.map(|template| template.with_tokens(&config)))
    }

    /// Reads `tokenizer.chat_template` of a GGUF file's metadata, and the special tokens; `None` if it has no template.
    ///
    /// # Errors
    /// A template that is no text or no Jinja. `path` is named.
    pub fn from_gguf(header: &Header, path: &Path) -> Result<Option<Self>> {
        const KEY: &str = "tokenizer.chat_template";
        let Some(source) = header.get(KEY) else { return Ok(None) };
        let source = source.as_str().ok_or_else(|| Error::config(path, KEY, "is no text"))?;
        let mut template = Self::read(source).map_err(|problem| Error::config(path, KEY, problem))?;
        let tokens = header.get("tokenizer.ggml.tokens").and_then(Value::as_strings).unwrap_or_default();
        for (role, name) in GGUF_TOKENS {
            let id = header.get(&format!("tokenizer.ggml.{role}_token_id")).and_then(Value::as_u64);
            let token = id.and_then(|id| tokens.get(usize::try_from(id).ok()?));
            if let Some(token) = token {
                template = template.with_token(name, token);
            }
        }
        Ok(Some(template))
    }

    /// With the special tokens of a file of Hugging Face's: the token itself, or an object that tells how it is added.
    fn with_tokens(mut self, file: &Map<String, JsonValue>) -> Self {
        for (name, token) in file.iter().filter(|(name, _)| name.ends_with("_token")) {
            if let Some(token) = token.as_str().or_else(|| token["content"].as_str()) {
                self = self.with_token(name, token);
            }
        }
        self
    }
}

/// The template of a `tokenizer_config.json`, without tokens.
fn of_config(config: &Map<String, JsonValue>, path: &Path) -> Result<Option<ChatTemplate>> {
    let wrong = |problem: String| Error::config(path, "chat_template", problem);
    let source = match config.get("chat_template") {
        None | Some(JsonValue::Null) => return Ok(None),
        Some(JsonValue::String(source)) => source,
        Some(JsonValue::Array(templates)) => {
            let wanted = |template: &&JsonValue| templates.len() == 1 || template["name"] == "default";
            match templates.iter().find(wanted).map(|template| &template["template"]) {
                Some(JsonValue::String(source)) => source,
                _ => return Err(wrong("names no template \"default\"".into())),
            }
        }
        Some(_) => return Err(wrong("is neither a string nor a list of templates".into())),
    };
    ChatTemplate::read(source).map(Some).map_err(wrong)
}

/// The object in a JSON file; an empty one if there is no file.
fn object(path: &Path) -> Result<Map<String, JsonValue>> {
    if bundled::exists(path) { parse(&text(path)?, path) } else { Ok(Map::new()) }
}

fn parse(json: &str, path: &Path) -> Result<Map<String, JsonValue>> {
    serde_json::from_str(json).map_err(|error| Error::malformed(path, format!("it is no JSON object: {error}")))
}
