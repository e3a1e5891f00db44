//! Tensors to files of safetensors, without holding more of them than a few rows.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::quantised::round::Packing;
use super::tensor::Tensor;
use crate::{DType, Error, Result};

/// Numbers converted at a time.
const NUMBERS: usize = 1 << 18;

/// How a tensor is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its numbers in a type.
    Plain(DType),
    /// A matrix rounded to few bits, as GPTQ's parts under its module's name.
    Packed(Packing),
}

impl Form {
    /// What a tensor is in the file: names, types, shapes and bytes of a number.
    fn parts(self, name: &str, tensor: &Tensor) -> Vec<(String, &'static str, Vec<usize>, usize)> {
        match self {
            Self::Plain(dtype) => {
                let kind = match dtype {
                    DType::F32 => "F32",
                    DType::F16 => "F16",
                    DType::BF16 => "BF16",
                };
                vec![(name.to_owned(), kind, tensor.shape().to_vec(), dtype.bytes())]
            }
            Self::Packed(packing) => {
                let module = name.strip_suffix(".weight").unwrap_or(name);
                let parts = packing.parts(tensor.rows(), tensor.columns()).into_iter();
                parts.map(|(part, kind, shape, bytes)| (format!("{module}.{part}"), kind, shape, bytes)).collect()
            }
        }
    }

    fn bytes(self, name: &str, tensor: &Tensor) -> u64 {
        self.parts(name, tensor).into_iter().map(|(_, _, shape, bytes)| length(&shape, bytes)).sum()
    }
}

/// Bytes of a tensor.
fn length(shape: &[usize], bytes: usize) -> u64 {
    shape.iter().map(|axis| *axis as u64).product::<u64>() * bytes as u64
}

/// Writes tensors in their forms into a directory, which is made if need be: `model.safetensors`, or shards of up to
/// `max_shard_bytes` with `model.safetensors.index.json`, as transformers has them. A tensor larger than that has a
/// shard of its own. Memory: a few rows; of what is packed, a matrix.
///
/// # Errors
/// [`Error::Io`] if a file cannot be written; [`Error::Request`] if there are no tensors; [`Error::Tensor`] if one that is to be packed
/// has a number that is not finite.
pub fn write_safetensors(
    directory: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor, Form)>,
    max_shard_bytes: u64,
) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::io("make", directory, source))?;
    let mut shards: Vec<Vec<(String, Tensor, Form)>> = Vec::new();
    let (mut filled, mut total) = (0, 0);
    for (name, tensor, form) in tensors {
        let bytes = form.bytes(&name, &tensor);
        if shards.is_empty() || (filled > 0 && filled + bytes > max_shard_bytes) {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        total += bytes;
        shards.last_mut().expect("one was just pushed").push((name, tensor, form));
    }
    let count = shards.len();
    if count == 0 {
        return Err(Error::request("there are no tensors to write"));
    }
    let mut index = Map::new();
    for (number, shard) in shards.iter().enumerate() {
        let file = match count {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", number + 1),
        };
        let parts = shard.iter().flat_map(|(name, tensor, form)| form.parts(name, tensor));
        index.extend(parts.map(|(name, ..)| (name, file.clone().into())));
        write_file(&directory.join(file), shard)?;
    }
    if count > 1 {
        let index = json!({ "metadata": { "total_size": total }, "weight_map": index });
        let text = serde_json::to_string_pretty(&index).expect("an object with text keys can always be written");
        write_whole(&directory.join("model.safetensors.index.json"), text.as_bytes())?;
    }
    Ok(())
}

/// Writes a small file: whole or not at all.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    replace(path, |file| Ok(file.write_all(contents)?))
}

/// Why a file was not written.
enum Failed {
    Disk(std::io::Error),
    Request(Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

fn write_file(path: &Path, tensors: &[(String, Tensor, Form)]) -> Result<()> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut end = 0;
    for (name, kind, shape, bytes) in tensors.iter().flat_map(|(name, tensor, form)| form.parts(name, tensor)) {
        let start = end;
        end += length(&shape, bytes);
        header.insert(name, json!({ "dtype": kind, "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    replace(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
        for (name, tensor, form) in tensors {
            let (rows, columns) = (tensor.rows(), tensor.columns());
            let dtype = match form {
                Form::Plain(dtype) => dtype,
                Form::Packed(packing) => {
                    let problem = "has a number that is not finite, or too large for scales of float16";
                    let wrong = || Failed::Request(Error::tensor(tensor.path(), name, problem));
                    for part in packing.pack(&tensor.to_vec(), rows, columns).ok_or_else(wrong)? {
                        file.write_all(&part)?;
                    }
                    continue;
                }
            };
            let at_once = (NUMBERS / columns.max(1)).max(1);
            for first in (0..rows).step_by(at_once) {
                numbers.resize(at_once.min(rows - first) * columns, 0.0);
                tensor.read_rows(first, &mut numbers);
                bytes.clear();
                dtype.append(&numbers, &mut bytes);
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    })
}

/// Writes beside a file and puts the whole in its place.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failed>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!("{name}.tmp"));
    let written = || -> Result<(), Failed> {
        let mut file = BufWriter::new(File::create(&temporary)?);
        write(&mut file)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        Ok(fs::rename(&temporary, path)?)
    };
    written().map_err(|failed| match failed {
        Failed::Disk(source) => Error::io("write", path, source),
        Failed::Request(error) => {
            // Half a file is of no use to anyone, and an error of removing it says nothing new.
            let _ = fs::remove_file(&temporary);
            error
        }
    })
}
