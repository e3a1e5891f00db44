//! Published models by name, and tiny ones.
//!
//! Sources: the `config.json` of IEITYuan's and Qwen's Hugging Face repositories. The tiny ones are those that the
//! references were run with.

use super::{Config, Qwen2Moe, Rope, RopePrecision, Router, Yuan, YuanMoe};

impl Config {
    /// The names that [`Config::named`] knows.
    pub const NAMES: [&str; 9] = [
        "yuan2-m32",
        "yuan2-2b",
        "yuan2-51b",
        "yuan2-102b",
        "qwen2-57b-a14b",
        "qwen1.5-moe-a2.7b",
        "yuan-moe-tiny",
        "yuan-dense-tiny",
        "qwen2-moe-tiny",
    ];

    /// The shape of a model by its name, one of [`Config::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "yuan2-m32" => Self::Yuan(Yuan {
                attention_width: 4096,
                max_positions: 4096,
                moe: Some(experts(32, 8192)),
                reset_attention_mask: false,
                ..yuan(2048, 8192, 24, 16)
            }),
            "yuan2-2b" => Self::Yuan(Yuan { max_positions: 8192, ..yuan(2048, 8192, 24, 32) }),
            "yuan2-51b" => Self::Yuan(yuan(8192, 32768, 42, 64)),
            "yuan2-102b" => Self::Yuan(yuan(8192, 32768, 84, 64)),
            "qwen2-57b-a14b" => Self::Qwen2Moe(Qwen2Moe {
                kv_heads: 4,
                intermediate_size: 18944,
                experts: 64,
                top_k: 8,
                expert_width: 2560,
                shared_expert_width: 20480,
                max_positions: 131_072,
                ..qwen(3584, 28, 28)
            }),
            "qwen1.5-moe-a2.7b" => Self::Qwen2Moe(Qwen2Moe { max_positions: 8192, ..qwen(2048, 24, 16) }),
            "yuan-moe-tiny" => {
                Self::Yuan(Yuan { attention_width: 128, moe: Some(experts(8, 96)), ..tiny_yuan(yuan(64, 96, 2, 4)) })
            }
            "yuan-dense-tiny" => Self::Yuan(tiny_yuan(yuan(64, 160, 2, 4))),
            "qwen2-moe-tiny" => Self::Qwen2Moe(Qwen2Moe {
                vocab_size: 512,
                max_positions: 128,
                kv_heads: 2,
                intermediate_size: 160,
                experts: 8,
                top_k: 2,
                expert_width: 48,
                shared_expert_width: 96,
                eos: Some(511),
                bos: Some(510),
                ..qwen(64, 2, 4)
            }),
            _ => return None,
        })
    }
}

/// A dense Yuan with what all of them share.
fn yuan(hidden_size: usize, intermediate_size: usize, layers: usize, heads: usize) -> Yuan {
    Yuan {
        vocab_size: 135_040,
        hidden_size,
        intermediate_size,
        layers,
        heads,
        attention_width: hidden_size,
        rms_norm_eps: 1e-6,
        rope: Rope { base: 10_000.0, width: hidden_size / heads, precision: RopePrecision::F32, yarn: None },
        max_positions: 4096,
        tied_embeddings: true,
        moe: None,
        share_qk: false,
        reset_position_ids: true,
        reset_attention_mask: true,
        eod: 77185,
        sep: 77187,
        pad: 77185,
    }
}

fn tiny_yuan(config: Yuan) -> Yuan {
    Yuan {
        vocab_size: 512,
        max_positions: 128,
        reset_position_ids: false,
        reset_attention_mask: false,
        eod: 500,
        sep: 501,
        pad: 502,
        ..config
    }
}

fn experts(experts: usize, width: usize) -> YuanMoe {
    YuanMoe { experts, top_k: 2, width, norm_topk_prob: true, gated: true, router: Router::Attention }
}

/// A Qwen2-MoE with the experts of Qwen1.5-MoE-A2.7B.
fn qwen(hidden_size: usize, layers: usize, heads: usize) -> Qwen2Moe {
    let head_dim = hidden_size / heads;
    Qwen2Moe {
        vocab_size: 151_936,
        hidden_size,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        qkv_bias: true,
        rms_norm_eps: 1e-6,
        rope: Rope { base: 1e6, width: head_dim, precision: RopePrecision::F32, yarn: None },
        max_positions: 32768,
        tied_embeddings: false,
        sparse: vec![true; layers],
        intermediate_size: 5632,
        experts: 60,
        top_k: 4,
        expert_width: 1408,
        shared_expert_width: 5632,
        norm_topk_prob: false,
        sliding_window: None,
        eos: Some(151_643),
        bos: Some(151_643),
    }
}
