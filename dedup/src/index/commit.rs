//! A new crawl goes in.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Context, Error, Result, hash_file};

use super::catalogue::{Change, CrawlRow, InputRow, refuse};
use super::crawl::{DOCUMENTS, IDS, Indexed, KEYS, NOTES, ordinal, sealed};
use super::known::{MAX_CRAWLS, is_known, known_id};
use super::{Index, Known};
use crate::cluster::in_parallel;
use crate::files::{Format, Kind, Partial, Record, Writer, write_partial};
use crate::sorted::merge;
use crate::verify::{Noted, Notes};

/// The documents of a run on their way into an index.
pub(crate) struct NewCrawl<'a> {
    pub name: &'a str,
    pub identity: u64,
    /// Sorted keys with `doc_id`s, a file for each work unit in order.
    pub keys: &'a [PathBuf],
    pub key_format: Format,
    /// All documents, a file for each work unit in order.
    pub notes: &'a [Noted],
    /// The document that is kept for one that goes, new or known, and how alike they are.
    pub keeper: &'a dyn Fn(u64) -> Option<(u64, f32)>,
}

/// A hash of the contents of files, in order.
pub(crate) fn identity(files: &[PathBuf], context: &Context<'_>) -> Result<u64> {
    let hashes = Mutex::new(vec![0; files.len()]);
    in_parallel(context.threads.max(1), |_, next| {
        loop {
            let number = next();
            let Some(path) = files.get(number) else { return Ok(()) };
            context.check()?;
            let (_, hash) = hash_file(path).map_err(Error::io("read", path))?;
            hashes.lock().expect("no holder of the hashes panics")[number] = hash;
        }
    })?;
    let hashes = hashes.into_inner().expect("no holder of the hashes panics");
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash: &u64| hash.to_le_bytes()).collect();
    Ok(xxh3_64(&bytes))
}

