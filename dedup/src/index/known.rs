//! The documents of an index, as a run sees them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};

use super::crawl::{Crawl, Indexed, KEYS};
use super::{CrawlRow, Index, refuse};
use crate::duplicates::Pairs;
use crate::files::{Format, Kind, Writer};
use crate::verify::{Candidate, Entry, Linkage};

/// The bit that tells a document of an index from one of the run.
const KNOWN: u64 = 1 << 63;
const ORDINAL_BITS: u32 = 48;
/// Crawls an index can have.
pub(super) const MAX_CRAWLS: u32 = 1 << 15;

/// A document of an index as one number: above all documents of the run.
pub(crate) fn known_id(crawl: u32, ordinal: u64) -> u64 {
    KNOWN | u64::from(crawl) << ORDINAL_BITS | ordinal
}

pub(crate) fn is_known(id: u64) -> bool {
    id & KNOWN != 0
}

/// The crawl, and the number within it.
pub(super) fn crawl_and_ordinal(id: u64) -> (u32, u64) {
    (((id & !KNOWN) >> ORDINAL_BITS) as u32, id & ((1 << ORDINAL_BITS) - 1))
}

/// The crawls that a run's documents are held against.
pub(crate) struct Known {
    /// In the order of their numbers.
    pub crawls: Vec<Crawl>,
    pub linkage: Linkage,
    pub hidden: Hidden,
    format: Format,
}

/// Documents that are as if they were not there.
#[derive(Default)]
pub(crate) struct Hidden {
    /// All of a crawl.
    pub crawl: Option<u32>,
    /// Sorted.
    pub documents: Vec<u64>,
}

impl Hidden {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.crawl == Some(crawl_and_ordinal(id).0) || self.documents.binary_search(&id).is_ok()
    }
}

impl Known {
    /// The crawls before the one of this name, which may be in the index already if it was made of the same (`identity`): all
    /// of them if it is not.
    ///
    /// # Errors
    /// If a crawl of that name was made of something else.
    pub(crate) fn before(index: &Index, crawl: &str, identity: u64, linkage: Linkage) -> Result<Self> {
        let mut rows = index.catalogue.crawls()?;
        if let Some(place) = rows.iter().position(|row| row.name == crawl) {
            if rows[place].identity != identity {
                return Err(refuse(
                    format!(
                        "the index in `{}` has a crawl `{crawl}` already, of other documents",
                        index.root.display()
                    ),
                    "give this one another name (`--crawl NAME`, `crawl = \"…\"`), or take the other out (`yuan-data index \
                     remove FOLDER --crawl NAME`)",
                ));
            }
            rows.truncate(place);
        }
        Self::of(index, rows, linkage)
    }

    /// All crawls.
    pub(crate) fn all(index: &Index, linkage: Linkage) -> Result<Self> {
        Self::of(index, index.catalogue.crawls()?, linkage)
    }

    fn of(index: &Index, rows: Vec<CrawlRow>, linkage: Linkage) -> Result<Self> {
        Ok(Self { crawls: index.open_crawls(rows)?, linkage, hidden: Hidden::default(), format: index.format() })
    }

