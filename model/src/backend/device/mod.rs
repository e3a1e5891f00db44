//! Models on candle's tensors, composed of its operations, in fp32, bf16 or fp16: what kernels of GPUs are compared with.
//!
//! Norms, softmaxes, routers and probabilities are computed in fp32 whatever the type of the weights.

mod attention;
mod experts;
mod operations;

use std::ops::Range;

use candle_core::{D, DType, Device as CandleDevice, IndexOp, Tensor as Array};

use super::{AttentionShape, Backend, Heads, Mlp, Routes, Routing, Scored, Stack};
use crate::Result;
use crate::batch::{Batch, check_ids};
use crate::rope::Angles;
use crate::weights::Tensor;

pub use experts::Experts;

/// Rows of an output layer whose logits are in memory at once, and of activations they belong to.
const HEAD_ROWS: usize = 1024;

/// A device of candle's, and the type models have there.
#[derive(Clone, Debug)]
pub struct Device {
    device: CandleDevice,
    dtype: DType,
}

/// What all layers need of a batch.
pub struct Layout {
    sequences: Vec<Range<usize>>,
    first_keys: Vec<u32>,
    /// `[rows, half]`, fp32.
    cos: Array,
    sin: Array,
    /// For each row the one before it, of `[rows, before of each sequence]`.
    previous: Array,
}

/// What a layer remembers of a sequence.
#[derive(Default)]
pub struct Memory {
    keys: Grown,
    values: Grown,
    /// How the rows of both are cut.
    heads: Option<Heads>,
    /// The last row that each of two convolutions has read, `[1, width]`.
    before: [Option<Array>; 2],
}

/// Rows with room for more: only now and then are they moved.
#[derive(Default)]
struct Grown {
    /// Rows there is to be room for from the first one on.
    room: usize,
    rows: Option<Array>,
    count: usize,
}

impl Grown {
    /// Appends rows and returns all of them, `[count, width]`.
    fn extend(&mut self, new: &Array) -> Result<Array> {
        let (added, width) = new.dims2()?;
        let count = self.count + added;
        let room = self.rows.as_ref().map_or(0, |rows| rows.dim(0).unwrap_or(0));
        if count > room {
            let room = if count <= self.room { self.room } else { count.next_power_of_two().max(64) };
            let larger = Array::zeros((room, width), new.dtype(), new.device())?;
            if let Some(rows) = &self.rows
                && self.count > 0
            {
                larger.slice_set(&rows.narrow(0, 0, self.count)?.contiguous()?, 0, 0)?;
            }
            self.rows = Some(larger);
        }
        let rows = self.rows.as_ref().expect("room was made");
        rows.slice_set(&new.contiguous()?, 0, self.count)?;
        self.count = count;
        Ok(rows.narrow(0, 0, count)?)
    }

    /// All rows, `[count, width]`.
    fn all(&self) -> Result<Option<Array>> {
        Ok(self.rows.as_ref().map(|rows| rows.narrow(0, 0, self.count)).transpose()?)
    }
}

impl Device {
    /// A device for models whose weights have this type.
    pub fn new(device: CandleDevice, dtype: DType) -> Self {
        Self { device, dtype }
    }

    fn dense(&self, weight: &Stack) -> Result<Array> {
        let (rows, columns) = (weight.rows(), weight.columns());
        let mut numbers = vec![0.0_f32; rows * columns];
        weight.read(0, &mut numbers);
        self.upload(numbers, rows, columns)
    }

    fn upload(&self, numbers: Vec<f32>, rows: usize, columns: usize) -> Result<Array> {
        // Halved before it is sent.
        let there = Array::from_vec(numbers, (rows, columns), &CandleDevice::Cpu)?.to_dtype(self.dtype)?;
        Ok(there.to_device(&self.device)?)
    }

    fn ids(&self, ids: &[u32]) -> Result<Array> {
        Ok(Array::from_slice(ids, ids.len(), &self.device)?)
    }
}

impl Backend for Device {
    type Array = Array;
    type Matrix = Array;
    type Vector = Array;
    type Experts = Experts;
    type Table = Array;
    type Head = Array;
    type Layout = Layout;
    type Routes = Routes;
    type Memory = Memory;

    fn matrix(&self, weight: Stack) -> Result<Array> {
        self.dense(&weight)
    }

    fn exact_matrix(&self, weight: Stack) -> Result<Array> {
        // Products are of the weight's type.
        Self { dtype: DType::F32, ..self.clone() }.dense(&weight)
    }

