//! What earlier runs have seen: documents of a new crawl are held against it, without the text of any earlier one.
//!
//! An index is a folder: `catalogue.sqlite` tells of crawls, their input files, the checksums of their files and what was done;
//! `crawls/NNNNN…/` holds the keys and shingles of a crawl's documents (`crawl.rs`). About 240 bytes and 4 for each shingle a
//! document on disk, nothing of it held in memory.
//!
//! | step | file |
//! |---|---|
//! | earlier documents that share a key with new ones | `known.rs`, used by `cluster.rs` and `verify/` |
//! | a new crawl goes in | `commit.rs` |
//! | documents are taken out, the next best are kept instead | `takedown.rs` |
//! | the crawls of another index go in | `merge.rs` |
//!
//! An earlier decision stands: documents of an index come before all new ones, whatever `keep` says, and none of those that are
//! kept goes for a new one.

mod catalogue;
mod commit;
mod crawl;
mod known;
mod merge;
mod takedown;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_pipeline::{Error, Result, hash_file};

use catalogue::{Catalogue, CrawlRow, refuse};
pub(crate) use commit::{NewCrawl, identity};
use crawl::Crawl;
pub use known::Place;
pub(crate) use known::{Known, Places, is_known, known_id};
pub use merge::Changed;
pub use takedown::{Removal, Selection};

use crate::files::{Format, Kind};
use crate::near::{IndexMode, Minhash};
use crate::parameters::hash_of;

const CATALOGUE: &str = "catalogue.sqlite";
/// The catalogue until it is whole.
const TEMPORARY: &str = "catalogue.tmp";
const PARAMETERS: &str = "parameters";

/// An index of documents that earlier runs have seen.
pub struct Index {
    root: PathBuf,
    catalogue: Catalogue,
    parameters: Value,
}

/// A crawl of an index, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CrawlInfo {
    /// Its name.
    pub name: String,
    /// Documents in the index.
    pub documents: u64,
    /// Of these, the ones that no other is kept for.
    pub kept: u64,
    /// Documents taken out.
    pub removed: u64,
    /// Input files.
    pub inputs: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// A document of an index.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Member {
    /// Where it was read.
    pub document: Place,
    /// Whether it is kept.
    pub kept: bool,
    /// The document that is kept for it, itself if it is kept.
    pub keeper: Place,
    /// How alike they are, in [0, 1].
    pub similarity: f32,
}

/// What was done to an index.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Event {
    /// `update`, `remove`, `promote`, `merge`.
    pub action: String,
    /// The crawl.
    pub crawl: String,
    /// Documents.
    pub documents: u64,
    /// When, in UTC.
    pub time: String,
}

/// What keys and shingles, and the decisions on them, are made with.
fn parameters_of(config: &Minhash) -> Value {
    json!({
        "ngram": config.ngram, "bands": config.bands, "rows_per_band": config.rows_per_band, "seed": config.seed,
        "ngrams": config.ngrams, "shingles": config.shingles, "within": config.within, "threshold": config.threshold, "digits": config.digits,
        "min_number_agreement": config.min_number_agreement, "min_numbers": config.min_numbers,
        "similarity": config.similarity, "linkage": config.linkage,
    })
}

