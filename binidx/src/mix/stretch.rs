//! Stretches of endless sequences of documents, exactly, without holding or sorting them.
//!
//! A sequence is its documents in the order of their keys, again and again, each time (epoch) with other keys. A phase takes a
//! stretch of whole documents from where the phase before stopped, of the number of tokens nearest to its target. To find the
//! borders, a first walk counts tokens by the upper bits of keys, a second one takes down the documents where borders may lie. What
//! is held is these counts, at most 128 KiB for each epoch that has a border, and about one document of 2¹⁴.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most buckets of an epoch's keys.
const MOST_BUCKETS: u64 = 1 << 14;
/// Documents that a bucket should have.
const BUCKET_DOCUMENTS: u64 = 16;

/// The documents of a sequence, all with a token at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub documents: u64,
    pub tokens: u64,
    /// Tokens of the longest document.
    pub longest: u64,
}

impl Size {
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.longest = self.longest.max(other.longest);
    }
}

/// A place between two documents of a sequence: behind all that are less by epoch, key and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Border {
    pub epoch: u64,
    pub key: u64,
    pub number: u64,
}

/// Where the phases of one sequence end.
pub(super) struct Stretches {
    size: Size,
    /// Tokens that the phases want.
    targets: Vec<u64>,
    epochs: BTreeMap<u64, Epoch>,
}

/// One walk through the documents of a sequence, in which a border may lie.
struct Epoch {
    /// Bits of keys that do not choose a bucket.
    shift: u32,
    /// Tokens of each bucket.
    counts: Vec<AtomicU64>,
    /// Tokens of the epoch among which a border may lie, then the buckets that hold them.
    windows: Vec<Range<u64>>,
    buckets: Vec<Range<usize>>,
    /// Key, number and tokens of the documents in these.
    found: Mutex<Vec<(u64, u64, u64)>>,
}

impl Stretches {
    /// Prepares to look for the borders of phases with these targets.
    pub fn new(size: Size, targets: Vec<u64>) -> Self {
        let mut epochs = BTreeMap::new();
        let count = (size.documents / BUCKET_DOCUMENTS).clamp(2, MOST_BUCKETS).next_power_of_two();
        // The end of a phase is known but for half of a document, so the next one's goal is known no better.
        let (mut low, mut high) = (0_u64, 0_u64);
        for target in targets.iter().filter(|target| **target > 0 && size.tokens > 0) {
            (low, high) = (low + target, high + target);
            if low == high && low % size.tokens == 0 {
                continue;
            }
            let window = low.saturating_sub(size.longest)..high + size.longest;
            for epoch in window.start / size.tokens..=window.end / size.tokens {
                let start = epoch * size.tokens;
                let within = window.start.saturating_sub(start)..(window.end - start).min(size.tokens);
                let new = || Epoch {
                    shift: 64 - count.trailing_zeros(),
                    counts: (0..count).map(|_| AtomicU64::new(0)).collect(),
                    windows: Vec::new(),
                    buckets: Vec::new(),
                    found: Mutex::default(),
                };
                epochs.entry(epoch).or_insert_with(new).windows.push(within);
            }
            let half = size.longest.div_ceil(2);
            (low, high) = (low.saturating_sub(half), high + half);
        }
        Self { size, targets, epochs }
    }

    /// The epochs whose documents are to be counted, then taken down.
    pub fn epochs(&self) -> impl Iterator<Item = u64> {
        self.epochs.keys().copied()
    }

    /// Counts a document of the first walk.
    pub fn count(&self, epoch: u64, key: u64, tokens: u64) {
        let epoch = &self.epochs[&epoch];
        epoch.counts[(key >> epoch.shift) as usize].fetch_add(tokens, Ordering::Relaxed);
    }

    /// Ends the first walk: counts become the tokens before each bucket.
    pub fn counted(&mut self) {
        for epoch in self.epochs.values_mut() {
            let mut sum = 0;
            for count in &mut epoch.counts {
                sum += std::mem::replace(count.get_mut(), sum);
            }
            for window in &epoch.windows {
                let first = epoch.counts.partition_point(|before| before.load(Ordering::Relaxed) <= window.start);
                let end = epoch.counts.partition_point(|before| before.load(Ordering::Relaxed) < window.end);
                epoch.buckets.push(first.saturating_sub(1)..end);
            }
        }
    }

    /// Takes a document of the second walk down, if a border may lie beside it.
    pub fn note(&self, epoch: u64, key: u64, number: u64, tokens: u64) {
        let epoch = &self.epochs[&epoch];
        let bucket = (key >> epoch.shift) as usize;
        if epoch.buckets.iter().any(|buckets| buckets.contains(&bucket)) {
            epoch.found.lock().expect("no holder panics").push((key, number, tokens));
        }
    }

    /// Ends the second walk: where each phase ends, and its tokens. `None` if it saw other documents than the first one.
    pub fn borders(mut self) -> Option<Vec<(Border, u64)>> {
        self.epochs.values_mut().for_each(|epoch| epoch.found.get_mut().expect("no holder panics").sort_unstable());
        let (mut border, mut place) = (Border::default(), 0_u64);
        let targets = std::mem::take(&mut self.targets);
        let phase = |target: u64| {
            if target == 0 || self.size.tokens == 0 {
                return Some((border, 0));
            }
            let (end, at) = self.nearest(place + target)?;
            border = end;
            Some((end, at.checked_sub(std::mem::replace(&mut place, at))?))
        };
        targets.into_iter().map(phase).collect()
    }

