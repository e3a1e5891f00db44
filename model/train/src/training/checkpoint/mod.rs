//! Checkpoints: folders that are models, and from which a training goes on to the bit.
//!
//! | file | what |
//! |---|---|
//! | `config.json`, `model.safetensors` | the model, as any program reads it |
//! | `optimizer.safetensors` | AdamW's moments, `NAME.first_moment` and `NAME.second_moment`; if the model is not of fp32, `NAME.master` too |
//! | `progress.json` | [`Progress`], with size and XXH3-64 of every other file |
//! | companions | the tokenizer, the recipe |
//!
//! A checkpoint is written under a temporary name, synced, and renamed: one that has its name is whole.

mod tensors;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use yuan_model::config::Yuan;
use yuan_model::{Config, DType};
use yuan_pipeline::hash_file;

use crate::{Error, Result, State};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const PROGRESS: &str = "progress.json";

/// A file that goes with a model.
#[derive(Clone, Debug)]
pub struct Companion {
    /// Its name: `tokenizer.json`, `train.toml`.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What a file of a checkpoint is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// Its size.
    pub bytes: u64,
    /// XXH3-64 of it, in hexadecimal.
    pub xxh3: String,
}

/// How far a training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The version of the program that wrote it.
    pub version: String,
    /// Steps taken.
    pub step: u64,
    /// Texts read.
    pub texts: u64,
    /// Tokens read.
    pub tokens: u64,
    /// Seconds of work.
    pub seconds: f64,
    /// Everything the numbers depend on: a training goes on with the same alone.
    pub settings: Map<String, Value>,
    /// The other files.
    pub files: BTreeMap<String, Hashed>,
}

impl Progress {
    /// The first setting that is another one now, with what it was.
    pub fn difference<'a>(&'a self, now: &'a Map<String, Value>) -> Option<(&'a str, &'a Value, &'a Value)> {
        let was = self.settings.iter().map(|(name, was)| (name, was, now.get(name).unwrap_or(&Value::Null)));
        let new = now.iter().filter(|(name, _)| !self.settings.contains_key(*name));
        let new = new.map(|(name, now)| (name, &Value::Null, now));
        was.chain(new).find(|(_, was, now)| was != now).map(|(name, was, now)| (name.as_str(), was, now))
    }
}

/// A checkpoint to be written.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The network's shape.
    pub config: &'a Yuan,
    /// Its parameters and moments.
    pub state: &'a State,
    /// The type of the model's numbers. Training goes on in fp32 whatever it is.
    pub dtype: DType,
    /// Files that go with it.
    pub companions: &'a [Companion],
}