    fn vector(&self, weight: Vec<f32>) -> Result<Array> {
        // Norms and biases are added and multiplied in fp32.
        Ok(Array::from_slice(&weight, weight.len(), &self.device)?)
    }

    fn experts(&self, first: Vec<Stack>, second: Vec<Stack>, mlp: Mlp) -> Result<Experts> {
        let upload = |parts: Vec<Stack>| parts.iter().map(|part| self.dense(part)).collect::<Result<Vec<_>>>();
        Ok(Experts { first: upload(first)?, second: upload(second)?, mlp })
    }

    fn table(&self, weight: Tensor) -> Result<Array> {
        let columns = weight.columns();
        self.dense(&Stack::new(columns).with(weight))
    }

    fn head(&self, weight: Tensor, tied: Option<&Array>) -> Result<Array> {
        match tied {
            Some(table) => Ok(table.clone()),
            None => self.table(weight),
        }
    }

    fn layout(&self, batch: &Batch, angles: Angles) -> Result<Layout> {
        let shape = (batch.len(), angles.half);
        Ok(Layout {
            sequences: batch.sequences().to_vec(),
            first_keys: batch.first_keys().to_vec(),
            cos: Array::from_vec(angles.cos, shape, &self.device)?,
            sin: Array::from_vec(angles.sin, shape, &self.device)?,
            previous: self.ids(&batch.previous_rows())?,
        })
    }

    fn embed(&self, table: &Array, ids: &[u32]) -> Result<Array> {
        Ok(table.index_select(&self.ids(ids)?, 0)?)
    }

    fn rms_norm(&self, x: &Array, weight: &Array, eps: f32) -> Result<Array> {
        operations::rms_norm(x, weight, eps)
    }

    fn add(&self, x: &mut Array, y: &Array) -> Result<()> {
        *x = (&*x + y)?;
        Ok(())
    }

    fn linear(&self, x: &Array, weight: &Array, bias: Option<&Array>) -> Result<Array> {
        let product = x.to_dtype(weight.dtype())?.matmul(&weight.t()?)?;
        match bias {
            Some(bias) => Ok(product.broadcast_add(&bias.to_dtype(self.dtype)?)?),
            None => Ok(product),
        }
    }

    fn pairs(&self, x: &Array, layout: &Layout, slot: usize, memories: &mut [&mut Memory]) -> Result<Array> {
        let width = x.dim(1)?;
        let zeros = Array::zeros((1, width), x.dtype(), &self.device)?;
        let mut parts = vec![x.clone()];
        match memories {
            [] => parts.push(zeros.expand((layout.sequences.len(), width))?),
            _ => parts.extend(memories.iter().map(|memory| memory.before[slot].clone().unwrap_or(zeros.clone()))),
        }
        for (memory, rows) in memories.iter_mut().zip(&layout.sequences) {
            if !rows.is_empty() {
                memory.before[slot] = Some(x.narrow(0, rows.end - 1, 1)?);
            }
        }
        let previous = Array::cat(&parts, 0)?.index_select(&layout.previous, 0)?;
        Ok(Array::cat(&[&previous, x], 1)?)
    }

    fn rope(&self, x: &mut Array, heads: Heads, layout: &Layout) -> Result<()> {
        *x = operations::rope(x, heads, &layout.cos, &layout.sin)?;
        Ok(())
    }

