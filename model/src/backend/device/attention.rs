//! Causal attention by blocks of rows.

use candle_core::{DType, Tensor as Array};

use super::operations::softmax;
use crate::Result;
use crate::backend::AttentionShape;

/// Rows whose scores are in memory at once.
const ROWS: usize = 512;

/// Attention of a sequence's last rows, `[rows, heads * width]`, to all its keys and values.
pub(super) fn attention(
    queries: &Array,
    keys: &Array,
    values: &Array,
    shape: &AttentionShape,
    first_keys: &[u32],
) -> Result<Array> {
    let (rows, count) = (queries.dim(0)?, keys.dim(0)?);
    let (width, kv_heads) = (shape.keys.width, shape.keys.count);
    let group = shape.queries.count / kv_heads;
    let by_head = |array: &Array| array.reshape((count, kv_heads, width))?.transpose(0, 1)?.contiguous();
    let (keys, values) = (by_head(keys)?, by_head(values)?);
    let mut parts = Vec::new();
    for start in (0..rows).step_by(ROWS) {
        let len = ROWS.min(rows - start);
        // The last row of the block sees no key behind its own.
        let seen = count - rows + start + len;
        let queries = queries.narrow(0, start, len)?.reshape((len, kv_heads, group, width))?;
        let queries = queries.permute((1, 2, 0, 3))?.contiguous()?.reshape((kv_heads, group * len, width))?;
        let scores = queries.matmul(&keys.narrow(1, 0, seen)?.transpose(1, 2)?.contiguous()?)?;
        let scores = (scores.to_dtype(DType::F32)? * f64::from(shape.scale))?.reshape((kv_heads, group, len, seen))?;
        let mask = mask(count - rows + start, &first_keys[start..start + len], seen, shape.window);
        let mask = Array::from_vec(mask, (1, 1, len, seen), scores.device())?;
        let weights = softmax(&scores.broadcast_add(&mask)?)?.to_dtype(values.dtype())?;
        let weights = weights.reshape((kv_heads, group * len, seen))?;
        let sums = weights.matmul(&values.narrow(1, 0, seen)?.contiguous()?)?;
        let sums = sums.reshape((kv_heads, group, len, width))?.permute((2, 0, 1, 3))?;
        parts.push(sums.contiguous()?.reshape((len, kv_heads * group * width))?);
    }
    Ok(Array::cat(&parts, 0)?)
}

/// 0 where a row sees a key, else so low that nothing is left of it.
fn mask(first_own: usize, first_keys: &[u32], seen: usize, window: Option<usize>) -> Vec<f32> {
    let mut mask = Vec::with_capacity(first_keys.len() * seen);
    for (own, first) in (first_own..).zip(first_keys) {
        let first = window.map_or(0, |window| (own + 1).saturating_sub(window)).max(*first as usize);
        mask.extend((0..seen).map(|key| if (first..=own).contains(&key) { 0.0 } else { f32::MIN }));
    }
    mask
}
