//! The phases on disk, one after the other; a finished one is not written again.
//!
//! | file | what |
//! |---|---|
//! | `plan.json` | recipe, sets, [`Plan`], and what is finished |
//! | `PHASE/tokens.bin`, `.idx`, `.documents.parquet` | the phase's documents, shuffled (or `tokens-00000-of-00004…`) |
//! | `PHASE/blend.txt` | weights and prefixes for Megatron's `--data-path` |

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::blend::blend;
use super::inputs::Known;
use super::plan::{Amount, ByLanguage, Plan, ratio};
use super::prepare::{Mixture, named};
use super::recipe::{Mix, Write, tokens_of};
use super::slice::{is_of, language_of};
use crate::form::Target;
use crate::part::{Part, sync_folder};
use crate::sets::{Sets, shard};
use crate::shuffle::Shuffle;
use crate::work::{Job, whole};
use crate::{Documents, Error, Form, Result, TokenSet, shuffle_key};

/// The file that makes a folder that of a mix.
const PLAN: &str = "plan.json";

/// A phase that is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Its sets: one, a shard each, or none for a blend of the sources.
    pub sets: Vec<FinishedSet>,
}

/// A set of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedSet {
    /// The path of its files without their suffixes, in the folder of the mix.
    pub prefix: PathBuf,
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// XXH3-64 over its documents' hashes and numbers of tokens.
    pub digest: String,
}

/// The content of [`PLAN`].
#[derive(Serialize, Deserialize)]
struct State {
    /// The recipe; its paths stand as sets in `inputs`.
    recipe: Mix,
    inputs: Vec<Known>,
    plan: Plan,
    finished: BTreeMap<String, Finished>,
}

impl Mixture {
    /// Writes the phases that are not finished yet, and the plan. Memory: half of the job's for the order of documents.
    ///
    /// # Errors
    /// [`Error::OtherRun`] if the folder is another mix's; if what was written is not what was planned, a set is damaged, an id
    /// does not fit the number type, or the disk refuses.
    pub fn write(&self, folder: &Path, job: &Job<'_>) -> Result<BTreeMap<String, Finished>> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let mut state = self.state(folder)?;
        state.save(folder)?;
        for (number, phase) in self.mix.phases.iter().enumerate() {
            if state.finished.get(&phase.name).is_some_and(|finished| finished.is_there(folder)) {
                continue;
            }
            let home = folder.join(&phase.name);
            std::fs::create_dir_all(&home).map_err(Error::io("create", &home))?;
            let finished = match self.mix.write {
                Write::Mixed => self.write_phase(number, folder, job)?,
                Write::Blend => Finished { sets: Vec::new() },
            };
            let text = match self.mix.write {
                Write::Blend => self.blend_of(number),
                Write::Mixed => {
                    let folder = std::path::absolute(folder).map_err(Error::io("find", folder))?;
                    let sets = finished.sets.iter();
                    let tokens = self.plan.phases[number].taken.tokens;
                    let sets: Vec<_> = sets.map(|set| (ratio(set.tokens, tokens), folder.join(&set.prefix))).collect();
                    blend(sets.iter().map(|(share, prefix)| (*share, prefix.as_path())))
                }
            };
            save(&home.join("blend.txt"), text.as_bytes())?;
            state.finished.insert(phase.name.clone(), finished);
            state.save(folder)?;
        }
        Ok(state.finished)
    }

