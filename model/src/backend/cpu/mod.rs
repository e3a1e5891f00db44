//! Models on a CPU, on `yuan-kernels`: a document gets the same bits in any batch, on any number of threads and on any
//! CPU.
//!
//! Activations are fp32 whatever the type of the weights.

mod head;
mod memory;

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use yuan_kernels::gemm::{Chosen, Matrix, Precision, Rows, Start, experts, matmul, matmul_gated};
use yuan_kernels::{
    Attention, Columns, Keys, Sequence, add, attention, attention_router, pairs, rms_norm, rope, sigmoid_gate,
};

pub use head::Head;
pub use memory::Memory;

use super::{AttentionShape, Backend, Heads, Mlp, Routes, Routing, Scored, Stack};
use crate::batch::{Batch, check_ids};
use crate::rope::Angles;
use crate::weights::Tensor;
use crate::{DType, Result};

/// How weights lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Their type; that of the files if none is named.
    pub dtype: Option<DType>,
    /// What activations are rounded to in products.
    pub precision: Precision,
    /// What quantised weights are widened to when they are loaded; otherwise they stay as they are in the file and are widened to fp32
    /// when they are used.
    pub widen: Option<DType>,
}

/// Activations, `[rows, columns]`.
#[derive(Clone, Debug)]
pub struct Array {
    values: Vec<f32>,
    columns: usize,
}

impl Array {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self { values: vec![0.0; rows * columns], columns }
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// The values of some rows.
    fn of(&self, rows: &Range<usize>) -> &[f32] {
        &self.values[rows.start * self.columns..rows.end * self.columns]
    }
}

/// The experts of a layer.
pub struct Experts {
    first: Vec<Matrix>,
    second: Vec<Matrix>,
    mlp: Mlp,
}

/// What all layers need of a batch.
pub struct Layout {
    sequences: Vec<Range<usize>>,
    first_keys: Vec<u32>,
    angles: Angles,
}

impl Rows for Stack {
    fn out(&self) -> usize {
        self.rows()
    }

    fn columns(&self) -> usize {
        self.columns()
    }

    fn read(&self, first_row: usize, rows: &mut [f32]) {
        self.read(first_row, rows);
    }
}

impl Cpu {
    fn pack(&self, weight: Stack) -> Matrix {
        match self.precision {
            Precision::F32 => self.pack_exact(weight),
            // There are no products of bf16 with what is not of it.
            Precision::Bf16 => packed(&weight, DType::BF16).with_precision(Precision::Bf16),
        }
    }

    fn pack_exact(&self, weight: Stack) -> Matrix {
        match (weight.dtype(), self.widen) {
            (Some(own), _) => packed(&weight, self.dtype.unwrap_or(own)),
            (None, Some(wide)) => packed(&weight, wide),
            (None, None) => Matrix::lazy(Arc::new(weight)),
        }
    }
}

/// Packs a weight as numbers of a type.
fn packed(weight: &Stack, dtype: DType) -> Matrix {
    let dtype = match dtype {
        DType::F32 => yuan_kernels::gemm::DType::F32,
        DType::F16 => yuan_kernels::gemm::DType::F16,
        DType::BF16 => yuan_kernels::gemm::DType::Bf16,
    };
    let read = |first_row: usize, rows: &mut [f32]| {
        weight.read(first_row, rows);
        Ok::<_, Infallible>(())
    };
    match Matrix::pack(weight.rows(), weight.columns(), dtype, read) {
        Ok(matrix) => matrix,
        Err(never) => match never {},
    }
}

impl Backend for Cpu {
    type Array = Array;
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    type Experts = Experts;
    type Table = Tensor;
    type Head = Head;
    type Layout = Layout;
    type Routes = Routes;
    type Memory = Memory;

    fn matrix(&self, weight: Stack) -> Result<Matrix> {
        Ok(self.pack(weight))
    }

    fn exact_matrix(&self, weight: Stack) -> Result<Matrix> {
        Ok(self.pack_exact(weight))
    }

    fn vector(&self, weight: Vec<f32>) -> Result<Vec<f32>> {
        Ok(weight)
    }

