//! Operations on rows that candle's autograd knows the way back of.

use candle_core::{D, DType, Tensor};
use yuan_kernels::gemm::{Gate, Precision};

use crate::Result;

/// `x · wᵀ` of fp32, computed in a precision.
pub(super) fn product(x: &Tensor, w: &Tensor, precision: Precision) -> Result<Tensor> {
    matmul(x, &w.t()?, precision)
}

/// `a · b` of fp32, computed in a precision.
pub(super) fn matmul(a: &Tensor, b: &Tensor, precision: Precision) -> Result<Tensor> {
    Ok(match precision {
        Precision::F32 => a.matmul(b)?,
        Precision::Bf16 => a.to_dtype(DType::BF16)?.matmul(&b.to_dtype(DType::BF16)?)?.to_dtype(DType::F32)?,
    })
}

/// `x / sqrt(mean(x²) + eps) · weight`.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    Ok(x.broadcast_div(&(mean + f64::from(eps))?.sqrt()?)?.broadcast_mul(weight)?)
}

/// A softmax along the last axis.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    // What is taken off changes nothing: no gradient goes by it.
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?)
}

/// What lies between the two products of an expert: `[rows, width]` of `[rows, gate.inputs(width)]`.
pub(super) fn gated(inner: &Tensor, gate: Gate, width: usize) -> Result<Tensor> {
    let half = |number: usize| inner.narrow(1, number * width, width);
    Ok(match gate {
        Gate::None => inner.silu()?,
        Gate::First => (half(0)?.silu()? * half(1)?)?,
        Gate::Second => (half(0)? * half(1)?.silu()?)?,
    })
}

/// Turns the first `2 · half` values of heads, `[rows, heads, width]`, by the angles of their rows, `[rows, 1, half]` each.
pub(super) fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (width, half) = (x.dim(2)?, cos.dim(2)?);
    let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    let mut parts = vec![first, second];
    if 2 * half < width {
        parts.push(x.narrow(2, 2 * half, width - 2 * half)?);
    }
    Ok(Tensor::cat(&parts, 2)?)
}