    /// What is known of the folder: nothing, or what this mix has left there.
    fn state(&self, folder: &Path) -> Result<State> {
        let mut recipe = self.mix.clone();
        recipe.sources.iter_mut().for_each(|source| source.paths.clear());
        let new = State { recipe, inputs: self.inputs.known()?, plan: self.plan.clone(), finished: BTreeMap::new() };
        let other = |problem: String| Error::OtherRun {
            problem: format!("`{}` {problem}", folder.display()),
            hint: "choose another folder with `-o`, a new or an empty one".into(),
        };
        let path = folder.join(PLAN);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
                // What was killed before its plan had a name has left nothing but that.
                let unnamed = format!("{PLAN}.tmp");
                for entry in entries {
                    if *entry.map_err(Error::io("list", folder))?.file_name() != *unnamed {
                        return Err(other("holds files and is no mix's folder".into()));
                    }
                }
                return Ok(new);
            }
            text => text.map_err(Error::io("read", &path))?,
        };
        let old: State = serde_json::from_str(&text)
            .map_err(|error| Error::malformed(&path, "plan", format!("it is no plan of a mix: {error}")))?;
        let json = |recipe: &Mix| serde_json::to_value(recipe).expect("plain numbers and strings are JSON");
        if let Some(what) = difference("", &json(&old.recipe), &json(&new.recipe)) {
            return Err(other(format!("was made by another recipe: {what}")));
        }
        if old.inputs != new.inputs {
            let what = match new.inputs.iter().find(|set| !old.inputs.contains(set)) {
                Some(set) if old.inputs.iter().any(|known| known.prefix == set.prefix) => {
                    format!("`{}` has changed since", set.prefix.display())
                }
                Some(set) => format!("`{}` is new", set.prefix.display()),
                None => format!("it had {} sets, now {} (or in another order)", old.inputs.len(), new.inputs.len()),
            };
            return Err(other(format!("was made from other token sets: {what}")));
        }
        let numbers = |plan: &Plan| -> Vec<(String, ByLanguage)> {
            plan.phases.iter().map(|phase| (phase.name.clone(), phase.languages.clone())).collect()
        };
        if numbers(&old.plan) != numbers(&new.plan) {
            return Err(other("was made by another version, which chose other documents".into()));
        }
        Ok(State { finished: old.finished, ..new })
    }

    /// Writes a phase as a set and holds it against the plan.
    fn write_phase(&self, number: usize, folder: &Path, job: &Job<'_>) -> Result<Finished> {
        let plan = &self.plan.phases[number];
        job.progress.start(&format!("phase {}", plan.name), 2 * plan.taken.tokens * self.plan.dtype.bytes() as u64);
        let prefix = tokens_of(folder, &plan.name);
        let scratch = folder.join(&plan.name).join("scratch");
        let written = self.shuffled(number, &prefix, scratch.clone(), job);
        // What a killed run has left goes, too.
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
        }
        written?;
        let shards = self.mix.output.shards;
        let inside = tokens_of(Path::new(""), &plan.name);
        let sets = (0..shards.max(1)).map(|place| FinishedSet::of(folder, shard(&inside, place, shards)));
        Ok(Finished { sets: sets.collect::<Result<_>>()? })
    }

    fn shuffled(&self, number: usize, prefix: &Path, scratch: PathBuf, job: &Job<'_>) -> Result<()> {
        let plan = &self.plan.phases[number];
        let target = Target {
            form: Form::Megatron,
            dtype: self.plan.dtype,
            documents: true,
            marks: true,
            vocabulary: self.inputs.vocabulary.clone(),
            column: String::new(),
        };
        // Orders by one hash would begin a phase with the documents of begun epochs.
        let seeds: Vec<u64> =
            self.mix.sources.iter().map(|source| seed(self.mix.seed, &plan.name, &source.name)).collect();
        let mut taken: Vec<HashMap<String, Amount>> = vec![HashMap::new(); self.mix.sources.len()];
        let mut shuffle = Shuffle::new(scratch, job);
        for set in &self.inputs.sets {
            set.tokens.for_each(0..set.tokens.reader().document_count(), |place, document| {
                job.check()?;
                let tokens = document.tokens();
                let about = &document.about;
                if tokens == 0 {
                    return Ok(());
                }
                for source in set.sources.iter().filter(|source| is_of(&self.mix.sources[**source], about)) {
                    let mut added = Ok(());
                    self.copies(*source, about, set.number(place), |phase, epoch| {
                        if phase == number && added.is_ok() {
                            named(&mut taken[*source], language_of(about)).add(Amount { documents: 1, tokens });
                            added = shuffle.add(shuffle_key(seeds[*source], about, epoch), document);
                            job.progress.done.fetch_add(document.bytes.len() as u64, Ordering::Relaxed);
                        }
                    });
                    added?;
                }
                Ok(())
            })?;
        }
        let mut sets = Sets::new(&target, None, prefix, self.mix.output.shards, plan.taken.tokens)?;
        let mut written: HashMap<String, Amount> = HashMap::new();
        shuffle.finish(&mut |document| {
            let amount = Amount { documents: 1, tokens: document.tokens() };
            named(&mut written, language_of(&document.about)).add(amount);
            sets.add(document)?;
            job.tick(document.bytes.len() as u64)
        })?;
        let wrong = |what: String, planned: &ByLanguage, written: HashMap<String, Amount>| {
            let written: ByLanguage = written.into_iter().collect();
            if *planned == written {
                return Ok(());
            }
            let problem = format!("{what} became {written:?}, planned was {planned:?}");
            Err(Error::dataset(prefix, problem).hinting("run it again when nobody writes to its token sets"))
        };
        for (source, taken) in plan.sources.iter().zip(taken) {
            wrong(format!("source `{}`", source.name), &source.languages, taken)?;
        }
        wrong("the phase".into(), &plan.languages, written)?;
        let sets = sets.finish()?;
        let sums = sets.iter().fold((0, 0), |sums, set| (sums.0 + set.documents, sums.1 + set.tokens));
        if sums != (plan.taken.documents, plan.taken.tokens) {
            let Amount { documents, tokens } = plan.taken;
            let problem = format!("{} documents, {} tokens are written, not {documents}, {tokens}", sums.0, sums.1);
            return Err(Error::dataset(prefix, problem));
        }
        Ok(())
    }
}

