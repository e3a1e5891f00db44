//! Reserved slots become named control tokens, and no id moves.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use yuan_pipeline::{Error, Result};

use super::{added, companions, read, refuse, vocabulary};
use crate::bytes::from_symbols;
use crate::train::write_whole;

/// A name for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The control token's new name.
    pub name: String,
    /// The slot's id.
    pub id: u32,
}

impl std::str::FromStr for Assignment {
    type Err = String;

    /// `NAME=ID`; the name may have an equals sign.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let form = || format!("`{text}` is not NAME=ID, such as `<|im_start|>=42`");
        let (name, id) = text.rsplit_once('=').ok_or_else(form)?;
        let id = id.parse().map_err(|_| form())?;
        if name.is_empty() { Err(form()) } else { Ok(Self { name: name.into(), id }) }
    }
}

/// The reserved slots of a tokenizer that nobody has taken: its special tokens with such names, by id.
pub fn slots(tokenizer: &crate::Tokenizer) -> Vec<(&str, u32)> {
    let special = tokenizer.special_tokens().iter().map(|(name, id)| (name.as_str(), *id));
    special.filter(|(name, _)| is_slot(name)).collect()
}

/// Whether this is the name of a slot that nobody has taken: `<|reserved_7|>`, `<reserved_7>`, `<|reserved_special_token_7|>`, `<unused7>`.
fn is_slot(name: &str) -> bool {
    let inner = name.trim_start_matches(['<', '|', '[']).trim_end_matches(['>', '|', ']']);
    let bare = inner.trim_end_matches(|char: char| char.is_ascii_digit());
    bare.len() < inner.len()
        && inner.len() < name.len()
        && ["reserved", "unused", "extra"].iter().any(|word| bare.starts_with(word))
}

/// Gives slots of a `tokenizer.json` their names, in it and in the files beside it. The files that were changed.
///
/// # Errors
/// If an id is no slot, a name is taken, or a name would mean other bytes; then nothing is changed.
pub fn assign_reserved(path: &Path, assignments: &[Assignment]) -> Result<Vec<PathBuf>> {
    let mut file = read(path)?;
    let known = added(&file);
    let mut renamed: Vec<(String, &Assignment)> = Vec::new();
    for assignment in assignments {
        let Assignment { name, id } = assignment;
        let slots = || known.iter().filter(|(_, name, special)| *special && is_slot(name));
        let Some((_, slot, _)) = slots().find(|(slot, ..)| slot == id) else {
            let (count, first) = (slots().count(), slots().next());
            let first = first.map_or_else(String::new, |(id, name, _)| format!(", the first is `{name}` ({id})"));
            return Err(refuse(
                path,
                format!("has no reserved slot of id {id}"),
                &format!("it has {count} slots{first}"),
            ));
        };
        let is_taken = known.iter().any(|(_, known, _)| known == name) || vocabulary(path, &file)?.contains_key(name);
        if is_taken || renamed.iter().any(|(slot_name, other)| other.name == *name || slot_name == slot) {
            return Err(refuse(
                path,
                format!("has a token `{name}` already, or slot {id} is named twice"),
                "choose another name",
            ));
        }
        if from_symbols(name).is_some_and(|bytes| bytes != name.as_bytes() || bytes.len() == 1) {
            return Err(refuse(
                path,
                format!("cannot have a token `{name}`: its characters are the symbols of other bytes"),
                "choose another name",
            ));
        }
        renamed.push((slot.clone(), assignment));
    }
    let new_name = |name: &str| renamed.iter().find(|(slot, _)| slot == name).map(|(_, new)| new.name.clone());
    let vocab = vocabulary(path, &file)?;
    let vocab: Map<String, Value> =
        vocab.iter().map(|(name, id)| (new_name(name).unwrap_or_else(|| name.clone()), id.clone())).collect();
    file["model"]["vocab"] = Value::Object(vocab);
    rename_contents(&mut file["added_tokens"], &new_name);
    let mut changed = vec![(path.to_path_buf(), file)];
    for companion in companions(path) {
        let before = read(&companion)?;
        let mut after = before.clone();
        rename_contents(&mut after, &new_name);
        if after != before {
            changed.push((companion, after));
        }
    }
    for (path, value) in &changed {
        let bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::stage("tokenizer", error.to_string()))?;
        write_whole(path, &bytes)?;
    }
    Ok(changed.into_iter().map(|(path, _)| path).collect())
}

/// Renames tokens wherever they stand as strings.
fn rename_contents(value: &mut Value, new_name: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = new_name(text) {
                *text = name;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename_contents(value, new_name)),
        Value::Object(values) => values.values_mut().for_each(|value| rename_contents(value, new_name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_known_by_their_names() {
        for name in
            ["<|reserved_7|>", "<reserved_7>", "<|reserved_special_token_12|>", "<unused3>", "[unused99]", "<extra_0>"]
        {
            assert!(is_slot(name), "{name}");
        }
        for name in ["<eod>", "<|im_start|>", "reserved_7", "<reserved>", "<h1>", "7", "<7>"] {
            assert!(!is_slot(name), "{name}");
        }
    }

    #[test]
    fn an_assignment_is_a_name_and_an_id() {
        let parsed: Assignment = "<|a=b|>=42".parse().unwrap();
        assert_eq!(parsed, Assignment { name: "<|a=b|>".into(), id: 42 });
        for text in ["x", "=3", "x=", "x=-1", "x=4294967296"] {
            assert!(text.parse::<Assignment>().unwrap_err().contains("NAME=ID"), "{text}");
        }
    }
}