    /// The border nearest to a number of tokens, and the tokens before it; of two the first.
    fn nearest(&self, goal: u64) -> Option<(Border, u64)> {
        let (number, rest) = (goal / self.size.tokens, goal % self.size.tokens);
        if rest == 0 {
            return Some((Border { epoch: number, ..Border::default() }, goal));
        }
        let epoch = self.epochs.get(&number)?;
        let bucket = epoch.counts.partition_point(|before| before.load(Ordering::Relaxed) <= rest) - 1;
        let found = epoch.found.lock().expect("no holder panics");
        let first = found.partition_point(|(key, ..)| ((key >> epoch.shift) as usize) < bucket);
        let mut before = epoch.counts[bucket].load(Ordering::Relaxed);
        for (key, document, tokens) in &found[first..] {
            let end = before + tokens;
            if end > rest {
                let taken = end - rest < rest - before;
                let border = Border { epoch: number, key: *key, number: document + u64::from(taken) };
                return Some((border, number * self.size.tokens + if taken { end } else { before }));
            }
            before = end;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash that has nothing to do with the crate's.
    fn scattered(of: u64) -> u64 {
        let mut z = of.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    type Key<'k> = &'k dyn Fn(u64, usize) -> u64;

    /// What each phase takes, as epoch and document.
    fn taken(tokens: &[u64], key: Key<'_>, targets: &[u64]) -> Vec<(u64, Vec<(u64, usize)>)> {
        let mut size = Size::default();
        tokens.iter().for_each(|tokens| size.add(Size { documents: 1, tokens: *tokens, longest: *tokens }));
        let mut stretches = Stretches::new(size, targets.to_vec());
        let epochs: Vec<u64> = stretches.epochs().collect();
        for epoch in &epochs {
            (0..tokens.len()).for_each(|place| stretches.count(*epoch, key(*epoch, place), tokens[place]));
        }
        stretches.counted();
        for epoch in &epochs {
            for place in (0..tokens.len()).rev() {
                stretches.note(*epoch, key(*epoch, place), place as u64, tokens[place]);
            }
        }
        let mut start = Border::default();
        let phase = |(end, sum): (Border, u64)| {
            let mut members = Vec::new();
            for epoch in start.epoch..=end.epoch {
                for place in 0..tokens.len() {
                    let at = Border { epoch, key: key(epoch, place), number: place as u64 };
                    if start <= at && at < end {
                        members.push((epoch, place));
                    }
                }
            }
            start = end;
            assert_eq!(members.iter().map(|(_, place)| tokens[*place]).sum::<u64>(), sum);
            (sum, members)
        };
        stretches.borders().unwrap().into_iter().map(phase).collect()
    }

    /// The same from sorted lists, document by document.
    fn naive(tokens: &[u64], key: Key<'_>, targets: &[u64]) -> Vec<(u64, Vec<(u64, usize)>)> {
        let sequence = (0..).flat_map(|epoch| {
            let mut order: Vec<usize> = (0..tokens.len()).collect();
            order.sort_by_key(|place| (key(epoch, *place), *place));
            order.into_iter().map(move |place| (epoch, place))
        });
        let mut sequence = sequence.peekable();
        let phase = |target: &u64| {
            let (mut sum, mut members) = (0_u64, Vec::new());
            while sum < *target {
                let (epoch, place) = *sequence.peek().unwrap();
                if (sum + tokens[place]).abs_diff(*target) >= target - sum {
                    break;
                }
                sequence.next();
                sum += tokens[place];
                members.push((epoch, place));
            }
            members.sort_unstable();
            (sum, members)
        };
        targets.iter().map(phase).collect()
    }

    #[test]
    fn stretches_are_those_of_sorted_lists() {
        for case in 0..400_u64 {
            let random = |of: u64, below: u64| scattered(case << 32 | of) % below;
            let documents = [1, 2, 7, 100, 700][random(0, 5) as usize];
            let longest = [1, 3, 50, 3_000][random(1, 4) as usize];
            let tokens: Vec<u64> = (0..documents).map(|of| 1 + random(100 + of, longest)).collect();
            let total: u64 = tokens.iter().sum();
            let targets: Vec<u64> =
                (0..1 + random(2, 5)).map(|phase| random(10 + phase, 1 + total * (1 + random(3, 4)))).collect();
            // In some cases many documents have the same key.
            let keys = [u64::MAX, 3, 1][random(4, 3) as usize];
            let key = |epoch: u64, place: usize| {
                let key = scattered(case ^ (epoch << 40 | place as u64) << 1);
                if keys == u64::MAX { key } else { (key % keys) << 62 }
            };
            assert_eq!(taken(&tokens, &key, &targets), naive(&tokens, &key, &targets), "case {case}: {targets:?}");
        }
    }

    #[test]
    fn phases_go_on_and_epochs_end_with_all_documents() {
        let tokens = [4, 1, 2, 3];
        let key = |epoch: u64, place: usize| scattered(epoch * 10 + place as u64);
        let phases = taken(&tokens, &key, &[10, 20, 0, 3]);
        let places: Vec<usize> = phases[0].1.iter().map(|(_, place)| *place).collect();
        assert_eq!(places, [0, 1, 2, 3], "all of them once");
        assert_eq!((phases[1].0, phases[1].1.len(), phases[2].0), (20, 8, 0));
        assert!(phases[3].1.iter().all(|(epoch, _)| *epoch == 3), "{phases:?}");
    }

    #[test]
    fn half_a_document_is_left_and_more_is_taken() {
        let key = |_: u64, _: usize| 7;
        let of = |target: u64| taken(&[10, 10], &key, &[target])[0].0;
        assert_eq!([of(4), of(5), of(6), of(10), of(15), of(16), of(25)], [0, 0, 10, 10, 10, 20, 20]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(taken(&[], &|_, _| 0, &[0, 7]), [(0, vec![]), (0, vec![])]);
        assert_eq!(taken(&[5], &|_, _| 0, &[0, 2]), [(0, vec![]), (0, vec![])]);
    }
}
