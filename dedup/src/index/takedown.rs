//! Documents are taken out, and the next best are kept instead.
//!
//! A document whose keeper goes is decided on anew, as if it came with a new crawl, but before all that is kept none goes: it is
//! held against the documents that stay kept and against the others in its place, by the rules that the index was made with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;
use yuan_pipeline::{Context, Error, Result};

use super::Index;
use super::catalogue::{Change, CrawlRow, FileRow, refuse};
use super::crawl::{Crawl, DOCUMENTS, IDS, Indexed, KEYS, NOTES, sealed};
use super::known::{Hidden, Known, Place, known_id};
use crate::candidates::Candidates;
use crate::cluster;
use crate::files::{Format, Kind, Partial, Record, Writer, write_partial};
use crate::sorted::merge;
use crate::verify::{Deciding, Entry, Notes};

/// Which documents are taken out.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These, by their own id (the field `id_column` that they came with) or by place: `FILE:RECORD`, with records counted from
    /// 0. Of one crawl if it is named, as `CRAWL: FILE:RECORD` names it too.
    Documents {
        /// Ids and places.
        ids: Vec<String>,
        /// The crawl.
        crawl: Option<String>,
    },
    /// All of a crawl.
    Crawl(String),
}

/// What taking documents out has done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Removal {
    /// How many documents the index knows no longer.
    pub documents: u64,
    /// Those of them that were named one by one.
    pub removed: Vec<Place>,
    /// What nothing was found for.
    pub missing: Vec<String>,
    /// Documents that were dropped for one of those, and are now to be kept.
    pub promoted: Vec<Place>,
    /// Documents that stay dropped, for another document than before: that one, and how alike they are.
    pub moved: Vec<(Place, Place, f32)>,
}

