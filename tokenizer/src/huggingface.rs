//! `tokenizer.json`, the file that Hugging Face `tokenizers` reads and writes.

use std::collections::{HashMap, HashSet};

use aho_corasick::AhoCorasick;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bytes::{BYTE_CHARS, from_symbols, to_symbols};
use crate::encode::added::{AddedToken as Added, AddedTokens, automaton};
use crate::encode::{Bpe, Direct};
use crate::files::{Added as AddedName, ByteLevel};
use crate::layout::Layout;
use crate::pretokenize::PreTokenizer;
use crate::train::Merges;

/// What cuts text into pieces, then spells their bytes, as `tokenizer.json` has it.
pub(crate) fn pre_tokenizer_json(patterns: &[String]) -> Value {
    let split = |pattern: &String| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    let steps: Vec<Value> = patterns.iter().map(split).chain([byte_level(false)]).collect();
    json!({ "type": "Sequence", "pretokenizers": steps })
}

pub(crate) fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

/// A trained tokenizer as `tokenizer.json`: no normaliser, no post-processor, the patterns, byte level.
pub(crate) fn tokenizer_json(layout: &Layout, patterns: &[String], merges: &Merges) -> Value {
    let back = layout.first_byte() + merges.tokens.len() as u32;
    let front = layout.special.iter().map(|token| (token, true)).chain(layout.added.iter().map(|token| (token, false)));
    let added = (0_u32..).zip(front).chain((back..).zip(layout.back.iter().map(|token| (token, true))));
    let symbols: Vec<String> = merges.tokens.iter().map(|token| to_symbols(token)).collect();
    let name = |token: &u32| symbols[*token as usize].clone();
    ByteLevel {
        merges: merges.rules.iter().map(|(left, right)| (name(left), name(right))).collect(),
        vocab: symbols.iter().cloned().zip(layout.first_byte()..).collect(),
        added: added.map(|(id, (content, special))| AddedName { id, content: content.clone(), special }).collect(),
        patterns: patterns.to_vec(),
        nfc: false,
        ignore_merges: false,
    }
    .json()
}

#[derive(Deserialize)]
struct File {
    truncation: Option<Value>,
    padding: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
    vocab: HashMap<String, u32>,
    merges: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    Pair(String, String),
    Joined(String),
}

impl Rule {
    fn pair(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Joined(both) => both.split_once(' '),
        }
    }
}

impl Direct {
    /// From a `tokenizer.json`, if it says no more than added tokens, form C, a pattern, byte level and BPE: files of
    /// ours do, and those of GPT-2's, GPT-4's, Llama 3's, Qwen's and DeepSeek's kind.
    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(json).ok()?;
        let model = &file.model;
        let empty = |affix: &Option<String>| affix.as_deref().is_none_or(str::is_empty);
        // Post-processors add tokens of a template, which we leave out, or touch offsets.
        let post_processed = file.post_processor.as_ref().is_some_and(|step| !only_adds(step));
        let plain = model.kind.as_deref() == Some("BPE")
            && model.dropout.is_none_or(|dropout| dropout == 0.0)
            && empty(&model.continuing_subword_prefix)
            && empty(&model.end_of_word_suffix)
            && file.truncation.is_none()
            && file.padding.is_none()
            && !post_processed;
        if !plain {
            return None;
        }
        let nfc = normalizes(file.normalizer.as_ref())?;
        let (normalized, plain): (Vec<&AddedToken>, Vec<&AddedToken>) =
            file.added_tokens.iter().partition(|token| token.normalized);
        let PreTokenizer { splitter, add_prefix_space } = PreTokenizer::from_json(file.pre_tokenizer.as_ref()?)?;
        Some(Self {
            added: AddedTokens::new(plain.into_iter().map(|token| token.added(false)).collect())?,
            cuts_after_words: splitter.cuts_after_words() && !add_prefix_space && (!nfc || normalized.is_empty()),
            added_normalized: AddedTokens::new(normalized.into_iter().map(|token| token.added(nfc)).collect())?,
            nfc,
            prefix_space: add_prefix_space,
            splitter,
            bpe: bpe(model, &file.added_tokens)?,
        })
    }
}

impl AddedToken {
    fn added(&self, nfc: bool) -> Added {
        let normalized = if nfc { crate::encode::nfc(&self.content) } else { None };
        Added {
            id: self.id,
            content: normalized.map_or_else(|| self.content.clone(), |normalized| normalized.text),
            special: self.special,
            single_word: self.single_word,
            lstrip: self.lstrip,
            rstrip: self.rstrip,
        }
    }
}

/// Whether text is brought into form C; nothing if it is changed in another way.
fn normalizes(normalizer: Option<&Value>) -> Option<bool> {
    let Some(normalizer) = normalizer.filter(|normalizer| !normalizer.is_null()) else { return Some(false) };
    match normalizer["type"].as_str()? {
        "NFC" => Some(true),
        // Twice is as good as once.
        "Sequence" => {
            let steps = normalizer["normalizers"].as_array()?;
            steps.iter().try_fold(false, |before, step| Some(before | normalizes(Some(step))?))
        }
        _ => None,
    }
}

/// Whether a post-processor does nothing to the ids when no template is asked for.
fn only_adds(step: &Value) -> bool {
    match step["type"].as_str() {
        None => step.is_null(),
        Some("ByteLevel" | "TemplateProcessing" | "BertProcessing" | "RobertaProcessing") => true,
        Some("Sequence") => step["processors"].as_array().is_some_and(|steps| steps.iter().all(only_adds)),
        Some(_) => false,
    }
}

/// Finds tokens in a text: the leftmost, of these the longest.
pub(crate) fn matcher<'a>(tokens: impl ExactSizeIterator<Item = &'a String>) -> Option<Option<AhoCorasick>> {
    if tokens.len() == 0 { Some(None) } else { automaton(tokens).map(Some) }
}

fn bpe(model: &Model, added: &[AddedToken]) -> Option<Bpe> {
    let mut ids: Vec<u32> = model.vocab.values().copied().collect();
    ids.sort_unstable();
    if ids.windows(2).any(|two| two[0] == two[1]) {
        return None;
    }
    let mut byte_ids = [0; 256];
    for (id, symbol) in byte_ids.iter_mut().zip(BYTE_CHARS.iter()) {
        *id = *model.vocab.get(symbol.encode_utf8(&mut [0; 4]) as &str)?;
    }
    let merges: Vec<(u32, u32, u32)> = model
        .merges
        .iter()
        .map(|rule| {
            let (left, right) = rule.pair()?;
            let product = *model.vocab.get(&[left, right].concat())?;
            Some((*model.vocab.get(left)?, *model.vocab.get(right)?, product))
        })
        .collect::<Option<_>>()?;
    // Text must not merge into a control token.
    let special: HashSet<u32> = added.iter().filter(|token| token.special).map(|token| token.id).collect();
    if merges.iter().any(|(_, _, product)| special.contains(product)) {
        return None;
    }
    let tokens = model.vocab.iter().filter_map(|(token, id)| Some((from_symbols(token)?.into_boxed_slice(), *id)));
    Bpe::new(byte_ids, &merges, tokens.collect(), model.ignore_merges, |id| special.contains(&id))
}
