//! A file of reference values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Result};

/// Reference values by name.
pub(super) struct Fixture(BTreeMap<String, Values>);

/// One tensor of reference values.
pub(super) struct Values {
    /// Values along each axis.
    pub shape: Vec<usize>,
    /// The values; whole numbers below 2^24 are exact.
    pub values: Vec<f32>,
}

impl Fixture {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::io("read", path, source))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| Error::malformed(path, error.to_string()))?;
        let mut found = BTreeMap::new();
        for (name, view) in file.tensors() {
            let values = numbers(&view)
                .ok_or_else(|| Error::tensor(path, &name, "is neither of F32 nor of I64: a fixture has these"))?;
            found.insert(name, Values { shape: view.shape().to_vec(), values });
        }
        Ok(Self(found))
    }

    pub fn get(&self, name: &str) -> Option<&Values> {
        self.0.get(name)
    }

    /// Names that end in `.end`, without it.
    pub fn cases(&self, end: &str) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(move |name| name.strip_suffix(end)?.strip_suffix('.'))
    }

    /// Values below `prefix`, by the rest of their names.
    pub fn below(&self, prefix: &str) -> impl Iterator<Item = (&str, &Values)> {
        self.0.iter().filter_map(move |(name, values)| Some((name.strip_prefix(prefix)?.strip_prefix('.')?, values)))
    }
}

impl Values {
    /// Ids, positions or marks of a mask.
    pub fn ids(&self) -> Vec<u32> {
        self.values.iter().map(|value| *value as u32).collect()
    }
}

fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    match view.dtype() {
        Dtype::F32 => Some(view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::I64 => Some(view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect()),
        _ => None,
    }
}
