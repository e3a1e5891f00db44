//! What `torch.save` writes since PyTorch 1.6: a zip archive with a pickle and the storages of tensors beside it.
//!
//! Read here, not by a general reader of pickles: nothing is executed, damage costs an error and no more memory than the
//! file has bytes, strided views and shared storage stay what they are, and storages are mapped, not copied.

mod machine;
mod tensor;
mod zip;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) use machine::{Id, Value};

use super::bytes::Bytes;
use super::stored::Stored;
use crate::{Error, Result};

/// Deepest dictionaries in dictionaries.
const MAX_DEPTH: usize = 16;
/// Most tensors and dictionaries that are walked over: shared ones count each time.
const MAX_NODES: usize = 1 << 20;
/// Longest name of a tensor in bytes.
const MAX_NAME: usize = 1 << 10;
/// What the first bytes of files before PyTorch 1.6 are: a pickled number that says so.
const OLD: [u8; 4] = [0x80, 2, 0x8a, 10];

/// A file.
pub(crate) struct Pickle {
    path: Arc<Path>,
    values: Vec<Value>,
    root: Id,
    /// The storages by their key.
    storages: BTreeMap<String, Bytes>,
}

impl Pickle {
    /// Opens a file.
    ///
    /// # Errors
    /// If it is none that `torch.save` writes, or damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::malformed(path, problem);
        let file = Bytes::map(path)?;
        if file.starts_with(&OLD) {
            return Err(wrong(
                "it is in PyTorch's format before 1.6; load it and save it again with torch.save".to_owned(),
            ));
        }
        let mut entries = zip::entries(&file).map_err(wrong)?;
        let name = entries.keys().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl")).cloned();
        let name = name.ok_or_else(|| wrong("it has no entry `data.pkl`: torch.save has not written it".into()))?;
        let prefix = name.strip_suffix("data.pkl").unwrap_or_default();
        if entries.get(&format!("{prefix}byteorder")).is_some_and(|order| &order[..] != b"little") {
            return Err(wrong("its numbers are not little-endian".into()));
        }
        let (values, root) = machine::run(&entries[&name]).map_err(wrong)?;
        let data = format!("{prefix}data/");
        let storages = std::mem::take(&mut entries).into_iter();
        let storages =
            storages.filter_map(|(name, bytes)| Some((name.strip_prefix(&data)?.to_owned(), bytes))).collect();
        Ok(Self { path: path.into(), values, root, storages })
    }

    /// The whole.
    pub(crate) fn root(&self) -> Id {
        self.root
    }

    /// The file.
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// A value.
    pub(crate) fn value(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// The value of a key of a dictionary, or an attribute of an object; of one that comes twice the last.
    pub(crate) fn get(&self, id: Id, key: &str) -> Option<Id> {
        match self.value(id) {
            Value::Dict(pairs) => {
                pairs.iter().rev().find(|(own, _)| self.text(*own) == Some(key)).map(|(_, value)| *value)
            }
            Value::Made { state: Some(state), .. } if matches!(self.value(*state), Value::Dict(_)) => {
                self.get(*state, key)
            }
            _ => None,
        }
    }

    fn text(&self, id: Id) -> Option<&str> {
        if let Value::Text(text) = self.value(id) { Some(text) } else { None }
    }

    /// The tensors of a dictionary, those of dictionaries in it too, whose names are then joined with dots.
    ///
    /// # Errors
    /// If one is damaged, or of a type that is not read.
    pub(crate) fn tensors(&self, id: Id) -> Result<Vec<Stored>> {
        let mut tensors = BTreeMap::new();
        let mut nodes = 0;
        self.walk(id, String::new(), 0, &mut nodes, &mut tensors)?;
        Ok(tensors.into_values().collect())
    }

    fn walk(
        &self,
        id: Id,
        name: String,
        depth: usize,
        nodes: &mut usize,
        tensors: &mut BTreeMap<String, Stored>,
    ) -> Result<()> {
        *nodes += 1;
        if *nodes > MAX_NODES || depth > MAX_DEPTH || name.len() > MAX_NAME {
            let name: String = name.chars().take(60).collect();
            return Err(Error::malformed(&self.path, format!("it has more dictionaries than a model, at `{name}`")));
        }
        if let Value::Dict(pairs) = self.value(id) {
            for (key, value) in pairs {
                let Some(key) = self.text(*key) else { continue };
                let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
                self.walk(*value, name, depth + 1, nodes, tensors)?;
            }
        } else if let Some(tensor) = self.tensor(id, &name)? {
            tensors.insert(name, tensor);
        }
        Ok(())
    }
}

/// The tensors of a file with the weights of a model, or with them under `state_dict`, `model` or `module`.
pub(super) fn open(path: &Path) -> Result<Vec<Stored>> {
    let pickle = Pickle::open(path)?;
    let wrapped = ["state_dict", "model", "module"].iter().find_map(|key| pickle.get(pickle.root, key));
    let root = wrapped.filter(|id| matches!(pickle.value(*id), Value::Dict(_))).unwrap_or(pickle.root);
    let tensors = pickle.tensors(root)?;
    match tensors.is_empty() {
        true => Err(Error::malformed(path, "it has no tensors")),
        false => Ok(tensors),
    }
}
