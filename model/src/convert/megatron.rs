//! Checkpoints of Megatron: a directory for each rank, in it a pickle with a tree of dictionaries.
//!
//! Source: `megatron/checkpointing.py` of Yuan2.0-M32. `latest_checkpointed_iteration.txt` has a number or `release`, and
//! leads to `iter_<number>/mp_rank_<tensor rank>[_<pipeline rank>]/model_optim_rng.pt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::weights::pickle::{Pickle, Value};
use crate::weights::stored::Stored;
use crate::{Error, Result, config};

/// Names of a rank's file: with the optimizer's state, and without it.
const FILES: [&str; 2] = ["model_optim_rng.pt", "model_rng.pt"];
/// Where the layers are.
const LAYERS: &str = "language_model.encoder.layers.";

/// The tensors of all ranks.
pub(super) struct Checkpoint {
    path: PathBuf,
    first: Pickle,
    /// Of each tensor the parts of the tensor ranks, in their order. Layers are numbered through all stages.
    tensors: BTreeMap<String, Vec<Stored>>,
    used: BTreeSet<String>,
}

impl Checkpoint {
    /// Opens the latest iteration.
    ///
    /// # Errors
    /// If a file or rank is missing or damaged.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let folder = latest(path)?;
        let (tensor_ranks, stages) = ranks(&folder)?;
        let mut tensors: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        let mut first = None;
        for rank in 0..tensor_ranks {
            let mut before = 0;
            for stage in 0..stages.len().max(1) {
                let name = match stages.is_empty() {
                    true => format!("mp_rank_{rank:02}"),
                    false => format!("mp_rank_{rank:02}_{stage:03}"),
                };
                let pickle = Pickle::open(&file(&folder.join(name))?)?;
                let mut layers = 0;
                for tensor in model(&pickle)? {
                    let name = match layer(&tensor.name) {
                        Some((layer, rest)) => {
                            layers = layers.max(layer.saturating_add(1));
                            format!("{LAYERS}{}.{rest}", layer.saturating_add(before))
                        }
                        None => tensor.name.clone(),
                    };
                    let parts = tensors.entry(name).or_default();
                    if parts.len() != rank {
                        let problem = "is not in the files of all tensor ranks, or more than once in those of one";
                        return Err(Error::tensor(&tensor.path, tensor.name, problem));
                    }
                    parts.push(tensor);
                }
                before = layers.saturating_add(before);
                first.get_or_insert(pickle);
            }
        }
        if let Some((name, parts)) = tensors.iter().find(|(_, parts)| parts.len() != tensor_ranks) {
            return Err(Error::tensor(&parts[0].path, name, "is not in the files of all tensor ranks"));
        }
        let first = first.ok_or_else(|| Error::malformed(&folder, "it has no ranks"))?;
        Ok(Self { path: path.to_path_buf(), first, tensors, used: BTreeSet::new() })
    }

    /// The file of the first rank.
    pub(super) fn first(&self) -> &Pickle {
        &self.first
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The parts of a tensor.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn parts(&mut self, name: &str) -> Result<&[Stored]> {
        self.used.insert(name.to_owned());
        match self.tensors.get(name) {
            Some(parts) => Ok(parts),
            None => Err(Error::tensor(&self.path, name, format!("is missing among {} tensors", self.tensors.len()))),
        }
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The names that nobody has asked for; frequencies of rotary embeddings are no weights.
    pub(super) fn unused(&self) -> Vec<String> {
        let names = self.tensors.keys().filter(|name| !self.used.contains(*name) && !name.ends_with("inv_freq"));
        names.cloned().collect()
    }
}

/// The folder of the latest iteration.
fn latest(path: &Path) -> Result<PathBuf> {
    let tracker = path.join("latest_checkpointed_iteration.txt");
    let text = config::text(&tracker)?;
    match text.trim() {
        "release" => Ok(path.join("release")),
        number => match number.parse::<u64>() {
            Ok(number) => Ok(path.join(format!("iter_{number:07}"))),
            Err(_) => Err(Error::malformed(&tracker, "it has neither a number nor `release`")),
        },
    }
}

/// The number of tensor ranks and the pipeline ranks; none of these if there is no pipeline.
fn ranks(folder: &Path) -> Result<(usize, BTreeSet<usize>)> {
    let entries = fs::read_dir(folder).map_err(|source| Error::io("read", folder, source))?;
    let (mut found, mut stages, mut tensor_ranks) = (0, BTreeSet::new(), BTreeSet::new());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(ranks) = name.to_str().and_then(|name| name.strip_prefix("mp_rank_")) else { continue };
        let numbers: Option<Vec<usize>> = ranks.split('_').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some([tensor]) => {
                tensor_ranks.insert(*tensor);
            }
            Some([tensor, stage]) => {
                tensor_ranks.insert(*tensor);
                stages.insert(*stage);
            }
            _ => {
                let problem = format!("it has `mp_rank_{ranks}`, and ranks of tensors and pipelines are read");
                return Err(Error::malformed(folder, problem));
            }
        }
        found += 1;
    }
    let is_whole = |ranks: &BTreeSet<usize>| ranks.iter().copied().eq(0..ranks.len());
    let expected = tensor_ranks.len() * stages.len().max(1);
    if found == 0 || found != expected || !is_whole(&tensor_ranks) || !is_whole(&stages) {
        let problem = format!(
            "it has {found} folders `mp_rank_…`, and {} tensor ranks by {} stages would make {expected}, numbered from 0",
            tensor_ranks.len(),
            stages.len().max(1)
        );
        return Err(Error::malformed(folder, problem));
    }
    Ok((tensor_ranks.len(), stages))
}

fn file(folder: &Path) -> Result<PathBuf> {
    let found = FILES.iter().map(|name| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| Error::malformed(folder, format!("it has no `{}`", FILES[0])))
}

/// The tensors of a rank.
fn model(pickle: &Pickle) -> Result<Vec<Stored>> {
    if pickle.get(pickle.root(), "model0").is_some() {
        let problem = "it has stages in stages (`model0`); save it without virtual pipeline parallelism";
        return Err(Error::malformed(pickle.path(), problem));
    }
    let model = pickle.get(pickle.root(), "model").filter(|id| matches!(pickle.value(*id), Value::Dict(_)));
    let model = model.ok_or_else(|| Error::malformed(pickle.path(), "it has no dictionary `model`"))?;
    let mut tensors = pickle.tensors(model)?;
    for tensor in &mut tensors {
        // Wrappers of precision and of data parallelism.
        while let Some(rest) = tensor.name.strip_prefix("module.") {
            tensor.name = rest.to_owned();
        }
    }
    Ok(tensors)
}

/// The number of a layer in a name, and what comes after it.
fn layer(name: &str) -> Option<(usize, &str)> {
    let (layer, rest) = name.strip_prefix(LAYERS)?.split_once('.')?;
    Some((layer.parse().ok()?, rest))
}
