//! Documents are taken out, and the next best are kept instead.
//!
//! A document whose keeper goes is decided on anew, as if it came with a new crawl, but before all that is kept none goes: it is
//! held against the documents that stay kept and against the others in its place, by the rules that the index was made with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;
use yuan_pipeline::{Context, Error, Result};

use super::Index;
use super::catalogue::{Change, CrawlRow, FileRow, refuse};
use super::crawl::{Crawl, DOCUMENTS, IDS, Indexed, KEYS, NOTES, sealed};
use super::known::{Known, Place, crawl_and_ordinal, known_id};
use crate::cluster;
use crate::duplicates::Pairs;
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
    /// Documents that the index knows no longer.
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
        let mut removal = Removal { missing, ..Removal::default() };
        removal.removed = gone.iter().map(|id| known.place(*id)).collect();
        let orphans = orphans(&known, &gone, context)?;
        let mut hidden: Vec<u64> = orphans.iter().copied().chain(gone.iter().copied()).collect();
        hidden.sort_unstable();
        known.hidden = hidden;
        let decided = self.decide_again(&config, &known, &orphans, context)?;
        known.hidden = Vec::new();
        for id in &orphans {
            match decided[id] {
                (keeper, _) if keeper == *id => removal.promoted.push(known.place(*id)),
                (keeper, similarity) => removal.moved.push((known.place(*id), known.place(keeper), similarity)),
            }
        }
        let whole = match selection {
            Selection::Crawl(name) => known.crawls.iter().find(|crawl| crawl.row.name == *name),
            Selection::Documents { .. } => None,
        };
        let whole = whole.map(|crawl| crawl.row.number);
        let mut change = Change { gone: whole.into_iter().collect(), ..Change::default() };
        let touched: BTreeSet<u32> = hidden_crawls(gone.iter().chain(&orphans));
        let mut old = Vec::new();
        for crawl in &known.crawls {
            let is_whole = whole == Some(crawl.row.number);
            if is_whole || touched.contains(&crawl.row.number) {
                old.push(crawl.folder.clone());
            }
            if !is_whole && touched.contains(&crawl.row.number) {
                let (row, files) = self.rewrite(crawl, &gone, &decided, context)?;
                change.crawls.push((row, files, None));
            }
        }
        for crawl in &known.crawls {
            let of_crawl = |id: &&u64| crawl_and_ordinal(**id).0 == crawl.row.number;
            let removed = gone.iter().filter(of_crawl).count() as u64;
            let promoted = orphans.iter().filter(of_crawl).filter(|id| decided[*id].0 == **id).count() as u64;
            for (action, count) in [("remove", removed), ("promote", promoted)] {
                if count > 0 {
                    change.history.push((action, crawl.row.name.clone(), count));
                }
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
    fn selected(&self, selection: &Selection, known: &Known) -> Result<(BTreeSet<u64>, Vec<String>)> {
        let named = |name: &str| {
            known.crawls.iter().find(|crawl| crawl.row.name == name).ok_or_else(|| {
                let names: Vec<String> = known.crawls.iter().map(|crawl| format!("`{}`", crawl.row.name)).collect();
                refuse(
                    format!("the index in `{}` has no crawl `{name}`", self.root.display()),
                    &format!("its crawls are {}", names.join(", ")),
                )
            })
        };
        let all = |crawl: &Crawl| {
            crawl.documents().map(|(ordinal, _)| known_id(crawl.row.number, ordinal)).collect::<BTreeSet<u64>>()
        };
        let (ids, crawls) = match selection {
            Selection::Crawl(name) => return Ok((all(named(name)?), Vec::new())),
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
        Ok((found, left.into_iter().map(str::to_owned).collect()))
    }

    /// What becomes of documents whose keepers are hidden from `known`, and they with them.
    fn decide_again(
        &self,
        config: &crate::near::Minhash,
        known: &Known,
        orphans: &[u64],
        context: &Context<'_>,
    ) -> Result<BTreeMap<u64, (u64, f32)>> {
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
        let candidates = Pairs::open(&outcome, |_| Format { kind: Kind::Candidates, ..format })?;
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
        let mut decided: BTreeMap<u64, (u64, f32)> = orphans.iter().map(|id| (*id, (*id, 1.0))).collect();
        for (number, (place, _)) in candidates.iter().enumerate() {
            let Some(id) = orphans.get(place as usize) else { break };
            let (keeper, similarity) = verified.verdict(number as u32);
            let keeper = candidates.get(keeper as usize).0;
            decided.insert(*id, (orphans.get(keeper as usize).copied().unwrap_or(keeper), similarity));
        }
        Ok(decided)
    }

    /// Writes a crawl without the documents that are gone and with the keepers that are decided on, as a new folder.
    fn rewrite(
        &self,
        crawl: &Crawl,
        gone: &BTreeSet<u64>,
        decided: &BTreeMap<u64, (u64, f32)>,
        context: &Context<'_>,
    ) -> Result<(CrawlRow, Vec<FileRow>)> {
        let format = self.format();
        let id = |ordinal| known_id(crawl.row.number, ordinal);
        let of_crawl = id(0)..id(crawl.len());
        let loses = gone.range(of_crawl).next().is_some();
        let (name, folder) = self.new_folder(crawl.row.number)?;
        let mut row = CrawlRow { folder: name, documents: 0, kept: 0, ..crawl.row.clone() };
        let mut notes = if loses { Some(Notes::create(&folder.join(NOTES))?) } else { None };
        let mut documents = Writer::create(&folder.join(DOCUMENTS))?;
        for ordinal in 0..crawl.len() {
            if ordinal.is_multiple_of(1 << 16) {
                context.check()?;
            }
            let left = crawl.document(ordinal).filter(|_| !gone.contains(&id(ordinal)));
            row.removed += u64::from(crawl.document(ordinal).is_some() && left.is_none());
            let Some(document) = left else {
                documents.record(&[0; 3])?;
                continue;
            };
            let at = match &mut notes {
                Some(notes) => notes.copy(crawl.notes.record(document.at)?.bytes)?,
                None => document.at,
            };
            let (keeper, similarity) =
                decided.get(&id(ordinal)).copied().unwrap_or((document.keeper, document.similarity));
            row.documents += 1;
            row.kept += u64::from(keeper == id(ordinal));
            documents.record(&Indexed { at, keeper, similarity }.numbers())?;
        }
        documents.finish(Format { kind: Kind::Indexed, ..format })?;
        if let Some(notes) = notes {
            notes.finish(format)?;
            let left = |ordinal| (!gone.contains(&id(ordinal))).then_some(ordinal);
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

/// The documents that are dropped for ones that go, in the order in which they are kept.
fn orphans(known: &Known, gone: &BTreeSet<u64>, context: &Context<'_>) -> Result<Vec<u64>> {
    let mut orphans = Vec::new();
    for crawl in &known.crawls {
        context.check()?;
        for (ordinal, document) in crawl.documents() {
            let id = known_id(crawl.row.number, ordinal);
            if document.keeper != id && gone.contains(&document.keeper) && !gone.contains(&id) {
                orphans.push((crawl.row.number, crawl.notes.record(document.at)?.rank, ordinal));
            }
        }
    }
    orphans.sort_unstable();
    Ok(orphans.into_iter().map(|(crawl, _, ordinal)| known_id(crawl, ordinal)).collect())
}

fn hidden_crawls<'a>(ids: impl Iterator<Item = &'a u64>) -> BTreeSet<u32> {
    ids.map(|id| crawl_and_ordinal(*id).0).collect()
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
