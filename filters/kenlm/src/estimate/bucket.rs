//! Buckets of contexts that fit in memory, and the probabilities of the n-grams that have these contexts.

use super::adjust::read_count;
use super::discounts::discounted;
use super::level::LevelSettings;
use super::tape::{Tape, TapeWriter, damaged};
use crate::error::{Error, Result};

/// The probability that is written for an n-gram that is left out.
pub(crate) const LEFT_OUT: u32 = u32::MAX;

/// Bytes of memory for a context: word, sums, weights, its share of its parent.
const CONTEXT_BYTES: u64 = 48;
/// More buckets than this would make the pieces small that are moved at once.
const MOST_BUCKETS: u64 = 512;

/// The contexts from `first_context` on; they are the children of the nodes from `first_parent` on.
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    pub first_parent: u32,
    pub first_context: u32,
    parents: u32,
    contexts: u32,
}

/// How the contexts of one order are cut into buckets.
pub(crate) struct Buckets {
    buckets: Vec<Bucket>,
    /// Contexts there are in all.
    total: u64,
    /// Contexts that one bucket should have.
    target: u64,
    /// For each group of `1 << shift` parents, the bucket of the first.
    first_guess: Vec<u32>,
    shift: u32,
}

impl Buckets {
    /// For `contexts` contexts, so that the buckets of `threads` threads take an eighth of `limit` bytes.
    pub fn new(contexts: u64, limit: u64, threads: usize) -> Result<Buckets> {
        if contexts > u64::from(u32::MAX) {
            let reason = format!("there are {contexts} n-grams below the highest order; lower `order`");
            return Err(Error::Corpus { reason });
        }
        let fit = limit / 8 / threads as u64 / CONTEXT_BYTES;
        let target = fit.clamp(64, 1 << 17).max(contexts / MOST_BUCKETS);
        let empty = Bucket { first_parent: 0, first_context: 0, parents: 0, contexts: 0 };
        Ok(Buckets { buckets: vec![empty], total: contexts, target, first_guess: Vec::new(), shift: 0 })
    }

    /// Adds the next node, which has so many contexts as children.
    pub fn add_parent(&mut self, children: u64) {
        let children = children as u32;
        let last = self.buckets.len() - 1;
        let open = &mut self.buckets[last];
        if open.contexts > 0 && u64::from(open.contexts) + u64::from(children) > self.target {
            let next = Bucket {
                first_parent: open.first_parent + open.parents,
                first_context: open.first_context.wrapping_add(open.contexts),
                parents: 1,
                contexts: children,
            };
            self.buckets.push(next);
        } else {
            open.parents += 1;
            open.contexts = open.contexts.saturating_add(children);
        }
    }

    /// All nodes were added.
    pub fn finish(mut self) -> Result<Buckets> {
        let sum: u64 = self.buckets.iter().map(|bucket| u64::from(bucket.contexts)).sum();
        if sum != self.total {
            return Err(damaged());
        }
        let last = self.buckets[self.buckets.len() - 1];
        let parents = last.first_parent + last.parents;
        self.shift = (32 - parents.leading_zeros()).saturating_sub(12);
        let mut bucket = 0;
        for parent in (0..=parents >> self.shift).map(|group| group << self.shift) {
            while self.buckets.get(bucket + 1).is_some_and(|next| next.first_parent <= parent) {
                bucket += 1;
            }
            self.first_guess.push(bucket as u32);
        }
        Ok(self)
    }

    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    pub fn get(&self, index: usize) -> &Bucket {
        &self.buckets[index]
    }

    /// The bucket of the children of a node.
    #[inline]
    pub fn of_parent(&self, parent: u32) -> usize {
        let mut bucket = self.first_guess[(parent >> self.shift) as usize] as usize;
        while self.buckets.get(bucket + 1).is_some_and(|next| next.first_parent <= parent) {
            bucket += 1;
        }
        bucket
    }
}

/// The contexts of one bucket.
pub(crate) struct BucketContexts {
    /// Their first words, sorted for each parent.
    words: Vec<u32>,
    /// Where the children of each parent start, and the end.
    starts: Vec<u32>,
}

impl BucketContexts {
    /// `families`: the number of children of each parent. `words`: the first word of each context.
    pub fn read(families: &Tape<u32>, words: &Tape<u32>, bucket: &Bucket) -> Result<BucketContexts> {
        let mut families = families.reader_at(u64::from(bucket.first_parent))?;
        let mut starts = Vec::with_capacity(bucket.parents as usize + 1);
        starts.push(0);
        let mut sum = 0;
        for _ in 0..bucket.parents {
            sum += families.expect()?;
            starts.push(sum);
        }
        let mut reader = words.reader_at(u64::from(bucket.first_context))?;
        let mut words = Vec::with_capacity(bucket.contexts as usize);
        for _ in 0..bucket.contexts {
            words.push(reader.expect()?);
        }
        Ok(BucketContexts { words, starts })
    }
}

/// Sums over the n-grams with one context.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// Of the adjusted counts.
    total: u64,
    /// Of the adjusted counts of n-grams that are left out.
    pruned: u64,
    /// How many kept n-grams have the adjusted count 1, 2, 3 or more.
    kept: [u32; 3],
}

