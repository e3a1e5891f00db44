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
use crate::batch::Batch;
use crate::config::{Router, Yuan as Config};
use crate::rope::AngleTable;
use crate::transformer::{Shown, State, Trace, Transformer, begin, memories};

/// A Yuan model.
pub struct Yuan<B: Backend> {
    config: Config,
    angles: AngleTable,
    embedding: B::Table,
    layers: Vec<Layer<B>>,
    norm: B::Vector,
    head: B::Head,
}

struct Layer<B: Backend> {
    input_norm: B::Vector,
    filter: Option<Filter<B>>,
    /// Queries of all heads, then keys of all heads.
    queries_and_keys: B::Matrix,
    /// Only where queries and keys share a projection.
    queries_and_keys_bias: Option<B::Vector>,
    values: B::Matrix,
    output: B::Matrix,
    post_norm: B::Vector,
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

/// The norm behind the convolutions has an epsilon of its own, whatever the configuration says.
const FILTER_EPS: f32 = 1e-6;

impl<B: Backend> Transformer<B> for Yuan<B> {
    fn forward(
        &self,
        backend: &B,
        batch: &Batch,
        states: &mut [State<B>],
        mut trace: Option<&mut Trace<'_, B>>,
    ) -> Result<B::Array> {
        begin(batch, states, self.config.vocab_size)?;
        let layout = backend.layout(batch, self.angles.rows(batch.positions()))?;
        let mut x = backend.embed(&self.embedding, batch.ids())?;
        for (number, layer) in self.layers.iter().enumerate() {
            let mut show = Shown { layer: number, trace: trace.as_deref_mut() };
            let mut memories = memories(states, number);
            let normed = backend.rms_norm(&x, &layer.input_norm, self.config.rms_norm_eps as f32)?;
            show.array("input_norm_out", &normed);
            let filtered = match &layer.filter {
                Some(filter) => Some(self.filter(backend, filter, &normed, &layout, &mut memories)?),
                None => None,
            };
            let filtered = filtered.as_ref().unwrap_or(&normed);
            show.array("lfa_out", filtered);
            let attended = self.attend(backend, layer, filtered, &normed, &layout, &mut memories)?;
            show.array("attn_out", &attended);
            backend.add(&mut x, &attended)?;
            let normed = backend.rms_norm(&x, &layer.post_norm, self.config.rms_norm_eps as f32)?;
            show.array("post_norm_out", &normed);
            let fed = match &layer.feed_forward {
                FeedForward::Dense { first, second, mlp } => backend.mlp(&normed, first, second, *mlp)?,
                FeedForward::Experts { router, gate, routing, experts } => {
                    let mut logits = backend.linear(&normed, gate, None)?;
                    if *router == Router::Attention {
                        logits = backend.attention_router(&logits)?;
                    }
                    show.array("router_logits", &logits);
                    let routes = backend.route(&logits, *routing)?;
                    show.routes(&routes);
                    backend.run_experts(&normed, &routes, experts)?
                }
            };
            show.array("mlp_out", &fed);
            backend.add(&mut x, &fed)?;
        }
        backend.rms_norm(&x, &self.norm, self.config.rms_norm_eps as f32)
    }

    fn head(&self) -> &B::Head {
        &self.head
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }
}

impl<B: Backend> Yuan<B> {
    /// `norm(x + conv2(conv1(x)))`. What lies before a sequence is zero, for the second convolution too.
    fn filter(
        &self,
        backend: &B,
        filter: &Filter<B>,
        x: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
    ) -> Result<B::Array> {
        let pairs = backend.pairs(x, layout, 0, memories)?;
        let inner = backend.linear(&pairs, &filter.first, Some(&filter.first_bias))?;
        let pairs = backend.pairs(&inner, layout, 1, memories)?;
        let mut sum = backend.linear(&pairs, &filter.second, Some(&filter.second_bias))?;
        backend.add(&mut sum, x)?;
        backend.rms_norm(&sum, &filter.norm, FILTER_EPS)
    }

    fn attend(
        &self,
        backend: &B,
        layer: &Layer<B>,
        filtered: &B::Array,
        normed: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
    ) -> Result<B::Array> {
        let mut both = backend.linear(filtered, &layer.queries_and_keys, layer.queries_and_keys_bias.as_ref())?;
        let values = backend.linear(normed, &layer.values, None)?;
        let heads = |first_column| Heads { first_column, count: self.config.heads, width: self.config.head_dim() };
        let shape = AttentionShape {
            queries: heads(0),
            keys: heads(self.config.attention_width),
            values: heads(0),
            scale: 1.0 / (self.config.head_dim() as f32).sqrt(),
            window: None,
        };
        // Keys lie behind queries: all are turned at once.
        backend.rope(&mut both, Heads { count: 2 * self.config.heads, ..heads(0) }, layout)?;
        let attended = backend.attention(&both, &values, &shape, layout, memories)?;
        backend.linear(&attended, &layer.output, None)
    }
}
