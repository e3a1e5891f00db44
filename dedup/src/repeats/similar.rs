//! Units that are alike: MinHash nominates them, a second reading compares their shingles.
//!
//! The first reading notes the band keys of units of at least `min_tokens` tokens, 24 bytes a band. Units that share a key with
//! another are candidates; they are numbered in the order of the corpus, and what `verify/` does with documents is done with
//! these numbers. Memory: 4 bytes for each candidate while they are connected, then as `verify/` says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan};

use super::{RepeatedText, STAGE};
use crate::candidates::{CandidateText, Candidates};
use crate::cluster::in_parallel;
use crate::cuts::{Cuts, write_cuts};
use crate::duplicates::{DUPLICATES, Duplicates};
use crate::files::{Format, Kind, Partial, Record, Writer, write_partial};
use crate::near::Signer;
use crate::ranges::{Keys, Ranges, SMALL};
use crate::scope::scope;
use crate::sorter::{Sorted, Sorter};
use crate::union_find::Components;
use crate::verify::{Note, Notes, Verify};

/// In the folder that the first reading leaves: (document, unit) of all candidates, sorted.
const CANDIDATES: &str = "candidates";
/// And for each of them, by its number, the number of the first that it is connected with.
const FIRSTS: &str = "firsts";

/// The units of one document that can be alike to others.
struct Units {
    config: RepeatedText,
    signer: Signer,
    keys: Vec<u64>,
}

impl Units {
    fn new(config: &RepeatedText) -> Result<Self> {
        Ok(Self { signer: config.minhash().signer()?, config: config.clone(), keys: Vec::new() })
    }

    /// Hands each unit with its distinct keys to `take`.
    fn of_text(
        &mut self,
        text: &str,
        scope: u64,
        mut is_wanted: impl FnMut(u64) -> bool,
        mut take: impl FnMut(u64, &[u64], &mut Signer) -> Result<()>,
    ) -> Result<()> {
        let definition = self.config.definition();
        for (place, piece) in (0_u64..).zip(definition.cutting.pieces(text)) {
            let unit = &text[piece.content];
            // A token has at least a byte.
            if unit.len() < self.config.min_tokens.max(1)
                || !is_wanted(place)
                || !super::scan::has_characters(unit, definition.min_characters)
            {
                continue;
            }
            self.keys.clear();
            self.signer.keys(unit, |key| self.keys.push(key ^ scope));
            if self.signer.tokens() < self.config.min_tokens {
                continue;
            }
            self.keys.sort_unstable();
            self.keys.dedup();
            take(place, &self.keys, &mut self.signer)?;
        }
        Ok(())
    }
}

/// The first reading.
pub(super) struct SimilarScan {
    units: Units,
    partial: PathBuf,
    records: Vec<Record<2>>,
}

impl SimilarScan {
    pub(super) fn new(config: &RepeatedText, partial: &Path) -> Result<Self> {
        Ok(Self { units: Units::new(config)?, partial: partial.into(), records: Vec::new() })
    }
}

impl Scan for SimilarScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let doc_id = document.doc_id();
            let scope = scope(&document, &self.units.config.within);
            let records = &mut self.records;
            self.units.of_text(
                document.text(),
                scope,
                |_| true,
                |unit, keys, _| {
                    records.extend(keys.iter().map(|&key| Record { key: [key, doc_id], doc_id: unit }));
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.units.config.format(Kind::Units), &mut self.records)
    }
}

