//! A layer, as candle's autograd follows it.

use candle_core::{DType, Tensor};
use yuan_kernels::gemm::Precision;
use yuan_model::config::{FILTER_EPS, Yuan};

use super::experts::{self, Routed};
use super::layout::{Block, Layout};
use super::operations::{matmul, product, rms_norm, rope, softmax};
use super::weights::Of;
use crate::Result;

/// What the layer makes of x, `[rows, hidden]`, and of its router.
pub(super) fn forward(
    x: &Tensor,
    config: &Yuan,
    layout: &Layout,
    layer: &Of<'_>,
    precision: Precision,
) -> Result<(Tensor, Option<Routed>)> {
    let eps = config.rms_norm_eps as f32;
    let normed = rms_norm(x, layer.get("input_layernorm.weight"), eps)?;
    let filtered = filter(&normed, layout, layer, precision)?;
    let (heads, width) = (config.heads, config.head_dim());
    let shape = (x.dim(0)?, 2 * heads, width);
    let both = Tensor::cat(&[layer.get("self_attn.q_proj.weight"), layer.get("self_attn.k_proj.weight")], 0)?;
    let both = product(&filtered, &both, precision)?.reshape(shape)?;
    // Each head has its query and then its key.
    let both = rope(&both, &layout.cos, &layout.sin)?.reshape((shape.0, heads, 2, width))?;
    let values = product(&normed, layer.get("self_attn.v_proj.weight"), precision)?.reshape((shape.0, heads, width))?;
    let parts = layout.blocks.iter().map(|block| attend(&both, &values, block, precision));
    let attended = Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?;
    let x = (x + product(&attended, layer.get("self_attn.o_proj.weight"), precision)?)?;
    let normed = rms_norm(&x, layer.get("post_attention_layernorm.weight"), eps)?;
    let (y, routed) = experts::forward(&normed, config, layer, precision)?;
    Ok(((x + y)?, routed))
}

/// Localized filtering: two convolutions of two taps, the residual, a norm.
fn filter(x: &Tensor, layout: &Layout, layer: &Of<'_>, precision: Precision) -> Result<Tensor> {
    let convolved = |x: &Tensor, number: usize| -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let zeros = Tensor::zeros((1, width), DType::F32, x.device())?;
        let previous = Tensor::cat(&[x, &zeros], 0)?.index_select(&layout.previous, 0)?;
        let taps = Tensor::stack(&[&previous, x], 2)?.reshape((rows, 2 * width))?;
        let weight = layer.get(&format!("self_attn.lf_gate.conv{number}.weight"));
        let product = product(&taps, &weight.reshape((weight.dim(0)?, 2 * width))?, precision)?;
        Ok(product.broadcast_add(layer.get(&format!("self_attn.lf_gate.conv{number}.bias")))?)
    };
    let sum = (convolved(&convolved(x, 1)?, 2)? + x)?;
    rms_norm(&sum, layer.get("self_attn.lf_gate.output_layernorm.weight"), FILTER_EPS)
}

/// Attention of a block, `[rows of it, heads · width]`, of queries and keys, `[rows, heads, 2, width]`, and values.
fn attend(both: &Tensor, values: &Tensor, block: &Block, precision: Precision) -> Result<Tensor> {
    let (_, heads, _, width) = both.dims4()?;
    let (start, len) = (block.rows.start, block.rows.len());
    let both = both.narrow(0, start, len)?;
    let side = |number: usize| both.narrow(2, number, 1)?.squeeze(2)?.transpose(0, 1)?.contiguous();
    let (queries, keys) = (side(0)?, side(1)?);
    let scores = matmul(&queries, &keys.transpose(1, 2)?, precision)?;
    let scores = (scores * (1.0 / (width as f64).sqrt()))?.broadcast_add(&block.mask)?;
    let values = values.narrow(0, start, len)?.transpose(0, 1)?.contiguous()?;
    let sums = matmul(&softmax(&scores)?, &values, precision)?;
    Ok(sums.transpose(0, 1)?.contiguous()?.reshape((len, heads * width))?)
}
