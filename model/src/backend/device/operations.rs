//! Operations on rows, composed of candle's.

use candle_core::{D, DType, Tensor as Array};

use crate::Result;
use crate::backend::{Gate, Heads, Mlp};

/// `x / sqrt(mean(x²) + eps) * weight`, in fp32.
pub(super) fn rms_norm(x: &Array, weight: &Array, eps: f32) -> Result<Array> {
    let wide = x.to_dtype(DType::F32)?;
    let mean = wide.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = wide.broadcast_div(&(mean + f64::from(eps))?.sqrt()?)?;
    Ok(normed.broadcast_mul(weight)?.to_dtype(x.dtype())?)
}

/// Turns the first `2 * half` values of heads by the angles of their rows, `[rows, half]`.
pub(super) fn rope(x: &Array, heads: Heads, cos: &Array, sin: &Array) -> Result<Array> {
    let (rows, columns) = x.dims2()?;
    let (width, half) = (heads.count * heads.width, cos.dim(1)?);
    let own = x.narrow(1, heads.first_column, width)?.to_dtype(DType::F32)?;
    let own = own.reshape((rows, heads.count, heads.width))?;
    let (a, b) = (own.narrow(2, 0, half)?, own.narrow(2, half, half)?);
    let (cos, sin) = (cos.unsqueeze(1)?, sin.unsqueeze(1)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    let rest = own.narrow(2, 2 * half, heads.width - 2 * half)?;
    let turned = Array::cat(&[first, second, rest], 2)?.reshape((rows, width))?.to_dtype(x.dtype())?;
    let before = x.narrow(1, 0, heads.first_column)?;
    let end = heads.first_column + width;
    Ok(Array::cat(&[before, turned, x.narrow(1, end, columns - end)?], 1)?)
}

/// Logits of Yuan's Attention Router, in fp32: for each expert a softmax over the keys of all.
pub(super) fn attention_router(x: &Array) -> Result<Array> {
    let wide = x.to_dtype(DType::F32)?;
    let experts = x.dim(1)? / 3;
    let part = |number: usize| wide.narrow(1, number * experts, experts);
    let (query, key, value) = (part(0)?.unsqueeze(2)?, part(1)?.unsqueeze(1)?, part(2)?.unsqueeze(1)?);
    let weights = softmax(&query.broadcast_mul(&key)?)?;
    Ok(weights.broadcast_mul(&value)?.sum(D::Minus1)?)
}

/// An MLP.
pub(super) fn mlp(x: &Array, first: &Array, second: &Array, mlp: Mlp) -> Result<Array> {
    let inner = x.matmul(&first.t()?)?;
    let half = |number: usize| inner.narrow(1, number * mlp.width, mlp.width);
    let inner = match mlp.gate {
        Gate::None => inner.silu()?,
        Gate::First => (half(0)?.silu()? * half(1)?)?,
        Gate::Second => (half(0)? * half(1)?.silu()?)?,
    };
    Ok(inner.matmul(&second.t()?)?)
}

/// A softmax along the last axis.
pub(super) fn softmax(x: &Array) -> Result<Array> {
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?)
}
