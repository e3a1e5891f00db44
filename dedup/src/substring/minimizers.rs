//! Places that a window shares with all windows of the same content.
//!
//! Winnowing (Schleimer, Wilkerson, Aiken 2003, "Winnowing: local algorithms for document fingerprinting"): of the
//! k-mers of a window the one of least hash is its *minimizer*, the leftmost of equals. That is a function of the
//! window's content, so equal windows have equal minimizers at the same offset. Consecutive windows mostly share
//! theirs: of w k-mers in a window about 2 / (w + 1) of all places are minimizers.

use super::symbols::{Symbol, mixed};

/// Multiplier of the polynomial hash.
const ROLL: u64 = 0xd134_2543_de82_ef95;

/// k-mers hashed at a time.
const CHUNK: usize = 1 << 12;

/// The hash of a run of units, moved along a sequence: a polynomial modulo 2⁶⁴.
#[derive(Clone, Copy)]
pub(super) struct Rolling {
    sum: u64,
    leaving: u64,
}

impl Rolling {
    /// For runs of `length` units.
    pub(super) fn of_length(length: usize) -> Self {
        Self { sum: 0, leaving: (0..length).fold(1_u64, |power, _| power.wrapping_mul(ROLL)) }
    }

    /// At the first of a sequence's runs.
    #[must_use]
    pub(super) fn at<S: Symbol>(self, units: impl Iterator<Item = S>) -> Self {
        let sum = units.fold(0_u64, |sum, unit| sum.wrapping_mul(ROLL).wrapping_add(unit.spread()));
        Self { sum, ..self }
    }

    /// One unit on.
    #[inline(always)]
    pub(super) fn step<S: Symbol>(&mut self, leaves: S, enters: S) {
        let change = enters.spread().wrapping_sub(leaves.spread().wrapping_mul(self.leaving));
        self.sum = self.sum.wrapping_mul(ROLL).wrapping_add(change);
    }

    #[inline(always)]
    pub(super) fn hash(&self) -> u64 {
        mixed(self.sum)
    }
}

/// The lengths of windows and of the k-mers in them, in units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub window: usize,
    pub kmer: usize,
}

impl Shape {
    /// k-mers of half the window: shorter ones are repeated where windows are not, longer ones are minimizers more often.
    pub(super) fn of_window(window: usize) -> Self {
        Self { window, kmer: window.div_ceil(2).max(1) }
    }
}

/// A minimizer and the run of windows that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Minimizer {
    pub hash: u64,
    /// The first of its windows.
    pub start: usize,
    /// How many there are, one unit apart.
    pub windows: usize,
}

/// Hands all minimizers to `take`, in order; every window belongs to exactly one. `hashes` is scratch space. O(units).
pub(super) fn minimizers<S: Symbol>(units: &[S], shape: Shape, hashes: &mut Vec<u64>, mut take: impl FnMut(Minimizer)) {
    if units.len() < shape.window {
        return;
    }
    let width = shape.window - shape.kmer + 1;
    let kmers = units.len() - shape.kmer + 1;
    let mut rolling = Rolling::of_length(shape.kmer).at(units[..shape.kmer].iter().copied());
    // `hashes` holds the k-mers from `base` on, as far as they are known.
    hashes.clear();
    let mut base = 0;
    let mut more = |hashes: &mut Vec<u64>, known: usize| {
        let end = kmers.min(known + CHUNK.max(width));
        // The last k-mer has nothing to roll on to.
        let rolls = end.min(kmers - 1);
        let (leaving, entering) = (&units[known..rolls], &units[known + shape.kmer..rolls + shape.kmer]);
        hashes.reserve(end - known);
        hashes.extend(leaving.iter().zip(entering).map(|(&leaves, &enters)| {
            let hash = rolling.hash();
            rolling.step(leaves, enters);
            hash
        }));
        if rolls < end {
            hashes.push(rolling.hash());
        }
    };
    more(hashes, 0);
    let (mut least, mut least_hash) = leftmost(&hashes[..width]);
    // The first window of the current minimizer, and the next k-mer to be compared with it.
    let (mut start, mut next) = (0, width);
    loop {
        if next - base == hashes.len() && next < kmers {
            // What lies before the minimizer is not needed again.
            hashes.drain(..least - base);
            base = least;
            more(hashes, next);
        }
        let end = (least + width).min(base + hashes.len());
        let smaller = hashes[next - base..end - base].iter().position(|hash| *hash < least_hash);
        if let Some(smaller) = smaller {
            let found = next + smaller;
            take(Minimizer { hash: least_hash, start, windows: found + 1 - width - start });
            (least, least_hash) = (found, hashes[found - base]);
            start = found + 1 - width;
            next = found + 1;
        } else {
            next = end;
        }
        if next == kmers && next < least + width {
            take(Minimizer { hash: least_hash, start, windows: kmers + 1 - width - start });
            return;
        }
        if next == least + width {
            // It leaves: the next window, if there is one, begins behind it.
            take(Minimizer { hash: least_hash, start, windows: least + 1 - start });
            if next == kmers {
                return;
            }
            start = least + 1;
            if next - base == hashes.len() {
                hashes.drain(..start - base);
                base = start;
                more(hashes, next);
            }
            let (offset, hash) = leftmost(&hashes[start - base..start - base + width]);
            (least, least_hash) = (start + offset, hash);
            next = start + width;
        }
    }
}

