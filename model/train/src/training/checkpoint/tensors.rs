//! Parameters and moments in files of safetensors.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use yuan_model::{Config, DType};

use crate::{Error, Named, Result, State};

/// Numbers on their way into a file.
struct Numbers<'a> {
    shape: &'a [usize],
    values: &'a [f32],
    dtype: DType,
}

impl View for Numbers<'_> {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::new();
        self.dtype.append(self.values, &mut bytes);
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.values.len() * self.dtype.bytes()
    }
}

/// The model's file. Memory: a tensor.
pub(super) fn write_model(path: &Path, state: &State, dtype: DType) -> Result<()> {
    let tensors = state.tensors.iter();
    write(path, tensors.map(|Named { name, shape, values, .. }| (name.clone(), Numbers { shape, values, dtype })))
}

/// The optimizer's file, with the parameters if the model's has them rounded.
pub(super) fn write_optimizer(path: &Path, state: &State, with_values: bool) -> Result<()> {
    let mut all = Vec::new();
    for tensor in &state.tensors {
        let values: &[f32] = if with_values { &tensor.values } else { &[] };
        let parts: [(&str, &[f32]); 3] =
            [("master", values), ("first_moment", &tensor.first_moment), ("second_moment", &tensor.second_moment)];
        for (what, values) in parts.into_iter().filter(|(_, values)| !values.is_empty()) {
            let numbers = Numbers { shape: &tensor.shape, values, dtype: DType::F32 };
            all.push((format!("{}.{what}", tensor.name), numbers));
        }
    }
    write(path, all)
}

fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (String, Numbers<'a>)>) -> Result<()> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|error| match error {
        SafeTensorError::IoError(source) => Error::io("write", path)(source),
        other => Error::damaged(path, other.to_string()),
    })
}

/// The state in both files.
pub(super) fn read(model: &Path, optimizer: &Path, config: &Config, step: u64) -> Result<State> {
    let (model, optimizer) = (Numbered::open(model)?, Numbered::open(optimizer)?);
    let (model, optimizer) = (model.tensors()?, optimizer.tensors()?);
    let tensors = config.tensors().map(|(name, shape)| {
        let values = match optimizer.values(&format!("{name}.master"), &shape)? {
            Some(values) => values,
            None => model
                .values(&name, &shape)?
                .ok_or_else(|| Error::damaged(model.path, format!("tensor `{name}` is missing")))?,
        };
        let moment = |what: &str| optimizer.values(&format!("{name}.{what}"), &shape).map(Option::unwrap_or_default);
        let (first_moment, second_moment) = (moment("first_moment")?, moment("second_moment")?);
        Ok(Named { name, shape, values, first_moment, second_moment })
    });
    Ok(State { step, tensors: tensors.collect::<Result<_>>()? })
}

/// A file in memory.
struct Numbered<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

/// What it holds.
struct Held<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> Numbered<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        Ok(Self { path, bytes: fs::read(path).map_err(Error::io("read", path))? })
    }

    fn tensors(&self) -> Result<Held<'_>> {
        let tensors =
            SafeTensors::deserialize(&self.bytes).map_err(|error| Error::damaged(self.path, error.to_string()))?;
        Ok(Held { path: self.path, tensors })
    }
}

impl Held<'_> {
    /// The numbers of a tensor of fp32; `None` if there is none of the name.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
        let Ok(view) = self.tensors.tensor(name) else { return Ok(None) };
        if view.shape() != shape || view.dtype() != Dtype::F32 {
            let problem = format!("tensor `{name}` is {:?} of {}, not {shape:?} of F32", view.shape(), view.dtype());
            return Err(Error::damaged(self.path, problem));
        }
        let numbers =
            view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Ok(Some(numbers.collect()))
    }
}
