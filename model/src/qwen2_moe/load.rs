//! Weights under Hugging Face's names, put where the model wants them.

use super::{FeedForward, Layer, Qwen2Moe, Shared};
use crate::Result;
use crate::backend::{Backend, Gate, Mlp, RouteWeights, Routing, Stack};
use crate::config::Qwen2Moe as Config;
use crate::rope::AngleTable;
use crate::transformer::embedding_and_head;
use crate::weights::{Tensor, Weights};

impl<B: Backend> Qwen2Moe<B> {
    /// Loads a model. `on_layer` is called with the number of each layer that is there.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape than the configuration asks for, or the device has no room.
    pub fn load(config: Config, weights: &Weights, backend: &B, on_layer: &mut dyn FnMut(usize)) -> Result<Self> {
        let Config { vocab_size, hidden_size, .. } = config;
        let (embedding, head) =
            embedding_and_head(weights, [vocab_size, hidden_size], config.tied_embeddings, backend)?;
        let norm = backend.vector(weights.get("model.norm.weight", &[hidden_size])?.to_vec())?;
        let mut layers = Vec::with_capacity(config.layers);
        for number in 0..config.layers {
            let prefix = format!("model.layers.{number}.");
            layers.push(Loader { config: &config, weights, backend, number, prefix }.layer()?);
            on_layer(number);
        }
        Ok(Self { angles: AngleTable::new(&config.rope), config, embedding, layers, norm, head })
    }
}

struct Loader<'a, B: Backend> {
    config: &'a Config,
    weights: &'a Weights,
    backend: &'a B,
    number: usize,
    prefix: String,
}

impl<B: Backend> Loader<'_, B> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&format!("{}{name}", self.prefix), shape)
    }

    fn vector(&self, name: &str) -> Result<B::Vector> {
        self.backend.vector(self.get(name, &[self.config.hidden_size])?.to_vec())
    }

    fn matrix(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        self.backend.matrix(Stack::new(columns).with(self.get(name, &[out, columns])?))
    }

    fn exact_matrix(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        self.backend.exact_matrix(Stack::new(columns).with(self.get(name, &[out, columns])?))
    }

    fn layer(&self) -> Result<Layer<B>> {
        let hidden = self.config.hidden_size;
        let (projection, bias) = self.projection()?;
        let window = self.config.sliding_window.as_ref();
        Ok(Layer {
            input_norm: self.vector("input_layernorm.weight")?,
            projection,
            bias,
            output: self.matrix("self_attn.o_proj.weight", hidden, self.config.heads * self.config.head_dim)?,
            window: window.filter(|window| window.layers[self.number]).map(|window| window.tokens),
            post_norm: self.vector("post_attention_layernorm.weight")?,
            feed_forward: if self.config.sparse[self.number] { self.experts()? } else { self.dense()? },
        })
    }

    /// Rows for queries, keys and values, one below the other.
    fn projection(&self) -> Result<(B::Matrix, Option<B::Vector>)> {
        let Config { hidden_size, heads, kv_heads, head_dim, .. } = *self.config;
        let (mut stack, mut bias) = (Stack::new(hidden_size), Vec::new());
        for (name, count) in [("q_proj", heads), ("k_proj", kv_heads), ("v_proj", kv_heads)] {
            let rows = count * head_dim;
            stack = stack.with(self.get(&format!("self_attn.{name}.weight"), &[rows, hidden_size])?);
            if self.config.qkv_bias {
                bias.extend(self.get(&format!("self_attn.{name}.bias"), &[rows])?.to_vec());
            }
        }
        let bias = if bias.is_empty() { None } else { Some(self.backend.vector(bias)?) };
        Ok((self.backend.matrix(stack)?, bias))
    }

    /// Both parts of the first product, `[gate_proj, up_proj]`, and the second one.
    fn parts(&self, name: &str, width: usize) -> Result<(Stack, Stack)> {
        let hidden = self.config.hidden_size;
        let mut first = Stack::new(hidden);
        for part in ["gate_proj", "up_proj"] {
            first = first.with(self.get(&format!("{name}.{part}.weight"), &[width, hidden])?);
        }
        let second = self.get(&format!("{name}.down_proj.weight"), &[hidden, width])?;
        Ok((first, Stack::new(width).with(second)))
    }

    fn dense(&self) -> Result<FeedForward<B>> {
        let mlp = gated(self.config.intermediate_size);
        let (first, second) = self.parts("mlp", mlp.width)?;
        Ok(FeedForward::Dense { first: self.backend.matrix(first)?, second: self.backend.matrix(second)?, mlp })
    }

    fn experts(&self) -> Result<FeedForward<B>> {
        let Config { hidden_size, experts, expert_width, shared_expert_width, .. } = *self.config;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for expert in 0..experts {
            let parts = self.parts(&format!("mlp.experts.{expert}"), expert_width)?;
            first.push(parts.0);
            second.push(parts.1);
        }
        let shared = self.parts("mlp.shared_expert", shared_expert_width)?;
        let weights = if self.config.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll };
        Ok(FeedForward::Experts {
            gate: self.exact_matrix("mlp.gate.weight", experts, hidden_size)?,
            routing: Routing { top_k: self.config.top_k, weights },
            experts: self.backend.experts(first, second, gated(expert_width))?,
            shared: Shared {
                first: self.backend.matrix(shared.0)?,
                second: self.backend.matrix(shared.1)?,
                mlp: gated(shared_expert_width),
                gate: self.exact_matrix("mlp.shared_expert_gate.weight", 1, hidden_size)?,
            },
        })
    }
}

/// `down(silu(gate x) * up x)`.
fn gated(width: usize) -> Mlp {
    Mlp { width, gate: Gate::First }
}