    fn experts(&self, first: Vec<Stack>, second: Vec<Stack>, mlp: Mlp) -> Result<Experts> {
        let pack = |parts: Vec<Stack>| parts.into_iter().map(|part| self.pack(part)).collect();
        Ok(Experts { first: pack(first), second: pack(second), mlp })
    }

    /// Rows are read from the file.
    fn table(&self, weight: Tensor) -> Result<Tensor> {
        Ok(weight)
    }

    fn head(&self, weight: Tensor, _: Option<&Tensor>) -> Result<Head> {
        Ok(Head::new(&weight, |stack| self.pack(stack)))
    }

    fn layout(&self, batch: &Batch, angles: Angles) -> Result<Layout> {
        let (sequences, first_keys) = (batch.sequences().to_vec(), batch.first_keys().to_vec());
        Ok(Layout { sequences, first_keys, angles })
    }

    fn embed(&self, table: &Tensor, ids: &[u32]) -> Result<Array> {
        let columns = table.columns();
        let mut array = Array::zeros(ids.len(), columns);
        for (row, id) in array.values.chunks_exact_mut(columns).zip(ids) {
            table.read_rows(*id as usize, row);
        }
        Ok(array)
    }

    fn rms_norm(&self, x: &Array, weight: &Vec<f32>, eps: f32) -> Result<Array> {
        let mut out = Array::zeros(x.rows(), x.columns);
        rms_norm(&x.values, weight, eps, &mut out.values);
        Ok(out)
    }

    fn add(&self, x: &mut Array, y: &Array) -> Result<()> {
        add(&mut x.values, &y.values);
        Ok(())
    }

    fn linear(&self, x: &Array, weight: &Matrix, bias: Option<&Vec<f32>>) -> Result<Array> {
        let mut out = Array::zeros(x.rows(), weight.out());
        let start = bias.map_or(Start::Zero, |bias| Start::Bias(bias));
        matmul(&x.values, weight, start, &mut out.values);
        Ok(out)
    }

    fn pairs(&self, x: &Array, layout: &Layout, slot: usize, memories: &mut [&mut Memory]) -> Result<Array> {
        let mut before = vec![0.0; layout.sequences.len() * x.columns];
        for (before, memory) in before.chunks_exact_mut(x.columns).zip(memories.iter()) {
            if !memory.before[slot].is_empty() {
                before.copy_from_slice(&memory.before[slot]);
            }
        }
        let mut out = Array::zeros(x.rows(), 2 * x.columns);
        pairs(&x.values, x.columns, &layout.sequences, &before, &mut out.values);
        for (memory, rows) in memories.iter_mut().zip(&layout.sequences) {
            if let Some(last) = rows.clone().last() {
                memory.before[slot] = x.values[last * x.columns..][..x.columns].to_vec();
            }
        }
        Ok(out)
    }

    fn rope(&self, x: &mut Array, heads: Heads, layout: &Layout) -> Result<()> {
        let Angles { half, cos, sin } = &layout.angles;
        rope(&mut x.values, x.columns, heads, cos, sin, *half);
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
        let AttentionShape { queries, keys, .. } = *shape;
        let width = shape.values.count * shape.values.width;
        let mut passing = Vec::new();
        if memories.is_empty() {
            for rows in &layout.sequences {
                let mut panels = Keys::new(keys.count, keys.width);
                panels.extend(queries_and_keys.of(rows), queries_and_keys.columns, keys.first_column);
                passing.push(panels);
            }
        }
        for (memory, rows) in memories.iter_mut().zip(&layout.sequences) {
            let panels = memory.begin(keys, shape.values);
            panels.extend(queries_and_keys.of(rows), queries_and_keys.columns, keys.first_column);
            for row in values.of(rows).chunks_exact(values.columns) {
                memory.values.extend_from_slice(&row[shape.values.first_column..][..width]);
            }
        }
        let sequence = |(number, rows): (usize, &Range<usize>)| {
            let first_keys = &layout.first_keys[rows.clone()];
            let (keys, values) = match memories.get(number) {
                Some(memory) => {
                    let values = Columns { data: &memory.values, columns: width, first_column: 0 };
                    (memory.keys.as_ref().expect("keys were appended"), values)
                }
                None => {
                    let data = &values.values[rows.start * values.columns..];
                    let first_column = shape.values.first_column;
                    (&passing[number], Columns { data, columns: values.columns, first_column })
                }
            };
            Sequence { rows: rows.clone(), keys, values, first_keys }
        };
        let sequences: Vec<Sequence<'_>> = layout.sequences.iter().enumerate().map(sequence).collect();
        let mut out = Array::zeros(queries_and_keys.rows(), queries.count * queries.width);
        let from = Columns {
            data: &queries_and_keys.values,
            columns: queries_and_keys.columns,
            first_column: queries.first_column,
        };
        let how = Attention { heads: queries.count, scale: shape.scale, window: shape.window };
        attention(how, from, &sequences, &mut out.values);
        Ok(out)
    }

