//! What a verified deduplication leaves: a folder.
//!
//! | file | what |
//! |---|---|
//! | `duplicates` | documents that go, with their keepers ([`Duplicates`]) |
//! | `sizes` | keepers, with the size of their clusters |
//! | `clusters.parquet` | a row for each document of a cluster: `cluster` (the `doc_id` of its keeper), `doc_id`, `kept`, `similarity` (to the keeper, in [0, 1]), `size`; with an index `crawl`, the earlier crawl that a keeper is of |
//! | `known`, `known.json` | where keepers of an index were read, if there is one |

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{ArrayRef, BooleanArray, Float32Array, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field};
use yuan_pipeline::{Batch, Context, Error, Result, Stage};

use crate::candidates::Candidates;
use crate::cluster::tally_clusters;
use crate::duplicates::{DUPLICATES, DropDuplicates, Duplicates, Pairs};
use crate::files::{Format, Kind, Writer};
use crate::index::{Known, Places, is_known};
use crate::table::Table;

const SIZES: &str = "sizes";
const CLUSTERS: &str = "clusters.parquet";
/// Rows written at a time.
const ROWS: usize = 1 << 16;

/// For each candidate, by its number: the number of its keeper, itself if it stays, and how alike they are.
pub(crate) struct Verified {
    keepers: Vec<AtomicU32>,
    similarities: Vec<AtomicU32>,
}

impl Verified {
    pub(super) fn new(count: usize) -> Self {
        Self {
            keepers: (0..count as u32).map(AtomicU32::new).collect(),
            similarities: (0..count).map(|_| AtomicU32::new(1.0_f32.to_bits())).collect(),
        }
    }

    pub(super) fn set(&self, member: u32, keeper: u32, similarity: f32) {
        self.keepers[member as usize].store(keeper, Ordering::Relaxed);
        self.similarities[member as usize].store(similarity.to_bits(), Ordering::Relaxed);
    }

    /// The number of the keeper, itself if it stays, and how alike they are.
    pub(crate) fn verdict(&self, number: u32) -> (u32, f32) {
        (self.keeper(number), self.similarity(number))
    }

    fn keeper(&self, number: u32) -> u32 {
        self.keepers[number as usize].load(Ordering::Relaxed)
    }

    fn similarity(&self, number: u32) -> f32 {
        f32::from_bits(self.similarities[number as usize].load(Ordering::Relaxed))
    }
}

/// Writes the folder. Candidates of an index are in it only as keepers of new ones.
pub(super) fn write(
    verified: &Verified,
    candidates: &Candidates,
    known: Option<&Known>,
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    std::fs::create_dir_all(outcome).map_err(Error::io("create", outcome))?;
    let numbers = 0..candidates.len() as u32;
    let doc_id = |number: u32| candidates.get(number as usize).0;
    let mut sizes = vec![0_u32; candidates.len()];
    let mut duplicates = Writer::create(&outcome.join(DUPLICATES))?;
    for number in numbers.clone() {
        let keeper = verified.keeper(number);
        sizes[keeper as usize] += 1;
        if keeper != number {
            duplicates.pair(doc_id(number), doc_id(keeper))?;
        }
    }
    duplicates.finish(Format { kind: Kind::Duplicates, ..format })?;
    context.check()?;
    let mut file = Writer::create(&outcome.join(SIZES))?;
    let kept_for_others = || numbers.clone().filter(|number| sizes[*number as usize] > 1);
    for number in kept_for_others().filter(|number| !is_known(doc_id(*number))) {
        file.pair(doc_id(number), u64::from(sizes[number as usize]))?;
    }
    file.finish(Format { kind: Kind::Sizes, ..format })?;
    if let Some(known) = known {
        let keepers: Vec<u64> = kept_for_others().map(doc_id).filter(|id| is_known(*id)).collect();
        Places::write(known, &keepers, format, outcome)?;
        let of_crawls = numbers.clone().filter(|number| {
            let keeper = verified.keeper(*number);
            keeper != *number && is_known(doc_id(keeper))
        });
        context.tally("index", "duplicates", of_crawls.count() as u64, 0);
    }

    let mut members: Vec<u32> = kept_for_others()
        .filter(|number| !is_known(doc_id(*number)))
        .chain(numbers.clone().filter(|number| verified.keeper(*number) != *number))
        .collect();
    members.sort_by_key(|number| (verified.keeper(*number), *number));
    let mut table = Table::create(format.stage, &outcome.join(CLUSTERS), columns(known.is_some()))?;
    for members in members.chunks(ROWS) {
        context.check()?;
        let keepers = || members.iter().map(|number| verified.keeper(*number));
        // A keeper of an index has the `doc_id` of its run, in the crawl that is named.
        let place = |keeper| match known.and_then(|known| known.crawl(doc_id(keeper))) {
            Some((_, crawl, ordinal)) => (Some(crawl.row.name.clone()), crawl.doc_id(ordinal)),
            None => (None, doc_id(keeper)),
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(keepers().map(|keeper| place(keeper).1).collect::<UInt64Array>()),
            Arc::new(members.iter().map(|number| doc_id(*number)).collect::<UInt64Array>()),
            Arc::new(keepers().zip(members).map(|(keeper, number)| Some(keeper == *number)).collect::<BooleanArray>()),
            Arc::new(members.iter().map(|number| verified.similarity(*number)).collect::<Float32Array>()),
            Arc::new(keepers().map(|keeper| sizes[keeper as usize]).collect::<UInt32Array>()),
        ];
        if known.is_some() {
            columns.push(Arc::new(keepers().map(|keeper| place(keeper).0).collect::<StringArray>()));
        }
        table.write(columns)?;
    }
    table.finish()?;
    // Those of one document are no clusters, as nothing in the run tells of documents without a candidate.
    tally_clusters(sizes.into_iter().filter(|size| *size > 1), format, context);
    Ok(())
}

/// The columns of `clusters.parquet`.
fn columns(names_crawls: bool) -> Vec<Field> {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    let mut fields = vec![
        field("cluster", DataType::UInt64),
        field("doc_id", DataType::UInt64),
        field("kept", DataType::Boolean),
        field("similarity", DataType::Float32),
        field("size", DataType::UInt32),
    ];
    if names_crawls {
        fields.push(Field::new("crawl", DataType::Utf8, true));
    }
    fields
}

/// Drops the documents that an outcome names, and tells the sizes of clusters.
pub(crate) struct Clusters {
    pub drop: DropDuplicates,
    pub sizes: Pairs,
    /// The column with the size of a kept document's cluster, if it is wanted.
    pub size_column: Option<String>,
}

/// The duplicates and the sizes of clusters in the folder.
pub(crate) fn open_verified(outcome: &Path, format: Format) -> Result<(Duplicates, Pairs)> {
    let duplicates = Duplicates::of_format(&outcome.join(DUPLICATES), format)?;
    let sizes = Pairs::open(&outcome.join(SIZES), |_| Format { kind: Kind::Sizes, ..format })?;
    Ok((duplicates, sizes))
}

impl Stage for Clusters {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let batch = self.drop.process(batch)?;
        let Some(column) = &self.size_column else { return Ok(batch) };
        let size = |doc_id: &u64| self.sizes.find(*doc_id).map_or(1, |(_, size)| size as u32);
        let sizes: UInt32Array = batch.doc_ids().values().iter().map(size).collect();
        batch.annotate(Field::new(column, DataType::UInt32, false), Arc::new(sizes))
    }
}
