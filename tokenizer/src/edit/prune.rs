//! A smaller vocabulary: tokens that a corpus uses least go, their parts stay.
//!
//! Going is always the turn of the least used token of which no other is made; its uses become uses of its two parts. Ids are given
//! anew without gaps, in the old order; special and added tokens, bytes and single characters stay. O(tokens · log tokens).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};
use yuan_pipeline::Result;

use super::{added, parse, refuse, vocabulary};
use crate::bytes::from_symbols;
use crate::companions;
use crate::files;
use crate::hash::FixedHash;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// For each new id the old one: rows of the embeddings to take over.
    pub old_ids: Vec<u32>,
    /// Uses of the tokens that went, as the corpus had them.
    pub uses_lost: u64,
}

/// Writes a tokenizer of `vocab_size` tokens to `to`, of that in `from`, whose tokens a corpus uses so often, by id; beside a
/// `tokenizer.json` its companions, with the new ids.
///
/// # Errors
/// If the file is no BPE tokenizer, or so few tokens are not to be had.
pub fn prune(from: &Path, to: &Path, uses: &[u64], vocab_size: usize) -> Result<Pruned> {
    let mut file = parse(from, &files::load(from)?)?;
    let vocab = vocabulary(from, &file)?;
    let ids: HashMap<&str, u32, FixedHash> =
        vocab.iter().filter_map(|(name, id)| Some((name.as_str(), u32::try_from(id.as_u64()?).ok()?))).collect();
    let added = added(&file);
    let rules = rules(&file);
    let count = ids.values().copied().chain(added.iter().map(|token| token.0)).max().map_or(0, |id| id as usize + 1);
    let mut fixed: HashSet<u32> = added.iter().map(|token| token.0).collect();
    for (name, id) in &ids {
        let chars = from_symbols(name).map_or_else(
            || name.chars().count(),
            // Bytes, and what is one whole character.
            |bytes| std::str::from_utf8(&bytes).map_or(bytes.len(), |text| text.chars().count()),
        );
        if chars == 1 {
            fixed.insert(*id);
        }
    }
    // How each token is made: of two, once or several times; and of how many rules it is a part.
    let mut made: HashMap<u32, Vec<usize>, FixedHash> = HashMap::default();
    let mut parts = vec![0_u32; count];
    let mut rule_ids = Vec::with_capacity(rules.len());
    for (number, (left, right)) in rules.iter().enumerate() {
        let product = [*left, *right].concat();
        let (Some(left), Some(right), Some(product)) = (ids.get(left), ids.get(right), ids.get(product.as_str()))
        else {
            return Err(refuse(
                from,
                format!("has a merge `{left} {right}` of tokens that are not in its vocabulary"),
                "repair it first",
            ));
        };
        made.entry(*product).or_default().push(number);
        parts[*left as usize] += 1;
        parts[*right as usize] += 1;
        rule_ids.push((*left, *right));
    }
    let mut present = vec![false; count];
    ids.values().chain(added.iter().map(|token| &token.0)).for_each(|id| present[*id as usize] = true);
    let mut left_over = present.iter().filter(|present| **present).count();
    let mut used: Vec<u64> = (0..count).map(|id| uses.get(id).copied().unwrap_or_default()).collect();
    let mut queue: BinaryHeap<Reverse<(u64, Reverse<u32>)>> = BinaryHeap::new();
    let is_free = |id: u32, parts: &[u32]| parts[id as usize] == 0 && !fixed.contains(&id);
    for id in (0..count as u32).filter(|id| present[*id as usize] && is_free(*id, &parts)) {
        queue.push(Reverse((used[id as usize], Reverse(id))));
    }
    let mut uses_lost = 0;
    let mut gone = vec![false; rules.len()];
    while left_over > vocab_size {
        let Some(Reverse((uses_then, Reverse(id)))) = queue.pop() else {
            return Err(refuse(
                from,
                format!(
                    "has {left_over} tokens that are special, added, bytes or characters: {vocab_size} are too few"
                ),
                &format!("ask for {left_over} or more"),
            ));
        };
        let at = id as usize;
        if !present[at] || uses_then != used[at] {
            continue;
        }
        present[at] = false;
        left_over -= 1;
        uses_lost += uses.get(at).copied().unwrap_or_default();
        for (place, number) in made.get(&id).into_iter().flatten().enumerate() {
            gone[*number] = true;
            let (left, right) = rule_ids[*number];
            for part in [left, right] {
                parts[part as usize] -= 1;
                // A text that had the token has the parts of its first rule.
                used[part as usize] += if place == 0 { used[at] } else { 0 };
                if is_free(part, &parts) && present[part as usize] {
                    queue.push(Reverse((used[part as usize], Reverse(part))));
                }
            }
        }
    }
    let old_ids: Vec<u32> = (0..count as u32).filter(|id| present[*id as usize]).collect();
    let mut new_ids = vec![None; count];
    old_ids.iter().zip(0_u32..).for_each(|(old, new)| new_ids[*old as usize] = Some(new));
    let vocab: Map<String, Value> = vocab
        .iter()
        .filter_map(|(name, id)| Some((name.clone(), Value::from(new_ids[id.as_u64()? as usize]?))))
        .collect();
    let mut number = 0;
    if let Some(merges) = file["model"]["merges"].as_array_mut() {
        merges.retain(|_| {
            number += 1;
            !gone[number - 1]
        });
    }
    file["model"]["vocab"] = Value::Object(vocab);
    for token in file["added_tokens"].as_array_mut().into_iter().flatten() {
        let old = token["id"].as_u64().unwrap_or_default() as usize;
        if let Some(new) = new_ids.get(old).copied().flatten() {
            token["id"] = new.into();
        }
    }
    companions::write(to, &file, Some(from))?;
    Ok(Pruned { old_ids, uses_lost })
}

/// The two parts of each merge.
pub(crate) fn rules(file: &Value) -> Vec<(&str, &str)> {
    let merges = file["model"]["merges"].as_array().map(Vec::as_slice).unwrap_or_default();
    merges
        .iter()
        .map(|merge| match merge {
            Value::String(both) => both.split_once(' ').unwrap_or((both, "")),
            pair => (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default()),
        })
        .collect()
}
