//! `config.json` of Yuan: the fields of its Hugging Face files, of the GPTQ repositories and of the vLLM fork.

use serde_json::{Value, json};

use super::{Fields, rope};
use crate::Result;
use crate::config::{Blend, Rope, RopePrecision, Router, Yarn, Yuan, YuanMoe};

/// The base of pre-training, which Hugging Face's file has as a constant.
const BASE: f64 = 10_000.0;

pub(super) fn read(fields: &Fields, warnings: &mut Vec<String>) -> Result<Yuan> {
    let hidden_size = fields.needed_size("hidden_size")?;
    let heads = fields.needed_size("num_attention_heads")?;
    let attention_width = fields.size("attention_projection_size")?.unwrap_or(hidden_size);
    let longest = fields.size("model_max_length")?;
    let max_positions = fields.size("max_position_embeddings")?.or(longest);
    let max_positions = max_positions.ok_or_else(|| fields.error("max_position_embeddings", "is missing"))?;
    let (rope, max_positions) = angles(fields, hidden_size / heads, max_positions)?;
    if rope.1 && attention_width != hidden_size {
        warnings.push(
            "field `rotary_base` is missing, and 10000 is taken: Yuan2.0-M32 was pre-trained with 10000, and \
             fine-tuned and evaluated with 40890; say which with `rotary_base`"
                .into(),
        );
    }
    fields.only("causal_mask", true)?;
    fields.only("lf_conv2d_group", 1)?;
    fields.only("rotary_interleaved", false)?;
    fields.only("rotary_dim", hidden_size / heads)?;
    fields.only("kv_channels", attention_width / heads)?;
    fields.only("num_key_value_heads", heads)?;
    fields.only("use_lf_gate", true)?;
    // Padding in the convolutions' own way of being causal; a share of head dimensions that the fork reads and ignores.
    fields.harmless(&["lf_conv2d_num_pad", "rotary_percent", "mask_token_id", "sep_token_id", "bos_token_id"]);
    fields.harmless(&["mask_token", "num_attention_router_heads", "seq_len_interpolation_factor"]);
    fields.only("seq_len_interpolation_factor", Value::Null)?;
    let eod = match fields.token("eod_token")? {
        Some(eod) => Some(eod),
        None => fields.token("eod_token_id")?.or(fields.tokens("eos_token_id")?.first().copied()),
    };
    fields.harmless(&["eod_token_id"]);
    let eod = eod.ok_or_else(|| fields.error("eod_token", "is missing"))?;
    Ok(Yuan {
        vocab_size: fields.needed_size("vocab_size")?,
        hidden_size,
        intermediate_size: fields.needed_size("intermediate_size")?,
        layers: fields.needed_size("num_hidden_layers")?,
        heads,
        attention_width,
        rms_norm_eps: fields.positive("rms_norm_eps")?.unwrap_or(1e-6),
        rope: rope.0,
        max_positions,
        tied_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(true),
        moe: experts(fields)?,
        share_qk: fields.flag("use_shareqk")?.unwrap_or(false),
        reset_position_ids: fields.flag("reset_position_ids")?.unwrap_or(false),
        reset_attention_mask: fields.flag("reset_attention_mask")?.unwrap_or(false),
        eod,
        sep: fields.token("sep_token")?.ok_or_else(|| fields.error("sep_token", "is missing"))?,
        pad: fields.token("pad_token_id")?.unwrap_or(eod),
    })
}

/// The angles, whether their base is a guess, and the longest sequence.
fn angles(fields: &Fields, width: usize, max_positions: usize) -> Result<((Rope, bool), usize)> {
    let angles = rope::read(fields, max_positions)?;
    let base = rope::base(fields, "rotary_base")?;
    if let (Some(base), Some(theta)) = (base, angles.base)
        && base != theta
    {
        return Err(fields.error("rotary_base", format!("is {base}, and `rope_theta` is {theta}")));
    }
    let mut longest = max_positions;
    let mut yarn = angles.yarn;
    let scaled = fields.size("scaled_max_position_embeddings")?;
    let factor = rope::factor(fields, "yarn_scale_factor")?.unwrap_or(128.0);
    let attention_factor = fields.positive("attn_factor")?.unwrap_or(1.0);
    if fields.flag("use_yarn")?.unwrap_or(false) {
        if yarn.is_some() {
            return Err(fields.error("use_yarn", "is true, and `rope_scaling` says how positions are stretched"));
        }
        let mut own = Yarn::new(factor, max_positions);
        own.attention_factor *= attention_factor;
        own.blend = Blend::WaveLengths;
        yarn = Some(own);
        longest = scaled.unwrap_or(max_positions);
    }
    let is_guess = base.or(angles.base).is_none();
    let base = base.or(angles.base).unwrap_or(BASE);
    Ok(((Rope { base, width, precision: rope::precision(fields)?, yarn }, is_guess), longest))
}

