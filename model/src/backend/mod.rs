//! What models are computed with: some twenty operations on rows of activations, on a CPU, on candle's devices or on a GPU.
//!
//! Activations are `[rows, width]`, a row for each token of a [`Batch`]; weights are `[out, in]` and known at load time, so that a backend
//! lays them out as it likes.

mod cpu;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod cuda;
mod device;
mod log_probs;
mod routes;
mod stack;

use crate::Result;
use crate::batch::Batch;
use crate::rope::Angles;
use crate::weights::Tensor;

pub use cpu::Cpu;
#[cfg(feature = "cuda")]
pub use cuda::{Cuda, Nvidia};
pub use device::Device;
pub use log_probs::LogProbs;
pub use routes::Routes;
pub use stack::Stack;
pub use yuan_kernels::gemm::Gate;
pub use yuan_kernels::{Heads, Weights as RouteWeights};

/// What attention reads: queries and keys from one array, values from another or the same.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Heads of queries.
    pub queries: Heads,
    /// Heads of keys.
    pub keys: Heads,
    /// Heads of values.
    pub values: Heads,
    /// What products of query and key are multiplied by.
    pub scale: f32,
    /// Keys a row sees at most, its own among them.
    pub window: Option<usize>,
}

/// How experts are chosen from logits.
#[derive(Clone, Copy, Debug)]
pub struct Routing {
    /// Experts that see a token.
    pub top_k: usize,
    /// What their weights are.
    pub weights: RouteWeights,
}

/// What lies between the two products of an MLP or of an expert.
#[derive(Clone, Copy, Debug)]
pub struct Mlp {
    /// Values that reach the second product.
    pub width: usize,
    /// How those that leave the first one become them.
    pub gate: Gate,
}

impl Mlp {
    /// Values that leave the first product.
    pub fn inner(&self) -> usize {
        self.gate.inputs(self.width)
    }
}

/// A token to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The row that predicts it.
    pub row: u32,
    /// Its id.
    pub id: u32,
}

/// How well a token was predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Natural logarithm of its probability.
    pub log_prob: f32,
    /// Whether no token is more likely.
    pub is_greedy: bool,
}

