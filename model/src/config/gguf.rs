//! The metadata of a GGUF file to a configuration: only `qwen2moe` has a place in the format.
//!
//! Keys are put under Hugging Face's names and read like a `config.json`, so that both are checked alike. Source:
//! `llama-model.cpp` of llama.cpp, and `constants.py` of its gguf package.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use yuan_gguf::{Array, Header, Value};

use super::{Description, Yarn, hugging_face};
use crate::weights::gguf::parts;
use crate::{Error, Result};

/// Keys behind `qwen2moe.`, and what they are called in `config.json`.
const KEYS: [(&str, &str); 12] = [
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attention.key_length", "head_dim"),
    ("rope.freq_base", "rope_theta"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("vocab_size", "vocab_size"),
];

/// Keys that must be there.
const NEEDED: [&str; 8] = [
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
    "expert_count",
    "expert_used_count",
];

/// The type of a token that no text has, in `tokenizer.ggml.token_type`.
const UNUSED: i32 = 5;

/// The one GGUF file of a directory, or the first part of one that is split.
pub(super) fn only_in(directory: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "gguf")).collect();
    files.retain(|path| parts(path).is_ok());
    (files.len() == 1).then(|| files.remove(0))
}

/// Reads a file, and if it is the first part of one that is split, what tensors the others have.
pub(super) fn open(path: &Path) -> Result<Description> {
    let mut parts = parts(path)?.into_iter();
    let first = parts.next().unwrap_or_else(|| path.to_path_buf());
    let mut header = header(&first)?;
    for part in parts {
        header.tensors.extend(self::header(&part)?.tensors);
    }
    read(&header, path)
}

/// The header of a file.
pub(super) fn header(path: &Path) -> Result<Header> {
    let file = File::open(path).map_err(|source| Error::io("read", path, source))?;
    Header::read(file).map_err(|error| Error::malformed(path, error.to_string()))
}

/// Reads a header.
pub(super) fn read(header: &Header, path: &Path) -> Result<Description> {
    let keys = Keys { header, path };
    let architecture = keys.text("general.architecture")?;
    if architecture != Some("qwen2moe") {
        let found = architecture.map_or("missing".to_owned(), |name| format!("`{name}`"));
        let problem = format!("is {found}, and of GGUF files those of `qwen2moe` are read");
        return Err(Error::config(path, "general.architecture", problem));
    }
    let mut object = Map::new();
    for (key, name) in KEYS {
        match keys.number(&format!("qwen2moe.{key}"))? {
            Some(number) => {
                object.insert(name.into(), number);
            }
            None if NEEDED.contains(&key) => {
                return Err(Error::config(path, format!("qwen2moe.{key}"), "is missing"));
            }
            None => {}
        }
    }
    let count = |name: &str| object[name].as_u64().unwrap_or(0);
    let width = keys.number("qwen2moe.expert_feed_forward_length")?;
    let width = width.unwrap_or_else(|| (count("intermediate_size") / count("num_experts_per_tok").max(1)).into());
    let shared = keys.number("qwen2moe.expert_shared_feed_forward_length")?;
    let shared = shared.unwrap_or_else(|| object["intermediate_size"].clone());
    let scaling = keys.scaling(count("max_position_embeddings"))?;
    object.extend([
        ("model_type".into(), "qwen2_moe".into()),
        ("moe_intermediate_size".into(), width),
        ("shared_expert_intermediate_size".into(), shared),
        ("norm_topk_prob".into(), false.into()),
        ("decoder_sparse_step".into(), 1.into()),
        ("tie_word_embeddings".into(), (!keys.has_tensor("output.weight")).into()),
        ("qkv_bias".into(), keys.has_tensor("blk.0.attn_q.bias").into()),
        ("rope_scaling".into(), scaling),
        ("bos_token_id".into(), keys.number("tokenizer.ggml.bos_token_id")?.into()),
        ("eos_token_id".into(), keys.number("tokenizer.ggml.eos_token_id")?.into()),
        ("pad_token_id".into(), keys.number("tokenizer.ggml.padding_token_id")?.into()),
    ]);
    if !object.contains_key("vocab_size") {
        object.insert("vocab_size".into(), keys.vocab_size()?.into());
    }
    let description = hugging_face::read_object(&object, path).map_err(|error| match error {
        Error::Config { path, field, problem } => {
            let key = KEYS.iter().find(|(_, name)| *name == field);
            let field = key.map_or(field.clone(), |(key, _)| format!("qwen2moe.{key} ({field})"));
            Error::Config { path, field, problem }
        }
        other => other,
    })?;
    let kinds = header.get("tokenizer.ggml.token_type").and_then(Value::as_i32s).unwrap_or_default();
    let unused = (0..).zip(kinds).filter(|(_, kind)| **kind == UNUSED).map(|(id, _)| id).collect();
    Ok(Description { unused, ..description })
}

