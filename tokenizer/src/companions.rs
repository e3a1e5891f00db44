//! The files beside a `tokenizer.json` that `transformers` reads with it, and how they agree with it.
//!
//! | file | what it says |
//! |---|---|
//! | `tokenizer_config.json` | which class, which token ends a document, pads, …; maybe all added tokens by id |
//! | `special_tokens_map.json` | the same roles, and every other control token, reserved slots among them |

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use yuan_pipeline::Result;

use crate::edit;
use crate::train::write_whole;

const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";

/// What a control token may be for.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// What the list of all others is called, by `transformers` before 5 and since.
const OTHERS: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

/// Writes a `tokenizer.json`, and beside it, if that is its name, its companions: those of the tokenizer `from` that it was made of,
/// brought to agree with it, or new ones. The files written.
///
/// # Errors
/// If a file cannot be read or written.
pub(crate) fn write(path: &Path, file: &Value, from: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut written = vec![path.to_path_buf()];
    if path.file_name().is_some_and(|name| name == "tokenizer.json") {
        let there: Vec<PathBuf> = from.into_iter().flat_map(edit::companions).collect();
        let read = |name: &str| {
            there.iter().find(|path| path.file_name().is_some_and(|own| own == name)).map(|path| edit::read(path))
        };
        let (config, map) = agreeing(file, read(CONFIG).transpose()?, read(MAP).transpose()?);
        for (name, companion) in [(CONFIG, config), (MAP, map)] {
            let beside = path.with_file_name(name);
            write_whole(&beside, &pretty(&companion))?;
            written.push(beside);
        }
    }
    write_whole(path, &pretty(file))?;
    Ok(written)
}

/// As files have it.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("a JSON value is JSON")
}

/// Both companions, as they are or new, with the added tokens of the file.
fn agreeing(file: &Value, config: Option<Value>, map: Option<Value>) -> (Value, Value) {
    let mut config = config.unwrap_or_else(|| new_config(file));
    let mut map = map.unwrap_or_else(|| {
        let roles = ROLES.iter().filter_map(|role| Some(((*role).to_owned(), config.get(*role)?.clone())));
        Value::Object(roles.filter(|(_, token)| !token.is_null()).collect())
    });
    if config["added_tokens_decoder"].is_object() {
        config["added_tokens_decoder"] = Value::Object(decoder(file));
    }
    let special: Vec<String> =
        edit::added(file).into_iter().filter(|(_, _, special)| *special).map(|(_, name, _)| name).collect();
    // A configuration without a list leaves it to the other file, which is not read beside one with all added tokens.
    let is_whole = config["added_tokens_decoder"].is_object();
    let list = OTHERS.iter().find(|list| config[**list].is_array()).or(OTHERS.first().filter(|_| is_whole));
    if let Some(list) = list {
        list_others(&mut config, list, &special);
    }
    let list = OTHERS.iter().find(|list| map[**list].is_array()).unwrap_or(&OTHERS[0]);
    list_others(&mut map, list, &special);
    (config, map)
}

/// Adds the control tokens that have no role and are not in the list yet; those that are no tokens any more go.
fn list_others(companion: &mut Value, list: &str, special: &[String]) {
    let named = |value: &Value| -> Option<String> {
        value.as_str().or_else(|| value["content"].as_str()).map(ToOwned::to_owned)
    };
    let roles: Vec<String> = ROLES.iter().filter_map(|role| named(&companion[*role])).collect();
    let mut others = companion[list].as_array().cloned().unwrap_or_default();
    others.retain(|token| named(token).is_some_and(|name| special.contains(&name)));
    let known: std::collections::HashSet<String> = roles.into_iter().chain(others.iter().filter_map(named)).collect();
    others.extend(special.iter().filter(|name| !known.contains(*name)).map(|name| json!(name)));
    companion[list] = Value::Array(others);
}

/// The added tokens by id, as `tokenizer_config.json` has them.
fn decoder(file: &Value) -> Map<String, Value> {
    let tokens = file["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    let flags = ["content", "lstrip", "normalized", "rstrip", "single_word", "special"];
    let entry = |token: &Value| {
        let flags = flags.iter().map(|flag| ((*flag).to_owned(), token[*flag].clone())).collect();
        (token["id"].to_string(), Value::Object(flags))
    };
    tokens.iter().map(entry).collect()
}

/// Roles that control tokens have by their names, the first that there is.
const KNOWN_ROLES: [(&str, &[&str]); 6] = [
    ("bos_token", &["<s>", "<|begin_of_text|>", "<|startoftext|>"]),
    ("eos_token", &["<eod>", "</s>", "<|end_of_text|>", "<|endoftext|>"]),
    ("unk_token", &["<unk>"]),
    ("pad_token", &["<pad>"]),
    ("sep_token", &["<sep>"]),
    ("mask_token", &["<mask>"]),
];

/// A new `tokenizer_config.json`. Decoding gives the text back only with the clean-up of spaces off.
fn new_config(file: &Value) -> Value {
    let added = edit::added(file);
    let is_special = |name: &str| added.iter().any(|(_, own, special)| *special && own == name);
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": false,
        "add_prefix_space": false,
    });
    for (role, names) in KNOWN_ROLES {
        if let Some(name) = names.iter().find(|name| is_special(name)) {
            config[role] = (*name).into();
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(added: &[(u32, &str, bool)]) -> Value {
        let added: Vec<Value> = added
            .iter()
            .map(|(id, content, special)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": special,
                })
            })
            .collect();
        json!({ "added_tokens": added })
    }

    #[test]
    fn new_companions_name_roles_and_list_the_rest() {
        let file = file(&[(0, "<eod>", true), (1, "<|reserved_0|>", true), (2, "<p>", false)]);
        let (config, map) = agreeing(&file, None, None);
        assert_eq!((&config["eos_token"], config.get("pad_token")), (&json!("<eod>"), None));
        assert_eq!(map, json!({ "eos_token": "<eod>", "additional_special_tokens": ["<|reserved_0|>"] }));
    }

    #[test]
    fn companions_that_are_there_keep_what_they_say_and_learn_new_tokens() {
        let config = json!({
            "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<e>", "chat_template": "x",
            "additional_special_tokens": ["<a>", "<gone>"],
            "added_tokens_decoder": { "7": { "content": "<e>" } },
        });
        let map = json!({ "eos_token": { "content": "<e>", "lstrip": false } });
        let file = file(&[(9, "<e>", true), (10, "<a>", true), (11, "<t>", false), (12, "<|reserved_0|>", true)]);
        let (config, map) = agreeing(&file, Some(config), Some(map));
        assert_eq!(config["additional_special_tokens"], json!(["<a>", "<|reserved_0|>"]));
        assert_eq!(config["chat_template"], "x");
        let ids: Vec<&String> = config["added_tokens_decoder"].as_object().unwrap().keys().collect();
        assert_eq!(ids, ["9", "10", "11", "12"]);
        assert_eq!(config["added_tokens_decoder"]["11"]["special"], false);
        assert_eq!(map["additional_special_tokens"], json!(["<a>", "<|reserved_0|>"]));
        assert_eq!(map["eos_token"]["content"], "<e>");
        let (config, _) = agreeing(&file, Some(json!({ "added_tokens_decoder": {} })), None);
        assert_eq!(config["additional_special_tokens"], json!(["<e>", "<a>", "<|reserved_0|>"]));
    }
}
