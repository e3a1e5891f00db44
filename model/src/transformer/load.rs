//! Weights under Hugging Face's names, put where all models want them.

use super::{Block, Layer, Transformer};
use crate::backend::{Backend, Stack};
use crate::rope::AngleTable;
use crate::weights::{Tensor, Weights};
use crate::{Config, Result, qwen2_moe, yuan};

impl<B: Backend> Transformer<B> {
    /// Loads a model. `on_layer` is called with the number of each layer that is there.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape than the configuration asks for, or the device has no room.
    pub fn load(config: &Config, weights: &Weights, backend: &B, on_layer: &mut dyn FnMut(usize)) -> Result<Self> {
        let hidden = config.hidden_size();
        let (embedding, head) =
            embedding_and_head(weights, [config.vocab_size(), hidden], config.tied_embeddings(), backend)?;
        let norm = backend.vector(weights.get("model.norm.weight", &[hidden])?.to_vec())?;
        let mut blocks = Vec::with_capacity(config.layers());
        for number in 0..config.layers() {
            let weights = LayerWeights { weights, backend, prefix: format!("model.layers.{number}.") };
            let layer: Box<dyn Layer<B>> = match config {
                Config::Yuan(config) => Box::new(yuan::YuanLayer::load(config, &weights)?),
                Config::Qwen2Moe(config) => Box::new(qwen2_moe::Qwen2MoeLayer::load(config, &weights, number)?),
            };
            blocks.push(Block {
                input_norm: weights.vector("input_layernorm.weight", hidden)?,
                post_norm: weights.vector("post_attention_layernorm.weight", hidden)?,
                layer,
            });
            on_layer(number);
        }
        let (vocab_size, eps) = (config.vocab_size(), config.rms_norm_eps() as f32);
        Ok(Self { vocab_size, eps, angles: AngleTable::new(config.rope()), embedding, blocks, norm, head })
    }
}

/// The embedding and the output layer, `[vocab, hidden]` both. A tied output layer may be stored beside the embedding.
fn embedding_and_head<B: Backend>(
    weights: &Weights,
    shape: [usize; 2],
    is_tied: bool,
    backend: &B,
) -> Result<(B::Table, B::Head)> {
    const HEAD: &str = "lm_head.weight";
    let table = weights.get("model.embed_tokens.weight", &shape)?;
    let embedding = backend.table(table.clone())?;
    let head = if is_tied {
        weights.try_get(HEAD, &shape)?;
        backend.head(table, Some(&embedding))?
    } else {
        backend.head(weights.get(HEAD, &shape)?, None)?
    };
    Ok((embedding, head))
}

/// The weights of a layer, by their names in it, and where they are put.
pub(crate) struct LayerWeights<'a, B: Backend> {
    weights: &'a Weights,
    pub backend: &'a B,
    prefix: String,
}

impl<B: Backend> LayerWeights<'_, B> {
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.get(&format!("{}{name}", self.prefix), shape)
    }

    pub fn vector(&self, name: &str, length: usize) -> Result<B::Vector> {
        self.backend.vector(self.get(name, &[length])?.to_vec())
    }

    pub fn matrix(&self, name: &str, out: usize, columns: usize) -> Result<B::Matrix> {
        self.backend.matrix(self.stack([name], out, columns)?)
    }

    /// Tensors of one shape, `[out, columns]`, one below the other.
    pub fn stack<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        out: usize,
        columns: usize,
    ) -> Result<Stack> {
        let mut stack = Stack::new(columns);
        for name in names {
            stack = stack.with(self.get(name.as_ref(), &[out, columns])?);
        }
        Ok(stack)
    }
}
