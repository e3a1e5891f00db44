//! Which files a model's weights are in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::safetensors;
use super::stored::Stored;
use crate::{Error, Result, config};

/// Whole models in one file, and lists of shards, in the order in which they are looked for.
const KNOWN: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The tensors of a file or a directory, under their own names.
pub(super) fn open(path: &Path) -> Result<Vec<Stored>> {
    if !path.is_dir() {
        return file(path);
    }
    if let Some(known) = KNOWN.iter().map(|name| path.join(name)).find(|path| path.exists()) {
        return file(&known);
    }
    let entries = fs::read_dir(path).map_err(|source| Error::io("read", path, source))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let with = |extension: &str| -> Vec<&PathBuf> {
        files.iter().filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
    };
    match with("safetensors").as_slice() {
        [only] => file(only),
        [] => Err(Error::malformed(
            path,
            format!("none of {} is in it", KNOWN.map(|name| format!("`{name}`")).join(", ")),
        )),
        many => Err(Error::malformed(
            path,
            format!(
                "it has {} files of safetensors and no `model.safetensors.index.json`; name one of them",
                many.len()
            ),
        )),
    }
}

fn file(path: &Path) -> Result<Vec<Stored>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "safetensors" => safetensors::open(path),
        "json" => shards(path),
        _ => Err(Error::malformed(path, "weights are read from .safetensors, .bin, .pt, .gguf and .index.json")),
    }
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
