//! A file of reference values.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Result};

/// Whole numbers below it are exact.
const EXACT: usize = 1 << 24;

/// Reference values by name.
pub(super) struct Fixture {
    path: PathBuf,
    values: BTreeMap<String, Values>,
}

/// One tensor of reference values.
pub(super) struct Values {
    /// Values along each axis.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
}

/// Ids, positions, marks of a mask or a length.
pub(super) struct Whole<'f> {
    /// Numbers along each axis.
    pub shape: &'f [usize],
    /// The numbers.
    pub numbers: Vec<u32>,
}

impl Fixture {
    /// Reads a file for a model of some layers.
    pub fn read(path: &Path, layers: usize) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::io("read", path, source))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| Error::malformed(path, error.to_string()))?;
        let mut fixture = Self { path: path.to_path_buf(), values: BTreeMap::new() };
        for (name, view) in file.tensors() {
            let values = numbers(&view)
                .ok_or_else(|| fixture.wrong(&name, "is neither of F32 nor of I64: a fixture has these"))?;
            let number = |layer: &str| layer.parse().ok().filter(|number: &usize| *number < layers);
            if let Some((layer, _)) = in_layer(&name)
                && number(layer).is_none()
            {
                let problem = format!("names a layer that is not there: the model has {layers}, counted from 0");
                return Err(fixture.wrong(&name, problem));
            }
            fixture.values.insert(name, Values { shape: view.shape().to_vec(), values });
        }
        Ok(fixture)
    }

    pub fn get(&self, name: &str) -> Option<&Values> {
        self.values.get(name)
    }

    /// Whole numbers below `end`.
    pub fn whole(&self, name: &str, end: usize) -> Result<Option<Whole<'_>>> {
        let Some(Values { shape, values }) = self.get(name) else { return Ok(None) };
        let end = end.min(EXACT);
        let is_one = |value: &&f32| **value >= 0.0 && **value < end as f32 && value.fract() == 0.0;
        if let Some(value) = values.iter().find(|value| !is_one(value)) {
            return Err(self.wrong(name, format!("has {value}, and must have whole numbers from 0 to {}", end - 1)));
        }
        Ok(Some(Whole { shape, numbers: values.iter().map(|value| *value as u32).collect() }))
    }

    /// Names that end in `.end`, without it.
    pub fn cases(&self, end: &str) -> impl Iterator<Item = &str> {
        self.values.keys().filter_map(move |name| name.strip_suffix(end)?.strip_suffix('.'))
    }

    /// Values of layers, each with its name, its layer and what it is.
    pub fn in_layers(&self) -> impl Iterator<Item = (&str, usize, &str, &[f32])> {
        self.values.iter().filter_map(|(name, values)| {
            let (layer, what) = in_layer(name)?;
            Some((name.as_str(), layer.parse().ok()?, what, values.values.as_slice()))
        })
    }

    /// Something wrong with a tensor.
    pub fn wrong(&self, name: &str, problem: impl Into<String>) -> Error {
        Error::tensor(&self.path, name, problem)
    }
}

/// The layer of a value `X.layerN.NAME`, and what it is.
fn in_layer(name: &str) -> Option<(&str, &str)> {
    name.split_once(".layer")?.1.split_once('.')
}

fn numbers(view: &TensorView<'_>) -> Option<Vec<f32>> {
    match view.dtype() {
        Dtype::F32 => Some(view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::I64 => Some(view.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect()),
        _ => None,
    }
}
