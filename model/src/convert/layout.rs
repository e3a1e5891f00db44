//! Where Megatron keeps what Hugging Face's names mean, and how ranks and fused matrices are joined and cut.
//!
//! Source: `tools/convert_hf_moe.py` and `tools/split_tp_partitions.py` of Yuan2.0-M32, `tools/convert_hf.py` of Yuan-2.0.

use super::megatron::Checkpoint;
use crate::config::Yuan;
use crate::weights::Tensor;
use crate::weights::stored::{Element, Stored};
use crate::{Config, Error, Result};

/// All tensors of a model, and the output layer where a checkpoint has one beside the embedding.
pub(super) fn tensors(config: &Config, checkpoint: &mut Checkpoint) -> Result<Vec<(String, Tensor)>> {
    let Config::Yuan(yuan) = config else {
        return Err(Error::request(
            "checkpoints of Megatron are read for Yuan, and the configuration is another model's",
        ));
    };
    if yuan.share_qk {
        return Err(Error::request("how Megatron keeps `use_shareqk` is not known"));
    }
    let mut tensors = Vec::new();
    let head = ("lm_head.weight".to_owned(), vec![yuan.vocab_size, yuan.hidden_size]);
    let has_head = checkpoint.has(HEAD) || checkpoint.has(UNTIED_HEAD);
    let more = (yuan.tied_embeddings && has_head).then_some(head);
    for (name, shape) in config.tensors().chain(more) {
        let tensor = Source { yuan, checkpoint }.tensor(&name)?;
        let found = tensor.shape().to_vec();
        let problem = || format!("is {found:?} in Megatron's checkpoint, and the configuration asks for {shape:?}");
        let tensor = tensor.reshaped(&shape).ok_or_else(|| Error::tensor(checkpoint.path(), &name, problem()))?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

const EMBEDDING: &str = "language_model.embedding.word_embeddings.weight";
/// The last stage's copy of the embedding.
const HEAD: &str = "word_embeddings_for_head.weight";
const UNTIED_HEAD: &str = "language_model.output_layer.weight";

struct Source<'a> {
    yuan: &'a Yuan,
    checkpoint: &'a mut Checkpoint,
}

impl Source<'_> {
    /// The tensor that Hugging Face calls so.
    fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
        match (name, layer) {
            ("model.embed_tokens.weight", _) => self.rows(EMBEDDING),
            ("lm_head.weight", _) if self.checkpoint.has(UNTIED_HEAD) => self.rows(UNTIED_HEAD),
            ("lm_head.weight", _) => self.rows(HEAD),
            ("model.norm.weight", _) => self.same("language_model.encoder.final_layernorm.weight"),
            (_, Some((layer, rest))) => self.in_layer(&format!("language_model.encoder.layers.{layer}."), rest),
            _ => Err(Error::tensor(self.checkpoint.path(), name, "has no place in Megatron's checkpoints")),
        }
    }

    fn in_layer(&mut self, layer: &str, name: &str) -> Result<Tensor> {
        let query_key = format!("{layer}self_attention.get_query_key.weight");
        match name {
            "input_layernorm.weight" | "post_attention_layernorm.weight" => self.same(&format!("{layer}{name}")),
            "self_attn.v_proj.weight" => self.rows(&format!("{layer}self_attention.get_value.weight")),
            "self_attn.o_proj.weight" => self.columns(&format!("{layer}self_attention.dense.weight")),
            "self_attn.q_proj.weight" => self.part_of_rows(&query_key, 0, 2),
            "self_attn.k_proj.weight" => self.part_of_rows(&query_key, 1, 2),
            "mlp.up_proj.weight" => self.halves(&format!("{layer}mlp.dense_h_to_4h.weight"), 0),
            "mlp.gate_proj.weight" => self.halves(&format!("{layer}mlp.dense_h_to_4h.weight"), 1),
            "mlp.down_proj.weight" => self.columns(&format!("{layer}mlp.dense_4h_to_h.weight")),
            "mlp.gate.weight" => self.same(&format!("{layer}mlp.router.weight")),
            _ => {
                if let Some(rest) = name.strip_prefix("self_attn.lf_gate.") {
                    return self.same(&format!("{layer}self_attention.lf_gate.{rest}"));
                }
                if let Some(number) =
                    ["query", "key", "value"].iter().position(|own| name == format!("mlp.gate.{own}.weight"))
                {
                    let router = format!("{layer}mlp.router.attention_router.query_key_value.weight");
                    return self.part_of_rows(&router, number, 3);
                }
                let expert = name.strip_prefix("mlp.experts.").and_then(|rest| rest.split_once('.'));
                match expert.and_then(|(expert, rest)| Some((expert.parse().ok()?, rest))) {
                    Some((expert, "w1.weight")) => self.expert_in(&format!("{layer}mlp.experts.weight1"), expert),
                    Some((expert, "w2.weight")) => self.expert_out(&format!("{layer}mlp.experts.weight2"), expert),
                    _ => Err(Error::tensor(self.checkpoint.path(), name, "has no place in Megatron's checkpoints")),
                }
            }
        }
    }

    /// The parts of all tensor ranks.
    fn parts(&mut self, name: &str) -> Result<Vec<Tensor>> {
        self.checkpoint.parts(name)?.iter().map(|part| tensor(part.clone())).collect()
    }

    /// What all ranks have alike.
    fn same(&mut self, name: &str) -> Result<Tensor> {
        let parts = self.parts(name)?;
        if parts.iter().any(|part| part.shape() != parts[0].shape() || part.bytes() != parts[0].bytes()) {
            return Err(Error::tensor(self.checkpoint.path(), name, "is not the same in all tensor ranks"));
        }
        Ok(parts[0].clone())
    }

    /// What is cut along its first axis.
    fn rows(&mut self, name: &str) -> Result<Tensor> {
        let parts = self.parts(name)?;
        Tensor::below(parts).ok_or_else(|| self.unequal(name))
    }

    /// What is cut along its last axis.
    fn columns(&mut self, name: &str) -> Result<Tensor> {
        let parts = self.parts(name)?;
        Tensor::beside(parts).ok_or_else(|| self.unequal(name))
    }

    /// One of the matrices that lie below each other in one that is cut along its first axis.
    fn part_of_rows(&mut self, name: &str, number: usize, count: usize) -> Result<Tensor> {
        let whole = self.rows(name)?;
        let height = self.divided(name, whole.rows(), count)?;
        Ok(whole.slice_rows(number * height..(number + 1) * height))
    }

    /// One half of two matrices below each other, of each of which a rank has a part.
    fn halves(&mut self, name: &str, half: usize) -> Result<Tensor> {
        let mut parts = self.parts(name)?;
        for part in &mut parts {
            let height = self.divided(name, part.rows(), 2)?;
            *part = part.slice_rows(half * height..(half + 1) * height);
        }
        Tensor::below(parts).ok_or_else(|| self.unequal(name))
    }

    /// `w1` of an expert: of each rank `[experts, hidden, its part of the width]`, once for each half if there is a gate.
    fn expert_in(&mut self, name: &str, expert: usize) -> Result<Tensor> {
        let hidden_size = self.yuan.hidden_size;
        let is_gated = self.yuan.moe.as_ref().is_some_and(|moe| moe.gated);
        let blocks = self.expert(name, expert, |of_one| (hidden_size, of_one / hidden_size))?;
        if !is_gated {
            return Tensor::below(blocks).ok_or_else(|| self.unequal(name));
        }
        let mut parts = Vec::with_capacity(2 * blocks.len());
        for half in 0..2 {
            for block in &blocks {
                let height = self.divided(name, block.rows(), 2)?;
                parts.push(block.slice_rows(half * height..(half + 1) * height));
            }
        }
        Tensor::below(parts).ok_or_else(|| self.unequal(name))
    }

    /// `w2` of an expert: of each rank `[experts, its part of the width, hidden]`.
    fn expert_out(&mut self, name: &str, expert: usize) -> Result<Tensor> {
        let hidden_size = self.yuan.hidden_size;
        let blocks = self.expert(name, expert, |of_one| (of_one / hidden_size, hidden_size))?;
        Tensor::beside(blocks).ok_or_else(|| self.unequal(name))
    }

    /// The block of an expert in each rank's tensor, transposed; `shape` says rows and columns of so many numbers.
    fn expert(&mut self, name: &str, expert: usize, shape: impl Fn(usize) -> (usize, usize)) -> Result<Vec<Tensor>> {
        let experts = self.yuan.moe.as_ref().map_or(0, |moe| moe.experts);
        let parts = self.checkpoint.parts(name)?.to_vec();
        let blocks = parts.into_iter().map(|part| {
            let all: usize = part.shape.iter().product();
            let of_one = self.divided(name, all, experts)?;
            let (rows, columns) = shape(of_one);
            let block = part.block_transposed(expert * of_one, rows, columns);
            tensor(block.filter(|_| rows * columns == of_one && of_one > 0).ok_or_else(|| self.unequal(name))?)
        });
        blocks.collect()
    }

    fn divided(&self, name: &str, whole: usize, parts: usize) -> Result<usize> {
        match parts > 0 && whole.is_multiple_of(parts) {
            true => Ok(whole / parts),
            false => Err(Error::tensor(self.checkpoint.path(), name, format!("has {whole}, no multiple of {parts}"))),
        }
    }

    fn unequal(&self, name: &str) -> Error {
        Error::tensor(self.checkpoint.path(), name, "has parts that do not fit each other or the configuration")
    }
}

fn tensor(stored: Stored) -> Result<Tensor> {
    match stored.element {
        Element::Float(element) if !stored.shape.contains(&0) => Ok(Tensor::stored(stored, element)),
        _ => Err(Error::tensor(&stored.path, &stored.name, "is empty or holds integers, and weights are floats")),
    }
}
