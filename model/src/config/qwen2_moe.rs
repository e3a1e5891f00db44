//! The shape of Qwen1.5-MoE and Qwen2-MoE.

use super::Rope;

/// The shape of a Qwen2-MoE model (arXiv:2407.10671).
#[derive(Clone, Debug, PartialEq)]
pub struct Qwen2Moe {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads of keys and values; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Added to the mean of squares in norms.
    pub rms_norm_eps: f64,
    /// Rotary embedding of whole heads.
    pub rope: Rope,
    /// Longest sequence the model was trained for.
    pub max_positions: usize,
    /// Whether the output layer is the embedding.
    pub tied_embeddings: bool,
    /// Whether a layer has experts (`true`) or one MLP, for each layer.
    pub sparse: Vec<bool>,
    /// Width of the MLP of a layer without experts.
    pub intermediate_size: usize,
    /// Experts of a layer.
    pub experts: usize,
    /// Experts that see a token.
    pub top_k: usize,
    /// Width of an expert.
    pub expert_width: usize,
    /// Width of the expert that sees every token.
    pub shared_expert_width: usize,
    /// Whether the weights of the experts taken sum to 1.
    pub norm_topk_prob: bool,
    /// Layers that see only the last tokens.
    pub sliding_window: Option<SlidingWindow>,
    /// The end of a document, if the configuration names it.
    pub eos: Option<u32>,
    /// The beginning of a document, if the configuration names it.
    pub bos: Option<u32>,
}

/// Attention to the last tokens only.
#[derive(Clone, Debug, PartialEq)]
pub struct SlidingWindow {
    /// Tokens seen, the token itself among them.
    pub tokens: usize,
    /// Whether a layer has the window, for each layer.
    pub layers: Vec<bool>,
}
