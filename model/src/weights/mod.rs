//! Tensors as they lie in files: safetensors, PyTorch pickles, GGUF and GPTQ, under Hugging Face's names.
//!
//! Files are mapped into memory, and nothing is read of a tensor before it is asked for its rows:
//!
//! ```no_run
//! # use std::path::Path;
//! use yuan_model::weights::Weights;
//!
//! let weights = Weights::open(Path::new("Yuan2-M32-hf"))?;
//! let norm = weights.get("model.norm.weight", &[2048])?.to_vec();
//! # Ok::<(), yuan_model::Error>(())
//! ```

mod bytes;
mod canonical;
pub(crate) mod gguf;
mod open;
pub(crate) mod pickle;
pub mod quantised;
mod random;
mod safetensors;
pub(crate) mod stored;
mod tensor;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use tensor::{Kind, Tensor};
pub(crate) use write::write_whole;
pub use write::{Form, write_safetensors};

use canonical::Canonical;

use crate::{Config, DType, Error, Result};

/// The tensors of a model by Hugging Face's names, whatever the file calls them.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    found: Canonical,
    /// Names that were asked for.
    asked: Mutex<BTreeSet<String>>,
}

impl Weights {
    /// Opens a directory with safetensors or PyTorch files, single or in shards, or with a GGUF file; or one such file. Reference
    /// values that lie beside them are no weights.
    ///
    /// # Errors
    /// [`Error::Io`] if a file is missing; [`Error::Malformed`] and [`Error::Tensor`] if one is truncated or damaged:
    /// everything but the numbers is checked here.
    pub fn open(path: &Path) -> Result<Self> {
        let stored = open::open(path)?;
        Ok(Self::new(path, Canonical::new(stored)?))
    }

    /// Random weights for a shape, for measurements: drawn on demand from (`seed`, name, place), the same each time,
    /// rounded to `dtype`. Matrices are roughly normal with a deviation of 0.02, norms 1, biases 0. Takes no memory.
    pub fn random(config: &Config, seed: u64, dtype: DType) -> Self {
        let tensors = config.tensors().map(|(name, shape)| {
            let tensor = random::tensor(&name, shape, seed, dtype);
            (name, tensor)
        });
        let found = Canonical { tensors: tensors.collect(), others: BTreeMap::new() };
        Self::new(Path::new("random weights"), found)
    }

    /// Tensors in memory, under Hugging Face's names.
    pub fn of(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let found = Canonical { tensors: tensors.into_iter().collect(), others: BTreeMap::new() };
        Self::new(Path::new("memory"), found)
    }

    fn new(path: &Path, found: Canonical) -> Self {
        Self { path: path.to_path_buf(), found, asked: Mutex::default() }
    }

    /// Where they come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A tensor of floats, of the given shape.
    ///
    /// # Errors
    /// [`Error::Tensor`] if it is missing, of another shape, or no weight at all.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.try_get(name, shape)? {
            Some(tensor) => Ok(tensor),
            None => Err(Error::tensor(&self.path, name, format!("is missing{}", self.similar(name)))),
        }
    }

    /// A tensor of floats, of the given shape, if it is there.
    ///
    /// # Errors
    /// [`Error::Tensor`] if it is of another shape, or no weight at all.
    pub fn try_get(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        if let Some((path, why)) = self.found.others.get(name) {
            return Err(Error::tensor(path, name, *why));
        }
        let Some(tensor) = self.found.tensors.get(name) else { return Ok(None) };
        if tensor.shape() != shape {
            let problem = format!("is {:?}, and the configuration asks for {shape:?}", tensor.shape());
            return Err(Error::tensor(tensor.path(), name, problem));
        }
        Ok(Some(tensor.clone()))
    }

    /// The names of all weights, in their order as text.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.found.tensors.keys().map(String::as_str)
    }

    /// Names and tensors, in the order of the names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.found.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The type that holds what all matrices have; `None` if some are in few bits. Norms and biases, which some checkpoints keep
    /// in singles, do not count.
    pub fn dtype(&self) -> Option<DType> {
        widest(
            self.found.tensors.values().filter(|tensor| tensor.shape().len() > 1).map(|tensor| tensor.kind().dtype()),
        )
    }

    /// The names that nobody has asked for yet. Frequencies of rotary embeddings, which old checkpoints have, are no
    /// weights and left out.
    pub fn unexpected(&self) -> Vec<&str> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.names().chain(self.found.others.keys().map(String::as_str));
        names.filter(|name| !asked.contains(*name) && !name.ends_with("rotary_emb.inv_freq")).collect()
    }

    /// Checks that everything a configuration asks for is there, in its shape.
    ///
    /// # Errors
    /// [`Error::Tensor`] of the first that is not.
    pub fn check(&self, config: &Config) -> Result<()> {
        config.tensors().try_for_each(|(name, shape)| self.get(&name, &shape).map(drop))
    }

    /// Names and shapes that a configuration asks for and that are not there.
    pub fn missing(&self, config: &Config) -> Vec<(String, Vec<usize>)> {
        config.tensors().filter(|(name, _)| !self.found.tensors.contains_key(name)).collect()
    }

    /// What to say of a name that is missing: up to three that are like it.
    fn similar(&self, name: &str) -> String {
        let mut near: Vec<(usize, &str)> =
            self.names().map(|other| (strsim::levenshtein(name, other), other)).collect();
        near.sort();
        near.retain(|(distance, _)| *distance <= name.len() / 3);
        let near: Vec<String> = near.iter().take(3).map(|(_, other)| format!("`{other}`")).collect();
        match near.is_empty() {
            true => format!("; there are {} tensors, and none has a similar name", self.found.tensors.len()),
            false => format!("; there is {}", near.join(", ")),
        }
    }
}

/// The type that holds what all tensors have, by the types of each; `None` if some are in few bits.
pub(crate) fn widest(dtypes: impl Iterator<Item = Option<DType>>) -> Option<DType> {
    let mut widest = None;
    for own in dtypes {
        let own = own?;
        widest = Some(widest.map_or(own, |other| if own == other { own } else { DType::F32 }));
    }
    widest
}