    /// The sorted keys of each crawl.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (PathBuf, Format, u32)> {
        self.crawls.iter().map(|crawl| (crawl.path(KEYS), self.format, crawl.row.number))
    }

    pub(crate) fn crawl(&self, id: u64) -> Option<(usize, &Crawl, u64)> {
        let (number, ordinal) = crawl_and_ordinal(id);
        let place = self.crawls.binary_search_by_key(&number, |crawl| crawl.row.number).ok()?;
        Some((place, &self.crawls[place], ordinal))
    }

    /// What the index says of one of its documents; `None` if it was taken out or is hidden.
    pub(crate) fn get(&self, id: u64) -> Option<Indexed> {
        if self.hidden.contains(id) { None } else { self.find(id) }
    }

    fn find(&self, id: u64) -> Option<Indexed> {
        let (_, crawl, ordinal) = self.crawl(id)?;
        crawl.document(ordinal)
    }

    /// The documents that a new one is linked with when it shares a key with this one: with a star only those that are kept
    /// count, with components any may lead to its keeper.
    pub(crate) fn linked(&self, id: u64) -> [Option<u64>; 2] {
        match (self.get(id), self.linkage) {
            (None, _) => [None, None],
            (Some(known), Linkage::Star) => [(known.keeper == id).then_some(id), None],
            (Some(known), Linkage::Components) => [Some(id), (known.keeper != id).then_some(known.keeper)],
        }
    }

    /// Where the note of a document is, hidden or not, in the order of crawls; kept documents come before others.
    pub(crate) fn entry(&self, id: u64, first: u64) -> Option<Entry> {
        let indexed = self.find(id)?;
        let (place, ..) = self.crawl(id)?;
        let rank = u64::from(indexed.keeper != id);
        Some(Entry { first, is_new: false, rank, doc_id: id, file: place as u32, at: indexed.at })
    }

    /// Keys and shingles of a document, hidden or not.
    pub(crate) fn candidate(&self, id: u64) -> Result<Candidate<'_>> {
        match self.crawl(id).zip(self.find(id)) {
            Some(((_, crawl, _), indexed)) => crawl.notes.candidate(indexed.at),
            None => Ok(Candidate { keys: &[], shingles: &[] }),
        }
    }

    /// Where a document was read.
    pub(crate) fn place(&self, id: u64) -> Place {
        let Some((_, crawl, ordinal)) = self.crawl(id) else { return Place::default() };
        let (file, record) = crawl.place(ordinal);
        Place { crawl: crawl.row.name.clone(), file: file.into(), record }
    }
}

/// Where a document of an index was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The crawl.
    pub crawl: String,
    /// The input file of its run.
    pub file: String,
    /// The record in that file, from 0.
    pub record: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}:{}", self.crawl, self.file, self.record)
    }
}

const PLACES: &str = "known";
const NAMES: &str = "known.json";

/// The documents of an index that the outcome of a run names, so that it can be read without the index: `known` are pairs of
/// a document and its `doc_id` in its run, `known.json` has names of crawls and files.
pub(crate) struct Places {
    pairs: Pairs,
    names: Names,
}

#[derive(Default, Serialize, Deserialize)]
struct Names {
    crawls: BTreeMap<u32, String>,
    /// By crawl, then by number of the file.
    files: BTreeMap<u32, BTreeMap<u32, String>>,
}

impl Places {
    /// Writes the places of these documents, which are sorted and distinct.
    pub(crate) fn write(known: &Known, ids: &[u64], format: Format, outcome: &Path) -> Result<()> {
        let mut pairs = Writer::create(&outcome.join(PLACES))?;
        let mut names = Names::default();
        for id in ids {
            let Some((_, crawl, ordinal)) = known.crawl(*id) else { continue };
            let doc_id = crawl.doc_id(ordinal);
            pairs.pair(*id, doc_id)?;
            names.crawls.entry(crawl.row.number).or_insert_with(|| crawl.row.name.clone());
            let files = names.files.entry(crawl.row.number).or_default();
            files.entry((doc_id >> 32) as u32).or_insert_with(|| crawl.place(ordinal).0.to_owned());
        }
        pairs.finish(Format { kind: Kind::Duplicates, ..format })?;
        let path = outcome.join(NAMES);
        let mut file = BufWriter::new(File::create(&path).map_err(Error::io("create", &path))?);
        let written = serde_json::to_writer(&mut file, &names).map_err(std::io::Error::from);
        written.and_then(|()| file.flush()).map_err(Error::io("write", &path))
    }

    pub(crate) fn open(outcome: &Path, format: Format) -> Result<Self> {
        let pairs = Pairs::open(&outcome.join(PLACES), |_| Format { kind: Kind::Duplicates, ..format })?;
        let path = outcome.join(NAMES);
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let names = serde_json::from_reader(BufReader::new(file))
            .map_err(|error| Error::stage("minhash", format!("`{}` is damaged: {error}", path.display())))?;
        Ok(Self { pairs, names })
    }

    /// Where a document of the index was read.
    pub(crate) fn place(&self, id: u64) -> Place {
        let (number, _) = crawl_and_ordinal(id);
        let doc_id = self.pairs.find(id).map_or(0, |(_, doc_id)| doc_id);
        let name = |names: Option<&String>| names.cloned().unwrap_or_default();
        let files = self.names.files.get(&number);
        Place {
            crawl: name(self.names.crawls.get(&number)),
            file: name(files.and_then(|files| files.get(&((doc_id >> 32) as u32)))),
            record: doc_id & u64::from(u32::MAX),
        }
    }
}
