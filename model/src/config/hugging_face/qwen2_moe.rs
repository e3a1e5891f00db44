//! `config.json` of Qwen2-MoE, as transformers 4.40 to 5 write it; what is absent has the defaults of `Qwen2MoeConfig`.

use serde_json::{Value, json};

use super::{Fields, rope};
use crate::Result;
use crate::config::{Qwen2Moe, Rope, RopePrecision, SlidingWindow};

/// Most layers: what is kept for each layer is no more than this long.
const MAX_LAYERS: usize = 1 << 16;

pub(super) fn read(fields: &Fields) -> Result<Qwen2Moe> {
    let size = |name: &str, default: usize| -> Result<usize> { Ok(fields.size(name)?.unwrap_or(default)) };
    let hidden_size = size("hidden_size", 2048)?;
    let heads = size("num_attention_heads", 16)?;
    let head_dim = match fields.size("head_dim")? {
        Some(head_dim) => head_dim,
        None if hidden_size % heads == 0 => hidden_size / heads,
        None => {
            let problem = format!("is {heads}, which does not divide the `hidden_size` {hidden_size}");
            return Err(fields.error("num_attention_heads", problem));
        }
    };
    let layers = size("num_hidden_layers", 24)?;
    if layers > MAX_LAYERS {
        return Err(fields.error("num_hidden_layers", format!("is {layers}, and must be at most {MAX_LAYERS}")));
    }
    let max_positions = size("max_position_embeddings", 32768)?;
    let angles = rope::read(fields, max_positions)?;
    fields.only("rope_bf16_compat", false)?;
    let experts = fields.count("num_experts")?.unwrap_or(60);
    let other = fields.count("num_local_experts")?;
    if other.is_some_and(|other| other != experts) {
        let problem = format!("is {}, and `num_experts` is {experts}; leave one of them out", other.unwrap_or(0));
        return Err(fields.error("num_local_experts", problem));
    }
    Ok(Qwen2Moe {
        vocab_size: size("vocab_size", 151_936)?,
        hidden_size,
        layers,
        heads,
        kv_heads: fields.size("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        qkv_bias: fields.flag("qkv_bias")?.unwrap_or(true),
        rms_norm_eps: fields.positive("rms_norm_eps")?.unwrap_or(1e-6),
        rope: Rope {
            base: angles.base.unwrap_or(10_000.0),
            width: head_dim,
            precision: RopePrecision::F32,
            yarn: angles.yarn,
        },
        max_positions,
        tied_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(false),
        sparse: sparse(fields, layers, experts)?,
        intermediate_size: size("intermediate_size", 5632)?,
        experts,
        top_k: size("num_experts_per_tok", 4)?,
        expert_width: size("moe_intermediate_size", 1408)?,
        shared_expert_width: size("shared_expert_intermediate_size", 5632)?,
        norm_topk_prob: fields.flag("norm_topk_prob")?.unwrap_or(false),
        sliding_window: window(fields, layers)?,
        eos: fields.tokens("eos_token_id")?.first().copied(),
        bos: fields.token("bos_token_id")?,
    })
}

/// Which layers have experts.
fn sparse(fields: &Fields, layers: usize, experts: usize) -> Result<Vec<bool>> {
    let step = fields.size("decoder_sparse_step")?.unwrap_or(1);
    let mut sparse: Vec<bool> = (0..layers).map(|layer| experts > 0 && (layer + 1) % step == 0).collect();
    for layer in fields.list("mlp_only_layers")?.into_iter().flatten() {
        let place = layer.as_u64().and_then(|layer| sparse.get_mut(usize::try_from(layer).ok()?));
        let problem = || format!("has {layer}, and layers are 0 to {}", layers - 1);
        *place.ok_or_else(|| fields.error("mlp_only_layers", problem()))? = false;
    }
    Ok(sparse)
}

/// The window, if there is one in any layer.
fn window(fields: &Fields, layers: usize) -> Result<Option<SlidingWindow>> {
    let is_used = fields.flag("use_sliding_window")?.unwrap_or(false);
    let tokens = fields.count("sliding_window")?;
    let below = fields.count("max_window_layers")?.unwrap_or(28);
    let windows: Vec<bool> = match fields.list("layer_types")? {
        None => (0..layers).map(|layer| is_used && layer % 2 == 0 && layer < below).collect(),
        Some(types) => {
            if types.len() != layers {
                let problem = format!("has {} entries, and there are {layers} layers", types.len());
                return Err(fields.error("layer_types", problem));
            }
            let of = |kind: &Value| match kind.as_str() {
                Some("full_attention") => Ok(false),
                Some("sliding_attention") => Ok(true),
                _ => {
                    let problem = format!("has {kind}, and `full_attention` and `sliding_attention` are implemented");
                    Err(fields.error("layer_types", problem))
                }
            };
            types.iter().map(of).collect::<Result<_>>()?
        }
    };
    if !windows.contains(&true) {
        return Ok(None);
    }
    if !is_used {
        return Err(
            fields.error("layer_types", "has layers with a sliding window, and `use_sliding_window` is not true")
        );
    }
    match tokens.unwrap_or(4096) {
        0 => Err(fields.error("sliding_window", "is 0, and must be at least 1 as `use_sliding_window` is true")),
        tokens => Ok(Some(SlidingWindow { tokens, layers: windows })),
    }
}

pub(super) fn write(config: &Qwen2Moe) -> Value {
    let dense = config.sparse.iter().enumerate().filter(|(_, sparse)| !**sparse).map(|(layer, _)| layer);
    let mut object = json!({
        "architectures": ["Qwen2MoeForCausalLM"],
        "model_type": "qwen2_moe",
        "attention_dropout": 0.0,
        "bos_token_id": config.bos,
        "eos_token_id": config.eos,
        "decoder_sparse_step": 1,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "max_window_layers": config.layers,
        "mlp_only_layers": dense.collect::<Vec<_>>(),
        "moe_intermediate_size": config.expert_width,
        "norm_topk_prob": config.norm_topk_prob,
        "num_attention_heads": config.heads,
        "num_experts": config.experts,
        "num_experts_per_tok": config.top_k,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "output_router_logits": false,
        "qkv_bias": config.qkv_bias,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope.base,
        "router_aux_loss_coef": 0.001,
        "shared_expert_intermediate_size": config.shared_expert_width,
        "tie_word_embeddings": config.tied_embeddings,
        "use_cache": true,
        "use_sliding_window": config.sliding_window.is_some(),
        "vocab_size": config.vocab_size,
    });
    if config.head_dim * config.heads != config.hidden_size {
        object["head_dim"] = config.head_dim.into();
    }
    if config.rope.yarn.is_some() {
        object["rope_scaling"] = rope::write(&config.rope);
    }
    if let Some(window) = &config.sliding_window {
        let name = |window: &bool| if *window { "sliding_attention" } else { "full_attention" };
        object["sliding_window"] = window.tokens.into();
        object["layer_types"] = window.layers.iter().map(name).collect::<Vec<_>>().into();
    }
    object
}
