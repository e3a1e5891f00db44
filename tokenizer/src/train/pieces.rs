//! Distinct pieces and how often they came, as many as memory allows.

use crate::hash::mix;

/// Distinct pieces with their counts, one after the other.
#[derive(Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    /// Where each ends, and how often it came.
    ends: Vec<(u32, u64)>,
}

impl Pieces {
    /// # Panics
    /// Above 4 GiB of pieces.
    pub(crate) fn push(&mut self, piece: &[u8], count: u64) {
        self.bytes.extend_from_slice(piece);
        let end = u32::try_from(self.bytes.len()).expect("the caller keeps to 4 GiB");
        self.ends.push((end, count));
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, count)| {
            let piece = &self.bytes[start as usize..*end as usize];
            start = *end;
            (piece, *count)
        })
    }

    /// Leaves out those that `keep` does not want.
    fn retain(&mut self, mut keep: impl FnMut(&[u8], u64) -> bool) {
        let (mut start, mut write, mut written) = (0, 0, 0);
        for place in 0..self.ends.len() {
            let (end, count) = self.ends[place];
            let piece = start as usize..end as usize;
            start = end;
            if keep(&self.bytes[piece.clone()], count) {
                let bytes = piece.len();
                self.bytes.copy_within(piece, write);
                write += bytes;
                self.ends[written] = (write as u32, count);
                written += 1;
            }
        }
        self.bytes.truncate(write);
        self.ends.truncate(written);
    }
}

/// Pieces within a budget. If all do not fit, those of a count below a threshold τ are kept with the probability count / τ, by
/// their hash, and count as τ: threshold sampling (Duffield, Lund and Thorup 2005, "Learn more, sample less"). Any pair's count
/// stays what it was in expectation, and frequent pieces are counted exactly. τ is the least power of √2 by which all fit:
/// it does not depend on the order in which pieces come.
pub(crate) struct Budgeted {
    pieces: Pieces,
    budget: u64,
    used: u64,
    /// τ is √2 to this power, 0 as long as all fit.
    power: u32,
    /// How many pieces there were.
    pub seen: u64,
}

/// What a piece takes of the budget.
fn cost(piece: &[u8]) -> u64 {
    piece.len() as u64 * (1 + super::merges::BYTES_PER_SYMBOL) + super::merges::BYTES_PER_PIECE
}

fn threshold(power: u32) -> u64 {
    2_f64.powf(f64::from(power) / 2.0).round() as u64
}

/// Whether a piece of this hash and count is kept.
fn is_kept(hash: u64, count: u64, threshold: u64) -> bool {
    // Another draw than the one that orders pieces.
    let draw = mix(hash ^ 0x5a3d_91c7_b824_e60f);
    count >= threshold || u128::from(draw) * u128::from(threshold) < u128::from(count) << 64
}

impl Budgeted {
    /// For so many bytes of memory in training.
    pub(crate) fn new(budget: u64) -> Self {
        // Places in memory have 32 bits.
        let budget = budget.min(u64::from(u32::MAX) * (1 + super::merges::BYTES_PER_SYMBOL));
        Self { pieces: Pieces::default(), budget, used: 0, power: 0, seen: 0 }
    }

    /// Takes a piece, which comes once.
    pub(crate) fn push(&mut self, piece: &[u8], hash: u64, count: u64) {
        self.seen += 1;
        let cost = cost(piece);
        while is_kept(hash, count, threshold(self.power)) {
            // A piece that takes more than all of it is kept by itself.
            if self.used + cost <= self.budget || self.pieces.len() == 0 {
                self.used += cost;
                self.pieces.push(piece, count);
                return;
            }
            self.raise();
        }
    }

    fn raise(&mut self) {
        self.power += 1;
        let threshold = threshold(self.power);
        let mut used = 0;
        self.pieces.retain(|piece, count| {
            let kept = is_kept(super::count::hash(piece), count, threshold);
            used += if kept { cost(piece) } else { 0 };
            kept
        });
        self.used = used;
    }

    /// The pieces, and τ.
    pub(crate) fn finish(mut self) -> (Pieces, u64) {
        let threshold = threshold(self.power);
        self.pieces.ends.iter_mut().for_each(|(_, count)| *count = (*count).max(threshold));
        (self.pieces, threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::count::hash;

    fn kept(budget: u64, backwards: bool) -> (Vec<(String, u64)>, u64) {
        let mut pieces: Vec<(String, u64)> = (1..20_000_u64).map(|n| (format!("piece {n}"), 60_000 / n)).collect();
        if backwards {
            pieces.reverse();
        }
        let mut budgeted = Budgeted::new(budget);
        pieces.iter().for_each(|(piece, count)| budgeted.push(piece.as_bytes(), hash(piece.as_bytes()), *count));
        assert_eq!(budgeted.seen, 19_999);
        let (kept, threshold) = budgeted.finish();
        let mut kept: Vec<(String, u64)> =
            kept.iter().map(|(piece, count)| (String::from_utf8(piece.to_vec()).unwrap(), count)).collect();
        kept.sort();
        (kept, threshold)
    }

    #[test]
    fn what_is_kept_stands_for_the_rest() {
        let total: u64 = (1..20_000_u64).map(|n| 60_000 / n).sum();
        let all = kept(1 << 30, false);
        assert_eq!((all.0.len(), all.1), (19_999, 1));
        assert_eq!(all.0.iter().map(|it| it.1).sum::<u64>(), total);
        let mut last = 1;
        for budget in [2 << 20, 1 << 20, 1 << 18] {
            let (some, threshold) = kept(budget, false);
            assert_eq!(kept(budget, true), (some.clone(), threshold), "in any order");
            assert!(threshold > last);
            last = threshold;
            let used: u64 = some.iter().map(|(piece, _)| cost(piece.as_bytes())).sum();
            assert!(used <= budget && used * 2 > budget, "{used} of {budget}");
            let sum: u64 = some.iter().map(|it| it.1).sum();
            // Sampled are those below τ: a standard error of √(τ · their sum), below a hundredth here.
            assert!(sum.abs_diff(total) < total / 30, "{sum} for {total}");
            assert!(some.iter().all(|(_, count)| *count >= threshold));
        }
    }
}
