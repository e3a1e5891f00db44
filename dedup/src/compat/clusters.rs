//! Clusters of pairs, and which document of each stays.
//!
//! Peers unite pairs in their order, the larger set or the one of higher rank taking in the other, and keep the root. One
//! thread: another order makes another root.

use std::path::Path;

use yuan_pipeline::{Context, Error, Result};

use super::pairs::PairFiles;
use super::partial::Units;
use crate::cluster::{check_memory, tally_clusters};
use crate::document_set::{DocumentSet, NumberedDocuments};
use crate::files::{Format, Kind, Writer};
use crate::sorter::Sorter;

/// What stands for all documents of an index in a file of pairs.
const INDEX: u64 = u64::MAX;

/// Whose root the root of a united set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Union {
    /// That of the larger set, or the first; an index's above all (datatrove).
    Larger,
    /// The same without pairs that have a document of an index.
    LargerWithoutIndex,
    /// That of higher rank, or the first, whose rank then grows (text-dedup).
    HigherRank,
}

/// Documents in pairs, each with its root.
pub(super) struct Clusters {
    places: NumberedDocuments,
    parents: Vec<u32>,
    /// Of roots.
    sizes: Vec<u32>,
    /// Of roots, for [`Union::HigherRank`]. A rank is at most the logarithm of a size.
    ranks: Vec<u8>,
}

impl Clusters {
    /// Puts pairs together.
    ///
    /// # Errors
    /// If a file cannot be read or is damaged, or clusters do not fit in memory.
    pub(super) fn of(pairs: &PairFiles, union: Union, stage: &'static str, context: &Context<'_>) -> Result<Self> {
        let mut set = DocumentSet::default();
        let is_left_out = |first: u64| union == Union::LargerWithoutIndex && first == INDEX;
        pairs.read(context, |(first, second)| {
            if !is_left_out(first) {
                set.insert(first);
                set.insert(second);
            }
            Ok(())
        })?;
        check_memory(&set, Format { stage, kind: Kind::Links, parameters: 0 }, context)?;
        let places = set.numbered();
        let count = places.len() as u32;
        let ranks = if union == Union::HigherRank { vec![0; count as usize] } else { Vec::new() };
        let mut clusters = Self { places, parents: (0..count).collect(), sizes: vec![1; count as usize], ranks };
        pairs.read(context, |(first, second)| {
            if !is_left_out(first) {
                clusters.unite(first, second);
            }
            Ok(())
        })?;
        Ok(clusters)
    }

    fn root(&mut self, number: u32) -> u32 {
        let mut root = number;
        while self.parents[root as usize] != root {
            root = self.parents[root as usize];
        }
        let mut at = number;
        while self.parents[at as usize] != root {
            at = std::mem::replace(&mut self.parents[at as usize], root);
        }
        root
    }

    fn unite(&mut self, first: u64, second: u64) {
        let (first, second) = (self.places.number(first) as u32, self.places.number(second) as u32);
        let (mut one, mut other) = (self.root(first), self.root(second));
        if one == other {
            return;
        }
        let size = |number: u32| self.sizes[number as usize];
        let rank = |number: u32| self.ranks.get(number as usize);
        let is_index = |number: u32| self.places.doc_id(number.into()) == INDEX;
        let turned = match self.ranks.is_empty() {
            true => is_index(other) || !is_index(one) && size(one) < size(other),
            false => rank(one) < rank(other),
        };
        let grows = rank(one) == rank(other);
        if turned {
            std::mem::swap(&mut one, &mut other);
        }
        if let Some(rank) = self.ranks.get_mut(one as usize)
            && grows
        {
            *rank += 1;
        }
        self.parents[other as usize] = one;
        self.sizes[one as usize] += self.sizes[other as usize];
    }

    /// The places of documents that go, each with that of its root, in order.
    pub(super) fn removed(mut self) -> Vec<(u64, u64)> {
        let mut removed = Vec::new();
        for number in 0..self.places.len() as u32 {
            let root = self.root(number);
            if root != number {
                removed.push((self.places.doc_id(number.into()), self.places.doc_id(root.into())));
            }
        }
        removed
    }

    /// All documents in pairs in the order of their places: the place, the number of the root, its size, and whether this is
    /// the root.
    pub(super) fn members(&self) -> impl Iterator<Item = (u64, u32, u32, bool)> {
        self.places.iter().zip(0_u32..).map(|(place, number)| {
            let mut root = number;
            while self.parents[root as usize] != root {
                root = self.parents[root as usize];
            }
            (place, root, self.sizes[root as usize], root == number)
        })
    }

    /// Counts clusters by size.
    pub(super) fn tally(&self, format: Format, context: &Context<'_>) {
        let roots = self.parents.iter().zip(0_u32..).filter(|(parent, number)| **parent == *number);
        tally_clusters(roots.map(|(_, number)| self.sizes[number as usize]), format, context);
    }
}

/// Writes the outcome of a pass: `doc_id`s of documents that go with those of their roots, of places in order.
pub(super) fn write_outcome(
    units: &Units,
    removed: Vec<(u64, u64)>,
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let memory = context.memory / 4;
    // The roots' ids first, in the order of their places; then back in the order of documents.
    let mut by_root = Sorter::new(2, memory, context.scratch.join("roots"));
    removed.iter().try_for_each(|(place, root)| by_root.push(&[*root, *place]))?;
    let mut by_place = Sorter::new(2, memory, context.scratch.join("places"));
    let (mut places, mut by_root) = (units.places(), by_root.finish()?);
    while let Some(record) = by_root.next()? {
        let (root, place) = (record[0], record[1]);
        let root = places.doc_id(root)?.ok_or_else(|| unknown(format, root))?;
        by_place.push(&[place, root])?;
    }
    drop(removed);
    let mut by_document = Sorter::new(2, memory, context.scratch.join("documents"));
    let (mut places, mut by_place) = (units.places(), by_place.finish()?);
    while let Some(record) = by_place.next()? {
        let (place, root) = (record[0], record[1]);
        let document = places.doc_id(place)?.ok_or_else(|| unknown(format, place))?;
        by_document.push(&[document, root])?;
    }
    let mut file = Writer::create(outcome)?;
    let mut by_document = by_document.finish()?;
    while let Some(record) = by_document.next()? {
        file.pair(record[0], record[1])?;
    }
    file.finish(Format { kind: Kind::Duplicates, ..format })
}

fn unknown(format: Format, place: u64) -> Error {
    Error::Stage {
        stage: format.stage.into(),
        problem: format!("rank {} has no document {}", place >> 32, place as u32),
        hint: Some("give the documents that the signatures were made of, in the same files and order".into()),
    }
}