impl NewCrawl<'_> {
    /// Adds the crawl behind those of `known`. Nothing happens if it is there already: after a kill the same work is done again.
    ///
    /// # Errors
    /// If other crawls came in between, that its documents were not held against.
    pub(crate) fn commit(&self, index: &mut Index, known: &Known, context: &Context<'_>) -> Result<()> {
        let _lock = index.lock()?;
        let rows = index.catalogue.crawls()?;
        if rows.iter().any(|row| row.name == self.name && row.identity == self.identity) {
            return Ok(());
        }
        if rows.iter().map(|row| row.number).ne(known.crawls.iter().map(|crawl| crawl.row.number)) {
            return Err(refuse(
                format!("the index in `{}` has changed since this run looked into it", index.root.display()),
                "do the step again with `--from minhash`",
            ));
        }
        index.sweep_up()?;
        let number = rows.last().map_or(1, |row| row.number + 1);
        if number >= MAX_CRAWLS {
            return Err(refuse(
                format!("the index in `{}` has {} crawls, it cannot have more", index.root.display(), rows.len()),
                "merge crawls by making a new index of their documents",
            ));
        }
        let name = format!("{number:05}");
        let folder = index.root.join("crawls").join(&name);
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let (inputs, places) = self.write_notes(&folder, index.format(), context)?;
        let (documents, kept) = self.write_documents(&folder, number, &inputs, &places, index.format(), context)?;
        let renamed = |doc_id| ordinal(&inputs, doc_id);
        merge::<1>(self.keys, self.key_format, renamed, (&folder.join(KEYS), index.format()), context)?;
        let files = sealed(&folder)?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        let row = CrawlRow {
            number,
            name: self.name.into(),
            folder: name,
            identity: self.identity,
            documents,
            kept,
            removed: 0,
        };
        context.tally("index", "added", documents, bytes);
        index.catalogue.change(&Change {
            crawls: vec![(row, files, Some(&inputs))],
            history: vec![("update", self.name.into(), documents)],
            ..Change::default()
        })
    }

    /// Writes the notes and ids of all documents; the input files, and a file of each document's `doc_id` and place.
    fn write_notes(&self, folder: &Path, format: Format, context: &Context<'_>) -> Result<(Vec<InputRow>, PathBuf)> {
        let path = context.scratch.join("places");
        let (mut notes, mut places) = (Notes::create(&folder.join(NOTES))?, Writer::create(&path)?);
        let mut inputs: Vec<InputRow> = Vec::new();
        let mut ids = Ids { runs: Vec::new(), records: Vec::new(), format, context };
        for file in self.notes {
            context.check()?;
            file.records(|record| {
                let (number, row) = ((record.doc_id >> 32) as u32, record.doc_id & u64::from(u32::MAX));
                let base = inputs.last().map_or(0, |input| input.base + input.records);
                if inputs.last().is_none_or(|input| input.number != number) {
                    let path = context.inputs.get(number as usize).cloned().unwrap_or_default();
                    inputs.push(InputRow { number, path, base, records: 0 });
                }
                let input = inputs.last_mut().expect("just pushed");
                input.records = row + 1;
                places.pair(record.doc_id, notes.copy(record.bytes)?)?;
                if record.id > 0 {
                    ids.add(record.id, input.base + row)?;
                }
                Ok(())
            })?;
        }
        notes.finish(format)?;
        places.finish(Format { kind: Kind::Links, ..format })?;
        ids.finish(&folder.join(IDS))?;
        Ok((inputs, path))
    }

    /// Writes what becomes of each document; how many there are, and how many are kept.
    fn write_documents(
        &self,
        folder: &Path,
        crawl: u32,
        inputs: &[InputRow],
        places: &Path,
        format: Format,
        context: &Context<'_>,
    ) -> Result<(u64, u64)> {
        let mut file = Writer::create(&folder.join(DOCUMENTS))?;
        let mut places = Partial::<1>::open(places, Format { kind: Kind::Links, ..format })?;
        let id = |doc_id| ordinal(inputs, doc_id).map(|ordinal| known_id(crawl, ordinal));
        let (mut next, mut kept) = (0, 0);
        let documents = places.records();
        places.read(0..documents, |Record { key: [doc_id], doc_id: at }| {
            let number = ordinal(inputs, doc_id).expect("inputs are of these documents");
            while next < number {
                file.record(&[0; 3])?;
                next += 1;
            }
            let itself = (known_id(crawl, number), 1.0);
            let (keeper, similarity) = match (self.keeper)(doc_id) {
                Some((keeper, similarity)) if is_known(keeper) => (keeper, similarity),
                Some((keeper, similarity)) => (id(keeper).unwrap_or(itself.0), similarity),
                None => itself,
            };
            kept += u64::from(keeper == itself.0);
            next += 1;
            if next.is_multiple_of(1 << 16) {
                context.check()?;
            }
            file.record(&Indexed { at, keeper, similarity }.numbers())
        })?;
        file.finish(Format { kind: Kind::Indexed, ..format })?;
        Ok((documents, kept))
    }
}

/// Hashes of documents' own ids, being sorted.
struct Ids<'a> {
    runs: Vec<PathBuf>,
    records: Vec<Record<2>>,
    format: Format,
    context: &'a Context<'a>,
}

impl Ids<'_> {
    fn add(&mut self, id: u128, ordinal: u64) -> Result<()> {
        self.records.push(Record { key: [(id >> 64) as u64, id as u64], doc_id: ordinal });
        let bytes = (self.records.len() * size_of::<Record<2>>()) as u64;
        if bytes > self.context.memory / 4 { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        let path = self.context.scratch.join(format!("ids-{}", self.runs.len()));
        write_partial(&path, Format { kind: Kind::Ids, ..self.format }, &mut self.records)?;
        self.records.clear();
        self.runs.push(path);
        Ok(())
    }

    fn finish(mut self, output: &Path) -> Result<()> {
        if self.runs.is_empty() && self.records.is_empty() {
            return Ok(());
        }
        self.spill()?;
        let format = Format { kind: Kind::Ids, ..self.format };
        merge::<2>(&self.runs, format, Some, (output, format), self.context)
    }
}
