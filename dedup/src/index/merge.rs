//! The crawls of another index go in.

use serde::Serialize;
use yuan_pipeline::{Context, Error, Result};

use super::Index;
use super::catalogue::{Change, CrawlRow, refuse};
use super::crawl::{Crawl, DOCUMENTS, IDS, Indexed, KEYS, NOTES, sealed};
use super::known::{Known, MAX_CRAWLS, Place, is_known, known_id};
use super::takedown::take_over;
use crate::candidates::Candidates;
use crate::cluster;
use crate::files::{Format, Kind, Writer};
use crate::near::Minhash;
use crate::verify::{Deciding, Entry};

/// A document of a crawl that went into another index, and of which another thing holds there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// The document.
    pub document: Place,
    /// The document that is now kept for it; `None` if it is to be kept itself, and was not.
    pub keeper: Option<Place>,
    /// How alike they are.
    pub similarity: f32,
}

impl Index {
    /// Adds the crawls of `other`, one after the other, behind those of this index: as if their documents had been added to it
    /// in the first place. Crawls that are in it already stay as they are. The documents of which another thing holds now are
    /// handed to `take` when their crawl is in: their text is in the outputs of the runs that made `other`, or should be.
    ///
    /// # Errors
    /// If the two were made with other parameters, or have different crawls of the same name. What was added before stays.
    pub fn merge(
        &mut self,
        other: &Self,
        context: &Context<'_>,
        mut take: impl FnMut(Changed) -> Result<()>,
    ) -> Result<()> {
        if self.parameters != other.parameters {
            return Err(refuse(
                format!(
                    "`{}` was made with {}, `{}` with {}",
                    self.root.display(),
                    self.parameters,
                    other.root.display(),
                    other.parameters
                ),
                "only indexes of the same parameters can be merged",
            ));
        }
        let _lock = self.lock()?;
        self.sweep_up()?;
        let config = self.config()?;
        for crawl in other.open_crawls(other.catalogue.crawls()?)? {
            let rows = self.catalogue.crawls()?;
            match rows.iter().find(|row| row.name == crawl.row.name) {
                Some(row) if row.identity == crawl.row.identity => continue,
                Some(_) => {
                    return Err(refuse(
                        format!("both indexes have a crawl `{}`, of other documents", crawl.row.name),
                        "take one of them out (`yuan-data index remove FOLDER --crawl NAME`)",
                    ));
                }
                None => {}
            }
            let number = rows.last().map_or(1, |row| row.number + 1);
            if number >= MAX_CRAWLS {
                return Err(refuse(format!("an index cannot have more than {MAX_CRAWLS} crawls"), "keep them apart"));
            }
            self.take_in(&config, &crawl, number, context)?;
            self.tell(&crawl, number, &config, &mut take)?;
        }
        Ok(())
    }

    fn take_in(&mut self, config: &Minhash, crawl: &Crawl, number: u32, context: &Context<'_>) -> Result<()> {
        let format = self.format();
        let known = Known::all(self, config.linkage)?;
        let outcome = context.scratch.join(format!("candidates-{number}"));
        cluster::candidates(&[crawl.path(KEYS)], Some(&known), format, &outcome, context)?;
        let candidates = Candidates::open(&outcome, |_| Format { kind: Kind::Candidates, ..format })?;
        let new = std::slice::from_ref(&crawl.notes);
        let deciding = Deciding { config, candidates: &candidates, new, known: Some(&known) };
        let new_entries = |take: &mut dyn FnMut(Entry)| {
            for (ordinal, first) in candidates.iter().take_while(|(id, _)| !is_known(*id)) {
                let Some(document) = crawl.document(ordinal) else { continue };
                let rank = crawl.notes.record(document.at)?.rank;
                take(Entry { first, is_new: true, rank, doc_id: ordinal, file: 0, at: document.at });
            }
            Ok(())
        };
        let verified = deciding.decide(&new_entries, context)?;

        let (name, folder) = self.new_folder(number)?;
        let mut row = CrawlRow { number, folder: name, documents: 0, kept: 0, ..crawl.row.clone() };
        let mut documents = Writer::create(&folder.join(DOCUMENTS))?;
        for ordinal in 0..crawl.len() {
            if ordinal.is_multiple_of(1 << 16) {
                context.check()?;
            }
            let Some(document) = crawl.document(ordinal) else {
                documents.record(&[0; 3])?;
                continue;
            };
            let itself = (known_id(number, ordinal), 1.0);
            let (keeper, similarity) = candidates.find(ordinal).map_or(itself, |(candidate, _)| {
                let (keeper, similarity) = verified.verdict(candidate as u32);
                let keeper = candidates.get(keeper as usize).0;
                (if is_known(keeper) { keeper } else { known_id(number, keeper) }, similarity)
            });
            row.documents += 1;
            row.kept += u64::from(keeper == itself.0);
            documents.record(&Indexed { at: document.at, keeper, similarity }.numbers())?;
        }
        documents.finish(Format { kind: Kind::Indexed, ..format })?;
        for name in [NOTES, KEYS, IDS] {
            take_over(&crawl.path(name), &folder.join(name))?;
        }
        let files = sealed(&folder)?;
        let history = vec![("merge", row.name.clone(), row.documents)];
        let change = Change { crawls: vec![(row, files, Some(&crawl.inputs))], history, ..Change::default() };
        self.catalogue.change(&change)?;
        std::fs::remove_file(&outcome).map_err(Error::io("remove", &outcome))
    }

    /// Of which documents of a crawl that went in another thing holds here.
    fn tell(
        &self,
        before: &Crawl,
        number: u32,
        config: &Minhash,
        take: &mut impl FnMut(Changed) -> Result<()>,
    ) -> Result<()> {
        let known = Known::all(self, config.linkage)?;
        for (ordinal, old) in before.documents() {
            let id = known_id(number, ordinal);
            let Some(new) = known.get(id) else { continue };
            let is_kept = new.keeper == id;
            if is_kept != (old.keeper == known_id(before.row.number, ordinal)) {
                let keeper = (!is_kept).then(|| known.place(new.keeper));
                take(Changed { document: known.place(id), keeper, similarity: new.similarity })?;
            }
        }
        Ok(())
    }
}