/// Operations on activations.
///
/// `memories` is what one layer remembers of each sequence of a batch; empty where nothing is remembered.
pub trait Backend: Send + Sync + 'static {
    /// Activations, `[rows, width]`.
    type Array;
    /// A weight, `[out, in]`.
    type Matrix: Send + Sync;
    /// A weight of one axis.
    type Vector: Send + Sync;
    /// The experts of a layer.
    type Experts: Send + Sync;
    /// The embedding.
    type Table: Send + Sync;
    /// The output layer.
    type Head: Send + Sync;
    /// What all layers need of a batch.
    type Layout;
    /// The experts of each row with their weights.
    type Routes;
    /// What a layer remembers of a sequence.
    type Memory: Send;

    /// Lays out a weight.
    ///
    /// # Errors
    /// If the device has no room.
    fn matrix(&self, weight: Stack) -> Result<Self::Matrix>;
    /// Lays out a weight whose products are of fp32 even where others are rounded: that of a router.
    ///
    /// # Errors
    /// If the device has no room.
    fn exact_matrix(&self, weight: Stack) -> Result<Self::Matrix> {
        self.matrix(weight)
    }
    /// Lays out a weight of one axis.
    ///
    /// # Errors
    /// If the device has no room.
    fn vector(&self, weight: Vec<f32>) -> Result<Self::Vector>;
    /// Lays out the experts of a layer: for each the first product, `[inner, hidden]`, and the second, `[hidden, width]`.
    ///
    /// # Errors
    /// If the device has no room.
    fn experts(&self, first: Vec<Stack>, second: Vec<Stack>, mlp: Mlp) -> Result<Self::Experts>;
    /// Lays out an embedding, `[vocab, hidden]`.
    ///
    /// # Errors
    /// If the device has no room.
    fn table(&self, weight: Tensor) -> Result<Self::Table>;
    /// Lays out an output layer, `[vocab, hidden]`; `tied` is the embedding it is, if it is one.
    ///
    /// # Errors
    /// If the device has no room.
    fn head(&self, weight: Tensor, tied: Option<&Self::Table>) -> Result<Self::Head>;

    /// What all layers need of a batch.
    ///
    /// # Errors
    /// If the device fails; so it is with all that follow.
    fn layout(&self, batch: &Batch, angles: Angles) -> Result<Self::Layout>;
    /// Rows of the embedding. An id that is none is an error.
    fn embed(&self, table: &Self::Table, ids: &[u32]) -> Result<Self::Array>;
    /// `x / sqrt(mean(x²) + eps) * weight`.
    fn rms_norm(&self, x: &Self::Array, weight: &Self::Vector, eps: f32) -> Result<Self::Array>;
    /// `x += y`.
    fn add(&self, x: &mut Self::Array, y: &Self::Array) -> Result<()>;
    /// `x · weightᵀ + bias`.
    fn linear(&self, x: &Self::Array, weight: &Self::Matrix, bias: Option<&Self::Vector>) -> Result<Self::Array>;
    /// Each row behind the one before it, `[rows, 2 * width]`; before the first row of a sequence lies what `memories`
    /// know in this `slot`, or zeros. They learn the last row.
    fn pairs(
        &self,
        x: &Self::Array,
        layout: &Self::Layout,
        slot: usize,
        memories: &mut [&mut Self::Memory],
    ) -> Result<Self::Array>;
    /// Turns heads by the angles of their rows.
    fn rope(&self, x: &mut Self::Array, heads: Heads, layout: &Self::Layout) -> Result<()>;
    /// Causal attention within sequences, to what `memories` know as well; they learn the new keys and values.
    fn attention(
        &self,
        queries_and_keys: &Self::Array,
        values: &Self::Array,
        shape: &AttentionShape,
        layout: &Self::Layout,
        memories: &mut [&mut Self::Memory],
    ) -> Result<Self::Array>;
    /// An MLP that sees every row.
    fn mlp(&self, x: &Self::Array, first: &Self::Matrix, second: &Self::Matrix, mlp: Mlp) -> Result<Self::Array>;
    /// Logits of Yuan's Attention Router from query, key and value of each expert, `[rows, 3 * experts]`.
    fn attention_router(&self, x: &Self::Array) -> Result<Self::Array>;
    /// The experts of each row.
    fn route(&self, logits: &Self::Array, routing: Routing) -> Result<Self::Routes>;
    /// Each row through its experts, their results summed by weight.
    fn run_experts(&self, x: &Self::Array, routes: &Self::Routes, experts: &Self::Experts) -> Result<Self::Array>;
    /// `x[row] *= sigmoid(gate[row])` with one gate for each row.
    fn sigmoid_gate(&self, x: &mut Self::Array, gate: &Self::Array) -> Result<()>;

    /// What a layer remembers of a sequence without tokens, with room for so many; 0 for as many as come.
    fn memory(room: usize) -> Self::Memory;
    /// Lets a layer remember of a sequence without tokens what it does of another.
    fn copy_memory(&self, from: &Self::Memory, to: &mut Self::Memory) -> Result<()>;
    /// Bytes that the device has free, where it has memory of its own.
    fn free_memory(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Some rows.
    fn rows(&self, x: &Self::Array, rows: &[u32]) -> Result<Self::Array>;
    /// How well each row of `x` predicts its id. Cost: one product with the output layer; logits are never all in memory.
    fn score(&self, x: &Self::Array, head: &Self::Head, ids: &[u32]) -> Result<Vec<Scored>>;
    /// Logits of all rows, `[rows, vocab]`.
    fn logits(&self, x: &Self::Array, head: &Self::Head) -> Result<Vec<f32>>;
    /// The numbers of an array.
    fn to_vec(&self, x: &Self::Array) -> Result<Vec<f32>>;
    /// The experts of each row and their weights, `[rows, top_k]` each.
    fn routes_to_vec(&self, routes: &Self::Routes) -> Result<(Vec<u32>, Vec<f32>)>;
    /// What a layer remembers, as [`Session::memory`](crate::engine::Session::memory) names it.
    fn memory_to_vec(&self, memory: &Self::Memory) -> Result<Vec<(&'static str, Vec<f32>)>>;
}
