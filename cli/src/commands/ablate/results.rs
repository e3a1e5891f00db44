//! What trainings came to: a line for each, so that none is done twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use yuan_pipeline::Error;

use crate::commands::train_model::TrainRecipe;

/// What a training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The recipe's name.
    pub recipe: String,
    /// The seed of the training.
    pub seed: u32,
    /// What the training depends on.
    pub fingerprint: String,
    /// By domain.
    pub bits_per_byte: BTreeMap<String, f64>,
}

/// The file of outcomes.
pub struct Results {
    path: PathBuf,
    known: Vec<Outcome>,
}

impl Results {
    /// Reads what is known; a line that a killed run has left unfinished is not.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(Error::io("read", &path))?,
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            let file = File::options().write(true).open(&path).map_err(Error::io("open", &path))?;
            file.set_len(whole as u64).map_err(Error::io("write", &path))?;
        }
        let lines = bytes[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let read = |(number, line): (usize, &[u8])| {
            let problem = || format!("`{}` line {} is no result", path.display(), number + 1);
            serde_json::from_slice(line).with_context(problem)
        };
        let known = lines.map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self { path, known })
    }

    /// The outcome of a training that was done.
    pub fn find(&self, recipe: &str, seed: u32, fingerprint: &str) -> Option<&Outcome> {
        let is_it = |known: &&Outcome| known.recipe == recipe && known.seed == seed && known.fingerprint == fingerprint;
        self.known.iter().find(is_it)
    }

    /// Adds an outcome.
    pub fn append(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let line = serde_json::to_string(outcome)? + "\n";
        let file = File::options().create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(Error::io("write", &self.path))?;
        self.known.push(outcome.clone());
        Ok(())
    }
}

/// What a training depends on: its settings, and the bytes of its tokens, wherever they lie.
pub fn fingerprint(recipe: &TrainRecipe) -> anyhow::Result<String> {
    let mut hash = blake3::Hasher::new();
    let mut add = |path: &Path| -> anyhow::Result<()> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut part = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut part).map_err(Error::io("read", path))?;
            if count == 0 {
                return Ok(());
            }
            hash.update(&part[..count]);
        }
    };
    let sets = recipe.data.iter().map(PathBuf::from).chain(recipe.valid.values().cloned());
    for mut set in sets {
        set.as_mut_os_string().push(".bin");
        add(&set)?;
    }
    add(recipe.tokenizer.as_ref().context("all have a tokenizer")?)?;
    let bare = TrainRecipe { data: Vec::new(), tokenizer: None, valid: BTreeMap::new(), ..recipe.clone() };
    hash.update(serde_json::to_string(&bare)?.as_bytes());
    recipe.valid.keys().for_each(|name| {
        hash.update(name.as_bytes());
    });
    Ok(hash.finalize().to_hex()[..16].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_taken_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.jsonl");
        let outcome = |seed| Outcome {
            recipe: "raw".into(),
            seed,
            fingerprint: "f".into(),
            bits_per_byte: [("zh".to_owned(), 1.5)].into(),
        };
        let mut results = Results::open(path.clone()).expect("new");
        results.append(&outcome(1)).expect("added");
        File::options().append(true).open(&path).and_then(|mut file| file.write_all(b"{\"recipe\":")).expect("torn");
        let mut results = Results::open(path.clone()).expect("read");
        results.append(&outcome(2)).expect("added");
        let results = Results::open(path).expect("read");
        assert_eq!(results.known, [outcome(1), outcome(2)]);
        assert_eq!(results.find("raw", 2, "f"), Some(&outcome(2)));
        assert_eq!(results.find("raw", 2, "g"), None);
    }
}
