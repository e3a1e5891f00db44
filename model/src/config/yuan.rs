//! The shape of Yuan 2.0 and Yuan2.0-M32.

use super::Rope;

/// What the norm behind localized filtering adds to the mean of squares, whatever [`Yuan::rms_norm_eps`] says.
pub const FILTER_EPS: f32 = 1e-6;

/// The shape of a Yuan model, dense or mixture of experts (arXiv:2311.15786, arXiv:2405.17976).
#[derive(Clone, Debug, PartialEq)]
pub struct Yuan {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the MLP of a dense layer.
    pub intermediate_size: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; each has a key and a value of its own.
    pub heads: usize,
    /// Width of all queries together, `heads * head_dim`: 4096 beside a hidden size of 2048 in M32.
    pub attention_width: usize,
    /// Added to the mean of squares in norms.
    pub rms_norm_eps: f64,
    /// Rotary embedding of the first `hidden_size / heads` values of each head.
    pub rope: Rope,
    /// Longest sequence the model was trained for.
    pub max_positions: usize,
    /// Whether the output layer is the embedding.
    pub tied_embeddings: bool,
    /// The mixture of experts, in every layer; `None` for dense models.
    pub moe: Option<YuanMoe>,
    /// One projection for queries and keys, each an affine image of it, and no localized filtering.
    pub share_qk: bool,
    /// Whether positions start again after an end of document. The reference reads the field, but does not do it.
    pub reset_position_ids: bool,
    /// Whether attention stops at an end of document, if `reset_position_ids` is set too.
    pub reset_attention_mask: bool,
    /// The end of a document.
    pub eod: u32,
    /// What parts a question from its answer.
    pub sep: u32,
    /// The token batches are padded with.
    pub pad: u32,
}

/// Yuan's mixture of experts.
#[derive(Clone, Debug, PartialEq)]
pub struct YuanMoe {
    /// Experts of a layer.
    pub experts: usize,
    /// Experts that see a token.
    pub top_k: usize,
    /// Width of an expert.
    pub width: usize,
    /// Whether the weights of the experts taken sum to 1.
    pub norm_topk_prob: bool,
    /// Whether experts have a gate: `w2 (silu(a) b)` with `[a, b] = w1 x`; otherwise `w2 silu(w1 x)`.
    pub gated: bool,
    /// Who chooses the experts.
    pub router: Router,
}

/// How experts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Yuan's Attention Router: for each expert a softmax over all experts of query times key, applied to the values.
    Attention,
    /// One row of weights for each expert.
    Classic,
}

impl Yuan {
    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.attention_width / self.heads
    }
}
