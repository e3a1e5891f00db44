//! Interpolated probabilities of one order, from the adjusted counts and the probabilities of the order below.
//!
//! The probability of an n-gram needs sums over all n-grams with the same context. The context of a node of the
//! tree of [`super::adjust`] is found without sorting: take the context of its parent, one order down, and step to
//! that node's child with the same word. Since children are sorted, so are the steps. What has to be at hand for
//! this is the children of the parent's context; so the nodes are dealt out, in order, into buckets by the context
//! of their parent, each bucket's contexts fit in memory, and the results are dealt back in the same order. All
//! reading and writing is sequential.

use std::sync::Arc;

use super::adjust::{Level, push_count, read_count};
use super::bucket::{Bucket, BucketContexts, Buckets, compute_bucket};
use super::options::SENTENCE_START;
use super::store::Store;
use super::tape::{Tape, TapeReader, TapeWriter};
use super::work::in_parallel;
use crate::error::Result;

/// The order below, of which the nodes of the new level are children.
pub(crate) struct Below<'a> {
    /// The length of its n-grams.
    pub order: usize,
    pub level: &'a Level,
    /// Context of each node, as its number in the order below that; `None` for unigrams.
    pub contexts: Option<&'a Tape<u32>>,
    /// Probability of each node, as bits.
    pub probabilities: &'a Tape<u32>,
    /// The order below `level`; `None` for unigrams.
    pub parents: Option<&'a Level>,
}

/// What computing a level gives.
pub(crate) struct Computed {
    /// Context of each n-gram, as its number in the order below; empty for the highest order.
    pub contexts: Tape<u32>,
    /// Interpolated probability of each n-gram, as bits.
    pub probabilities: Tape<u32>,
    /// Back-off weight of each n-gram of the order below, as bits.
    pub backoffs: Tape<u32>,
}

/// How the level is computed.
pub(crate) struct LevelSettings<'a> {
    pub store: &'a Arc<Store>,
    pub threads: usize,
    pub discounts: [f32; 3],
    /// Whether this is the highest order, whose contexts are not needed any more.
    pub highest: bool,
}

/// Reads the nodes of a level below the highest order.
pub(crate) struct Nodes<'a> {
    words: TapeReader<'a, u32>,
    counts: TapeReader<'a, u32>,
    unigrams: bool,
}

/// A node of a level below the highest order.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    pub word: u32,
    pub children: u64,
}

