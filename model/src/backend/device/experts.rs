//! A mixture of experts: rows sorted by expert, one product for each expert that has any.

use candle_core::{DType, Tensor as Array};

use super::operations;
use crate::Result;
use crate::backend::{Mlp, Routes};

/// The experts of a layer.
pub struct Experts {
    /// The first product of each, `[inner, hidden]`.
    pub(super) first: Vec<Array>,
    /// The second product of each, `[hidden, width]`.
    pub(super) second: Vec<Array>,
    pub(super) mlp: Mlp,
}

impl Experts {
    /// Each row through its experts, their results summed by weight.
    pub(super) fn run(&self, x: &Array, routes: &Routes) -> Result<Array> {
        let device = x.device();
        // Places of `routes` by expert, and within one by row.
        let mut places: Vec<u32> = (0..routes.ids.len() as u32).collect();
        places.sort_by_key(|place| routes.ids[*place as usize]);
        let rows: Vec<u32> = places.iter().map(|place| place / routes.top_k as u32).collect();
        let sorted = x.index_select(&Array::from_vec(rows, places.len(), device)?, 0)?;
        let mut parts = Vec::new();
        let mut start = 0;
        for run in places.chunk_by(|a, b| routes.ids[*a as usize] == routes.ids[*b as usize]) {
            let expert = routes.ids[run[0] as usize] as usize;
            let x = sorted.narrow(0, start, run.len())?;
            parts.push(operations::mlp(&x, &self.first[expert], &self.second[expert], self.mlp)?);
            start += run.len();
        }
        // Back to the order of `routes`, so that the experts of a row are summed in the order of their logits.
        let mut back = vec![0_u32; places.len()];
        for (sorted, place) in (0..).zip(&places) {
            back[*place as usize] = sorted;
        }
        let results = Array::cat(&parts, 0)?.index_select(&Array::from_vec(back, places.len(), device)?, 0)?;
        let shape = (x.dim(0)?, routes.top_k, x.dim(1)?);
        let weights = Array::from_slice(&routes.weights, (shape.0, routes.top_k, 1), device)?;
        let weighted = results.to_dtype(DType::F32)?.reshape(shape)?.broadcast_mul(&weights)?;
        Ok(weighted.sum(1)?.to_dtype(x.dtype())?)
    }
}