impl Index {
    /// Takes documents out, their keys and shingles with them, and decides anew on those that were dropped for them. The texts
    /// in the outputs of earlier runs are not touched.
    ///
    /// # Errors
    /// If a crawl of that name is not in the index, or a file cannot be read or written. Nothing has changed then.
    pub fn remove(&mut self, selection: &Selection, context: &Context<'_>) -> Result<Removal> {
        let _lock = self.lock()?;
        self.sweep_up()?;
        let config = self.config()?;
        let mut known = Known::all(self, config.linkage)?;
        let (gone, missing) = self.selected(selection, &known)?;
        let orphans = orphans(&known, &gone, context)?;
        let documents = gone.documents.iter().chain(&orphans).copied().collect::<BTreeSet<u64>>().into_iter().collect();
        known.hidden = Hidden { crawl: gone.crawl, documents };
        let decided = self.decide_again(&config, &known, &orphans, context)?;
        known.hidden = Hidden::default();

        let mut removal = Removal { missing, ..Removal::default() };
        removal.removed = gone.documents.iter().map(|id| known.place(*id)).collect();
        for Decided { id, keeper, similarity } in &decided {
            match keeper {
                keeper if keeper == id => removal.promoted.push(known.place(*id)),
                keeper => removal.moved.push((known.place(*id), known.place(*keeper), *similarity)),
            }
        }
        let mut change = Change { gone: gone.crawl.into_iter().collect(), ..Change::default() };
        let mut old = Vec::new();
        for crawl in &known.crawls {
            let of_crawl = known_id(crawl.row.number, 0)..known_id(crawl.row.number + 1, 0);
            let removed = match gone.crawl == Some(crawl.row.number) {
                true => crawl.row.documents,
                false => gone.documents.iter().filter(|id| of_crawl.contains(id)).count() as u64,
            };
            removal.documents += removed;
            let of_crawl: Vec<&Decided> = decided.iter().filter(|decided| of_crawl.contains(&decided.id)).collect();
            let promoted = of_crawl.iter().filter(|decided| decided.keeper == decided.id).count() as u64;
            for (action, count) in [("remove", removed), ("promote", promoted)] {
                if count > 0 {
                    change.history.push((action, crawl.row.name.clone(), count));
                }
            }
            if removed == 0 && of_crawl.is_empty() {
                continue;
            }
            old.push(crawl.folder.clone());
            if gone.crawl != Some(crawl.row.number) {
                let (row, files) = self.rewrite(crawl, &gone, removed > 0, &decided, context)?;
                change.crawls.push((row, files, None));
            }
        }
        if change.crawls.is_empty() && change.gone.is_empty() {
            return Ok(removal);
        }
        self.catalogue.change(&change)?;
        drop(known);
        for folder in old {
            std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        Ok(removal)
    }

    /// The documents that a selection means, and what it names that there is not.
    fn selected(&self, selection: &Selection, known: &Known) -> Result<(Hidden, Vec<String>)> {
        let named = |name: &str| {
            known.crawls.iter().find(|crawl| crawl.row.name == name).ok_or_else(|| {
                let names: Vec<String> = known.crawls.iter().map(|crawl| format!("`{}`", crawl.row.name)).collect();
                refuse(
                    format!("the index in `{}` has no crawl `{name}`", self.root.display()),
                    &format!("its crawls are {}", names.join(", ")),
                )
            })
        };
        let (ids, crawls) = match selection {
            Selection::Crawl(name) => {
                let crawl = Some(named(name)?.row.number);
                return Ok((Hidden { crawl, documents: Vec::new() }, Vec::new()));
            }
            Selection::Documents { ids, crawl: Some(name) } => (ids, vec![named(name)?]),
            Selection::Documents { ids, crawl: None } => (ids, known.crawls.iter().collect()),
        };
        let format = Format { kind: Kind::Ids, ..self.format() };
        let (mut found, mut left) = (BTreeSet::new(), ids.iter().map(String::as_str).collect::<BTreeSet<&str>>());
        for crawl in &crawls {
            let path = crawl.path(IDS);
            if !path.is_file() {
                continue;
            }
            let mut file = Partial::<2>::open(&path, format)?;
            for id in ids {
                let hash = xxh3_128(id.as_bytes());
                let key = [(hash >> 64) as u64, hash as u64];
                let range = file.range(key[0], key[0])?;
                file.read(range, |record: Record<2>| {
                    if record.key == key && crawl.document(record.doc_id).is_some() {
                        found.insert(known_id(crawl.row.number, record.doc_id));
                        left.remove(id.as_str());
                    }
                    Ok(())
                })?;
            }
        }
        left.retain(|place| {
            let before = found.len();
            found.extend(crawls.iter().filter_map(|crawl| at_place(crawl, place)));
            found.len() == before
        });
        let found = Hidden { crawl: None, documents: found.into_iter().collect() };
        Ok((found, left.into_iter().map(str::to_owned).collect()))
    }

    /// What becomes of documents whose keepers are hidden from `known`, and they with them.
    fn decide_again(
        &self,
        config: &crate::near::Minhash,
        known: &Known,
        orphans: &[u64],
        context: &Context<'_>,
    ) -> Result<Vec<Decided>> {
        let format = self.format();
        // In the order in which they are kept, each has the number of its place.
        let (mut keys, mut runs) = (Vec::new(), Vec::new());
        for (place, id) in orphans.iter().enumerate() {
            let note = known.candidate(*id)?;
            let record = |key: &[u8; 8]| Record { key: [u64::from_le_bytes(*key)], doc_id: place as u64 };
            keys.extend(note.keys.iter().map(record));
            let bytes = (keys.len() * size_of::<Record<1>>()) as u64;
            if bytes > context.memory / 4 || place + 1 == orphans.len() {
                let path = context.scratch.join(format!("orphans-{}", runs.len()));
                write_partial(&path, format, &mut keys)?;
                keys.clear();
                runs.push(path);
            }
        }
        let outcome = context.scratch.join("candidates");
        cluster::candidates(&runs, Some(known), format, &outcome, context)?;
        let candidates = Candidates::open(&outcome, |_| Format { kind: Kind::Candidates, ..format })?;
        let deciding = Deciding { config, candidates: &candidates, new: &[], known: Some(known) };
        let new_entries = |take: &mut dyn FnMut(Entry)| {
            candidates.iter().take_while(|(place, _)| (*place as usize) < orphans.len()).for_each(|(place, first)| {
                if let Some(entry) = known.entry(orphans[place as usize], first) {
                    take(Entry { is_new: true, rank: 0, doc_id: place, ..entry });
                }
            });
            Ok(())
        };
        let verified = deciding.decide(&new_entries, context)?;
        let itself = |id: &u64| Decided { id: *id, keeper: *id, similarity: 1.0 };
        let mut decided: Vec<Decided> = orphans.iter().map(itself).collect();
        for (number, (place, _)) in candidates.iter().enumerate() {
            let Some(decided) = decided.get_mut(place as usize) else { break };
            let (keeper, similarity) = verified.verdict(number as u32);
            let keeper = candidates.get(keeper as usize).0;
            decided.keeper = orphans.get(keeper as usize).copied().unwrap_or(keeper);
            decided.similarity = similarity;
        }
        decided.sort_unstable_by_key(|decided| decided.id);
        Ok(decided)
    }

    /// Writes a crawl without the documents that are gone and with the keepers that are decided on, as a new folder.
    fn rewrite(
        &self,
        crawl: &Crawl,
        gone: &Hidden,
        loses: bool,
        decided: &[Decided],
        context: &Context<'_>,
    ) -> Result<(CrawlRow, Vec<FileRow>)> {
        let format = self.format();
        let id = |ordinal| known_id(crawl.row.number, ordinal);
        let (name, folder) = self.new_folder(crawl.row.number)?;
        let mut row = CrawlRow { folder: name, documents: 0, kept: 0, ..crawl.row.clone() };
        let mut notes = if loses { Some(Notes::create(&folder.join(NOTES))?) } else { None };
        let mut documents = Writer::create(&folder.join(DOCUMENTS))?;
        for ordinal in 0..crawl.len() {
            if ordinal.is_multiple_of(1 << 16) {
                context.check()?;
            }
            let left = crawl.document(ordinal).filter(|_| !gone.contains(id(ordinal)));
            row.removed += u64::from(crawl.document(ordinal).is_some() && left.is_none());
            let Some(document) = left else {
                documents.record(&[0; 3])?;
                continue;
            };
            let at = match &mut notes {
                Some(notes) => notes.copy(crawl.notes.record(document.at)?.bytes)?,
                None => document.at,
            };
            let (keeper, similarity) = match decided.binary_search_by_key(&id(ordinal), |decided| decided.id) {
                Ok(place) => (decided[place].keeper, decided[place].similarity),
                Err(_) => (document.keeper, document.similarity),
            };
            row.documents += 1;
            row.kept += u64::from(keeper == id(ordinal));
            documents.record(&Indexed { at, keeper, similarity }.numbers())?;
        }
        documents.finish(Format { kind: Kind::Indexed, ..format })?;
        if let Some(notes) = notes {
            notes.finish(format)?;
            let left = |ordinal| (!gone.contains(id(ordinal))).then_some(ordinal);
            merge::<1>(&[crawl.path(KEYS)], format, left, (&folder.join(KEYS), format), context)?;
            if crawl.path(IDS).is_file() {
                let format = Format { kind: Kind::Ids, ..format };
                merge::<2>(&[crawl.path(IDS)], format, left, (&folder.join(IDS), format), context)?;
            }
        } else {
            for name in [NOTES, KEYS, IDS] {
                take_over(&crawl.path(name), &folder.join(name))?;
            }
        }
        Ok((row, sealed(&folder)?))
    }

    /// A folder of a crawl that is not there yet.
    pub(super) fn new_folder(&self, crawl: u32) -> Result<(String, PathBuf)> {
        let crawls = self.root.join("crawls");
        let names = std::iter::once(format!("{crawl:05}")).chain((1..).map(|version| format!("{crawl:05}-{version}")));
        let name = names.into_iter().find(|name| !crawls.join(name).exists()).expect("versions do not end");
        let folder = crawls.join(&name);
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        Ok((name, folder))
    }
}

/// Has a file in two places; nothing writes to it.
pub(super) fn take_over(from: &Path, to: &Path) -> Result<()> {
    if !from.is_file() || std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop).map_err(Error::io("write", to))
}