impl<'a> Nodes<'a> {
    pub fn new(level: &'a Level, order: usize) -> Nodes<'a> {
        Nodes { words: level.words.reader(), counts: level.counts.reader(), unigrams: order == 1 }
    }

    #[inline]
    pub fn next(&mut self) -> Result<Option<Node>> {
        let Some(word) = self.words.next()? else { return Ok(None) };
        let (count, _) = read_count(&mut self.counts)?;
        // The unigram `<s>` has the count 0; a longer n-gram that starts with `<s>` is a leaf with a plain count.
        let children = if word == SENTENCE_START && !self.unigrams { 0 } else { count };
        Ok(Some(Node { word, children }))
    }
}

/// Computes the probabilities of `level`.
pub(crate) fn compute(level: &Level, below: &Below<'_>, settings: &LevelSettings<'_>) -> Result<Computed> {
    let (buckets, families) = plan(below, settings)?;
    let chunk_bytes = (settings.store.limit() / 16 / buckets.len() as u64).clamp(4 << 10, 128 << 10) as usize;
    let dealt = deal(level, below, &buckets, settings, chunk_bytes)?;
    let results = in_parallel(settings.threads, dealt, |index, tape| {
        let contexts = BucketContexts::read(&families, &below.level.words, buckets.get(index))?;
        compute_bucket(&tape, &contexts, settings, chunk_bytes)
    })?;
    let mut backoffs = Tape::empty(settings.store);
    let mut outcomes = Vec::with_capacity(results.len());
    for (outcome, weights) in results {
        outcomes.push(outcome);
        backoffs.append(weights);
    }
    let (contexts, probabilities) = collect(below, &buckets, &outcomes, settings)?;
    Ok(Computed { contexts, probabilities, backoffs })
}

/// Cuts the contexts into buckets. Also gives the number of children of each of the contexts' parents.
fn plan(below: &Below<'_>, settings: &LevelSettings<'_>) -> Result<(Buckets, Tape<u32>)> {
    let mut families = TapeWriter::<u32>::new(settings.store, 128 << 10);
    let mut buckets = Buckets::new(below.level.words.len(), settings.store.limit(), settings.threads)?;
    match below.parents {
        // The unigrams are the children of the root.
        None => {
            families.push(below.level.words.len() as u32)?;
            buckets.add_parent(below.level.words.len());
        }
        Some(parents) => {
            let mut nodes = Nodes::new(parents, below.order - 1);
            while let Some(node) = nodes.next()? {
                families.push(node.children as u32)?;
                buckets.add_parent(node.children);
            }
        }
    }
    Ok((buckets.finish()?, families.finish()?))
}

/// Calls `visit` with every node below that has children: its context, its probability, its number of children.
#[inline]
fn for_each_parent(below: &Below<'_>, mut visit: impl FnMut(u32, u32, u64) -> Result<()>) -> Result<()> {
    let mut nodes = Nodes::new(below.level, below.order);
    let mut contexts = below.contexts.map(Tape::reader);
    let mut probabilities = below.probabilities.reader();
    while let Some(node) = nodes.next()? {
        let context = match &mut contexts {
            Some(contexts) => contexts.expect()?,
            None => 0,
        };
        let probability = probabilities.expect()?;
        if node.children > 0 {
            visit(context, probability, node.children)?;
        }
    }
    Ok(())
}

/// Deals the n-grams of `level` out into the buckets. For each parent: its context within the bucket, its
/// probability, the number of children; for each child the word and the count.
fn deal(
    level: &Level,
    below: &Below<'_>,
    buckets: &Buckets,
    settings: &LevelSettings<'_>,
    chunk_bytes: usize,
) -> Result<Vec<Tape<u32>>> {
    let mut writers: Vec<TapeWriter<u32>> =
        (0..buckets.len()).map(|_| TapeWriter::new(settings.store, chunk_bytes)).collect();
    let (mut words, mut counts) = (level.words.reader(), level.counts.reader());
    for_each_parent(below, |context, probability, children| {
        let index = buckets.of_parent(context);
        let writer = &mut writers[index];
        writer.push(context - buckets.get(index).first_parent)?;
        writer.push(probability)?;
        writer.push(children as u32)?;
        for _ in 0..children {
            writer.push(words.expect()?)?;
            let (count, pruned) = read_count(&mut counts)?;
            push_count(writer, count, pruned)?;
        }
        Ok(())
    })?;
    writers.into_iter().map(TapeWriter::finish).collect()
}

/// Takes the results back from the buckets, in the order of `level`: contexts and probabilities.
fn collect(
    below: &Below<'_>,
    buckets: &Buckets,
    outcomes: &[Tape<u32>],
    settings: &LevelSettings<'_>,
) -> Result<(Tape<u32>, Tape<u32>)> {
    let mut readers: Vec<TapeReader<'_, u32>> = outcomes.iter().map(Tape::reader).collect();
    let writer = || TapeWriter::<u32>::new(settings.store, 128 << 10);
    let (mut contexts, mut probabilities) = (writer(), writer());
    for_each_parent(below, |context, _, children| {
        let index = buckets.of_parent(context);
        let Bucket { first_context, .. } = *buckets.get(index);
        let reader = &mut readers[index];
        for _ in 0..children {
            if !settings.highest {
                contexts.push(first_context + reader.expect()?)?;
            }
            probabilities.push(reader.expect()?)?;
        }
        Ok(())
    })?;
    Ok((contexts.finish()?, probabilities.finish()?))
}
