//! The output layer with its loss, for some rows at a time: gradients are taken part by part, so that no more logits are in memory.

use candle_core::{D, Tensor, Var};
use yuan_kernels::gemm::Precision;

use super::operations::product;
use crate::Result;
use crate::loss::Predictions;

/// Logits that are in memory at once, several times over.
const LOGITS: usize = 1 << 25;

/// What the loss leads back to.
pub(super) struct Gradients {
    /// Of what the head is given, `[rows, hidden]`.
    pub x: Tensor,
    /// Of the head.
    pub head: Option<Tensor>,
}

/// The weighted sum of the negative logarithms of the probabilities of what x, `[rows, hidden]`, predicts; and its gradients times
/// `scale`, if there is one.
pub(super) fn loss(
    x: &Tensor,
    head: &Tensor,
    predictions: &Predictions,
    precision: Precision,
    scale: Option<f32>,
) -> Result<(f64, Gradients)> {
    let Predictions { rows, targets, weights } = predictions;
    let device = x.device();
    let x = x.detach();
    let mut gradients = Gradients { x: x.zeros_like()?, head: None };
    let mut sum = 0.0;
    let at_once = (LOGITS / head.dim(0)?).max(1);
    for ((rows, targets), weights) in rows.chunks(at_once).zip(targets.chunks(at_once)).zip(weights.chunks(at_once)) {
        let count = rows.len();
        let rows = Tensor::from_slice(rows, count, device)?;
        let own = Var::from_tensor(&x.index_select(&rows, 0)?)?;
        let logits = product(own.as_tensor(), head, precision)?;
        let max = logits.max_keepdim(D::Minus1)?.detach();
        let sums = logits.broadcast_sub(&max)?.exp()?.sum_keepdim(D::Minus1)?.log()?;
        let log_sums = (sums + max)?;
        let found = logits.gather(&Tensor::from_slice(targets, (count, 1), device)?, 1)?;
        let losses = (log_sums - found)?.squeeze(1)?;
        let losses_there: Vec<f32> = losses.to_vec1()?;
        sum +=
            losses_there.iter().zip(weights).map(|(loss, weight)| f64::from(*loss) * f64::from(*weight)).sum::<f64>();
        let Some(scale) = scale else { continue };
        let scales: Vec<f32> = weights.iter().map(|weight| scale * weight).collect();
        let mut found = (losses * Tensor::from_vec(scales, count, device)?)?.sum_all()?.backward()?;
        // A gradient is followed as well where candle made it of what is watched: it must not be.
        if let Some(own) = found.remove(own.as_tensor()).map(|own| own.detach()) {
            gradients.x = gradients.x.index_add(&rows, &own, 0)?;
        }
        if let Some(own) = found.remove(head).map(|own| own.detach()) {
            gradients.head = Some(match gradients.head {
                Some(before) => (before + own)?,
                None => own,
            });
        }
    }
    Ok((sum, gradients))
}
