//! GGUF files of llama.cpp, with the names that Hugging Face has for their tensors.
//!
//! Source: `gguf-py/gguf/tensor_mapping.py` of llama.cpp, architecture `qwen2moe`. Queries and keys lie there as in
//! Hugging Face's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use yuan_gguf::{Header, Value};

use super::bytes::Bytes;
use super::quantised::ggml;
use super::stored::{Element, Float, Stored};
use crate::{Error, Result};

/// Where data begins is a multiple of this unless the file says otherwise.
const ALIGNMENT: u64 = 32;
/// Most files that a model is split into.
const MAX_PARTS: usize = 999;

/// Names outside of layers.
const OUTER: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

/// Names in a layer. Experts that lie one after the other have no `.weight` yet.
const INNER: [(&str, &str); 17] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("ffn_gate_exps", "mlp.experts.gate_proj"),
    ("ffn_up_exps", "mlp.experts.up_proj"),
    ("ffn_down_exps", "mlp.experts.down_proj"),
];

/// The files of a model: one, or all parts of one that is split, whose first is named.
///
/// # Errors
/// If the name is that of another part.
pub(crate) fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let split = name.strip_suffix(".gguf").and_then(|stem| {
        let (stem, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = stem.rsplit_once('-')?;
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(number) && is_number(count)).then(|| (stem, number.parse::<usize>(), count.parse::<usize>(), count))
    });
    match split {
        None => Ok(vec![path.to_path_buf()]),
        Some((stem, Ok(1), Ok(count), digits)) if (1..=MAX_PARTS).contains(&count) => {
            Ok((1..=count).map(|part| path.with_file_name(format!("{stem}-{part:05}-of-{digits}.gguf"))).collect())
        }
        Some(_) => Err(Error::malformed(path, "it is one part of a model; name the first, `…-00001-of-….gguf`")),
    }
}

/// The tensors of a model.
pub(super) fn open(path: &Path) -> Result<Vec<Stored>> {
    let mut tensors = Vec::new();
    for part in parts(path)? {
        tensors.extend(file(&part)?);
    }
    Ok(tensors)
}

fn file(path: &Path) -> Result<Vec<Stored>> {
    let file = Bytes::map(path)?;
    let header = Header::read(&file[..]).map_err(|error| Error::malformed(path, error.to_string()))?;
    if header.big_endian {
        return Err(Error::malformed(path, "its numbers are big-endian; weights are read from little-endian files"));
    }
    let alignment = header.get("general.alignment").and_then(Value::as_u64).unwrap_or(ALIGNMENT);
    let path: Arc<Path> = path.into();
    let mut tensors = Vec::with_capacity(header.tensors.len());
    let mut spans = Vec::with_capacity(header.tensors.len());
    for tensor in &header.tensors {
        let wrong = |problem: String| Error::tensor(&path, &tensor.name, problem);
        let kind = ggml::Kind::from_number(tensor.kind)
            .map(|kind| Element::Float(Float::Ggml(kind)))
            .or(integer(tensor.kind))
            .ok_or_else(|| wrong(format!("is of ggml's type {}, which is not read", tensor.kind)))?;
        if !tensor.offset.is_multiple_of(alignment) {
            return Err(wrong(format!("begins at byte {} of the data, no multiple of {alignment}", tensor.offset)));
        }
        let start = header.data_start.checked_add(tensor.offset);
        let start = start.ok_or_else(|| wrong(format!("begins at byte {}", tensor.offset)))?;
        // The last axis comes first in the file.
        let shape = tensor.shape.iter().rev().map(|axis| usize::try_from(*axis)).collect::<Result<Vec<_>, _>>();
        let mut shape = shape.map_err(|_| wrong(format!("is {:?}", tensor.shape)))?;
        let name = renamed(&tensor.name);
        if name.ends_with("shared_expert_gate.weight") && shape.len() == 1 {
            shape.insert(0, 1);
        }
        let stored = Stored { name, ..Stored::dense(&path, &tensor.name, shape, kind, &file, start)? };
        spans.push((start, start + stored.bytes.len() as u64, tensors.len()));
        tensors.push(stored);
    }
    spans.sort_unstable();
    match spans.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => {
            let number = pair[1].2;
            let problem = format!("overlaps `{}`", header.tensors[pair[0].2].name);
            Err(Error::tensor(&path, &header.tensors[number].name, problem))
        }
        None => Ok(tensors),
    }
}

/// ggml's integers: I8, I16, I32, I64.
fn integer(kind: u32) -> Option<Element> {
    Some(Element::Integer(match kind {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    }))
}

/// Hugging Face's name; the own one of what has none there.
fn renamed(name: &str) -> String {
    let renamed = || -> Option<String> {
        let (stem, end) = name.rsplit_once('.').filter(|(_, end)| matches!(*end, "weight" | "bias"))?;
        let find =
            |names: &[(&str, &'static str)], own: &str| names.iter().find(|(name, _)| *name == own).map(|(_, to)| *to);
        let Some(layer) = stem.strip_prefix("blk.") else { return Some(format!("{}.{end}", find(&OUTER, stem)?)) };
        let (layer, stem) = layer.split_once('.')?;
        let layer: u32 = layer.parse().ok()?;
        let inner = find(&INNER, stem)?;
        Some(match stem.ends_with("_exps") {
            true => format!("model.layers.{layer}.{inner}"),
            false => format!("model.layers.{layer}.{inner}.{end}"),
        })
    };
    renamed().unwrap_or_else(|| name.to_owned())
}
