//! Models on GPUs of NVIDIA's, by kernels of our own and the products of cuBLAS.
//!
//! Kernels are CUDA C++, compiled for the GPU when they are first used. In tests they run on the CPU as well, compiled by
//! `g++` with a stand-in for the hardware: the sources, the arguments and everything on this side are the same.
//! Activations and weights are fp32, fp16 or bf16; all sums, norms, softmaxes, routes and logits of tokens are fp32.

mod array;
mod attention;
mod driver;
#[cfg(test)]
mod emulated;
mod experts;
mod head;
#[cfg(feature = "cuda")]
mod nvidia;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::driver::{Arg, Driver, Grid};
use super::{AttentionShape, Backend, Heads, Mlp, Routing, Scored, Stack};
use crate::batch::{Batch, check_ids};
use crate::rope::Angles;
use crate::weights::Tensor;
use crate::{DType, Error, Result};

pub use array::Array;
pub use attention::Memory;
pub use experts::{Experts, Routes};
#[cfg(feature = "cuda")]
pub use nvidia::Nvidia;

/// A GPU, and the type models have there.
pub struct Cuda<D: Driver> {
    driver: D,
    dtype: DType,
}

/// A weight, and the type of its products.
pub struct Matrix<D: Driver> {
    weight: Array<D>,
    product: DType,
}

/// What all layers need of a batch.
pub struct Layout<D: Driver> {
    sequences: Vec<Range<usize>>,
    first_keys: Vec<u32>,
    /// `[rows, half]`, fp32.
    cos: D::Memory,
    sin: D::Memory,
    half: usize,
    /// For each row the one before it, or behind the last row its sequence's number.
    previous: D::Memory,
    /// Blocks of rows of attention.
    tasks: usize,
    task_rows: D::Memory,
    /// First row and rows of each sequence.
    sequence_rows: D::Memory,
    /// `first_keys` on the device.
    first_key_numbers: D::Memory,
}

impl<D: Driver> Cuda<D> {
    /// A device for models whose weights have this type.
    pub fn new(driver: D, dtype: DType) -> Self {
        Self { driver, dtype }
    }
}

impl<D: Driver> Backend for Cuda<D> {
    type Array = Array<D>;
    type Matrix = Matrix<D>;
    type Vector = D::Memory;
    type Experts = Experts<D>;
    type Table = Array<D>;
    type Head = Array<D>;
    type Layout = Layout<D>;
    type Routes = Routes<D>;
    type Memory = Memory<D>;

    fn matrix(&self, weight: Stack) -> Result<Matrix<D>> {
        Ok(Matrix { weight: self.weight(&weight)?, product: self.dtype })
    }

    fn exact_matrix(&self, weight: Stack) -> Result<Matrix<D>> {
        Ok(Matrix { weight: self.weight(&weight)?, product: DType::F32 })
    }

    fn vector(&self, weight: Vec<f32>) -> Result<D::Memory> {
        self.send(&weight, f32::to_le_bytes)
    }

    fn experts(&self, first: Vec<Stack>, second: Vec<Stack>, mlp: Mlp) -> Result<Experts<D>> {
        let upload = |parts: Vec<Stack>| parts.iter().map(|part| self.weight(part)).collect::<Result<Vec<_>>>();
        Ok(Experts { first: upload(first)?, second: upload(second)?, mlp })
    }

    fn table(&self, weight: Tensor) -> Result<Array<D>> {
        self.weight(&Stack::new(weight.columns()).with(weight))
    }

    fn head(&self, weight: Tensor, tied: Option<&Array<D>>) -> Result<Array<D>> {
        tied.map_or_else(|| self.table(weight), |table| Ok(table.clone()))
    }

    fn layout(&self, batch: &Batch, angles: Angles) -> Result<Layout<D>> {
        let sequences = batch.sequences();
        let tasks = attention::tasks(sequences, self.dtype);
        let rows: Vec<u32> = sequences.iter().flat_map(|rows| [rows.start as u32, rows.len() as u32]).collect();
        Ok(Layout {
            sequences: sequences.to_vec(),
            first_keys: batch.first_keys().to_vec(),
            cos: self.send(&angles.cos, f32::to_le_bytes)?,
            sin: self.send(&angles.sin, f32::to_le_bytes)?,
            half: angles.half,
            previous: self.send(&batch.previous_rows(), u32::to_le_bytes)?,
            tasks: tasks.len(),
            task_rows: self.send(tasks.as_flattened(), u32::to_le_bytes)?,
            sequence_rows: self.send(&rows, u32::to_le_bytes)?,
            first_key_numbers: self.send(batch.first_keys(), u32::to_le_bytes)?,
        })
    }

    fn embed(&self, table: &Array<D>, ids: &[u32]) -> Result<Array<D>> {
        check_ids(ids, table.rows)?;
        self.rows(table, ids)
    }

    fn rms_norm(&self, x: &Array<D>, weight: &D::Memory, eps: f32) -> Result<Array<D>> {
        self.check_width(x.columns)?;
        let out = self.array(x.rows, x.columns)?;
        let weight = Arg::Address(D::address(weight));
        let args = [out.arg(), x.arg(), weight, Arg::Int(x.columns as u32), Arg::Float(eps)];
        self.launch("rms_norm", Grid::of(x.rows), &args)?;
        Ok(out)
    }

    fn add(&self, x: &mut Array<D>, y: &Array<D>) -> Result<()> {
        self.check_width(x.columns)?;
        let count = x.rows * x.columns;
        let blocks = (count * self.dtype.bytes()).div_ceil(16 * 256);
        self.launch("add", Grid::of(blocks), &[x.arg(), y.arg(), Arg::Long(count as u64)])
    }