/// The checkpoints of a training.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Those in a folder, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The checkpoint of a step.
    pub fn path(&self, step: u64) -> PathBuf {
        self.0.join(format!("step-{step:08}"))
    }

    /// The steps there are checkpoints of, in order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>> {
        let names = self.names()?.into_iter();
        let mut steps: Vec<u64> = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// What lies in the folder; nothing if it is not there.
    fn names(&self) -> Result<Vec<String>> {
        if self.0.exists() { names(&self.0) } else { Ok(Vec::new()) }
    }

    /// How far the training was at a step.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`] with the file.
    pub fn progress(&self, step: u64) -> Result<Progress> {
        let path = self.path(step).join(PROGRESS);
        let text = fs::read(&path).map_err(Error::io("read", &path))?;
        let progress: Progress = serde_json::from_slice(&text)
            .map_err(|error| Error::damaged(&path, format!("{error}; {}", self.way_out(step))))?;
        if progress.step != step {
            let problem = format!("it is of step {}; {}", progress.step, self.way_out(step));
            return Err(Error::damaged(&path, problem));
        }
        Ok(progress)
    }

    /// Parameters and moments of a checkpoint, every byte checked.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`] with the file.
    pub fn state(&self, progress: &Progress, config: &Config) -> Result<State> {
        let folder = self.path(progress.step);
        for (name, hashed) in &progress.files {
            let path = folder.join(name);
            let found = hash(&path)?;
            if found != *hashed {
                let problem = match found.bytes == hashed.bytes {
                    true => format!("its XXH3 is {}, and was {} when it was written", found.xxh3, hashed.xxh3),
                    false => format!("it has {} bytes, and had {} when it was written", found.bytes, hashed.bytes),
                };
                return Err(Error::damaged(&path, format!("{problem}; {}", self.way_out(progress.step))));
            }
        }
        tensors::read(&folder.join(MODEL), &folder.join(OPTIMIZER), config, progress.step)
    }

    /// What to do about a checkpoint that cannot be read.
    fn way_out(&self, step: u64) -> String {
        let before = self.steps().unwrap_or_default().into_iter().rfind(|other| *other < step);
        let from = before.map_or_else(|| "begin anew".to_owned(), |before| format!("go on from step {before}"));
        format!("remove `{}` to {from}", self.path(step).display())
    }

    /// Writes a checkpoint and gives its path; one of the same step is replaced.
    ///
    /// # Errors
    /// If the disk refuses; nothing is changed then.
    pub fn write(&self, mut progress: Progress, saved: Saved<'_>) -> Result<PathBuf> {
        let path = self.path(progress.step);
        place(&path, |folder| {
            write_model(folder, saved)?;
            tensors::write_optimizer(&folder.join(OPTIMIZER), saved.state, saved.dtype != DType::F32)?;
            progress.files.clear();
            for name in names(folder)? {
                let hashed = hash(&folder.join(&name))?;
                progress.files.insert(name, hashed);
            }
            let mut text = serde_json::to_vec_pretty(&progress).expect("numbers and texts can always be written");
            text.push(b'\n');
            write_file(&folder.join(PROGRESS), &text)
        })?;
        Ok(path)
    }

    /// Removes all checkpoints but the last `keep`, and what a kill has left of others.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn prune(&self, keep: usize) -> Result<()> {
        let steps = self.steps()?;
        for step in steps.iter().rev().skip(keep.max(1)) {
            let (path, old) = (self.path(*step), beside(&self.path(*step), "old"));
            remove(&old)?;
            // One that has its name is whole, also while it is removed.
            fs::rename(&path, &old).map_err(Error::io("rename", &path))?;
            remove(&old)?;
        }
        let is_left =
            |name: &String| name.starts_with(".step-") && [".tmp", ".old"].iter().any(|end| name.ends_with(end));
        self.names()?.iter().filter(|name| is_left(name)).try_for_each(|name| remove(&self.0.join(name)))
    }

    /// Writes the model alone, without what training needs, to a folder; one that is there is replaced.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write_model(path: &Path, saved: Saved<'_>) -> Result<()> {
        place(path, |folder| write_model(folder, saved))
    }
}

fn write_model(folder: &Path, saved: Saved<'_>) -> Result<()> {
    let config = Config::Yuan(saved.config.clone());
    write_file(&folder.join("config.json"), config.to_json(saved.dtype).as_bytes())?;
    tensors::write_model(&folder.join(MODEL), saved.state, saved.dtype)?;
    saved.companions.iter().try_for_each(|companion| write_file(&folder.join(&companion.name), &companion.bytes))
}

/// Fills a folder under a temporary name, and gives it its own.
fn place(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (temporary, old) = (beside(path, "tmp"), beside(path, "old"));
    remove(&temporary)?;
    fs::create_dir_all(&temporary).map_err(Error::io("create", &temporary))?;
    let filled = fill(&temporary).and_then(|()| {
        names(&temporary)?.iter().try_for_each(|name| sync(&temporary.join(name)))?;
        sync(&temporary)
    });
    if let Err(error) = filled {
        // A full disk is the likeliest reason, and half a folder is of no use. The first error counts.
        let _ = remove(&temporary);
        return Err(error);
    }
    let is_there = path.exists();
    if is_there {
        remove(&old)?;
        fs::rename(path, &old).map_err(Error::io("rename", path))?;
    }
    if let Err(source) = fs::rename(&temporary, path) {
        if is_there {
            // The first error counts; what was there lies under its other name then.
            let _ = fs::rename(&old, path);
        }
        return Err(Error::io("rename", &temporary)(source));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync(parent)?;
    // There may be one although the folder was not there: of a kill between the two renames.
    remove(&old)
}

/// The name of a folder that is not whole, or no longer needed.
fn beside(path: &Path, state: &str) -> PathBuf {
    path.with_file_name(format!(".{}.{state}", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// The names of a folder's files.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(Error::io("write", path))
}

fn sync(path: &Path) -> Result<()> {
    if cfg!(unix) || path.is_file() {
        File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("sync", path))?;
    }
    Ok(())
}

/// Removes a folder that may not be there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn hash(path: &Path) -> Result<Hashed> {
    let (bytes, xxh3) = hash_file(path).map_err(Error::io("read", path))?;
    Ok(Hashed { bytes, xxh3: format!("{xxh3:016x}") })
}

#[cfg(test)]
mod tests;
