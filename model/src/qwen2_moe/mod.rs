//! Qwen1.5-MoE and Qwen2-MoE (arXiv:2407.10671): layers of LLaMA's kind with many small experts and one that sees every
//! token.

mod load;

use crate::Result;
use crate::backend::{AttentionShape, Backend, Heads, Mlp, Routing};
use crate::transformer::{Layer, Shown};

/// A layer of a Qwen2-MoE model.
pub(crate) struct Qwen2MoeLayer<B: Backend> {
    /// Queries, keys and values.
    projection: B::Matrix,
    bias: Option<B::Vector>,
    /// Where the projection has them.
    shape: AttentionShape,
    output: B::Matrix,
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

impl<B: Backend> Layer<B> for Qwen2MoeLayer<B> {
    fn attend(
        &self,
        backend: &B,
        normed: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
        _: &mut Shown<'_, '_, B>,
    ) -> Result<B::Array> {
        let mut all = backend.linear(normed, &self.projection, self.bias.as_ref())?;
        let AttentionShape { queries, keys, .. } = self.shape;
        // Keys lie behind queries: both are turned at once.
        backend.rope(&mut all, Heads { count: queries.count + keys.count, ..queries }, layout)?;
        let attended = backend.attention(&all, &all, &self.shape, layout, memories)?;
        backend.linear(&attended, &self.output, None)
    }

    fn feed(&self, backend: &B, normed: &B::Array, show: &mut Shown<'_, '_, B>) -> Result<B::Array> {
        match &self.feed_forward {
            FeedForward::Dense { first, second, mlp } => backend.mlp(normed, first, second, *mlp),
            FeedForward::Experts { gate, routing, experts, shared } => {
                let logits = backend.linear(normed, gate, None)?;
                show.array("router_logits", &logits);
                let share = backend.linear(normed, &shared.gate, None)?;
                show.array("shared_gate_logit", &share);
                let mut fed = backend.mlp(normed, &shared.first, &shared.second, shared.mlp)?;
                backend.sigmoid_gate(&mut fed, &share)?;
                let routes = backend.route(&logits, *routing)?;
                show.routes(&routes);
                let routed = backend.run_experts(normed, &routes, experts)?;
                backend.add(&mut fed, &routed)?;
                Ok(fed)
            }
        }
    }
}
