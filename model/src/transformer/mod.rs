//! What models have in common: tokens go in, a row of activations comes out for each.
//!
//! ```text
//! x = embedding of tokens
//! x += attend(norm(x)), x += feed(norm(x))      in each layer, as the model has it
//! norm(x)
//! ```

mod load;
mod state;

use crate::Result;
use crate::backend::Backend;
use crate::batch::Batch;
use crate::rope::AngleTable;

pub(crate) use self::load::LayerWeights;
pub use self::state::State;
use self::state::{begin, memories};

/// Sees what a layer computes on its way: its number, what it is, the numbers. For tests and `model check`.
pub type Trace<'a, B> = dyn FnMut(usize, &'static str, Traced<'_, B>) + 'a;

/// What a layer computes.
pub enum Traced<'a, B: Backend> {
    /// Activations.
    Array(&'a B::Array),
    /// The experts of each row.
    Routes(&'a B::Routes),
}

/// A layer whose numbers may be looked at.
pub(crate) struct Shown<'t, 'f, B: Backend> {
    layer: usize,
    trace: Option<&'t mut Trace<'f, B>>,
}

impl<B: Backend> Shown<'_, '_, B> {
    pub fn array(&mut self, name: &'static str, array: &B::Array) {
        if let Some(trace) = &mut self.trace {
            trace(self.layer, name, Traced::Array(array));
        }
    }

    pub fn routes(&mut self, routes: &B::Routes) {
        if let Some(trace) = &mut self.trace {
            trace(self.layer, "router_topk", Traced::Routes(routes));
        }
    }
}

/// What a model has of its own in a layer. Activations come normed, and what is returned is added to those before the norm.
pub(crate) trait Layer<B: Backend>: Send + Sync {
    /// Attention, and what belongs to it.
    fn attend(
        &self,
        backend: &B,
        normed: &B::Array,
        layout: &B::Layout,
        memories: &mut [&mut B::Memory],
        show: &mut Shown<'_, '_, B>,
    ) -> Result<B::Array>;

    /// An MLP, or experts.
    fn feed(&self, backend: &B, normed: &B::Array, show: &mut Shown<'_, '_, B>) -> Result<B::Array>;
}

/// A layer with its norms.
struct Block<B: Backend> {
    input_norm: B::Vector,
    post_norm: B::Vector,
    layer: Box<dyn Layer<B>>,
}

/// A model.
pub struct Transformer<B: Backend> {
    vocab_size: usize,
    eps: f32,
    angles: AngleTable,
    embedding: B::Table,
    blocks: Vec<Block<B>>,
    norm: B::Vector,
    head: B::Head,
}

impl<B: Backend> Transformer<B> {
    /// Activations behind the last norm, `[rows, hidden]`. `states` are empty, or one for each sequence of the batch.
    ///
    /// # Errors
    /// If an id is not in the vocabulary or the device fails.
    pub fn forward(
        &self,
        backend: &B,
        batch: &Batch,
        states: &mut [State<B>],
        mut trace: Option<&mut Trace<'_, B>>,
    ) -> Result<B::Array> {
        begin(batch, states, self.vocab_size)?;
        let layout = backend.layout(batch, self.angles.rows(batch.positions()))?;
        let mut x = backend.embed(&self.embedding, batch.ids())?;
        for (number, Block { input_norm, post_norm, layer }) in self.blocks.iter().enumerate() {
            let mut show = Shown { layer: number, trace: trace.as_deref_mut() };
            let normed = backend.rms_norm(&x, input_norm, self.eps)?;
            show.array("input_norm_out", &normed);
            let attended = layer.attend(backend, &normed, &layout, &mut memories(states, number), &mut show)?;
            show.array("attn_out", &attended);
            backend.add(&mut x, &attended)?;
            let normed = backend.rms_norm(&x, post_norm, self.eps)?;
            show.array("post_norm_out", &normed);
            let fed = layer.feed(backend, &normed, &mut show)?;
            show.array("mlp_out", &fed);
            backend.add(&mut x, &fed)?;
        }
        backend.rms_norm(&x, &self.norm, self.eps)
    }

    /// The output layer.
    pub fn head(&self) -> &B::Head {
        &self.head
    }

    /// Tokens of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.blocks.len()
    }
}
