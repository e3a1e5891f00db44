//! Tensors to files of safetensors, without holding more of them than a few rows.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::tensor::Tensor;
use crate::{DType, Error, Result};

/// Numbers converted at a time.
const NUMBERS: usize = 1 << 18;

/// Writes tensors as `dtype` into a directory, which is made if need be: `model.safetensors`, or shards of up to
/// `max_shard_bytes` with `model.safetensors.index.json`, as transformers has them. A tensor larger than that has a
/// shard of its own. Memory: a few rows.
///
/// # Errors
/// [`Error::Io`] if a file cannot be written; [`Error::Request`] if there are no tensors.
pub fn write_safetensors(
    directory: &Path,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
    max_shard_bytes: u64,
    dtype: DType,
) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::io("make", directory, source))?;
    let mut shards: Vec<Vec<(String, Tensor)>> = Vec::new();
    let (mut filled, mut total) = (0, 0);
    for (name, tensor) in tensors {
        let bytes = bytes(&tensor, dtype);
        if shards.is_empty() || (filled > 0 && filled + bytes > max_shard_bytes) {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        total += bytes;
        shards.last_mut().expect("one was just pushed").push((name, tensor));
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
        index.extend(shard.iter().map(|(name, _)| (name.clone(), file.clone().into())));
        write_file(&directory.join(file), shard, dtype)?;
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
    replace(path, |file| file.write_all(contents))
}

fn bytes(tensor: &Tensor, dtype: DType) -> u64 {
    tensor.rows() as u64 * tensor.columns() as u64 * dtype.bytes() as u64
}

fn write_file(path: &Path, tensors: &[(String, Tensor)], dtype: DType) -> Result<()> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut end = 0;
    for (name, tensor) in tensors {
        let start = end;
        end += bytes(tensor, dtype);
        let kind = match dtype {
            DType::F32 => "F32",
            DType::F16 => "F16",
            DType::BF16 => "BF16",
        };
        header.insert(name.clone(), json!({ "dtype": kind, "shape": tensor.shape(), "data_offsets": [start, end] }));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    replace(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
        for (_, tensor) in tensors {
            let (rows, columns) = (tensor.rows(), tensor.columns());
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
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!("{name}.tmp"));
    let written = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner()?.sync_all()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|source| Error::io("write", path, source))
}