/// What is decided anew of a document whose keeper goes.
struct Decided {
    id: u64,
    keeper: u64,
    similarity: f32,
}

/// What a document whose keeper goes takes in memory, with the words that tell of it.
const ORPHAN_BYTES: u64 = 400;

/// The documents that are dropped for ones that go, in the order in which they are kept.
///
/// # Errors
/// If there are more than memory can hold.
fn orphans(known: &Known, gone: &Hidden, context: &Context<'_>) -> Result<Vec<u64>> {
    let mut orphans = Vec::new();
    for crawl in known.crawls.iter().filter(|crawl| gone.crawl != Some(crawl.row.number)) {
        context.check()?;
        for (ordinal, document) in crawl.documents() {
            let id = known_id(crawl.row.number, ordinal);
            if document.keeper != id && gone.contains(document.keeper) && !gone.contains(id) {
                orphans.push((crawl.row.number, crawl.notes.record(document.at)?.rank, ordinal));
            }
        }
    }
    let needed = ORPHAN_BYTES * orphans.len() as u64;
    if needed > context.memory {
        return Err(refuse(
            format!(
                "{} documents were dropped for those that go: deciding on them takes {needed} bytes, {} are allowed",
                orphans.len(),
                context.memory
            ),
            &format!("allow more memory (`--memory {}GiB`), or take fewer out at a time", needed.div_ceil(1 << 30)),
        ));
    }
    orphans.sort_unstable();
    Ok(orphans.into_iter().map(|(crawl, _, ordinal)| known_id(crawl, ordinal)).collect())
}

/// The document that `FILE:RECORD` or `CRAWL: FILE:RECORD` names.
fn at_place(crawl: &Crawl, place: &str) -> Option<u64> {
    let place = place.strip_prefix(&crawl.row.name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(place);
    let (file, record) = place.rsplit_once(':')?;
    let record: u64 = record.trim().parse().ok()?;
    let input = crawl.inputs.iter().find(|input| input.path == file).filter(|input| record < input.records)?;
    let ordinal = input.base + record;
    crawl.document(ordinal).map(|_| known_id(crawl.row.number, ordinal))
}
