//! Qwen1.5-MoE and Qwen2-MoE (arXiv:2407.10671): layers of LLaMA's kind with many small experts and one that sees every
//! token.

mod load;

use crate::Result;
use crate::backend::{AttentionShape, Backend, Heads, Mlp, Routing};
use crate::batch::Batch;
use crate::config::Qwen2Moe as Config;
use crate::rope::AngleTable;
use crate::transformer::{Shown, State, Trace, Transformer, begin, memories};

/// A Qwen2-MoE model.
pub struct Qwen2Moe<B: Backend> {
    config: Config,
    angles: AngleTable,
    embedding: B::Table,
    layers: Vec<Layer<B>>,
    norm: B::Vector,
    head: B::Head,
}

struct Layer<B: Backend> {
    input_norm: B::Vector,
    /// Queries, keys and values.
    projection: B::Matrix,
    bias: Option<B::Vector>,
    output: B::Matrix,
    /// Keys a token sees at most.
    window: Option<usize>,
    post_norm: B::Vector,
    feed_forward: FeedForward<B>,
}

enum FeedForward<B: Backend> {
    Dense { first: B::Matrix, second: B::Matrix, mlp: Mlp },
    Experts { gate: B::Matrix, routing: Routing, experts: B::Experts, shared: Shared<B> },
}

/// The expert that sees every token, and how much of it counts.
struct Shared<B: Backend> {
    first: B::Matrix,
    second: B::Matrix,
    mlp: Mlp,
    gate: B::Matrix,
}

impl<B: Backend> Transformer<B> for Qwen2Moe<B> {
    fn forward(
        &self,
        backend: &B,
        batch: &Batch,
        states: &mut [State<B>],
        mut trace: Option<&mut Trace<'_, B>>,
    ) -> Result<B::Array> {
        begin(batch, states, self.config.vocab_size)?;
        let layout = backend.layout(batch, self.angles.rows(batch.positions()))?;
        let eps = self.config.rms_norm_eps as f32;
        let mut x = backend.embed(&self.embedding, batch.ids())?;
        for (number, layer) in self.layers.iter().enumerate() {
            let mut show = Shown { layer: number, trace: trace.as_deref_mut() };
            let normed = backend.rms_norm(&x, &layer.input_norm, eps)?;
            let attended = self.attend(backend, layer, &normed, &layout, &mut memories(states, number))?;
            show.array("attn_out", &attended);
            backend.add(&mut x, &attended)?;
            let normed = backend.rms_norm(&x, &layer.post_norm, eps)?;
            show.array("post_norm_out", &normed);
            let fed = match &layer.feed_forward {
                FeedForward::Dense { first, second, mlp } => backend.mlp(&normed, first, second, *mlp)?,
                FeedForward::Experts { gate, routing, experts, shared } => {
                    let logits = backend.linear(&normed, gate, None)?;
                    show.array("router_logits", &logits);
                    let share = backend.linear(&normed, &shared.gate, None)?;
                    show.array("shared_gate_logit", &share);
                    let mut fed = backend.mlp(&normed, &shared.first, &shared.second, shared.mlp)?;
                    backend.sigmoid_gate(&mut fed, &share)?;
                    let routes = backend.route(&logits, *routing)?;
                    show.routes(&routes);
                    let routed = backend.run_experts(&normed, &routes, experts)?;
                    backend.add(&mut fed, &routed)?;
                    fed
                }
            };
            show.array("mlp_out", &fed);
            backend.add(&mut x, &fed)?;
        }
        backend.rms_norm(&x, &self.norm, eps)
    }

    fn head(&self) -> &B::Head {
        &self.head
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }
}

impl<B: Backend> Qwen2Moe<B> {
    fn attend(
        &self,
        backend: &B,
        layer: &Layer<B>,
        x: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
    ) -> Result<B::Array> {
        let Config { heads, kv_heads, head_dim: width, .. } = self.config;
        let mut all = backend.linear(x, &layer.projection, layer.bias.as_ref())?;
        let shape = AttentionShape {
            queries: Heads { first_column: 0, count: heads, width },
            keys: Heads { first_column: heads * width, count: kv_heads, width },
            values: Heads { first_column: (heads + kv_heads) * width, count: kv_heads, width },
            scale: 1.0 / (width as f32).sqrt(),
            window: layer.window,
        };
        // Keys lie behind queries: both are turned at once.
        backend.rope(&mut all, Heads { count: heads + kv_heads, ..shape.queries }, layout)?;
        let attended = backend.attention(&all, &all, &shape, layout, memories)?;
        backend.linear(&attended, &layer.output, None)
    }
}
