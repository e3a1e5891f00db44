//! Ranks of tiktoken, of a tokenizer that they can express.
//!
//! tiktoken has one number for a token, its id and its turn: a vocabulary can be written so if its merges make tokens in the order
//! of their ids, and each token of the two that its bytes come to by these ids. Anything else would give other ids, and is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use yuan_pipeline::Result;

use super::byte_level::Ranks;
use super::tiktoken::{Companion, companion_path};
use crate::bytes::from_symbols;
use crate::companions;
use crate::edit;
use crate::encode::Direct;
use crate::hash::FixedHash;
use crate::pretokenize::{is_total, named};
use crate::train::write_whole;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The ranks.
    pub ranks: PathBuf,
    /// Pattern, control tokens and added tokens beside them, as JSON.
    pub companion: PathBuf,
    /// Tokens with a rank.
    pub tokens: usize,
    /// Whether texts have to be brought into normalisation form C before tiktoken gets them.
    pub nfc: bool,
}

/// Writes a tokenizer, of any file that [`Tokenizer`](crate::Tokenizer) loads, as ranks of tiktoken, with `OUT.json` beside them:
/// `tiktoken.Encoding(pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_tokens | added_tokens)` has the same ids, if
/// added tokens are allowed as special ones.
///
/// # Errors
/// If the tokenizer does something that ranks cannot express; names it.
pub fn export_tiktoken(from: &Path, to: &Path) -> Result<Exported> {
    let json = super::load(from)?;
    let refuse = |problem: String| {
        edit::refuse(
            from,
            format!("cannot be written as ranks: {problem}"),
            "use its `tokenizer.json`, which says all of it",
        )
    };
    if Direct::from_json(&json).is_none() {
        return Err(refuse("it is no byte-level BPE tokenizer without other steps".into()));
    }
    let file: Value = serde_json::from_slice(&json).map_err(|error| refuse(error.to_string()))?;
    let pattern = pattern(&file["pre_tokenizer"]).map_err(refuse)?;
    let added = edit::added(&file);
    check_added(&file, &added).map_err(refuse)?;
    let is_added = |name: &str| added.iter().any(|(_, own, _)| own == name);
    let mut tokens: Vec<(u32, Vec<u8>)> = Vec::new();
    for (name, id) in edit::vocabulary(from, &file)?.iter().filter(|(name, _)| !is_added(name)) {
        let id =
            id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| refuse(format!("`{name}` has no id")))?;
        let bytes = from_symbols(name).ok_or_else(|| refuse(format!("`{name}` stands for no bytes")))?;
        tokens.push((id, bytes));
    }
    tokens.sort_unstable();
    check_order(&file, &tokens).map_err(refuse)?;
    let mut lines = String::new();
    for (rank, token) in &tokens {
        STANDARD.encode_string(token, &mut lines);
        lines.push_str(&format!(" {rank}\n"));
    }
    let of_kind = |wanted: bool| -> BTreeMap<String, u32> {
        let of_kind = added.iter().filter(|(_, _, special)| *special == wanted);
        of_kind.map(|(id, name, _)| (name.clone(), *id)).collect()
    };
    let nfc = mentions_nfc(&file["normalizer"]);
    let companion = Companion { pattern, special_tokens: of_kind(true), added_tokens: of_kind(false), nfc };
    write_whole(to, lines.as_bytes())?;
    let beside = companion_path(to);
    write_whole(&beside, &serde_json::to_vec_pretty(&companion).expect("names and numbers are JSON"))?;
    Ok(Exported { ranks: to.into(), companion: beside, tokens: tokens.len(), nfc })
}

/// Writes a tokenizer, of any file that [`Tokenizer`](crate::Tokenizer) loads, as `tokenizer.json`, with its companions if that is its
/// name; the files written.
///
/// # Errors
/// If it cannot be read or written.
pub fn export_huggingface(from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    // What cannot be loaded is not written.
    crate::Tokenizer::load(from)?;
    let file: Value = serde_json::from_slice(&super::load(from)?)
        .map_err(|error| edit::refuse(from, format!("is no tokenizer: {error}"), "name a tokenizer"))?;
    companions::write(to, &file, Some(from))
}

fn mentions_nfc(normalizer: &Value) -> bool {
    normalizer["type"] == "NFC"
        || normalizer["normalizers"].as_array().is_some_and(|steps| steps.iter().any(mentions_nfc))
}

/// The one pattern that does what a `pre_tokenizer` does, as tiktoken's engine reads it.
fn pattern(pre_tokenizer: &Value) -> std::result::Result<String, String> {
    let single = [pre_tokenizer.clone()];
    let steps = pre_tokenizer["pretokenizers"].as_array().map_or(&single[..], Vec::as_slice);
    let (last, before) = steps.split_last().ok_or("it does not cut texts into pieces")?;
    if last["type"] != "ByteLevel" {
        return Err("it does not end in bytes".into());
    }
    if last["add_prefix_space"] == true {
        return Err("it puts a space before a text".into());
    }
    let by_default = last.get("use_regex").is_none_or(|says| says == true);
    let pattern = match before {
        [] if by_default => named("gpt2").expect("it is named").concat(),
        [split] if !by_default && split["type"] == "Split" && split["behavior"] == "Isolated" => {
            let regex = split["pattern"]["Regex"].as_str();
            regex.ok_or("it cuts at a string, not by a pattern")?.to_owned()
        }
        _ => return Err("it cuts texts in several steps, and tiktoken has one pattern".into()),
    };
    if has_counted_plus(&pattern) {
        return Err(format!("`{pattern}` has a counted repetition with a plus, which regex engines read differently"));
    }
    // tiktoken leaves out what no match covers; here it is a piece.
    Ok(if is_total(&pattern) { pattern } else { format!(r"{pattern}|(?:(?!{pattern})[\s\S])+") })
}

