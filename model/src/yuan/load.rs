//! Weights under Hugging Face's names, put where the model wants them.

use super::{FeedForward, Filter, YuanLayer};
use crate::backend::{AttentionShape, Backend, Gate, Heads, Mlp, RouteWeights, Routing, Stack};
use crate::config::{Router, Yuan as Config, YuanMoe};
use crate::transformer::LayerWeights;
use crate::{DType, Result};

impl<B: Backend> YuanLayer<B> {
    /// Loads a layer.
    pub fn load(config: &Config, weights: &LayerWeights<'_, B>) -> Result<Self> {
        let (hidden, width) = (config.hidden_size, config.attention_width);
        let loader = Loader { config, weights };
        let (queries_and_keys, queries_and_keys_bias) = loader.queries_and_keys()?;
        let heads = |first_column| Heads { first_column, count: config.heads, width: config.head_dim() };
        Ok(Self {
            filter: if config.share_qk { None } else { Some(loader.filter()?) },
            queries_and_keys,
            queries_and_keys_bias,
            values: weights.matrix("self_attn.v_proj.weight", width, hidden)?,
            shape: AttentionShape {
                queries: heads(0),
                keys: heads(width),
                values: heads(0),
                scale: 1.0 / (config.head_dim() as f32).sqrt(),
                window: None,
            },
            output: weights.matrix("self_attn.o_proj.weight", hidden, width)?,
            feed_forward: match &config.moe {
                Some(moe) => loader.experts(moe)?,
                None => loader.dense()?,
            },
        })
    }
}

struct Loader<'a, B: Backend> {
    config: &'a Config,
    weights: &'a LayerWeights<'a, B>,
}

impl<B: Backend> Loader<'_, B> {
    fn filter(&self) -> Result<Filter<B>> {
        let hidden = self.config.hidden_size;
        Ok(Filter {
            first: self.convolution("self_attn.lf_gate.conv1.weight", hidden / 2, hidden)?,
            first_bias: self.weights.vector("self_attn.lf_gate.conv1.bias", hidden / 2)?,
            second: self.convolution("self_attn.lf_gate.conv2.weight", hidden, hidden / 2)?,
            second_bias: self.weights.vector("self_attn.lf_gate.conv2.bias", hidden)?,
            norm: self.weights.vector("self_attn.lf_gate.output_layernorm.weight", hidden)?,
        })
    }

    /// A convolution of two taps, `[out, in, 2, 1]`, as one product with `[previous, own]`: `[out, 2 * in]`.
    fn convolution(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        let tensor = self.weights.get(name, &[out, columns, 2, 1])?;
        let taps = tensor.to_vec();
        let mut weight = vec![0.0; taps.len()];
        for (weight, taps) in weight.chunks_exact_mut(2 * columns).zip(taps.chunks_exact(2 * columns)) {
            let (previous, own) = weight.split_at_mut(columns);
            for ((previous, own), taps) in previous.iter_mut().zip(own).zip(taps.chunks_exact(2)) {
                (*previous, *own) = (taps[0], taps[1]);
            }
        }
        let dtype = tensor.kind().dtype().unwrap_or_default();
        self.weights.backend.matrix(Stack::new(2 * columns).with_numbers(weight, dtype))
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
            self.weights.get("self_attn.q_proj.weight", &[width, hidden])?,
            self.weights.get("self_attn.k_proj.weight", &[width, hidden])?,
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
        Ok((self.weights.backend.matrix(stack)?, None))
    }

    /// One projection, of which queries and keys are images: `qk_weight` and `qk_bias`, `[2, hidden]`.
    fn shared_queries_and_keys(&self) -> Result<(B::Matrix, Option<B::Vector>)> {
        let (hidden, width) = (self.config.hidden_size, self.config.attention_width);
        let projection = self.weights.get("self_attn.qk_proj.weight", &[width, hidden])?.to_vec();
        let scales = self.weights.get("self_attn.qk_weight", &[2, width])?.to_vec();
        let mut rows = Vec::with_capacity(2 * projection.len());
        for (row, scale) in projection.chunks_exact(hidden).cycle().zip(&scales) {
            rows.extend(row.iter().map(|value| value * scale));
        }
        let bias = self.weights.backend.vector(self.weights.get("self_attn.qk_bias", &[2, width])?.to_vec())?;
        Ok((self.weights.backend.matrix(Stack::new(hidden).with_numbers(rows, DType::F32))?, Some(bias)))
    }

    /// The activation is on `up_proj`, not on `gate_proj`.
    fn dense(&self) -> Result<FeedForward<B>> {
        let (hidden, width) = (self.config.hidden_size, self.config.intermediate_size);
        let first = self.weights.stack(["mlp.up_proj.weight", "mlp.gate_proj.weight"], width, hidden)?;
        Ok(FeedForward::Dense {
            first: self.weights.backend.matrix(first)?,
            second: self.weights.matrix("mlp.down_proj.weight", hidden, width)?,
            mlp: Mlp { width, gate: Gate::First },
        })
    }

    fn experts(&self, moe: &YuanMoe) -> Result<FeedForward<B>> {
        let hidden = self.config.hidden_size;
        let mlp = Mlp { width: moe.width, gate: if moe.gated { Gate::First } else { Gate::None } };
        let gate = match moe.router {
            Router::Classic => &["mlp.gate.weight"][..],
            Router::Attention => &["mlp.gate.query.weight", "mlp.gate.key.weight", "mlp.gate.value.weight"],
        };
        let gate = self.weights.stack(gate, moe.experts, hidden)?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for expert in 0..moe.experts {
            let name = |part: &str| [format!("mlp.experts.{expert}.{part}.weight")];
            first.push(self.weights.stack(name("w1"), mlp.inner(), hidden)?);
            second.push(self.weights.stack(name("w2"), hidden, moe.width)?);
        }
        let weights = if moe.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll };
        Ok(FeedForward::Experts {
            router: moe.router,
            gate: self.weights.backend.exact_matrix(gate)?,
            routing: Routing { top_k: moe.top_k, weights },
            experts: self.weights.backend.experts(first, second, mlp)?,
        })
    }
}
