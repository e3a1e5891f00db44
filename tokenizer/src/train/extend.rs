//! Going on with a tokenizer that is there: more merges, learnt from other texts, behind those it has.
//!
//! Texts are cut by its own pattern and added tokens, and each piece begins as the tokens that it has already. Every old token
//! keeps its id and every old merge its rank; a new merge has a rank behind all of these, so that it joins tokens that the old
//! tokenizer leaves side by side. New ids follow the last old one. A text then has as many tokens as before or fewer, and each
//! old id among them means the bytes it always meant.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use yuan_pipeline::Result;

use super::Merges;
use crate::bytes::{from_symbols, to_symbols};
use crate::edit;
use crate::encode::{Direct, Scratch};
use crate::files;
use crate::hash::FixedHash;
use crate::layout::reserved_name;

/// The hint of a file that cannot be gone on with.
const HINT: &str =
    "name a byte-level BPE tokenizer: one of ours, or of the kind of GPT-2's, Llama 3's, Qwen 2's, DeepSeek's";

/// A tokenizer to go on with.
pub(super) struct Extension {
    path: PathBuf,
    /// As `tokenizer.json`, all names of tokens in its vocabulary.
    file: Value,
    pub direct: Arc<Direct>,
    /// The tokens that merges join or make in the order of their ids, and the merges.
    pub merges: Merges,
    /// By id: which of these it is.
    places: Vec<u32>,
    /// What no merge may make: added tokens.
    pub names: HashSet<Vec<u8>>,
    /// One more than the largest id.
    pub size: u32,
}

impl Extension {
    /// # Errors
    /// If the file is no tokenizer that merges bytes.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let json = files::load(path)?;
        let refuse = |problem: &str| edit::refuse(path, problem, HINT);
        let direct = Direct::from_json(&json)
            .ok_or_else(|| refuse("is not extended: it is no byte-level BPE tokenizer without other steps"))?;
        let mut file: Value = serde_json::from_slice(&json).map_err(|_| refuse("is no `tokenizer.json`"))?;
        let added = edit::added(&file);
        let ids: HashMap<String, u32, FixedHash> = edit::vocabulary(path, &file)?
            .iter()
            .filter_map(|(name, id)| Some((name.clone(), u32::try_from(id.as_u64()?).ok()?)))
            .collect();
        let mut tokens: Vec<(u32, Vec<u8>)> =
            ids.iter().filter_map(|(name, id)| Some((*id, from_symbols(name)?))).collect();
        tokens.sort_unstable();
        let size = ids.values().chain(added.iter().map(|(id, ..)| id)).max().map_or(0, |id| id + 1);
        let mut places = vec![u32::MAX; size as usize];
        (0..).zip(&tokens).for_each(|(place, (id, _))| places[*id as usize] = place);
        let place = |name: &str| ids.get(name).map(|id| places[*id as usize]).filter(|place| *place != u32::MAX);
        let rules = edit::rules(&file).into_iter().filter_map(|(left, right)| Some((place(left)?, place(right)?)));
        let merges = Merges { rules: rules.collect(), tokens: tokens.into_iter().map(|(_, bytes)| bytes).collect() };
        // `tokenizers` gives added tokens that its model does not know the ids behind the model's: they would move.
        if let Some(vocab) = file["model"]["vocab"].as_object_mut() {
            for (id, name, _) in &added {
                if !vocab.contains_key(name) {
                    vocab.insert(name.clone(), (*id).into());
                }
            }
        }
        let names = added.into_iter().map(|(_, name, _)| name.into_bytes()).collect();
        Ok(Self { path: path.into(), file, direct: Arc::new(direct), merges, places, names, size })
    }

    /// Appends the tokens of a piece, as places in [`Self::merges`].
    pub(super) fn encode(&self, piece: &[u8], scratch: &mut Scratch, symbols: &mut Vec<u32>) {
        let first = symbols.len();
        self.direct.encode_piece(piece, scratch, symbols);
        symbols[first..].iter_mut().for_each(|id| *id = self.places[*id as usize]);
    }

    /// The file with what was learnt, and its number of tokens, made a multiple of `multiple` by reserved slots.
    pub(super) fn file(&self, learnt: &Merges, multiple: u32) -> (Value, u32) {
        let mut file = self.file.clone();
        let old = self.merges.tokens.len();
        let names: Vec<String> = learnt.tokens.iter().map(|token| to_symbols(token)).collect();
        let mut size = self.size;
        // Older files write a merge as one string.
        let as_text = file["model"]["merges"][0].is_string();
        let new_rules = learnt.rules[self.merges.rules.len()..].iter().map(|(left, right)| {
            let (left, right) = (&names[*left as usize], &names[*right as usize]);
            if as_text { json!(format!("{left} {right}")) } else { json!([left, right]) }
        });
        let mut slots = Vec::new();
        if let Some(vocab) = file["model"]["vocab"].as_object_mut() {
            for name in &names[old..] {
                vocab.insert(name.clone(), size.into());
                size += 1;
            }
            let mut slot = 0;
            while !size.is_multiple_of(multiple) {
                let name = reserved_name(slot);
                slot += 1;
                if !vocab.contains_key(&name) {
                    vocab.insert(name.clone(), size.into());
                    slots.push((size, name));
                    size += 1;
                }
            }
        }
        if let Some(merges) = file["model"]["merges"].as_array_mut() {
            merges.extend(new_rules);
        }
        if !slots.is_empty() && !file["added_tokens"].is_array() {
            file["added_tokens"] = json!([]);
        }
        if let Some(added) = file["added_tokens"].as_array_mut() {
            added.extend(slots.into_iter().map(|(id, content)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                })
            }));
        }
        (file, size)
    }

    /// The file it came from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
