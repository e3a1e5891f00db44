//! Weights under Hugging Face's names, put where the model wants them.

use super::{FeedForward, Qwen2MoeLayer, Shared};
use crate::Result;
use crate::backend::{AttentionShape, Backend, Gate, Heads, Mlp, RouteWeights, Routing, Stack};
use crate::config::Qwen2Moe as Config;
use crate::transformer::LayerWeights;

impl<B: Backend> Qwen2MoeLayer<B> {
    /// Loads a layer by its number.
    pub fn load(config: &Config, weights: &LayerWeights<'_, B>, number: usize) -> Result<Self> {
        let Config { hidden_size, heads, kv_heads, head_dim: width, .. } = *config;
        let loader = Loader { config, weights };
        let (projection, bias) = loader.projection()?;
        let window = config.sliding_window.as_ref().filter(|window| window.layers[number]);
        Ok(Self {
            projection,
            bias,
            shape: AttentionShape {
                queries: Heads { first_column: 0, count: heads, width },
                keys: Heads { first_column: heads * width, count: kv_heads, width },
                values: Heads { first_column: (heads + kv_heads) * width, count: kv_heads, width },
                scale: 1.0 / (width as f32).sqrt(),
                window: window.map(|window| window.tokens),
            },
            output: weights.matrix("self_attn.o_proj.weight", hidden_size, heads * width)?,
            feed_forward: if config.sparse[number] { loader.experts()? } else { loader.dense()? },
        })
    }
}

struct Loader<'a, B: Backend> {
    config: &'a Config,
    weights: &'a LayerWeights<'a, B>,
}

impl<B: Backend> Loader<'_, B> {
    /// Rows for queries, keys and values, one below the other.
    fn projection(&self) -> Result<(B::Matrix, Option<B::Vector>)> {
        let Config { hidden_size, heads, kv_heads, head_dim, .. } = *self.config;
        let (mut stack, mut bias) = (Stack::new(hidden_size), Vec::new());
        for (name, count) in [("q_proj", heads), ("k_proj", kv_heads), ("v_proj", kv_heads)] {
            let rows = count * head_dim;
            stack = stack.with(self.weights.get(&format!("self_attn.{name}.weight"), &[rows, hidden_size])?);
            if self.config.qkv_bias {
                bias.extend(self.weights.get(&format!("self_attn.{name}.bias"), &[rows])?.to_vec());
            }
        }
        let backend = self.weights.backend;
        let bias = if bias.is_empty() { None } else { Some(backend.vector(bias)?) };
        Ok((backend.matrix(stack)?, bias))
    }

    /// Both parts of the first product, `[gate_proj, up_proj]`, and the second one.
    fn parts(&self, name: &str, width: usize) -> Result<(Stack, Stack)> {
        let hidden = self.config.hidden_size;
        let first = ["gate_proj", "up_proj"].map(|part| format!("{name}.{part}.weight"));
        let second = [format!("{name}.down_proj.weight")];
        Ok((self.weights.stack(first, width, hidden)?, self.weights.stack(second, hidden, width)?))
    }

    /// An MLP that sees every row.
    fn mlp(&self, name: &str, mlp: Mlp) -> Result<(B::Matrix, B::Matrix)> {
        let (first, second) = self.parts(name, mlp.width)?;
        Ok((self.weights.backend.matrix(first)?, self.weights.backend.matrix(second)?))
    }

    fn dense(&self) -> Result<FeedForward<B>> {
        let mlp = gated(self.config.intermediate_size);
        let (first, second) = self.mlp("mlp", mlp)?;
        Ok(FeedForward::Dense { first, second, mlp })
    }

    fn experts(&self) -> Result<FeedForward<B>> {
        let Config { hidden_size, experts, expert_width, shared_expert_width, .. } = *self.config;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for expert in 0..experts {
            let parts = self.parts(&format!("mlp.experts.{expert}"), expert_width)?;
            first.push(parts.0);
            second.push(parts.1);
        }
        let backend = self.weights.backend;
        let gate = |name, rows| backend.exact_matrix(self.weights.stack([name], rows, hidden_size)?);
        let shared = gated(shared_expert_width);
        let (shared_first, shared_second) = self.mlp("mlp.shared_expert", shared)?;
        let weights = if self.config.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll };
        Ok(FeedForward::Experts {
            gate: gate("mlp.gate.weight", experts)?,
            routing: Routing { top_k: self.config.top_k, weights },
            experts: backend.experts(first, second, gated(expert_width))?,
            shared: Shared {
                first: shared_first,
                second: shared_second,
                mlp: shared,
                gate: gate("mlp.shared_expert_gate.weight", 1)?,
            },
        })
    }
}

/// `down(silu(gate x) * up x)`.
fn gated(width: usize) -> Mlp {
    Mlp { width, gate: Gate::First }
}
