//! Where parameters lie, and matrices packed for products.

use std::collections::HashMap;
use std::ops::Range;

use yuan_kernels::gemm::{Gate, Inputs, Precision, Right, View};
use yuan_kernels::{Weights as RouteWeights, training};
use yuan_model::config::{Router, Yuan};

use crate::Parameter;

/// A matrix, `[out, columns]`, among the parameters, packed both ways when it is first used after a step.
pub(super) struct Weight {
    place: Range<usize>,
    columns: usize,
    precision: Precision,
    along: Right,
    across: Right,
    is_along: bool,
    is_across: bool,
}

impl Weight {
    fn new(place: Range<usize>, columns: usize, precision: Precision) -> Self {
        let (along, across) = (Right::default(), Right::default());
        Self { place, columns, precision, along, across, is_along: false, is_across: false }
    }

    /// Rows: the width of what comes out.
    pub fn out(&self) -> usize {
        self.place.len() / self.columns
    }

    /// Columns: the width of what goes in.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// What its products are computed in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where it lies.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// For `y = x · Wᵀ`.
    pub fn along(&mut self, values: &[f32]) -> &Right {
        if !self.is_along {
            self.along.pack(View::new(&values[self.place.clone()], self.columns), Inputs::Along, self.precision);
            self.is_along = true;
        }
        &self.along
    }

    /// For `dx = dy · W`.
    pub fn across(&mut self, values: &[f32]) -> &Right {
        if !self.is_across {
            self.across.pack(View::new(&values[self.place.clone()], self.columns), Inputs::Across, self.precision);
            self.is_across = true;
        }
        &self.across
    }

    /// The parameters have changed.
    pub fn forget(&mut self) {
        (self.is_along, self.is_across) = (false, false);
    }
}

/// A layer's parameters.
pub(super) struct Layer {
    pub input_norm: Range<usize>,
    /// The two convolutions of localized filtering, `[out, 2 * in]` in the order of the taps.
    pub first: Weight,
    pub first_bias: Range<usize>,
    pub second: Weight,
    pub second_bias: Range<usize>,
    pub filter_norm: Range<usize>,
    /// `q_proj` and `k_proj`, of which each head takes the next rows for its query and then its key.
    pub queries_and_keys: Weight,
    pub values: Weight,
    pub output: Weight,
    pub post_norm: Range<usize>,
    pub feed_forward: FeedForward,
}

/// A mixture of experts, or one that sees everything.
pub(super) struct FeedForward {
    pub routing: Option<Routing>,
    pub gate: Gate,
    /// Width of an expert.
    pub width: usize,
    pub first: Vec<Weight>,
    pub second: Vec<Weight>,
}

/// How experts are chosen.
pub(super) struct Routing {
    pub router: Router,
    pub weight: Weight,
    pub experts: usize,
    pub top_k: usize,
    pub of: RouteWeights,
}

impl Layer {
    fn weights(&mut self) -> impl Iterator<Item = &mut Weight> {
        let FeedForward { routing, first, second, .. } = &mut self.feed_forward;
        [&mut self.first, &mut self.second, &mut self.queries_and_keys, &mut self.values, &mut self.output]
            .into_iter()
            .chain(routing.as_mut().map(|routing| &mut routing.weight))
            .chain(first)
            .chain(second)
    }
}

/// All parameters.
pub(super) struct Places {
    pub embedding: Range<usize>,
    pub layers: Vec<Layer>,
    pub norm: Range<usize>,
    pub head: Weight,
    /// Numbers of all tensors.
    pub len: usize,
}

impl Places {
    /// Lays out the tensors in their order. The configuration has been checked.
    pub fn new(config: &Yuan, parameters: &[Parameter], precision: Precision) -> Self {
        let mut places = HashMap::new();
        let mut len = 0;
        for Parameter { name, shape } in parameters {
            let end = len + shape.iter().product::<usize>();
            places.insert(name.as_str(), len..end);
            len = end;
        }
        let place = |name: &str| places[name].clone();
        let hidden = config.hidden_size;
        let layer = |number: usize| {
            let of = |name: &str| place(&format!("model.layers.{number}.{name}"));
            // Tensors that lie one behind the other.
            let joined = |first: &str, last: &str| of(first).start..of(last).end;
            let weight = |place: Range<usize>, columns: usize| Weight::new(place, columns, precision);
            let feed_forward = match &config.moe {
                None => FeedForward {
                    routing: None,
                    gate: Gate::Second,
                    width: config.intermediate_size,
                    first: vec![weight(joined("mlp.gate_proj.weight", "mlp.up_proj.weight"), hidden)],
                    second: vec![weight(of("mlp.down_proj.weight"), config.intermediate_size)],
                },
                Some(moe) => {
                    let expert = |number: usize, part: &str| of(&format!("mlp.experts.{number}.{part}.weight"));
                    let router = match moe.router {
                        Router::Attention => joined("mlp.gate.query.weight", "mlp.gate.value.weight"),
                        Router::Classic => of("mlp.gate.weight"),
                    };
                    FeedForward {
                        routing: Some(Routing {
                            router: moe.router,
                            // Logits decide: they are of fp32 whatever other products are.
                            weight: Weight::new(router, hidden, Precision::F32),
                            experts: moe.experts,
                            top_k: moe.top_k,
                            of: if moe.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll },
                        }),
                        gate: if moe.gated { Gate::First } else { Gate::None },
                        width: moe.width,
                        first: (0..moe.experts).map(|number| weight(expert(number, "w1"), hidden)).collect(),
                        second: (0..moe.experts).map(|number| weight(expert(number, "w2"), moe.width)).collect(),
                    }
                }
            };
            Layer {
                input_norm: of("input_layernorm.weight"),
                first: weight(of("self_attn.lf_gate.conv1.weight"), 2 * hidden),
                first_bias: of("self_attn.lf_gate.conv1.bias"),
                second: weight(of("self_attn.lf_gate.conv2.weight"), hidden),
                second_bias: of("self_attn.lf_gate.conv2.bias"),
                filter_norm: of("self_attn.lf_gate.output_layernorm.weight"),
                queries_and_keys: weight(joined("self_attn.q_proj.weight", "self_attn.k_proj.weight"), hidden),
                values: weight(of("self_attn.v_proj.weight"), hidden),
                output: weight(of("self_attn.o_proj.weight"), config.attention_width),
                post_norm: of("post_attention_layernorm.weight"),
                feed_forward,
            }
        };
        let embedding = place("model.embed_tokens.weight");
        let head = if config.tied_embeddings { embedding.clone() } else { place("lm_head.weight") };
        Self {
            layers: (0..config.layers).map(layer).collect(),
            norm: place("model.norm.weight"),
            head: Weight::new(head, hidden, precision),
            embedding,
            len,
        }
    }

    /// The parameters have changed.
    pub fn forget(&mut self) {
        self.head.forget();
        self.layers.iter_mut().flat_map(Layer::weights).for_each(Weight::forget);
    }
}

/// A vector of `len` numbers, of any value: memory is used again.
pub(super) fn sized(values: &mut Vec<f32>, len: usize) -> &mut [f32] {
    values.resize(len, 0.0);
    values
}

/// A vector of `len` zeros.
pub(super) fn zeros(values: &mut Vec<f32>, len: usize) -> &mut [f32] {
    let values = sized(values, len);
    values.fill(0.0);
    values
}

/// `gradients[place] += Σᵣ x[r]`.
pub(super) fn add_bias(x: &[f32], place: &Range<usize>, gradients: &mut [f32]) {
    training::add_columns(x, &mut gradients[place.clone()]);
}
