//! Which files a model's weights are in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::stored::Stored;
use super::{gguf, pickle, safetensors};
use crate::{Error, Result, bundled, check, config};

/// Whole models in one file, and lists of shards, in the order in which they are looked for.
const KNOWN: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The tensors of a file or a directory, under their own names.
pub(super) fn open(path: &Path) -> Result<Vec<Stored>> {
    if !bundled::is_folder(path) {
        return file(path);
    }
    if let Some(known) = KNOWN.iter().map(|name| path.join(name)).find(|path| bundled::exists(path)) {
        return file(&known);
    }
    let entries = fs::read_dir(path).map_err(|source| Error::io("read", path, source))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| !path.ends_with(check::FIXTURE));
    files.sort();
    let with = |extension: &str| -> Vec<&PathBuf> {
        files.iter().filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
    };
    let stages = stages(&files);
    if !stages.is_empty() {
        return joined(&stages);
    }
    let gguf: Vec<&PathBuf> = with("gguf").into_iter().filter(|path| is_first(path)).collect();
    match with("safetensors").into_iter().chain(gguf).collect::<Vec<_>>().as_slice() {
        [only] => file(only),
        [] => {
            let known = KNOWN.map(|name| format!("`{name}`")).join(", ");
            Err(Error::malformed(path, format!("it has no weights: none of {known}, and no file in GGUF")))
        }
        many => {
            let problem = format!("it has {} files of weights and nothing says which; name one of them", many.len());
            Err(Error::malformed(path, problem))
        }
    }
}

/// Whether a GGUF file is whole, or the first part of one.
fn is_first(path: &Path) -> bool {
    gguf::parts(path).is_ok()
}

fn file(path: &Path) -> Result<Vec<Stored>> {
    match path.extension().unwrap_or_default().to_string_lossy().as_ref() {
        "safetensors" => safetensors::open(path),
        "bin" | "pt" | "pth" => pickle::open(path),
        "gguf" => gguf::open(path),
        "json" => shards(path),
        _ => Err(Error::malformed(path, "weights are read from .safetensors, .bin, .pt, .gguf and .index.json")),
    }
}

/// The files `pytorch_model_<stage>.bin`, which Yuan's conversion leaves of a pipeline, in the order of the stages.
fn stages(files: &[PathBuf]) -> Vec<PathBuf> {
    let stage = |path: &PathBuf| -> Option<(usize, PathBuf)> {
        let name = path.file_name()?.to_str()?;
        let number = name.strip_prefix("pytorch_model_")?.strip_suffix(".bin")?;
        Some((number.parse().ok()?, path.clone()))
    };
    let mut stages: Vec<(usize, PathBuf)> = files.iter().filter_map(stage).collect();
    stages.sort();
    stages.into_iter().map(|(_, path)| path).collect()
}

/// The tensors of all stages. Layers are numbered from 0 in each file and follow those of the stage before.
fn joined(stages: &[PathBuf]) -> Result<Vec<Stored>> {
    let mut tensors = Vec::new();
    let mut before = 0;
    for (number, path) in stages.iter().enumerate() {
        if !path.ends_with(format!("pytorch_model_{number}.bin")) {
            return Err(Error::malformed(path, format!("stage {number} is missing before it")));
        }
        let mut layers = 0;
        for mut tensor in pickle::open(path)? {
            if let Some((layer, rest)) = layer(&tensor.name) {
                layers = layers.max(layer.saturating_add(1));
                tensor.name = format!("model.layers.{}.{rest}", layer.saturating_add(before));
            }
            tensors.push(tensor);
        }
        before = layers.saturating_add(before);
    }
    Ok(tensors)
}

/// The number of a layer in a name, and what comes after it.
fn layer(name: &str) -> Option<(usize, &str)> {
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    Some((layer.parse().ok()?, rest))
}

/// The tensors of all files in an index.
fn shards(index: &Path) -> Result<Vec<Stored>> {
    let text = config::json(index)?;
    let wrong = |problem: &str| Error::malformed(index, problem);
    let map = text.get("weight_map").and_then(|map| map.as_object());
    let map = map.ok_or_else(|| wrong("it has no object `weight_map`"))?;
    let mut places = Vec::with_capacity(map.len());
    for (name, file) in map {
        let file = file.as_str().ok_or_else(|| Error::tensor(index, name, "has a file that is no text"))?;
        if Path::new(file).file_name().is_none_or(|own| own != file) {
            let problem = format!("is said to be in `{file}`, which is no plain name of a file");
            return Err(Error::tensor(index, name, problem));
        }
        // No index in an index.
        if file.ends_with(".json") {
            return Err(Error::tensor(index, name, format!("is said to be in `{file}`, which holds no weights")));
        }
        places.push((name.as_str(), file));
    }
    let files: BTreeSet<&str> = places.iter().map(|(_, file)| *file).collect();
    let mut tensors = Vec::new();
    let mut found = BTreeSet::new();
    for name in files {
        let shard = file(&index.with_file_name(name))?;
        found.extend(shard.iter().map(|tensor| (tensor.name.clone(), name)));
        tensors.extend(shard);
    }
    match places.iter().find(|(name, file)| !found.contains(&((*name).to_owned(), *file))) {
        Some((name, file)) => Err(Error::tensor(index, *name, format!("is said to be in `{file}`, and is not"))),
        None => Ok(tensors),
    }
}
