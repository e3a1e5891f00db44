//! From partial files to the documents to drop, in bounded memory.
//!
//! The records of a key (`ranges.rs`) link its documents to the first of them. Links are spilled,
//! linked documents noted in a bitmap; then union-find over these documents alone. Costs: one read of the partial files;
//! at most half of the memory for the ranges, later about ⅛ byte for each document of the corpus and 8 bytes for each
//! linked one, 13 if it is to be verified. The outcome depends on nothing but the set of (key, `doc_id`) pairs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use yuan_pipeline::{Context, Error, Result};

use crate::candidates::{CandidateText, Texts};
use crate::document_set::{DocumentSet, NumberedDocuments};
use crate::files::{Format, Kind, Partial, Record, Writer};
use crate::index::{Known, is_known};
use crate::near::TEXT_KEY;
use crate::ranges::{Crowd, Keys, Ranges, SMALL, Source};
use crate::union_find::Components;

/// Clusters the documents of `partials` that share a key, and writes all but the first of each cluster, with the first
/// as keeper, to `outcome`.
pub(crate) fn reduce<const WORDS: usize>(
    partials: &[PathBuf],
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let links = Links::<WORDS>::new(partials, format, context);
    let (link_files, documents) = links.find()?;
    let components = connect(&link_files, &documents, None, format, context)?;
    write_duplicates(&documents, &components, format, outcome, context)
}

/// As [`reduce`], but writes every document that shares a key with another, with the first of its cluster: what is to be
/// verified, as `candidates.rs` tells. With documents that are `known` already, those of them that a new one shares a key with are among the others.
pub(crate) fn candidates(
    partials: &[PathBuf],
    known: Option<&Known>,
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let mut links = Links::<1>::new(partials, format, context);
    if let Some(known) = known {
        // Those of new documents come before those of known ones.
        let source = |(path, format, crawl)| Source { path: Cow::Owned(path), format, crawl: Some(crawl) };
        links.ranges.sources.extend(known.keys().map(source));
        links.known = Some(known);
    }
    let (link_files, documents) = links.find()?;
    let texts = (format.kind == Kind::BandAndTextKeys).then(|| Texts::new(documents.len() as u32));
    let components = connect(&link_files, &documents, texts.as_ref(), format, context)?;
    let texts = texts.map(|texts| texts.counted(&components));
    let mut file = Writer::create(outcome)?;
    let mut new = 0;
    for (doc_id, number) in documents.iter().zip(0_u32..) {
        if u64::from(number).is_multiple_of(SMALL) {
            context.check()?;
        }
        new += u64::from(!is_known(doc_id));
        let root = components.root(number);
        let text = texts.as_ref().map_or(CandidateText::own(number), |texts| texts.needed(number, root));
        file.record(&[doc_id, documents.doc_id(root.into()), text.word()])?;
    }
    file.finish(Format { kind: Kind::Candidates, ..format })?;
    context.tally("candidates", format.stage, new, 0);
    Ok(())
}

/// On the first document of a link: the two have the same text. Other documents than known ones leave this bit free.
const SAME_TEXT: u64 = 1 << 63;

/// The first half: which documents share a key.
struct Links<'a, const WORDS: usize> {
    ranges: Ranges<'a, WORDS>,
    known: Option<&'a Known>,
    format: Format,
    /// The documents that are linked with another.
    documents: Mutex<DocumentSet>,
}

impl<'a, const WORDS: usize> Links<'a, WORDS> {
    fn new(partials: &'a [PathBuf], format: Format, context: &'a Context<'a>) -> Self {
        Self { ranges: Ranges::new(partials, format, context), known: None, format, documents: Mutex::default() }
    }

    /// Files of links and the documents in them.
    fn find(self) -> Result<(Vec<PathBuf>, NumberedDocuments)> {
        let ranges = &self.ranges;
        let file = |thread| ranges.context.scratch.join(format!("links-{thread}"));
        let files: Vec<PathBuf> = (0..ranges.size()?.1).map(file).collect();
        ranges.each(
            |thread| Writer::create(&files[thread]),
            |links, keys| match keys {
                Keys::Sorted(records) => self.link_sorted(records, links),
                Keys::Crowd(crowd) => self.link_crowd(&crowd, links),
            },
            |links| links.finish(Format { kind: Kind::Links, ..self.format }),
        )?;
        let documents = self.documents.into_inner().expect("no holder of the documents panics");
        check_memory(&documents, self.format, self.ranges.context)?;
        Ok((files, documents.numbered()))
    }

    /// What a link of two documents with this key tells beside them.
    fn mark(&self, key: u64) -> u64 {
        if self.format.kind == Kind::BandAndTextKeys && key & TEXT_KEY != 0 { SAME_TEXT } else { 0 }
    }

