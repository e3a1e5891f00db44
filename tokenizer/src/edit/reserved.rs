//! Reserved slots become named control tokens, and no id moves.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{FilePiece, PieceKind};

use super::join::open;
use super::{added, companions, read, refuse, vocabulary};
use crate::bytes::from_symbols;
use crate::companions::pretty;
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

/// Gives slots of a `tokenizer.json` or a SentencePiece `.model` their names, in it and in the files beside it: the companions of
/// `transformers`, `.vocab`, and the other of the two where it has the same slots. The files that were changed.
///
/// # Errors
/// If an id is no slot, a name is taken, or a name would mean other bytes; then nothing is changed.
pub fn assign_reserved(path: &Path, assignments: &[Assignment]) -> Result<Vec<PathBuf>> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(64).read_to_end(&mut head).map_err(Error::io("read", path))?;
    let is_json = head.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| *byte == b'{');
    let of = |is_json: bool| if is_json { in_json } else { in_model };
    let mut changed = of(is_json)(path, assignments)?;
    // As training leaves them. One of another tokenizer is left alone.
    let beside = path.with_extension(if is_json { "model" } else { "json" });
    let same_slots = || {
        let (ours, theirs) = (crate::Tokenizer::load(path).ok()?, crate::Tokenizer::load(&beside).ok()?);
        Some(slots(&ours) == slots(&theirs))
    };
    if beside.is_file() && same_slots() == Some(true) {
        changed.extend(of(!is_json)(&beside, assignments)?);
    }
    for (path, bytes) in &changed {
        write_whole(path, bytes)?;
    }
    Ok(changed.into_iter().map(|(path, _)| path).collect())
}

/// Files with what is to be written to them.
type Changed = Vec<(PathBuf, Vec<u8>)>;

/// The slots' old names beside their assignments, if all can be made. `slots` are ids and names.
fn renamed<'a>(
    path: &Path,
    slots: &[(u32, &str)],
    is_taken: impl Fn(&str) -> bool,
    assignments: &'a [Assignment],
) -> Result<Vec<(String, &'a Assignment)>> {
    let mut renamed: Vec<(String, &Assignment)> = Vec::new();
    for assignment in assignments {
        let Assignment { name, id } = assignment;
        let Some((_, slot)) = slots.iter().find(|(slot, _)| slot == id) else {
            let first = slots.first().map_or_else(String::new, |(id, name)| format!(", the first is `{name}` ({id})"));
            return Err(refuse(
                path,
                format!("has no reserved slot of id {id}"),
                &format!("it has {} slots{first}", slots.len()),
            ));
        };
        if is_taken(name) || renamed.iter().any(|(slot_name, other)| other.name == *name || slot_name == slot) {
            return Err(refuse(
                path,
                format!("has a token `{name}` already, or slot {id} is named twice"),
                "choose another name",
            ));
        }
        renamed.push(((*slot).to_owned(), assignment));
    }
    Ok(renamed)
}

fn in_json(path: &Path, assignments: &[Assignment]) -> Result<Changed> {
    let mut file = read(path)?;
    let known = added(&file);
    let names: HashSet<&str> = match file["model"]["vocab"].as_array() {
        // Of a unigram model, with scores.
        Some(pieces) => pieces.iter().filter_map(|piece| piece[0].as_str()).collect(),
        None => vocabulary(path, &file)?.keys().map(String::as_str).collect(),
    };
    let slots: Vec<(u32, &str)> = known
        .iter()
        .filter(|(_, name, special)| *special && is_slot(name))
        .map(|(id, name, _)| (*id, &**name))
        .collect();
    let is_taken = |name: &str| known.iter().any(|(_, known, _)| known == name) || names.contains(name);
    let renamed = renamed(path, &slots, is_taken, assignments)?;
    for Assignment { name, .. } in assignments {
        if from_symbols(name).is_some_and(|bytes| bytes != name.as_bytes() || bytes.len() == 1) {
            return Err(refuse(
                path,
                format!("cannot have a token `{name}`: its characters are the symbols of other bytes"),
                "choose another name",
            ));
        }
    }
    let new_name = |name: &str| renamed.iter().find(|(slot, _)| slot == name).map(|(_, new)| new.name.clone());
    match &mut file["model"]["vocab"] {
        Value::Array(pieces) => pieces.iter_mut().for_each(|piece| rename_contents(&mut piece[0], &new_name)),
        Value::Object(vocab) => {
            let old = std::mem::take(vocab);
            vocab.extend(old.into_iter().map(|(name, id)| (new_name(&name).unwrap_or(name), id)));
        }
        _ => {}
    }
    rename_contents(&mut file["added_tokens"], &new_name);
    let mut changed = vec![(path.to_path_buf(), pretty(&file))];
    for companion in companions(path) {
        let before = read(&companion)?;
        let mut after = before.clone();
        rename_contents(&mut after, &new_name);
        if after != before {
            changed.push((companion, pretty(&after)));
        }
    }
    Ok(changed)
}

fn in_model(path: &Path, assignments: &[Assignment]) -> Result<Changed> {
    let mut file = open(path)?;
    let is_free = |piece: &FilePiece| piece.kind == PieceKind::Control && is_slot(&piece.text);
    let slots: Vec<(u32, &str)> =
        (0..).zip(&file.pieces).filter(|(_, piece)| is_free(piece)).map(|(id, piece)| (id, &*piece.text)).collect();
    let is_taken = |name: &str| file.pieces.iter().any(|piece| piece.text == name);
    renamed(path, &slots, is_taken, assignments)?;
    for Assignment { name, id } in assignments {
        file.pieces[*id as usize].text.clone_from(name);
    }
    let mut changed = vec![(path.to_path_buf(), file.to_bytes())];
    let vocab = path.with_extension("vocab");
    if vocab.is_file() {
        changed.push((vocab, file.vocab_lines().into_bytes()));
    }
    Ok(changed)
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