    fn mlp(&self, x: &Array, first: &Matrix, second: &Matrix, mlp: Mlp) -> Result<Array> {
        let mut inner = Array::zeros(x.rows(), mlp.inner());
        matmul(&x.values, first, Start::Zero, &mut inner.values);
        let mut out = Array::zeros(x.rows(), second.out());
        matmul_gated(&inner.values, mlp.gate, second, &mut out.values);
        Ok(out)
    }

    fn attention_router(&self, x: &Array) -> Result<Array> {
        let mut out = Array::zeros(x.rows(), x.columns / 3);
        attention_router(&x.values, out.columns, &mut out.values);
        Ok(out)
    }

    fn route(&self, logits: &Array, routing: Routing) -> Result<Routes> {
        Ok(Routes::of(&logits.values, logits.columns, routing))
    }

    fn run_experts(&self, x: &Array, routes: &Routes, layer: &Experts) -> Result<Array> {
        let mut out = Array::zeros(x.rows(), x.columns);
        let chosen = Chosen { experts: &routes.ids, weights: &routes.weights, top_k: routes.top_k };
        experts(&x.values, chosen, &layer.first, layer.mlp.gate, &layer.second, &mut out.values);
        Ok(out)
    }

    fn sigmoid_gate(&self, x: &mut Array, gate: &Array) -> Result<()> {
        sigmoid_gate(&mut x.values, x.columns, &gate.values);
        Ok(())
    }

    fn memory(room: usize) -> Memory {
        Memory::new(room)
    }

    fn copy_memory(&self, from: &Memory, to: &mut Memory) -> Result<()> {
        to.follow(from);
        Ok(())
    }

    fn rows(&self, x: &Array, rows: &[u32]) -> Result<Array> {
        let mut out = Array::zeros(rows.len(), x.columns);
        for (out, row) in out.values.chunks_exact_mut(x.columns).zip(rows) {
            out.copy_from_slice(&x.values[*row as usize * x.columns..][..x.columns]);
        }
        Ok(out)
    }

    fn score(&self, x: &Array, head: &Head, ids: &[u32]) -> Result<Vec<Scored>> {
        check_ids(ids, head.vocab_size())?;
        Ok(head.score(&x.values, ids))
    }

    fn logits(&self, x: &Array, head: &Head) -> Result<Vec<f32>> {
        Ok(head.logits(&x.values))
    }

    fn to_vec(&self, x: &Array) -> Result<Vec<f32>> {
        Ok(x.values.clone())
    }

    fn routes_to_vec(&self, routes: &Routes) -> Result<(Vec<u32>, Vec<f32>)> {
        Ok((routes.ids.clone(), routes.weights.clone()))
    }

    fn memory_to_vec(&self, memory: &Memory) -> Result<Vec<(&'static str, Vec<f32>)>> {
        let mut found = Vec::new();
        if let (Some(keys), Some(heads)) = (&memory.keys, memory.heads) {
            let heads_and_keys = (0..heads.count).flat_map(|head| (0..keys.len()).map(move |key| (head, key)));
            found.push(("k_cache", heads_and_keys.clone().flat_map(|(head, key)| keys.get(head, key)).collect()));
            let width = heads.width;
            let value = |(head, key): (usize, usize)| &memory.values[(key * heads.count + head) * width..][..width];
            found.push(("v_cache", heads_and_keys.flat_map(value).copied().collect()));
        }
        if !memory.before[0].is_empty() {
            found.push(("lf_memory", memory.before[0].clone()));
        }
        Ok(found)
    }
}