    /// Links two documents with a key in common, of which the second is new. Of a known one its keeper may come along.
    fn link(&self, key: u64, member: u64, first: u64, links: &mut Writer) -> Result<()> {
        let known = self.known.filter(|_| is_known(member));
        let linked = known.map_or([Some(member), None], |known| known.linked(member));
        for linked in linked.into_iter().flatten() {
            let mut documents = self.documents();
            documents.insert(linked);
            documents.insert(first);
            links.pair(linked, first | self.mark(key))?;
        }
        Ok(())
    }

    /// Links each document to the first that has its key.
    fn link_sorted(&self, records: &[Record<WORDS>], links: &mut Writer) -> Result<()> {
        let groups = || records.chunk_by(|one, other| one.key == other.key);
        // Documents are distinct within a key, unless a shard was given twice.
        let members =
            |group: &[Record<WORDS>]| group.last().map(|last| last.doc_id) != group.first().map(|first| first.doc_id);
        if self.known.is_some() {
            // What is known sorts behind what is new, and is of interest only to that.
            for group in groups().filter(|group| members(group) && !is_known(group[0].doc_id)) {
                let [first, members @ ..] = group else { continue };
                members.iter().try_for_each(|it| self.link(it.key[0], it.doc_id, first.doc_id, links))?;
            }
            return Ok(());
        }
        for group in groups().filter(|group| members(group)) {
            let first = group[0].doc_id | self.mark(group[0].key[0]);
            group[1..].iter().try_for_each(|member| links.pair(member.doc_id, first))?;
        }
        let mut documents = self.documents();
        groups().filter(|group| members(group)).flatten().for_each(|record| documents.insert(record.doc_id));
        Ok(())
    }

    /// The same for keys too frequent to fit in memory: the first document met stands for the first.
    fn link_crowd(&self, crowd: &Crowd<'_, WORDS>, links: &mut Writer) -> Result<()> {
        let mut firsts: HashMap<[u64; WORDS], u64> = HashMap::new();
        crowd.read(|record| match firsts.entry(record.key) {
            Entry::Vacant(vacant) => {
                if !is_known(record.doc_id) {
                    vacant.insert(record.doc_id);
                }
                Ok(())
            }
            Entry::Occupied(first) => self.link(record.key[0], record.doc_id, *first.get(), links),
        })
    }

    fn documents(&self) -> MutexGuard<'_, DocumentSet> {
        self.documents.lock().expect("no holder of the documents panics")
    }
}

/// Runs `work(thread, next)` on so many threads, where `next` gives each of them the next free piece of work. The first
/// error stops all threads at their next piece.
pub(crate) fn in_parallel(threads: usize, work: impl Fn(usize, &dyn Fn() -> usize) -> Result<()> + Sync) -> Result<()> {
    let (taken, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let next = || {
        if failed.load(Ordering::Relaxed) { usize::MAX } else { taken.fetch_add(1, Ordering::Relaxed) }
    };
    let run = |thread| {
        let result = work(thread, &next);
        failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let first = run(0);
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().map(join).fold(first, Result::and)
    })
}

/// # Errors
/// If finding the components of these documents takes more memory than there is.
pub(crate) fn check_memory(documents: &DocumentSet, format: Format, context: &Context<'_>) -> Result<()> {
    let members = documents.len();
    // A number each for components and texts, and a count.
    let each = if format.kind == Kind::BandAndTextKeys { 13 } else { 8 };
    let needed = documents.bytes() + each * members;
    let problem = if u32::try_from(members).is_err() {
        format!("{members} documents have a duplicate, more than {} cannot be clustered at once", u32::MAX)
    } else if needed > context.memory {
        format!(
            "clustering {members} documents that have a duplicate takes {needed} bytes, {} are allowed",
            context.memory
        )
    } else {
        return Ok(());
    };
    let gibibytes = needed.div_ceil(1 << 30);
    let hint =
        format!("allow more memory (`--memory {gibibytes}GiB`), or remove exact duplicates first (step `exact`)");
    Err(Error::Stage { stage: format.stage.into(), problem, hint: Some(hint) })
}

/// The second half: which documents are connected by links, and which of them have the same text.
fn connect(
    link_files: &[PathBuf],
    documents: &NumberedDocuments,
    texts: Option<&Texts>,
    format: Format,
    context: &Context<'_>,
) -> Result<Components> {
    let number = |doc_id| documents.number(doc_id) as u32;
    let components = Components::new(documents.len() as u32);
    in_parallel(link_files.len(), |_, next| {
        while let Some(path) = link_files.get(next()) {
            let mut links = Partial::<1>::open(path, Format { kind: Kind::Links, ..format })?;
            let all = 0..links.records();
            let mut count = 0_u64;
            links.read(all, |Record { key: [member], doc_id: first }| {
                let (member, of) = (number(member), number(first & !SAME_TEXT));
                components.unite(member, of);
                if let Some(texts) = texts.filter(|_| first & SAME_TEXT != 0) {
                    texts.set(member, of);
                }
                count += 1;
                if count.is_multiple_of(SMALL) { context.check() } else { Ok(()) }
            })?;
        }
        Ok(())
    })?;
    Ok(components)
}

