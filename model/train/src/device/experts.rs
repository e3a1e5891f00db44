//! The router and the experts of a layer: rows are gathered for each expert, and what it makes of them added.

use candle_core::{DType, Tensor};
use yuan_kernels::gemm::{Gate, Precision};
use yuan_kernels::{Weights as RouteWeights, top_k};
use yuan_model::config::{Router, Yuan, YuanMoe};

use super::operations::{gated, product, softmax};
use super::weights::Of;
use crate::loss::balance;
use crate::{Result, RouterLoad};

/// What a router did.
pub(super) struct Routed {
    pub load: RouterLoad,
    /// The auxiliary loss of load balance without its coefficient.
    pub balance: f64,
    /// The same, as autograd follows it.
    pub followed: Tensor,
}

/// What the experts make of m, `[rows, hidden]`.
pub(super) fn forward(
    m: &Tensor,
    config: &Yuan,
    layer: &Of<'_>,
    precision: Precision,
) -> Result<(Tensor, Option<Routed>)> {
    let Some(moe) = &config.moe else {
        let first = Tensor::cat(&[layer.get("mlp.gate_proj.weight"), layer.get("mlp.up_proj.weight")], 0)?;
        // The gate's own rows come first, and it is the other half that is bent.
        let active = gated(&product(m, &first, precision)?, Gate::Second, config.intermediate_size)?;
        return Ok((product(&active, layer.get("mlp.down_proj.weight"), precision)?, None));
    };
    let logits = logits(m, moe, layer)?;
    let on_host: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let rows = logits.dim(0)?;
    let of = if moe.norm_topk_prob { RouteWeights::OfTaken } else { RouteWeights::OfAll };
    let (mut ids, mut weights) = (vec![0; rows * moe.top_k], vec![0.0; rows * moe.top_k]);
    top_k(&on_host, moe.experts, moe.top_k, of, &mut ids, &mut weights);
    let mut tokens = vec![0; moe.experts];
    ids.iter().for_each(|id| tokens[*id as usize] += 1);
    let mut load = RouterLoad { tokens, entropy: 0.0, routed: rows as u64 };
    let balance = balance(&on_host, moe.experts, moe.top_k, &mut load);

    let chosen = Tensor::from_slice(&ids, (rows, moe.top_k), m.device())?;
    let all = softmax(&logits)?;
    let weights = match of {
        RouteWeights::OfTaken => softmax(&logits.gather(&chosen, 1)?)?,
        RouteWeights::OfAll => all.gather(&chosen, 1)?,
    };
    let y = run(m, &ids, &weights.flatten_all()?, moe, layer, precision)?;
    let share = |tokens: &u64| (moe.experts as f64 * *tokens as f64 / (rows * moe.top_k * rows) as f64) as f32;
    let shares: Vec<f32> = load.tokens.iter().map(share).collect();
    let shares = Tensor::from_vec(shares, (1, moe.experts), m.device())?;
    let followed = all.broadcast_mul(&shares)?.sum_all()?;
    Ok((y, Some(Routed { load, balance, followed })))
}

/// What decides, `[rows, experts]`, of fp32 whatever other products are.
fn logits(m: &Tensor, moe: &YuanMoe, layer: &Of<'_>) -> Result<Tensor> {
    match moe.router {
        Router::Classic => product(m, layer.get("mlp.gate.weight"), Precision::F32),
        Router::Attention => {
            let of = |name: &str| product(m, layer.get(&format!("mlp.gate.{name}.weight")), Precision::F32);
            let (query, key, value) =
                (of("query")?.unsqueeze(2)?, of("key")?.unsqueeze(1)?, of("value")?.unsqueeze(1)?);
            Ok(softmax(&query.broadcast_mul(&key)?)?.broadcast_mul(&value)?.sum(2)?)
        }
    }
}

/// Each row through its experts, `ids` of `[rows, top_k]`, their results weighted and summed.
fn run(
    m: &Tensor,
    ids: &[u32],
    weights: &Tensor,
    moe: &YuanMoe,
    layer: &Of<'_>,
    precision: Precision,
) -> Result<Tensor> {
    // Places of `ids` by expert, and within one by row.
    let mut places: Vec<u32> = (0..ids.len() as u32).collect();
    places.sort_by_key(|place| ids[*place as usize]);
    let (mut rows, mut parts) = (Vec::with_capacity(ids.len()), Vec::new());
    for own in places.chunk_by(|a, b| ids[*a as usize] == ids[*b as usize]) {
        let expert = ids[own[0] as usize];
        let seen: Vec<u32> = own.iter().map(|place| place / moe.top_k as u32).collect();
        let x = m.index_select(&Tensor::from_slice(&seen, seen.len(), m.device())?, 0)?;
        rows.extend(seen);
        let weights = weights.index_select(&Tensor::from_slice(own, own.len(), m.device())?, 0)?.unsqueeze(1)?;
        let of = |part: &str| layer.get(&format!("mlp.experts.{expert}.{part}.weight"));
        let gate = if moe.gated { Gate::First } else { Gate::None };
        let active = gated(&product(&x, of("w1"), precision)?, gate, moe.width)?.broadcast_mul(&weights)?;
        parts.push(product(&active, of("w2"), precision)?);
    }
    let rows = Tensor::from_vec(rows, ids.len(), m.device())?;
    Ok(Tensor::zeros(m.shape(), DType::F32, m.device())?.index_add(&rows, &Tensor::cat(&parts, 0)?, 0)?)
}