impl Index {
    /// Opens the index in a folder.
    ///
    /// # Errors
    /// If there is none, or it was made by another version.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(CATALOGUE);
        if !path.is_file() {
            return Err(refuse(
                format!("there is no index in `{}`", root.display()),
                "make one with `yuan-data dedup … --update FOLDER`",
            ));
        }
        let catalogue = Catalogue::open(&path, false)?;
        let parameters = catalogue.meta(PARAMETERS)?.and_then(|text| serde_json::from_str(&text).ok());
        let parameters = parameters.ok_or_else(|| {
            refuse(
                format!("the index in `{}` was never finished", root.display()),
                "remove the folder and make the index again",
            )
        })?;
        Ok(Self { root: root.into(), catalogue, parameters })
    }

    /// Whether the index can be used for documents of this pass.
    ///
    /// # Errors
    /// As [`Self::for_pass`]; nothing is made.
    pub(crate) fn check(config: &Minhash) -> Result<()> {
        let root = Path::new(&config.index);
        if root.join(CATALOGUE).is_file() || config.index_mode == IndexMode::Against {
            return Self::open(root)?.fits(config);
        }
        // What a kill leaves of one being made is no reason.
        let is_ours = |name: &std::ffi::OsStr| name == "crawls" || name.to_string_lossy().starts_with(TEMPORARY);
        let mut entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        if entries.any(|entry| !is_ours(&entry.file_name())) {
            return Err(refuse(
                format!("`{}` is no index and not empty", root.display()),
                "name an empty folder, or one that is not there yet",
            ));
        }
        Ok(())
    }

    /// Opens the index for documents of this pass; makes an empty one if there is none and it is to be added to.
    ///
    /// # Errors
    /// If it was made with other parameters: their keys have nothing to do with each other.
    pub(crate) fn for_pass(config: &Minhash) -> Result<Self> {
        Self::check(config)?;
        let root = Path::new(&config.index);
        let path = root.join(CATALOGUE);
        if !path.is_file() {
            std::fs::create_dir_all(root.join("crawls")).map_err(Error::io("create", root))?;
            let temporary = root.join(TEMPORARY);
            let catalogue = Catalogue::open(&temporary, true)?;
            catalogue.set_meta(PARAMETERS, &parameters_of(config).to_string())?;
            drop(catalogue);
            std::fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
        }
        Self::open(root)
    }

    /// Refuses a pass of other parameters.
    fn fits(&self, config: &Minhash) -> Result<()> {
        let parameters = parameters_of(config);
        // Whoever only looks may ask for another threshold.
        let decides = config.index_mode == IndexMode::Update;
        let known = self.parameters.as_object().into_iter().flatten();
        let differs = known
            .filter(|(name, _)| decides || !["threshold", "similarity", "linkage"].contains(&name.as_str()))
            .find(|(name, value)| parameters[name.as_str()] != **value);
        match differs {
            None => Ok(()),
            Some((name, value)) => Err(refuse(
                format!(
                    "the index in `{}` was made with `{name} = {value}`, the step has {}",
                    self.root.display(),
                    parameters[name.as_str()]
                ),
                "set the parameter to what the index has, or use another index",
            )),
        }
    }

    /// The format of its files.
    fn format(&self) -> Format {
        Format { stage: "minhash", kind: Kind::BandKeys, parameters: hash_of(&self.parameters) }
    }

    /// A pass of the same parameters.
    fn config(&self) -> Result<Minhash> {
        serde_json::from_value(self.parameters.clone()).map_err(|error| {
            refuse(
                format!("the parameters of the index in `{}` make no sense: {error}", self.root.display()),
                "remove the folder and make the index again",
            )
        })
    }

    /// What its keys and decisions are made with.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// Its crawls, in the order in which they came.
    ///
    /// # Errors
    /// If the catalogue cannot be read.
    pub fn crawls(&self) -> Result<Vec<CrawlInfo>> {
        let info = |row: CrawlRow| {
            let bytes = self.catalogue.files(row.number)?.iter().map(|file| file.bytes).sum();
            let inputs = self.catalogue.inputs(row.number)?.len() as u64;
            let CrawlRow { name, documents, kept, removed, .. } = row;
            Ok(CrawlInfo { name, documents, kept, removed, inputs, bytes })
        };
        self.catalogue.crawls()?.into_iter().map(info).collect()
    }

    /// What was done to it, in order.
    ///
    /// # Errors
    /// If the catalogue cannot be read.
    pub fn history(&self) -> Result<Vec<Event>> {
        let events = self.catalogue.history()?.into_iter();
        Ok(events.map(|(action, crawl, documents, time)| Event { action, crawl, documents, time }).collect())
    }

    /// Hands every document, with the one that is kept for it, to `take`: crawl by crawl, in the order in which they were read.
    ///
    /// # Errors
    /// If a file cannot be read, or what `take` says.
    pub fn members(&self, mut take: impl FnMut(Member) -> Result<()>) -> Result<()> {
        let known = Known::all(self, self.config()?.linkage)?;
        for crawl in &known.crawls {
            for (ordinal, document) in crawl.documents() {
                let id = known_id(crawl.row.number, ordinal);
                take(Member {
                    document: known.place(id),
                    kept: document.keeper == id,
                    keeper: known.place(document.keeper),
                    similarity: document.similarity,
                })?;
            }
        }
        Ok(())
    }

    /// What is wrong with its files: each is read whole and held against its checksum.
    ///
    /// # Errors
    /// If the catalogue cannot be read.
    pub fn verify(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for row in self.catalogue.crawls()? {
            let folder = self.root.join("crawls").join(&row.folder);
            for file in self.catalogue.files(row.number)? {
                let path = folder.join(&file.name);
                match hash_file(&path).map_err(Error::io("read", &path)) {
                    Err(error) => problems.push(error.to_string()),
                    Ok((bytes, _)) if bytes != file.bytes => {
                        problems.push(format!("`{}` has {bytes} bytes, it had {}", path.display(), file.bytes));
                    }
                    Ok((_, xxh3)) if xxh3 != file.xxh3 => {
                        problems.push(format!("`{}` is not what was written: its checksum differs", path.display()));
                    }
                    Ok(_) => {}
                }
            }
        }
        Ok(problems)
    }

    /// One process at a time changes an index.
    fn lock(&self) -> Result<File> {
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(refuse(
                format!("another process changes the index in `{}`", self.root.display()),
                "wait for it, then run the same command again",
            )),
            Err(std::fs::TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
        }
    }

    /// Opens crawls.
    fn open_crawls(&self, rows: Vec<CrawlRow>) -> Result<Vec<Crawl>> {
        let open = |row: CrawlRow| {
            let inputs = self.catalogue.inputs(row.number)?;
            Crawl::open(&self.root, row, inputs, self.format())
        };
        rows.into_iter().map(open).collect()
    }

    /// Removes folders of crawls that the catalogue does not speak of: what a kill has left.
    fn sweep_up(&self) -> Result<()> {
        let known: Vec<String> = self.catalogue.crawls()?.into_iter().map(|row| row.folder).collect();
        let crawls = self.root.join("crawls");
        for entry in std::fs::read_dir(&crawls).map_err(Error::io("list", &crawls))? {
            let entry = entry.map_err(Error::io("list", &crawls))?;
            if !known.iter().any(|name| entry.file_name() == name.as_str()) {
                std::fs::remove_dir_all(entry.path()).map_err(Error::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}