fn experts(fields: &Fields) -> Result<Option<YuanMoe>> {
    let asked = fields.flag("use_moe")?;
    let Some(moe) = fields.object("moe_config")? else {
        return match asked {
            Some(true) => Err(fields.error("moe_config", "is missing, and `use_moe` is true")),
            _ => Ok(None),
        };
    };
    if asked != Some(true) {
        return Err(fields.error("use_moe", "is not true, and there is a `moe_config`; say true, or leave that out"));
    }
    let experts = moe.size("moe_num_experts")?;
    let others = moe.size("num_experts")?;
    let experts = match (experts, others) {
        (Some(experts), Some(others)) if experts != others => {
            let problem = format!("is {others}, and `moe_num_experts` is {experts}; leave one of them out");
            return Err(moe.error("num_experts", problem));
        }
        _ => experts.or(others).ok_or_else(|| moe.error("moe_num_experts", "is missing"))?,
    };
    for block in moe.list("per_layer_experts_blocks")?.into_iter().flatten() {
        if block.as_u64() != Some(experts as u64) {
            let problem = format!("has layers of other than {experts} experts, and all must have as many");
            return Err(moe.error("per_layer_experts_blocks", problem));
        }
    }
    let router = match moe.text("router_type")? {
        None | Some("attn_router" | "attention") => Router::Attention,
        Some("classic" | "linear") => Router::Classic,
        Some(other) => {
            let problem = format!("is `{other}`, and `attn_router` and `linear` are implemented");
            return Err(moe.error("router_type", problem));
        }
    };
    let read = YuanMoe {
        experts,
        top_k: moe.needed_size("moe_top_k")?,
        width: moe.needed_size("ffn_hidden_size")?,
        norm_topk_prob: moe.flag("norm_topk_prob")?.unwrap_or(true),
        gated: moe.flag("gated_linear_unit")?.unwrap_or(true),
        router,
    };
    moe.finish()?;
    Ok(Some(read))
}

pub(super) fn write(config: &Yuan) -> Value {
    let mut object = json!({
        "architectures": ["YuanForCausalLM"],
        "model_type": "yuan",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "attention_projection_size": config.attention_width,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_positions,
        "model_max_length": config.max_positions,
        "initializer_range": 0.02,
        "rms_norm_eps": config.rms_norm_eps,
        "rotary_base": config.rope.base,
        "use_cache": true,
        "pad_token_id": config.pad,
        "bos_token_id": config.eod,
        "eos_token_id": config.eod,
        "eod_token": config.eod,
        "sep_token": config.sep,
        "tie_word_embeddings": config.tied_embeddings,
        "causal_mask": true,
        "use_flash_attention": false,
        "reset_attention_mask": config.reset_attention_mask,
        "reset_position_ids": config.reset_position_ids,
        "use_loss_mask": false,
        "dropout": 0.0,
        "use_moe": config.moe.is_some(),
    });
    match &config.rope.yarn {
        Some(yarn) if yarn.blend == Blend::WaveLengths => {
            let usual = Yarn::new(yarn.factor, yarn.original_positions).attention_factor;
            object["use_yarn"] = true.into();
            object["yarn_scale_factor"] = yarn.factor.into();
            object["attn_factor"] = factor_of(yarn.attention_factor, usual).into();
            object["max_position_embeddings"] = yarn.original_positions.into();
            object["scaled_max_position_embeddings"] = config.max_positions.into();
        }
        Some(_) => object["rope_scaling"] = rope::write(&config.rope),
        None => {}
    }
    if config.rope.precision == RopePrecision::Bf16 {
        object["rope_bf16_compat"] = true.into();
    }
    if config.share_qk {
        object["use_shareqk"] = true.into();
    }
    if let Some(moe) = &config.moe {
        object["output_router_logits"] = true.into();
        object["moe_config"] = json!({
            "moe_num_experts": moe.experts,
            "moe_top_k": moe.top_k,
            "ffn_hidden_size": moe.width,
            "norm_topk_prob": moe.norm_topk_prob,
            "gated_linear_unit": moe.gated,
            "router_type": match moe.router {
                Router::Attention => "attn_router",
                Router::Classic => "classic",
            },
        });
    }
    object
}

/// What times `usual` is `product`: if there is one, a number of 15 digits, which comes back from a file to the last bit.
fn factor_of(product: f64, usual: f64) -> f64 {
    let factor = product / usual;
    let short = format!("{factor:.14e}").parse().unwrap_or(factor);
    if usual * short == product { short } else { factor }
}