/// Whether a pattern has a repetition such as `{1,3}+`: a run of any length to one engine, three at most to another.
fn has_counted_plus(pattern: &str) -> bool {
    pattern.match_indices("}+").any(|(end, _)| {
        let count = pattern[..end].rsplit_once('{').map_or("", |(_, count)| count);
        !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
    })
}

/// Added tokens are found by their text alone, and of two that begin alike either may be.
fn check_added(file: &Value, added: &[(u32, String, bool)]) -> std::result::Result<(), String> {
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        if let Some(flag) = ["single_word", "lstrip", "rstrip"].iter().find(|flag| token[**flag] == true) {
            return Err(format!("added token {} is found by `{flag}`", token["content"]));
        }
    }
    let mut names: Vec<&str> = added.iter().map(|(_, name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|two| two[1].starts_with(two[0])) {
        Some(two) => {
            Err(format!("added token `{}` begins with added token `{}`, and tiktoken may find either", two[1], two[0]))
        }
        None => Ok(()),
    }
}

/// Whether merges make the tokens in the order of their ids, and of the parts that these ids give them.
fn check_order(file: &Value, tokens: &[(u32, Vec<u8>)]) -> std::result::Result<(), String> {
    let ignore_merges = file["model"]["ignore_merges"] == true;
    let ids: HashMap<&[u8], u32, FixedHash> = tokens.iter().map(|(id, token)| (&token[..], *id)).collect();
    let merges: Vec<(Vec<u8>, Vec<u8>)> = edit::rules(file)
        .into_iter()
        .map(|(left, right)| Some((from_symbols(left)?, from_symbols(right)?)))
        .collect::<Option<_>>()
        .ok_or("a merge is of tokens that stand for no bytes")?;
    // Of a pair that comes twice the last rank counts.
    let mut turns: HashMap<(u32, u32), usize, FixedHash> = HashMap::default();
    for (turn, (left, right)) in merges.iter().enumerate() {
        if let (Some(left), Some(right)) = (ids.get(&left[..]), ids.get(&right[..])) {
            turns.insert((*left, *right), turn);
        }
    }
    let ranks = Ranks::new(tokens.iter().map(|(id, token)| (&token[..], *id)));
    let shown = |token: &[u8]| String::from_utf8_lossy(token).into_owned();
    let mut last: Option<(usize, &[u8])> = None;
    for (id, token) in tokens {
        if token.len() < 2 {
            continue;
        }
        let made = last_merge(token, &ids, &turns);
        match (made, ranks.split(token)) {
            (Some((first, turn)), Some(split)) if first == split => {
                if let Some((before, earlier)) = last.filter(|(before, _)| *before > turn) {
                    return Err(format!(
                        "merge {turn} makes `{}` ({id}), and merge {before} `{}`, which has a lower id: tiktoken merges in the order \
                         of ids",
                        shown(token),
                        shown(earlier)
                    ));
                }
                last = Some((turn, token));
            }
            (None, None) if ignore_merges => {}
            (None, _) => {
                return Err(format!("no text becomes token `{}` ({id}), and with tiktoken it would", shown(token)));
            }
            (Some((first, _)), _) => {
                let (left, right) = token.split_at(first);
                return Err(format!(
                    "token `{}` ({id}) is made of `{}` and `{}`, and the order of ids would make it otherwise",
                    shown(token),
                    shown(left),
                    shown(right)
                ));
            }
        }
    }
    Ok(())
}

/// The merge that makes a token of its own bytes: how many bytes its first part has, and its turn.
fn last_merge(
    token: &[u8],
    ids: &HashMap<&[u8], u32, FixedHash>,
    turns: &HashMap<(u32, u32), usize, FixedHash>,
) -> Option<(usize, usize)> {
    let mut ends: Vec<usize> = (0..=token.len()).collect();
    loop {
        let turn = |at: usize| {
            let (left, right) = (ids.get(&token[ends[at - 1]..ends[at]])?, ids.get(&token[ends[at]..ends[at + 1]])?);
            turns.get(&(*left, *right)).copied()
        };
        let (turn, at) = (1..ends.len() - 1).filter_map(|at| Some((turn(at)?, at))).min()?;
        if ends.len() == 3 {
            return Some((ends[1], turn));
        }
        ends.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_repetitions_with_a_plus_are_told_from_others() {
        assert!(has_counted_plus(r"\p{N}{1,3}+|\p{L}+") && has_counted_plus("a{2}+"));
        assert!(!has_counted_plus(r"\p{Han}+|\p{N}{1,3}") && !has_counted_plus("}+{}+"));
    }

    #[test]
    fn what_a_pattern_leaves_out_is_a_piece_as_well() {
        let split = |regex: &str| {
            serde_json::json!({ "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        ] })
        };
        assert_eq!(pattern(&split("[a-z]+")).unwrap(), r"[a-z]+|(?:(?![a-z]+)[\s\S])+");
        let known = named("qwen2").unwrap().concat();
        assert_eq!(pattern(&split(&known)).unwrap(), known);
        assert!(
            pattern(&split(&known.replace(r"\p{N}|", r"\p{N}{1,3}+|"))).unwrap_err().contains("counted repetition")
        );
    }
}