fn write_duplicates(
    documents: &NumberedDocuments,
    components: &Components,
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let mut file = Writer::create(outcome)?;
    let mut sizes = vec![0_u32; documents.len() as usize];
    for (doc_id, number) in documents.iter().zip(0_u32..) {
        if u64::from(number).is_multiple_of(SMALL) {
            context.check()?;
        }
        let root = components.root(number);
        sizes[root as usize] += 1;
        if root != number {
            file.pair(doc_id, documents.doc_id(root.into()))?;
        }
    }
    file.finish(Format { kind: Kind::Duplicates, ..format })?;

    tally_clusters(sizes.iter().copied(), format, context);
    Ok(())
}

/// Counts clusters by size, and the documents that go.
pub(crate) fn tally_clusters(sizes: impl Iterator<Item = u32>, format: Format, context: &Context<'_>) {
    let mut clusters = [0_u64; 32];
    let mut duplicates = 0;
    for size in sizes.filter(|&size| size > 0) {
        clusters[size.ilog2() as usize] += 1;
        duplicates += u64::from(size) - 1;
    }
    for (count, power) in clusters.into_iter().zip(0_u32..).filter(|&(count, _)| count > 0) {
        let least = 1_u64 << power;
        context.tally("cluster_size", format!("{least}-{}", 2 * least - 1), count, 0);
    }
    context.tally("duplicates", format.stage, duplicates, 0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stdout, reason = "a measurement")]

    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use super::*;
    use crate::candidates::Candidates;
    use crate::files::write_partial;

    /// Bijective, and looks random.
    fn mixed(number: u64) -> u64 {
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// The first of the documents that this one is a copy of, itself if it is none. A fifth are copies.
    fn first_of(mut document: u64) -> u64 {
        loop {
            let random = mixed(document ^ 0x5eed);
            if document < 1000 || !random.is_multiple_of(5) {
                return document;
            }
            document = (random >> 8) % document;
        }
    }

    #[test]
    #[ignore = "a measurement of minutes, for MEASUREMENTS.md; YUAN_DOCUMENTS (50 million) and TMPDIR, 230 bytes for each"]
    fn many_signatures() {
        const BANDS: u64 = 14;
        const UNIT: u64 = 100_000;
        const FORMAT: Format = Format { stage: "minhash", kind: Kind::BandKeys, parameters: 1 };
        let documents: u64 = std::env::var("YUAN_DOCUMENTS").map_or(50_000_000, |count| count.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let units = documents.div_ceil(UNIT);
        let partials: Vec<PathBuf> = (0..units).map(|unit| folder.path().join(format!("{unit:06}"))).collect();
        let start = Instant::now();
        in_parallel(2, |_, next| {
            while let Some(path) = partials.get(next()) {
                let unit: u64 = path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap();
                let mut records: Vec<Record<1>> = Vec::new();
                for doc_id in unit * UNIT..((unit + 1) * UNIT).min(documents) {
                    let first = first_of(doc_id);
                    for band in 0..BANDS {
                        // A copy shares every other band with the first.
                        let of = if band % 2 == 0 { first } else { doc_id };
                        records.push(Record { key: [mixed(of * BANDS + band)], doc_id });
                    }
                }
                write_partial(path, FORMAT, &mut records)?;
            }
            Ok(())
        })
        .unwrap();
        println!("{documents} documents written in {:.0} s", start.elapsed().as_secs_f64());
        let (memory, cancelled) = (2 << 30, AtomicBool::new(false));
        let context = Context::new(memory, 2, scratch, &cancelled);
        let outcome = folder.path().join("outcome");
        let start = Instant::now();
        candidates(&partials, None, FORMAT, &outcome, &context).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        println!("put together in {:.0} s within {memory} bytes; {peak}", start.elapsed().as_secs_f64());

        let found = Candidates::open(&outcome, |_| Format { kind: Kind::Candidates, ..FORMAT }).unwrap();
        let mut copies = 0;
        for (document, first) in (0..found.len()).map(|index| found.get(index)) {
            assert_eq!(first, first_of(document), "{document}");
            copies += u64::from(document != first);
        }
        assert_eq!(copies, (0..documents).filter(|document| first_of(*document) != *document).count() as u64);
        println!("{} candidates, {copies} copies", found.len());
    }
}