/// What the order of a source's documents in a phase is made of.
fn seed(seed: u64, phase: &str, source: &str) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(phase.as_bytes());
    hash.update(&[0]);
    hash.update(source.as_bytes());
    hash.digest()
}

impl State {
    fn save(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("plain numbers and strings are JSON");
        save(&folder.join(PLAN), &json)
    }
}

impl Finished {
    fn is_there(&self, folder: &Path) -> bool {
        let is_there = |set: &FinishedSet| FinishedSet::of(folder, set.prefix.clone()).is_ok_and(|found| found == *set);
        self.sets.iter().all(is_there)
    }
}

impl FinishedSet {
    /// What the file of documents says of a set in a folder.
    fn of(folder: &Path, prefix: PathBuf) -> Result<Self> {
        let path = folder.join(&prefix);
        let missing = || Error::dataset(&path, "its file of documents is gone");
        let documents = Documents::open(&path)?.ok_or_else(missing)?;
        let header = documents.header();
        let (documents, tokens, digest) = (header.documents, header.tokens, header.digest.clone());
        whole(&TokenSet::open(&path)?)?;
        Ok(Self { prefix, documents, tokens, digest })
    }
}

/// Puts a small file in its place, whole.
fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = Part::create(path.to_path_buf())?;
    part.put(bytes)?;
    part.sync()?;
    part.name()?;
    sync_folder(path)
}

/// The first setting that two recipes do not have in common.
fn difference(path: &str, old: &Value, new: &Value) -> Option<String> {
    if old == new {
        return None;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (old, new) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| {
                difference(&below(name), one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let name = |place: usize| match one[place]["name"].as_str() {
                Some(name) => below(name),
                None => below(&place.to_string()),
            };
            one.iter().zip(other).enumerate().find_map(|(place, (one, other))| difference(&name(place), one, other))
        }
        _ => {
            let show = |value: &Value| if value.is_null() { "none".into() } else { value.to_string() };
            Some(format!("`{path}` was {}, now {}", show(old), show(new)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named() {
        let old = json!({ "seed": 1, "phase": [{ "name": "one", "tokens": 5 }] });
        let with = |new: Value| difference("", &old, &new);
        assert_eq!(with(old.clone()), None);
        assert_eq!(
            with(json!({ "seed": 2, "phase": [] })).as_deref(),
            Some("`phase` was [{\"name\":\"one\",\"tokens\":5}], now []")
        );
        let tokens = json!({ "seed": 1, "phase": [{ "name": "one" }] });
        assert_eq!(with(tokens).as_deref(), Some("`phase.one.tokens` was 5, now none"));
    }

    #[test]
    fn what_is_written_is_held_against_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("set");
        let mut writer = crate::Writer::create(&prefix, crate::DType::U16).unwrap();
        writer.add_document(&[1, 2, 3], &[3]).unwrap();
        writer.finish().unwrap();
        let (cancelled, progress) = (std::sync::atomic::AtomicBool::new(false), yuan_pipeline::Progress::default());
        let job = Job { memory: 1 << 20, threads: 1, cancelled: &cancelled, progress: &progress };
        let source = super::super::Source {
            name: "set".into(),
            paths: vec![prefix.to_string_lossy().into_owned()],
            ..Default::default()
        };
        let phases = vec![super::super::Phase { name: "one".into(), ..Default::default() }];
        let mut mixture = Mixture::prepare(Mix { sources: vec![source], phases, ..Mix::default() }, &job).unwrap();
        let taken = Amount { documents: 1, tokens: 3 };
        assert_eq!(mixture.plan.phases[0].taken, taken);
        mixture.plan.phases[0].sources[0].languages.get_mut("und").unwrap().tokens = 4;
        let error = mixture.write(&folder.path().join("out"), &job).unwrap_err().to_string();
        assert!(error.contains("source `set` became") && error.contains("planned was"), "{error}");
        assert!(!folder.path().join("out/one/tokens.idx").exists());
    }
}
