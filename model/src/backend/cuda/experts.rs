//! A mixture of experts: rows sorted by expert on the device, two products for each expert that has any.

use std::ops::Range;

use super::Cuda;
use super::array::Array;
use super::driver::{Arg, Driver, Grid};
use crate::backend::{Gate, Mlp, RouteWeights, Routing};
use crate::{Error, Result};

/// Rows whose values between the two products are in memory at once.
const ROWS: usize = 4096;
/// Ids that a block sorts.
const SORTED: usize = 1024;
/// Experts that a block knows.
const EXPERTS: usize = 256;

/// The experts of a layer.
pub struct Experts<D: Driver> {
    /// The first product of each, `[inner, hidden]`.
    pub(super) first: Vec<Array<D>>,
    /// The second product of each, `[hidden, width]`.
    pub(super) second: Vec<Array<D>>,
    pub(super) mlp: Mlp,
}

/// The experts of each row, on the device.
pub struct Routes<D: Driver> {
    rows: usize,
    top_k: usize,
    experts: usize,
    /// `[rows, top_k]` both.
    ids: D::Memory,
    weights: D::Memory,
    /// For each of `ids` its place among rows sorted by expert, and the row of each such place.
    places: D::Memory,
    sorted_rows: D::Memory,
    /// The first sorted place of each expert, and behind the last.
    offsets: D::Memory,
}

fn at<D: Driver>(memory: &D::Memory) -> Arg {
    Arg::Address(D::address(memory))
}

impl<D: Driver> Cuda<D> {
    /// The best experts of each row of logits, and rows sorted by them.
    pub(super) fn best(&self, logits: &Array<D>, routing: Routing) -> Result<Routes<D>> {
        let (rows, experts, top_k) = (logits.rows, logits.columns, routing.top_k);
        if experts > EXPERTS {
            return Err(Error::request(format!("a GPU takes up to {EXPERTS} experts, and the model has {experts}")));
        }
        let count = rows * top_k;
        let blocks = count.div_ceil(SORTED);
        let memory = |count: usize| self.driver.allocate(count * 4);
        let (ids, weights, places, sorted_rows) = (memory(count)?, memory(count)?, memory(count)?, memory(count)?);
        let (offsets, counts) = (memory(experts + 1)?, memory(blocks * experts)?);
        let int = |number: usize| Arg::Int(number as u32);
        let of_all = Arg::Int(u32::from(routing.weights == RouteWeights::OfAll));
        self.launch(
            "top_k",
            Grid { threads: 128, ..Grid::of(rows.div_ceil(4)) },
            &[at::<D>(&ids), at::<D>(&weights), logits.arg(), int(rows), int(experts), int(top_k), of_all],
        )?;
        let args = [at::<D>(&counts), at::<D>(&ids), int(count), int(experts)];
        self.launch("count_experts", Grid::of(blocks), &args)?;
        let args = [at::<D>(&counts), at::<D>(&offsets), int(blocks), int(experts)];
        self.launch("sum_counts", Grid::of(1), &args)?;
        let (sorted, kept) = (at::<D>(&sorted_rows), at::<D>(&counts));
        let args = [at::<D>(&places), sorted, at::<D>(&ids), kept, int(count), int(experts), int(top_k)];
        self.launch("sort_rows", Grid::of(blocks), &args)?;
        Ok(Routes { rows, top_k, experts, ids, weights, places, sorted_rows, offsets })
    }

    /// Each row through its experts, their results summed by weight in the order of their logits.
    pub(super) fn mix(&self, x: &Array<D>, routes: &Routes<D>, experts: &Experts<D>) -> Result<Array<D>> {
        let count = routes.rows * routes.top_k;
        // The one time that the device is waited for: how many rows each expert has.
        let offsets = self.fetch(&routes.offsets, routes.experts + 1, u32::from_le_bytes)?;
        let sorted = self.gather(x, &routes.sorted_rows, count)?;
        let results = self.array(count, x.columns)?;
        for (number, (first, second)) in experts.first.iter().zip(&experts.second).enumerate() {
            let rows = offsets[number] as usize..offsets[number + 1] as usize;
            self.feed(&sorted, rows, first, second, experts.mlp, &results)?;
        }
        let out = self.array(x.rows, x.columns)?;
        let (top_k, width) = (Arg::Int(routes.top_k as u32), Arg::Int(x.columns as u32));
        let args = [out.arg(), results.arg(), at::<D>(&routes.places), at::<D>(&routes.weights), top_k, width];
        self.launch("weighted_sum", Grid::of(x.rows), &args)?;
        Ok(out)
    }

    /// Some rows through an MLP, to the same rows of `out`.
    pub(super) fn feed(
        &self,
        x: &Array<D>,
        rows: Range<usize>,
        first: &Array<D>,
        second: &Array<D>,
        mlp: Mlp,
        out: &Array<D>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.check_width(mlp.width)?;
        let together = rows.len().min(ROWS);
        let inner = self.array(together, mlp.inner())?;
        let gated = self.array(together, mlp.width)?;
        let gate = match mlp.gate {
            Gate::None => 0,
            Gate::First => 1,
            Gate::Second => 2,
        };
        for start in rows.clone().step_by(ROWS) {
            let len = ROWS.min(rows.end - start);
            self.product(x, (start, len), first, 0, &inner, 0)?;
            let args = [gated.arg(), inner.arg(), Arg::Int(mlp.width as u32), Arg::Int(gate)];
            self.launch("activate", Grid::of(len), &args)?;
            self.product(&gated, (0, len), second, 0, out, start)?;
        }
        Ok(())
    }

    /// Ids and weights, `[rows, top_k]`.
    pub(super) fn taken(&self, routes: &Routes<D>) -> Result<(Vec<u32>, Vec<f32>)> {
        let count = routes.rows * routes.top_k;
        let ids = self.fetch(&routes.ids, count, u32::from_le_bytes)?;
        Ok((ids, self.fetch(&routes.weights, count, f32::from_le_bytes)?))
    }

    /// How rows are sorted.
    #[cfg(test)]
    pub(super) fn sorted(&self, routes: &Routes<D>) -> Result<Sorted> {
        let count = routes.rows * routes.top_k;
        Ok(Sorted {
            places: self.fetch(&routes.places, count, u32::from_le_bytes)?,
            rows: self.fetch(&routes.sorted_rows, count, u32::from_le_bytes)?,
            offsets: self.fetch(&routes.offsets, routes.experts + 1, u32::from_le_bytes)?,
        })
    }
}

/// How rows are sorted by expert.
#[cfg(test)]
pub(super) struct Sorted {
    pub places: Vec<u32>,
    pub rows: Vec<u32>,
    pub offsets: Vec<u32>,
}
