//! Weights under Hugging Face's names, put where the model wants them.

use super::{FeedForward, Filter, Layer, Yuan};
use crate::backend::{Backend, Gate, Mlp, RouteWeights, Routing, Stack};
use crate::config::{Router, Yuan as Config, YuanMoe};
use crate::rope::AngleTable;
use crate::transformer::embedding_and_head;
use crate::weights::{Tensor, Weights};
use crate::{DType, Result};

impl<B: Backend> Yuan<B> {
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
            let loader = Loader { config: &config, weights, backend, prefix: format!("model.layers.{number}.") };
            layers.push(loader.layer()?);
            on_layer(number);
        }
        Ok(Self { angles: AngleTable::new(&config.rope), config, embedding, layers, norm, head })
    }
}

struct Loader<'a, B: Backend> {
    config: &'a Config,
    weights: &'a Weights,
    backend: &'a B,
    prefix: String,
}

impl<B: Backend> Loader<'_, B> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&format!("{}{name}", self.prefix), shape)
    }

    fn vector(&self, name: &str, length: usize) -> Result<B::Vector> {
        self.backend.vector(self.get(name, &[length])?.to_vec())
    }

    fn matrix(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        self.backend.matrix(Stack::new(columns).with(self.get(name, &[out, columns])?))
    }

    fn layer(&self) -> Result<Layer<B>> {
        let (hidden, width) = (self.config.hidden_size, self.config.attention_width);
        let (queries_and_keys, queries_and_keys_bias) = self.queries_and_keys()?;
        Ok(Layer {
            input_norm: self.vector("input_layernorm.weight", hidden)?,
            filter: if self.config.share_qk { None } else { Some(self.filter()?) },
            queries_and_keys,
            queries_and_keys_bias,
            values: self.matrix("self_attn.v_proj.weight", width, hidden)?,
            output: self.matrix("self_attn.o_proj.weight", hidden, width)?,
            post_norm: self.vector("post_attention_layernorm.weight", hidden)?,
            feed_forward: match &self.config.moe {
                Some(moe) => self.experts(moe)?,
                None => self.dense()?,
            },
        })
    }

    fn filter(&self) -> Result<Filter<B>> {
        let hidden = self.config.hidden_size;
        Ok(Filter {
            first: self.convolution("self_attn.lf_gate.conv1.weight", hidden / 2, hidden)?,
            first_bias: self.vector("self_attn.lf_gate.conv1.bias", hidden / 2)?,
            second: self.convolution("self_attn.lf_gate.conv2.weight", hidden, hidden / 2)?,
            second_bias: self.vector("self_attn.lf_gate.conv2.bias", hidden)?,
            norm: self.vector("self_attn.lf_gate.output_layernorm.weight", hidden)?,
        })
    }

    /// A convolution of two taps, `[out, in, 2, 1]`, as one product with `[previous, own]`: `[out, 2 * in]`.
    fn convolution(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        let tensor = self.get(name, &[out, columns, 2, 1])?;
        let taps = tensor.to_vec();
        let mut weight = vec![0.0; taps.len()];
        for (weight, taps) in weight.chunks_exact_mut(2 * columns).zip(taps.chunks_exact(2 * columns)) {
            let (previous, own) = weight.split_at_mut(columns);
            for ((previous, own), taps) in previous.iter_mut().zip(own).zip(taps.chunks_exact(2)) {
                (*previous, *own) = (taps[0], taps[1]);
            }
        }
        let dtype = tensor.kind().dtype().unwrap_or_default();
        self.backend.matrix(Stack::new(2 * columns).with_numbers(weight, dtype))
    }

    /// Rows for the queries of all heads, then for their keys.
    ///
    /// The reference views `[q_proj x, k_proj x]` as `[heads, 2, head_dim]`: the first half of the heads has both its
    /// queries and its keys from `q_proj`.
    fn queries_and_keys(&self) -> Result<(B::Matrix, Option<B::Vector>)> {
        let (hidden, width, head) = (self.config.hidden_size, self.config.attention_width, self.config.head_dim());
        if self.config.share_qk {
            return self.shared_queries_and_keys();
        }
        let both = [
            self.get("self_attn.q_proj.weight", &[width, hidden])?,
            self.get("self_attn.k_proj.weight", &[width, hidden])?,
        ];
        let mut stack = Stack::new(hidden);
        for half in 0..2 {
            for number in 0..self.config.heads {
                // A head's part may begin in one projection and end in the other, where their number is odd.
                let start = (2 * number + half) * head;
                let place = |row: usize| (row / width, row % width);
                let (projection, row) = place(start);
                stack = stack.with(both[projection].slice_rows(row..row + head));
            }
        }
        Ok((self.backend.matrix(stack)?, None))
    }

    /// One projection, of which queries and keys are images: `qk_weight` and `qk_bias`, `[2, hidden]`.
    fn shared_queries_and_keys(&self) -> Result<(B::Matrix, Option<B::Vector>)> {
        let (hidden, width) = (self.config.hidden_size, self.config.attention_width);
        let projection = self.get("self_attn.qk_proj.weight", &[width, hidden])?.to_vec();
        let scales = self.get("self_attn.qk_weight", &[2, width])?.to_vec();
        let mut rows = Vec::with_capacity(2 * projection.len());
        for (row, scale) in projection.chunks_exact(hidden).cycle().zip(&scales) {
            rows.extend(row.iter().map(|value| value * scale));
        }
        let bias = self.backend.vector(self.get("self_attn.qk_bias", &[2, width])?.to_vec())?;
        Ok((self.backend.matrix(Stack::new(hidden).with_numbers(rows, DType::F32))?, Some(bias)))
    }

    /// The activation is on `up_proj`, not on `gate_proj`.
    fn dense(&self) -> Result<FeedForward<B>> {
        let (hidden, width) = (self.config.hidden_size, self.config.intermediate_size);
        let first = Stack::new(hidden)
            .with(self.get("mlp.up_proj.weight", &[width, hidden])?)
            .with(self.get("mlp.gate_proj.weight", &[width, hidden])?);
        Ok(FeedForward::Dense {
            first: self.backend.matrix(first)?,
            second: self.matrix("mlp.down_proj.weight", hidden, width)?,
            mlp: Mlp { width, gate: Gate::First },
        })
    }

    fn experts(&self, moe: &YuanMoe) -> Result<FeedForward<B>> {
        let hidden = self.config.hidden_size;
        let mlp = Mlp { width: moe.width, gate: if moe.gated { Gate::First } else { Gate::None } };
        let gate = match moe.router {
            Router::Classic => Stack::new(hidden).with(self.get("mlp.gate.weight", &[moe.experts, hidden])?),
            Router::Attention => {
                let mut stack = Stack::new(hidden);
                for name in ["query", "key", "value"] {
                    stack = stack.with(self.get(&format!("mlp.gate.{name}.weight"), &[moe.experts, hidden])?);
                }
                stack
            }
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for expert in 0..moe.experts {
            let name = |part: &str| format!("mlp.experts.{expert}.{part}.weight");
            first.push(Stack::new(hidden).with(self.get(&name("w1"), &[mlp.inner(), hidden])?));
            second.push(Stack::new(moe.width).with(self.get(&name("w2"), &[hidden, moe.width])?));
        }
        let weights = if moe.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll };
        Ok(FeedForward::Experts {
            router: moe.router,
            gate: self.backend.exact_matrix(gate)?,
            routing: Routing { top_k: moe.top_k, weights },
            experts: self.backend.experts(first, second, mlp)?,
        })
    }
}