    fn attention(
        &self,
        queries_and_keys: &Array,
        values: &Array,
        shape: &AttentionShape,
        layout: &Layout,
        memories: &mut [&mut Memory],
    ) -> Result<Array> {
        let columns = |array: &Array, heads: Heads| array.narrow(1, heads.first_column, heads.count * heads.width);
        let queries = columns(queries_and_keys, shape.queries)?;
        let keys = columns(queries_and_keys, shape.keys)?;
        let values = columns(values, shape.values)?;
        let mut parts = Vec::with_capacity(layout.sequences.len());
        for (number, rows) in layout.sequences.iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            let own = |array: &Array| array.narrow(0, rows.start, rows.len());
            let (keys, values) = match memories.get_mut(number) {
                Some(memory) => {
                    memory.heads = Some(shape.keys);
                    (memory.keys.extend(&own(&keys)?)?, memory.values.extend(&own(&values)?)?)
                }
                None => (own(&keys)?, own(&values)?),
            };
            let first_keys = &layout.first_keys[rows.clone()];
            parts.push(attention::attention(&own(&queries)?, &keys, &values, shape, first_keys)?);
        }
        Ok(Array::cat(&parts, 0)?)
    }

    fn mlp(&self, x: &Array, first: &Array, second: &Array, mlp: Mlp) -> Result<Array> {
        operations::mlp(x, first, second, mlp)
    }

    fn attention_router(&self, x: &Array) -> Result<Array> {
        operations::attention_router(x)
    }

    fn route(&self, logits: &Array, routing: Routing) -> Result<Routes> {
        Ok(Routes::of(&self.to_vec(logits)?, logits.dim(1)?, routing))
    }

    fn run_experts(&self, x: &Array, routes: &Routes, experts: &Experts) -> Result<Array> {
        experts.run(x, routes)
    }

    fn sigmoid_gate(&self, x: &mut Array, gate: &Array) -> Result<()> {
        let share = (gate.to_dtype(DType::F32)?.neg()?.exp()? + 1.0)?.recip()?;
        *x = x.broadcast_mul(&share.to_dtype(x.dtype())?)?;
        Ok(())
    }

    fn memory(room: usize) -> Memory {
        let grown = || Grown { room, ..Grown::default() };
        Memory { keys: grown(), values: grown(), ..Memory::default() }
    }

    fn copy_memory(&self, from: &Memory, to: &mut Memory) -> Result<()> {
        for (from, to) in [(&from.keys, &mut to.keys), (&from.values, &mut to.values)] {
            if let Some(rows) = from.all()? {
                to.extend(&rows)?;
            }
        }
        (to.heads, to.before) = (from.heads, from.before.clone());
        Ok(())
    }

    fn rows(&self, x: &Array, rows: &[u32]) -> Result<Array> {
        Ok(x.index_select(&self.ids(rows)?, 0)?)
    }

    fn score(&self, x: &Array, head: &Array, ids: &[u32]) -> Result<Vec<Scored>> {
        check_ids(ids, head.dim(0)?)?;
        let mut scored = Vec::with_capacity(ids.len());
        for (number, ids) in ids.chunks(HEAD_ROWS).enumerate() {
            let x = x.narrow(0, number * HEAD_ROWS, ids.len())?;
            let logits = x.matmul(&head.t()?)?.to_dtype(DType::F32)?;
            let own = logits.gather(&self.ids(ids)?.unsqueeze(1)?, 1)?.squeeze(1)?;
            let max = logits.max(D::Minus1)?;
            let sum = logits.broadcast_sub(&max.unsqueeze(1)?)?.exp()?.sum(D::Minus1)?;
            let log_probs = ((&own - &max)? - sum.log()?)?.to_vec1::<f32>()?;
            let greedy = own.ge(&max)?.to_vec1::<u8>()?;
            let pair = |(log_prob, greedy)| Scored { log_prob, is_greedy: greedy != 0 };
            scored.extend(log_probs.into_iter().zip(greedy).map(pair));
        }
        Ok(scored)
    }

    fn logits(&self, x: &Array, head: &Array) -> Result<Vec<f32>> {
        let mut logits = Vec::with_capacity(x.dim(0)? * head.dim(0)?);
        for start in (0..x.dim(0)?).step_by(HEAD_ROWS) {
            let part = x.i(start..(start + HEAD_ROWS).min(x.dim(0)?))?;
            logits.extend(self.to_vec(&part.matmul(&head.t()?)?)?);
        }
        Ok(logits)
    }

    fn to_vec(&self, x: &Array) -> Result<Vec<f32>> {
        Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    fn routes_to_vec(&self, routes: &Routes) -> Result<(Vec<u32>, Vec<f32>)> {
        Ok((routes.ids.clone(), routes.weights.clone()))
    }

    fn memory_to_vec(&self, memory: &Memory) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let mut found = Vec::new();
        for (name, grown) in [("k_cache", &memory.keys), ("v_cache", &memory.values)] {
            if let (Some(rows), Some(heads)) = (&grown.rows, memory.heads) {
                let rows = rows.narrow(0, 0, grown.count)?.reshape((grown.count, heads.count, heads.width))?;
                found.push((name, self.to_vec(&rows.transpose(0, 1)?)?));
            }
        }
        if let Some(row) = &memory.before[0] {
            found.push(("lf_memory", self.to_vec(row)?));
        }
        Ok(found)
    }
}
