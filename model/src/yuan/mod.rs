//! Yuan 2.0 and Yuan2.0-M32 (arXiv:2311.15786, arXiv:2405.17976): queries and keys are filtered over the last tokens,
//! and in M32 experts are chosen by an attention among them.
//!
//! A layer, of activations `x`:
//!
//! ```text
//! n = norm(x)                    z = norm(n + conv2(conv1(n)))          each conv sees a token and the one before it
//! q, k from z, v from n          x += o(attention(rope(q), rope(k), v))
//! n = norm(x)                    x += mlp(n), or the sum of the best experts of n
//! ```

mod load;

use crate::Result;
use crate::backend::{AttentionShape, Backend, Heads, Mlp, Routing};
use crate::config::{FILTER_EPS, Router};
use crate::transformer::{Layer, Shown};

/// A layer of a Yuan model.
pub(crate) struct YuanLayer<B: Backend> {
    filter: Option<Filter<B>>,
    /// Queries of all heads, then keys of all heads.
    queries_and_keys: B::Matrix,
    /// Only where queries and keys share a projection.
    queries_and_keys_bias: Option<B::Vector>,
    values: B::Matrix,
    /// Where the products have them.
    shape: AttentionShape,
    output: B::Matrix,
    feed_forward: FeedForward<B>,
}

/// Localized filtering: two causal convolutions over time.
struct Filter<B: Backend> {
    first: B::Matrix,
    first_bias: B::Vector,
    second: B::Matrix,
    second_bias: B::Vector,
    norm: B::Vector,
}

enum FeedForward<B: Backend> {
    Dense { first: B::Matrix, second: B::Matrix, mlp: Mlp },
    Experts { router: Router, gate: B::Matrix, routing: Routing, experts: B::Experts },
}

impl<B: Backend> Layer<B> for YuanLayer<B> {
    fn attend(
        &self,
        backend: &B,
        normed: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
        show: &mut Shown<'_, '_, B>,
    ) -> Result<B::Array> {
        let filtered = match &self.filter {
            Some(filter) => Some(filter.run(backend, normed, layout, memories)?),
            None => None,
        };
        let filtered = filtered.as_ref().unwrap_or(normed);
        show.array("lfa_out", filtered);
        let mut both = backend.linear(filtered, &self.queries_and_keys, self.queries_and_keys_bias.as_ref())?;
        let values = backend.linear(normed, &self.values, None)?;
        let AttentionShape { queries, keys, .. } = self.shape;
        // Keys lie behind queries: all are turned at once.
        backend.rope(&mut both, Heads { count: queries.count + keys.count, ..queries }, layout)?;
        let attended = backend.attention(&both, &values, &self.shape, layout, memories)?;
        backend.linear(&attended, &self.output, None)
    }

    fn feed(&self, backend: &B, normed: &B::Array, show: &mut Shown<'_, '_, B>) -> Result<B::Array> {
        match &self.feed_forward {
            FeedForward::Dense { first, second, mlp } => backend.mlp(normed, first, second, *mlp),
            FeedForward::Experts { router, gate, routing, experts } => {
                let mut logits = backend.linear(normed, gate, None)?;
                if *router == Router::Attention {
                    logits = backend.attention_router(&logits)?;
                }
                show.array("router_logits", &logits);
                let routes = backend.route(&logits, *routing)?;
                show.routes(&routes);
                backend.run_experts(normed, &routes, experts)
            }
        }
    }
}

impl<B: Backend> Filter<B> {
    /// `norm(x + conv2(conv1(x)))`. What lies before a sequence is zero, for the second convolution too.
    fn run(&self, backend: &B, x: &B::Array, layout: &B::Layout, memories: &mut [&mut B::Memory]) -> Result<B::Array> {
        let pairs = backend.pairs(x, layout, 0, memories)?;
        let inner = backend.linear(&pairs, &self.first, Some(&self.first_bias))?;
        let pairs = backend.pairs(&inner, layout, 1, memories)?;
        let mut sum = backend.linear(&pairs, &self.second, Some(&self.second_bias))?;
        backend.add(&mut sum, x)?;
        backend.rms_norm(&sum, &self.norm, FILTER_EPS)
    }
}
