//! Tensors under Hugging Face's names, whatever the file calls them and however it joins them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::stored::{Element, Stored};
use super::tensor::Tensor;
use crate::{Error, Result};

/// What a model's files have.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// Weights by name.
    pub(super) tensors: BTreeMap<String, Tensor>,
    /// Tensors that are no weights: their file, and why not.
    pub(super) others: BTreeMap<String, (Arc<Path>, &'static str)>,
}

impl Canonical {
    /// Gives tensors of files their names.
    ///
    /// # Errors
    /// If two would have the same.
    pub(super) fn new(stored: Vec<Stored>) -> Result<Self> {
        let mut canonical = Self::default();
        for stored in stored {
            canonical.add(stored)?;
        }
        Ok(canonical)
    }

    fn add(&mut self, stored: Stored) -> Result<()> {
        let name = stored.name.clone();
        match stored.element {
            _ if stored.shape.contains(&0) => self.add_other(name, stored.path, "is empty"),
            Element::Integer(_) => self.add_other(name, stored.path, "holds integers, and weights are floats"),
            Element::Float(element) => self.add_tensor(name, Tensor::stored(stored, element)),
        }
    }

    fn add_other(&mut self, name: String, path: Arc<Path>, why: &'static str) -> Result<()> {
        self.refuse_second(&name, &path)?;
        self.others.insert(name, (path, why));
        Ok(())
    }

    fn add_tensor(&mut self, name: String, tensor: Tensor) -> Result<()> {
        self.refuse_second(&name, tensor.path())?;
        self.tensors.insert(name, tensor);
        Ok(())
    }

    fn refuse_second(&self, name: &str, path: &Path) -> Result<()> {
        match self.tensors.contains_key(name) || self.others.contains_key(name) {
            true => Err(Error::tensor(path, name, "comes twice")),
            false => Ok(()),
        }
    }
}