/// The place of the first of the least.
fn leftmost(hashes: &[u64]) -> (usize, u64) {
    let mut found = (0, hashes[0]);
    for (at, &hash) in hashes.iter().enumerate().skip(1) {
        if hash < found.1 {
            found = (at, hash);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each window by itself.
    fn naive<S: Symbol>(units: &[S], shape: Shape) -> Vec<Minimizer> {
        let mut all: Vec<Minimizer> = Vec::new();
        let mut last = None;
        let kmers = (units.len() + 1).saturating_sub(shape.kmer);
        let hashes: Vec<u64> =
            (0..kmers).map(|at| Rolling::of_length(0).at(units[at..at + shape.kmer].iter().copied()).hash()).collect();
        let hash = |at: usize| hashes[at];
        for start in 0..(units.len() + 1).saturating_sub(shape.window) {
            let places = start..=start + shape.window - shape.kmer;
            let place = places.min_by_key(|at| (hash(*at), *at)).unwrap();
            match all.last_mut() {
                Some(current) if last == Some(place) => current.windows += 1,
                _ => all.push(Minimizer { hash: hash(place), start, windows: 1 }),
            }
            last = Some(place);
        }
        all
    }

    #[test]
    fn every_window_has_the_minimizer_of_its_own_kmers() {
        let random: Vec<u8> = (0..20_000_u64).map(|at| mixed(at) as u8 % 3).collect();
        let period: Vec<u8> = (0..9_000).map(|at| (at % 7) as u8).collect();
        let run = vec![b'a'; 6_000];
        let mut scratch = Vec::new();
        for text in [&random, &period, &run] {
            for (window, kmer) in [(1, 1), (2, 1), (8, 3), (20, 10), (100, 50), (100, 100), (5_000, 700)] {
                let shape = Shape { window, kmer };
                for units in [&text[..], &text[..window.min(text.len())], &text[..window - 1], &text[..window + 1]] {
                    if units.len() > 7_000 && window > 100 {
                        continue;
                    }
                    let mut found = Vec::new();
                    minimizers(units, shape, &mut scratch, |minimizer| found.push(minimizer));
                    assert!(found == naive(units, shape), "{window} {kmer} {}", units.len());
                }
            }
        }
    }

    #[test]
    fn minimizers_are_as_rare_as_the_paper_says() {
        let text: Vec<u8> = (0..400_000_u64).map(|at| mixed(at) as u8).collect();
        let mut count = 0;
        minimizers(&text, Shape::of_window(100), &mut Vec::new(), |_| count += 1);
        let expected = 400_000.0 * 2.0 / 52.0;
        assert!((f64::from(count) / expected - 1.0).abs() < 0.03, "{count} {expected}");
    }
}