struct Keys<'a> {
    header: &'a Header,
    path: &'a Path,
}

impl<'a> Keys<'a> {
    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| Error::config(self.path, key, "is no text"));
        self.header.get(key).map(text).transpose()
    }

    /// A number, whole or not; of a list with one for each layer the first, if all are the same.
    fn number(&self, key: &str) -> Result<Option<Json>> {
        let Some(value) = self.header.get(key) else { return Ok(None) };
        let number = match value {
            Value::F32(number) => {
                // The shortest decimal, so that 1e-6 is what it is in `config.json`.
                number
                    .to_string()
                    .parse::<f64>()
                    .ok()
                    .and_then(|number| Some(Json::from(serde_json::Number::from_f64(number)?)))
            }
            Value::F64(number) => serde_json::Number::from_f64(*number).map(Json::from),
            Value::Array(Array::U32(numbers)) => one(numbers).map(Json::from),
            Value::Array(Array::I32(numbers)) => one(numbers).map(Json::from),
            other => other.as_u64().map(Json::from),
        };
        number.map(Some).ok_or_else(|| Error::config(self.path, key, "is no number, or differs between layers"))
    }

    fn has_tensor(&self, name: &str) -> bool {
        self.header.tensors.iter().any(|tensor| tensor.name == name)
    }

    fn vocab_size(&self) -> Result<u64> {
        let embedding = self.header.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
        let rows = embedding.and_then(|tensor| tensor.shape.get(1).copied());
        let tokens = self.header.get("tokenizer.ggml.tokens").and_then(Value::as_strings);
        let rows = rows.or(tokens.map(|tokens| tokens.len() as u64));
        rows.ok_or_else(|| Error::config(self.path, "qwen2moe.vocab_size", "is missing, and there are no tokens"))
    }

    /// The block `rope_scaling`.
    fn scaling(&self, max_positions: u64) -> Result<Json> {
        let key = |name: &str| format!("qwen2moe.rope.scaling.{name}");
        match self.text(&key("type"))? {
            None | Some("none") => return Ok(Json::Null),
            Some("yarn") => {}
            Some(other) => {
                let problem = format!("is `{other}`, and `yarn` is implemented");
                return Err(Error::config(self.path, key("type"), problem));
            }
        }
        let number = |name: &str| -> Result<Option<f64>> { Ok(self.number(&key(name))?.and_then(|it| it.as_f64())) };
        for (name, default) in [("yarn_ext_factor", 1.0), ("yarn_attn_factor", 1.0), ("yarn_log_multiplier", 0.1)] {
            if let Some(value) = number(name)?
                && (value - default).abs() > 1e-6
            {
                let problem = format!("is {value}, and only {default} is implemented");
                return Err(Error::config(self.path, key(name), problem));
            }
        }
        let Some(factor) = number("factor")? else { return Err(Error::config(self.path, key("factor"), "is missing")) };
        let original = self.number(&key("original_context_length"))?.unwrap_or_else(|| max_positions.into());
        let usual = Yarn::new(factor, 0).attention_factor;
        let mut block = json!({ "type": "yarn", "factor": factor, "original_max_position_embeddings": original });
        if let Some(more) = number("attn_factor")? {
            block["attention_factor"] = (usual * more).into();
        }
        for name in ["beta_fast", "beta_slow"] {
            block[name] = number(&format!("yarn_{name}"))?.into();
        }
        Ok(block)
    }
}

/// The number that all are.
fn one<T: Copy + PartialEq>(numbers: &[T]) -> Option<T> {
    numbers.first().filter(|first| numbers.iter().all(|number| number == *first)).copied()
}
