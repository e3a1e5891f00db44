//! What lies beside a `.model`: files of `transformers` that name control tokens and add others.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{Model, PieceKind};

use crate::encode::added::AddedToken;

/// Roles of control tokens, in the order in which `transformers` gives ids.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
const MORE_ROLES: &str = "additional_special_tokens";

/// The files' contents; nothing where there is no file.
pub(super) struct Companions {
    /// `tokenizer_config.json`.
    config: Map<String, Value>,
    /// `special_tokens_map.json`.
    map: Map<String, Value>,
    /// `added_tokens.json`.
    added: Map<String, Value>,
    /// Whether there is any.
    pub any: bool,
    /// Whether only the first part of a text has a space put in front.
    pub prefixes_once: bool,
}

impl Companions {
    /// The files in the folder of a model.
    ///
    /// # Errors
    /// If one cannot be read or is no JSON object.
    pub(super) fn beside(path: &Path) -> Result<Self> {
        let mut any = false;
        let mut read = |name: &str| {
            let path = path.with_file_name(name);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
                Err(error) => return Err(Error::io("read", &path)(error)),
            };
            any = true;
            serde_json::from_slice(&bytes).map_err(|problem| Error::Stage {
                stage: "tokenize".into(),
                problem: format!("`{}`, which lies beside a `.model`, is no JSON object: {problem}", path.display()),
                hint: Some("repair it, or put the model into a folder of its own".into()),
            })
        };
        let config: Map<String, Value> = read("tokenizer_config.json")?;
        let map = read("special_tokens_map.json")?;
        let added = read("added_tokens.json")?;
        Ok(Self { prefixes_once: config.get("legacy") == Some(&Value::Bool(false)), config, map, added, any })
    }

    /// The same, with another token at the end of a text and more control tokens than the files name, whatever they say.
    pub(super) fn with_control_tokens(mut self, eos: &str, more: &[&str]) -> Self {
        let listed = self.map.get(MORE_ROLES).or_else(|| self.config.get(MORE_ROLES)).and_then(Value::as_array);
        let named = more.iter().map(|token| Value::from(*token));
        let all = listed.into_iter().flatten().cloned().chain(named).collect();
        self.map.insert("eos_token".into(), eos.into());
        self.map.insert(MORE_ROLES.into(), Value::Array(all));
        self.any = true;
        self
    }

    /// Control tokens and added tokens by id.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn named(&self, model: &Model) -> std::result::Result<BTreeMap<u32, AddedToken>, String> {
        let mut named = Named { model, tokens: BTreeMap::new(), waiting: Vec::new() };
        for (token, id) in &self.added {
            let id = number(id).ok_or_else(|| format!("`added_tokens.json` has no id for `{token}`, but {id}"))?;
            named.add(plain(token, false), Some(id))?;
        }
        let decoder = self.config.get("added_tokens_decoder").and_then(Value::as_object);
        let mut listed: Vec<(u32, AddedToken)> = Vec::new();
        for (id, token) in decoder.into_iter().flatten() {
            let token = token_of(token).zip(id.parse().ok());
            let (token, id) =
                token.ok_or_else(|| format!("`added_tokens_decoder` has an entry `{id}` that is none"))?;
            listed.push((id, token));
        }
        listed.sort_by_key(|(id, _)| *id);
        for (id, token) in listed {
            named.add(token, Some(id))?;
        }
        // The map is read after the configuration, and wins.
        let role = |role: &str| self.map.get(role).filter(|token| !token.is_null()).or_else(|| self.config.get(role));
        let mut found = Vec::new();
        // Control pieces of the model whose role another token has: texts may spell them.
        let mut displaced = Vec::new();
        for name in ROLES {
            let own = match name {
                "bos_token" => piece_of(model, model.bos_id()),
                "eos_token" => piece_of(model, model.eos_id()),
                "unk_token" => piece_of(model, model.unknown_id()),
                "pad_token" => piece_of(model, model.pad_id()),
                _ => None,
            };
            match role(name).and_then(token_of) {
                Some(token) => {
                    displaced.extend(own.filter(|own| own.content != token.content).map(|own| own.content));
                    found.push(token);
                }
                None => found.extend(own),
            }
        }
        found.extend(role(MORE_ROLES).and_then(Value::as_array).into_iter().flatten().filter_map(token_of));
        let controls = (0..model.vocab_size() as u32).filter(|id| model.piece_kind(*id) == Some(PieceKind::Control));
        let controls = controls.filter_map(|id| piece_of(model, Some(id)));
        found.extend(controls.filter(|control| !displaced.contains(&control.content)));
        for token in found {
            named.add(AddedToken { special: true, ..token }, None)?;
        }
        named.finish()
    }
}

/// Tokens that get ids.
struct Named<'m> {
    model: &'m Model,
    tokens: BTreeMap<u32, AddedToken>,
    /// Those without an id as yet.
    waiting: Vec<AddedToken>,
}

impl Named<'_> {
    fn add(&mut self, token: AddedToken, id: Option<u32>) -> std::result::Result<(), String> {
        if token.content.is_empty() {
            return Err("an added token beside it is empty".into());
        }
        let known = self.tokens.iter().find(|(_, known)| known.content == token.content).map(|(id, _)| *id);
        let Some(id) = self.model.id(&token.content).or(known).or(id) else {
            match self.waiting.iter_mut().find(|known| known.content == token.content) {
                Some(known) => known.special |= token.special,
                None => self.waiting.push(token),
            }
            return Ok(());
        };
        let taken = self.tokens.get(&id).map(|known| known.content.as_str()).or_else(|| self.model.piece(id));
        if let Some(taken) = taken.filter(|taken| *taken != token.content) {
            return Err(format!("`{}`, added to it, has the id {id}, which is that of `{taken}`", token.content));
        }
        let special = self.tokens.get(&id).is_some_and(|known| known.special);
        self.tokens.insert(id, AddedToken { id, special: token.special || special, ..token });
        Ok(())
    }

    /// Gives ids to those that wait: the next free ones.
    fn finish(mut self) -> std::result::Result<BTreeMap<u32, AddedToken>, String> {
        let largest = self.tokens.last_key_value().map_or(0, |(id, _)| id.saturating_add(1));
        let first = largest.max(self.model.vocab_size() as u32);
        for (id, token) in (first..).zip(std::mem::take(&mut self.waiting)) {
            self.add(token, Some(id))?;
        }
        Ok(self.tokens)
    }
}

/// A piece as a control token.
fn piece_of(model: &Model, id: Option<u32>) -> Option<AddedToken> {
    Some(plain(model.piece(id?)?, true))
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number < u32::MAX)
}

fn plain(content: &str, special: bool) -> AddedToken {
    AddedToken { id: 0, content: content.into(), special, single_word: false, lstrip: false, rstrip: false }
}

/// A token that is given by its text, or by text and flags.
fn token_of(value: &Value) -> Option<AddedToken> {
    if let Value::String(content) = value {
        return Some(plain(content, false));
    }
    let flag = |name: &str| value[name].as_bool().unwrap_or_default();
    let (single_word, lstrip, rstrip) = (flag("single_word"), flag("lstrip"), flag("rstrip"));
    Some(AddedToken { single_word, lstrip, rstrip, ..plain(value["content"].as_str()?, flag("special")) })
}