impl Sums {
    #[inline]
    fn add(&mut self, count: u64, pruned: bool) {
        self.total += count;
        if pruned {
            self.pruned += count;
        } else if let Some(index) = count.min(3).checked_sub(1) {
            self.kept[index as usize] += 1;
        }
    }

    /// The sum of counts, and the weight of the next lower order: in single precision and in the order of
    /// operations that `lmplz` has. 1 for what is no context.
    fn weights(&self, discounts: &[f32; 3]) -> Weights {
        if self.total == 0 {
            return Weights { total: 1.0, backoff: 1.0 };
        }
        let mut backoff = 0.0;
        for (discount, count) in discounts.iter().zip(self.kept) {
            backoff += discount * count as f32;
        }
        backoff += self.pruned as f32;
        let total = self.total as f32;
        Weights { total, backoff: backoff / total }
    }
}

/// What the sums of a context come to.
#[derive(Clone, Copy)]
struct Weights {
    total: f32,
    backoff: f32,
}

/// The sums, and the back-off weight, of the empty context.
pub(crate) fn unigram_weights(counts: impl Iterator<Item = (u64, bool)>, discounts: &[f32; 3]) -> (f32, f32) {
    let mut sums = Sums::default();
    for (count, pruned) in counts {
        sums.add(count, pruned);
    }
    let weights = sums.weights(discounts);
    (weights.total, weights.backoff)
}

/// Computes the n-grams of a bucket. Gives, for each n-gram, its context's number in the bucket (except for the
/// highest order) and its probability; and the back-off weight of each context.
pub(crate) fn compute_bucket(
    ngrams: &Tape<u32>,
    contexts: &BucketContexts,
    settings: &LevelSettings<'_>,
    chunk_bytes: usize,
) -> Result<(Tape<u32>, Tape<u32>)> {
    let mut sums = vec![Sums::default(); contexts.words.len()];
    let mut found = TapeWriter::<u32>::new(settings.store, chunk_bytes);
    let mut reader = ngrams.reader();
    while let Some(parent) = reader.next()? {
        let _ = reader.expect()?;
        let children = reader.expect()?;
        let parent = parent as usize;
        let end = *contexts.starts.get(parent + 1).ok_or_else(damaged)? as usize;
        let mut next = contexts.starts[parent] as usize;
        for _ in 0..children {
            let word = reader.expect()?;
            let (count, pruned) = read_count(&mut reader)?;
            let context = next + find(&contexts.words[next..end], word).ok_or_else(damaged)?;
            sums[context].add(count, pruned);
            found.push(context as u32)?;
            next = context + 1;
        }
    }
    let found = found.finish()?;
    let weights: Vec<Weights> = sums.iter().map(|sums| sums.weights(&settings.discounts)).collect();
    drop(sums);

    let mut outcome = TapeWriter::<u32>::new(settings.store, chunk_bytes);
    let (mut reader, mut found) = (ngrams.reader(), found.reader());
    while reader.next()?.is_some() {
        let lower = f32::from_bits(reader.expect()?);
        let children = reader.expect()?;
        for _ in 0..children {
            let _ = reader.expect()?;
            let (count, pruned) = read_count(&mut reader)?;
            let context = found.expect()?;
            if !settings.highest {
                outcome.push(context)?;
            }
            let Weights { total, backoff } = weights[context as usize];
            let probability = discounted(count, &settings.discounts) / total + backoff * lower;
            outcome.push(if pruned { LEFT_OUT } else { probability.to_bits() })?;
        }
    }
    let mut backoffs = TapeWriter::<u32>::new(settings.store, chunk_bytes);
    for weights in weights {
        backoffs.push(weights.backoff.to_bits())?;
    }
    Ok((outcome.finish()?, backoffs.finish()?))
}

/// The place of `word` in sorted `words`, looked for near the start first.
#[inline]
fn find(words: &[u32], word: u32) -> Option<usize> {
    let mut step = 1;
    let mut start = 0;
    while start + step < words.len() && words[start + step] <= word {
        start += step;
        step *= 2;
    }
    let end = (start + step).min(words.len());
    words[start..end].binary_search(&word).ok().map(|index| start + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_they_stand() {
        let words: Vec<u32> = (0..100).map(|index| index * 3).collect();
        for word in 0..310 {
            let expected = words.iter().position(|other| *other == word);
            assert_eq!(find(&words, word), expected, "{word}");
        }
        assert_eq!(find(&[], 1), None);
    }

    #[test]
    fn every_parent_is_in_its_bucket() {
        let families: Vec<u64> = (0..5000).map(|parent| parent * 7 % 13).collect();
        let mut buckets = Buckets::new(families.iter().sum(), 1 << 10, 2).unwrap();
        families.iter().for_each(|children| buckets.add_parent(*children));
        let buckets = buckets.finish().unwrap();
        assert!(buckets.len() > 100);
        let mut context = 0;
        for (parent, children) in families.iter().enumerate() {
            let bucket = buckets.get(buckets.of_parent(parent as u32));
            assert!((bucket.first_parent..bucket.first_parent + bucket.parents).contains(&(parent as u32)));
            assert!(
                *children == 0 || (bucket.first_context..bucket.first_context + bucket.contexts).contains(&context)
            );
            context += *children as u32;
        }
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        let mut buckets = Buckets::new(5, 1 << 20, 1).unwrap();
        buckets.add_parent(4);
        assert!(buckets.finish().is_err());
    }
}
