//! Rotary embeddings, in the spellings there are.

use serde_json::{Value, json};

use super::Fields;
use crate::Result;
use crate::config::{Rope, RopePrecision, Yarn};

/// What a file says of angles.
pub(super) struct Angles {
    /// The base, if it is said.
    pub(super) base: Option<f64>,
    /// The stretching.
    pub(super) yarn: Option<Yarn>,
}

/// Reads `rope_theta`, `rope_scaling`, and `rope_parameters`, in which newer files say both.
pub(super) fn read(fields: &Fields, max_positions: usize) -> Result<Angles> {
    let mut angles = Angles { base: base(fields, "rope_theta")?, yarn: None };
    let mut seen = false;
    for name in ["rope_scaling", "rope_parameters"] {
        let Some(block) = fields.object(name)? else { continue };
        let yarn = scaling(&block, max_positions)?;
        let theta = base(&block, "rope_theta")?;
        block.finish()?;
        if seen && yarn != angles.yarn {
            return Err(fields.error(name, "contradicts `rope_scaling`; leave one of them out"));
        }
        if let (Some(outer), Some(theta)) = (angles.base, theta)
            && outer != theta
        {
            let problem = format!("has a `rope_theta` of {theta}, and beside it stands one of {outer}");
            return Err(fields.error(name, problem));
        }
        angles.base = angles.base.or(theta);
        angles.yarn = yarn;
        seen = true;
    }
    Ok(angles)
}

/// A base of frequencies.
pub(super) fn base(fields: &Fields, name: &str) -> Result<Option<f64>> {
    match fields.positive(name)? {
        Some(base) if base <= 1.0 => Err(fields.error(name, format!("is {base}, and must be more than 1"))),
        base => Ok(base),
    }
}

/// How many times longer the context becomes.
pub(super) fn factor(fields: &Fields, name: &str) -> Result<Option<f64>> {
    match fields.positive(name)? {
        Some(factor) if factor < 1.0 => Err(fields.error(name, format!("is {factor}, and must be at least 1"))),
        factor => Ok(factor),
    }
}

fn scaling(block: &Fields, max_positions: usize) -> Result<Option<Yarn>> {
    let (old, new) = (block.text("type")?, block.text("rope_type")?);
    if let (Some(old), Some(new)) = (old, new)
        && old != new
    {
        return Err(block.error("rope_type", format!("is `{new}`, and `type` says `{old}`")));
    }
    block.only("partial_rotary_factor", 1)?;
    match new.or(old).unwrap_or("default") {
        "default" => return Ok(None),
        "yarn" => {}
        other => {
            let name = if new.is_some() { "rope_type" } else { "type" };
            return Err(block.error(name, format!("is `{other}`, and `default` and `yarn` are implemented")));
        }
    }
    let factor = factor(block, "factor")?.ok_or_else(|| block.error("factor", "is missing"))?;
    let mut yarn = Yarn::new(factor, block.size("original_max_position_embeddings")?.unwrap_or(max_positions));
    block.only("truncate", true)?;
    // A value of 0 counts as none, as it does in transformers.
    let (mscale, all_dimensions) = (block.get("mscale"), block.get("mscale_all_dim"));
    let mscales = (mscale.and_then(Value::as_f64), all_dimensions.and_then(Value::as_f64));
    if let (Some(mscale), Some(all_dimensions)) = mscales
        && mscale != 0.0
        && all_dimensions != 0.0
    {
        let of = |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
        yarn.attention_factor = of(mscale) / of(all_dimensions);
    }
    for (name, place) in [
        ("attention_factor", &mut yarn.attention_factor),
        ("beta_fast", &mut yarn.beta_fast),
        ("beta_slow", &mut yarn.beta_slow),
    ] {
        if let Some(value) = block.positive(name)? {
            *place = value;
        }
    }
    Ok(Some(yarn))
}

/// The block that says the stretching.
pub(super) fn write(rope: &Rope) -> Value {
    let Some(yarn) = &rope.yarn else { return Value::Null };
    let mut block = json!({
        "type": "yarn",
        "rope_type": "yarn",
        "factor": yarn.factor,
        "original_max_position_embeddings": yarn.original_positions,
        "beta_fast": yarn.beta_fast,
        "beta_slow": yarn.beta_slow,
    });
    // Left out where it is what it is by default: decimals need not come back to the last bit.
    if yarn.attention_factor != Yarn::new(yarn.factor, yarn.original_positions).attention_factor {
        block["attention_factor"] = yarn.attention_factor.into();
    }
    block
}

/// The precision that our own field `rope_bf16_compat` asks for.
pub(super) fn precision(fields: &Fields) -> Result<RopePrecision> {
    let is_rounded = fields.flag("rope_bf16_compat")?.unwrap_or(false);
    Ok(if is_rounded { RopePrecision::Bf16 } else { RopePrecision::F32 })
}