    fn linear(&self, x: &Array<D>, matrix: &Matrix<D>, bias: Option<&D::Memory>) -> Result<Array<D>> {
        let out = self.array_of(x.rows, matrix.weight.rows, matrix.product)?;
        self.product(x, (0, x.rows), &matrix.weight, 0, &out, 0)?;
        if let Some(bias) = bias {
            let args = [out.arg(), Arg::Address(D::address(bias)), Arg::Int(out.columns as u32)];
            self.launch("add_bias", Grid::of(out.rows), &args)?;
        }
        Ok(out)
    }

    fn pairs(
        &self,
        x: &Array<D>,
        layout: &Layout<D>,
        slot: usize,
        memories: &mut [&mut Memory<D>],
    ) -> Result<Array<D>> {
        self.check_width(x.columns)?;
        let out = self.array(x.rows, 2 * x.columns)?;
        let before = match memories {
            [] => None,
            _ => {
                let address = |memory: &&mut Memory<D>| memory.before[slot].as_ref().map_or(0, Array::address);
                Some(self.send_addresses(&memories.iter().map(address).collect::<Vec<_>>())?)
            }
        };
        let before = Arg::Address(before.as_ref().map_or(0, |before| D::address(before)));
        let previous = Arg::Address(D::address(&layout.previous));
        let (rows, width) = (Arg::Int(x.rows as u32), Arg::Int(x.columns as u32));
        self.launch("pairs", Grid::of(x.rows), &[out.arg(), x.arg(), previous, before, rows, width])?;
        for (memory, rows) in memories.iter_mut().zip(&layout.sequences) {
            if !rows.is_empty() {
                // A copy, so that the rest of `x` is not kept.
                let last = self.array(1, x.columns)?;
                self.copy(x, (rows.end - 1, 0), 1, x.columns, last.address())?;
                memory.before[slot] = Some(last);
            }
        }
        Ok(out)
    }

    fn rope(&self, x: &mut Array<D>, heads: Heads, layout: &Layout<D>) -> Result<()> {
        let first = Arg::Address(x.at(0, heads.first_column));
        let (cos, sin) = (Arg::Address(D::address(&layout.cos)), Arg::Address(D::address(&layout.sin)));
        let [columns, count, width, half] =
            [x.columns, heads.count, heads.width, layout.half].map(|number| Arg::Int(number as u32));
        self.launch("rope", Grid::of(x.rows), &[first, cos, sin, columns, count, width, half])
    }

    fn attention(
        &self,
        queries_and_keys: &Array<D>,
        values: &Array<D>,
        shape: &AttentionShape,
        layout: &Layout<D>,
        memories: &mut [&mut Memory<D>],
    ) -> Result<Array<D>> {
        self.attend(queries_and_keys, values, shape, layout, memories)
    }

    fn mlp(&self, x: &Array<D>, first: &Matrix<D>, second: &Matrix<D>, mlp: Mlp) -> Result<Array<D>> {
        let out = self.array(x.rows, second.weight.rows)?;
        self.feed(x, 0..x.rows, &first.weight, &second.weight, mlp, &out)?;
        Ok(out)
    }

    fn attention_router(&self, x: &Array<D>) -> Result<Array<D>> {
        let experts = x.columns / 3;
        if !(1..=256).contains(&experts) {
            return Err(Error::request(format!("a GPU takes up to 256 experts, and the model has {experts}")));
        }
        let out = self.array_of(x.rows, experts, DType::F32)?;
        let args = [out.arg(), x.arg(), Arg::Int(x.rows as u32), Arg::Int(experts as u32)];
        self.launch("attention_router", Grid::of(x.rows.div_ceil(256 / experts)), &args)?;
        Ok(out)
    }

    fn route(&self, logits: &Array<D>, routing: Routing) -> Result<Routes<D>> {
        self.best(logits, routing)
    }

    fn run_experts(&self, x: &Array<D>, routes: &Routes<D>, experts: &Experts<D>) -> Result<Array<D>> {
        self.mix(x, routes, experts)
    }

    fn sigmoid_gate(&self, x: &mut Array<D>, gate: &Array<D>) -> Result<()> {
        assert_eq!(gate.dtype, DType::F32, "gates are exact");
        self.launch("sigmoid_gate", Grid::of(x.rows), &[x.arg(), gate.arg(), Arg::Int(x.columns as u32)])
    }

    fn memory(room: usize) -> Memory<D> {
        Memory::new(room)
    }

    fn copy_memory(&self, from: &Memory<D>, to: &mut Memory<D>) -> Result<()> {
        self.follow(from, to)
    }

    fn free_memory(&self) -> Result<Option<u64>> {
        self.driver.free().map(Some)
    }

    fn rows(&self, x: &Array<D>, rows: &[u32]) -> Result<Array<D>> {
        self.gather(x, &self.send(rows, u32::to_le_bytes)?, rows.len())
    }

    fn score(&self, x: &Array<D>, head: &Array<D>, ids: &[u32]) -> Result<Vec<Scored>> {
        self.predict(x, head, ids)
    }

    fn logits(&self, x: &Array<D>, head: &Array<D>) -> Result<Vec<f32>> {
        self.all_logits(x, head)
    }

    fn to_vec(&self, x: &Array<D>) -> Result<Vec<f32>> {
        self.numbers(x)
    }

    fn routes_to_vec(&self, routes: &Routes<D>) -> Result<(Vec<u32>, Vec<f32>)> {
        self.taken(routes)
    }

    fn memory_to_vec(&self, memory: &Memory<D>) -> Result<Vec<(&'static str, Vec<f32>)>> {
        self.remembered(memory)
    }
}