/// Puts the first reading together: the folder `outcome` with [`CANDIDATES`] and [`FIRSTS`].
pub(super) fn nominate(partials: &[PathBuf], format: Format, outcome: &Path, context: &Context<'_>) -> Result<()> {
    std::fs::create_dir_all(outcome).map_err(Error::io("create", outcome))?;
    let ranges = Ranges::<2>::new(partials, format, context);
    let memory = context.memory / 4 / ranges.size()?.1 as u64;
    let sorters = Mutex::new(Vec::new());
    let link_format = Format { kind: Kind::Links, ..format };
    let files = Mutex::new(Vec::new());
    ranges.each(
        |thread| {
            let path = context.scratch.join(format!("links-{thread}"));
            let links = Writer::create(&path)?;
            files.lock().expect("no holder of the files panics").push(path);
            Ok((Sorter::new(2, memory, context.scratch.join(format!("candidates-{thread}"))), links))
        },
        |(sorter, links), keys| {
            // Each link is two pairs: a unit, and the first that has its key.
            let mut link = |member: (u64, u64), first: (u64, u64)| {
                sorter.push(&[member.0, member.1])?;
                sorter.push(&[first.0, first.1])?;
                links.pair(member.0, member.1)?;
                links.pair(first.0, first.1)
            };
            let place = |record: &Record<2>| (record.key[1], record.doc_id);
            match keys {
                Keys::Sorted(records) => {
                    for group in records.chunk_by(|one, other| one.key[0] == other.key[0]) {
                        group[1..].iter().try_for_each(|member| link(place(member), place(&group[0])))?;
                    }
                    Ok(())
                }
                Keys::Crowd(crowd) => {
                    let mut first = None;
                    crowd.read(|record| match first {
                        None => {
                            first = Some(place(&record));
                            Ok(())
                        }
                        Some(first) => link(place(&record), first),
                    })
                }
            }
        },
        |(sorter, links)| {
            sorters.lock().expect("no holder of the sorters panics").push(sorter);
            links.finish(link_format)
        },
    )?;
    let candidates_format = Format { kind: Kind::Cuts, ..format };
    let sorters = sorters.into_inner().expect("no holder of the sorters panics");
    write_cuts(Sorted::of(sorters)?, &outcome.join(CANDIDATES), candidates_format, context)?;
    let candidates = Cuts::open(&outcome.join(CANDIDATES), candidates_format)?;
    let count = candidates.len();
    if 4 * count as u64 > context.memory || u32::try_from(count).is_err() {
        return Err(Error::Stage {
            stage: STAGE.into(),
            problem: format!(
                "{count} units may be alike to others: they take {} bytes, {} are allowed",
                4 * count,
                context.memory
            ),
            hint: Some(format!(
                "allow more memory (`--memory {}GiB`), raise `min_tokens`, or remove copies of documents first (step `minhash`)",
                (4 * count as u64).div_ceil(1 << 30)
            )),
        });
    }
    let components = Components::new(count as u32);
    let number = |(doc_id, unit): (u64, u64)| {
        let found = candidates.of(doc_id).find(|(_, found)| *found == unit);
        found.map(|(at, _)| at as u32).expect("both ends of a link are candidates")
    };
    let files = files.into_inner().expect("no holder of the files panics");
    in_parallel(files.len(), |_, next| {
        while let Some(path) = files.get(next()) {
            let mut links = Partial::<1>::open(path, link_format)?;
            let all = 0..links.records();
            let (mut member, mut count) = (None, 0_u64);
            links.read(all, |Record { key: [doc_id], doc_id: unit }| {
                match member.take() {
                    None => member = Some((doc_id, unit)),
                    Some(member) => components.unite(number(member), number((doc_id, unit))),
                }
                count += 1;
                if count.is_multiple_of(SMALL) { context.check() } else { Ok(()) }
            })?;
        }
        Ok(())
    })?;
    let mut firsts = Writer::create(&outcome.join(FIRSTS))?;
    (0..count as u32).try_for_each(|number| {
        firsts.record(&[number.into(), components.root(number).into(), CandidateText::own(number).word()])
    })?;
    firsts.finish(Format { kind: Kind::Candidates, ..format })?;
    context.tally("repeats", "candidates", count as u64, 0);
    Ok(())
}

/// The second reading.
pub(super) struct Similar {
    config: RepeatedText,
    candidates: Arc<Cuts>,
    firsts: Arc<Candidates>,
    verify: Verify,
}

impl Similar {
    pub(super) fn open(config: &RepeatedText, first: &Path) -> Result<Self> {
        let format = config.format(Kind::Units);
        let firsts = |_: &[u8]| Format { kind: Kind::Candidates, ..format };
        Ok(Self {
            config: config.clone(),
            candidates: Arc::new(Cuts::open(&first.join(CANDIDATES), config.format(Kind::Cuts))?),
            firsts: Arc::new(Candidates::open(&first.join(FIRSTS), firsts)?),
            verify: Verify::new(&config.minhash(), format, &first.join(FIRSTS))?,
        })
    }
}

impl Pass for Similar {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(CompareScan {
            units: Units::new(&self.config)?,
            candidates: self.candidates.clone(),
            firsts: self.firsts.clone(),
            notes: Notes::create(partial)?,
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let verified = context.scratch.join("verified");
        // Its counts are of documents, these are units.
        let inner = Context::new(context.memory, context.threads, context.scratch.clone(), context.cancelled());
        self.verify.reduce(partials, &verified, &inner)?;
        let alike = Duplicates::of_format(&verified.join(DUPLICATES), self.config.format(Kind::Duplicates))?;
        let mut file = Writer::create(outcome)?;
        for (number, _) in alike.iter() {
            let (doc_id, unit) = self.candidates.get(number as usize);
            file.pair(doc_id, unit)?;
        }
        context.tally("repeats", "alike", alike.len() as u64, 0);
        file.finish(self.config.format(Kind::Cuts))
    }
}

struct CompareScan {
    units: Units,
    candidates: Arc<Cuts>,
    firsts: Arc<Candidates>,
    notes: Notes,
}

impl Scan for CompareScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let wanted: Vec<(usize, u64)> = self.candidates.of(document.doc_id()).collect();
            if wanted.is_empty() {
                continue;
            }
            let number = |unit: u64| wanted.binary_search_by_key(&unit, |(_, unit)| *unit).ok().map(|at| wanted[at].0);
            let scope = scope(&document, &self.units.config.within);
            let (firsts, notes) = (&self.firsts, &mut self.notes);
            self.units.of_text(
                document.text(),
                scope,
                |unit| number(unit).is_some(),
                |unit, keys, signer| {
                    let Some(number) = number(unit) else { return Ok(()) };
                    let shingles = signer.distinct_shingles();
                    let (first, doc_id) = (firsts.get(number).1, number as u64);
                    notes.note(&Note { first, rank: 0, doc_id, id: 0, keys, shingles })
                },
            )?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.notes.finish(self.units.config.format(Kind::Units))
    }
}
