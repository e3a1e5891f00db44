//! All ways to make a part of pieces: how often each piece is expected, and the best way.

use super::trie::Trie;

/// Probabilities are multiplied by e to this for each symbol: a part of 48 symbols then neither vanishes nor overflows as a 64-bit
/// float, whose range is e^±708: a symbol costs from 0 to some 22.
pub(super) const SCALE: f64 = 8.0;

/// Arrays for one part.
#[derive(Default)]
pub(super) struct Lattice {
    /// Pieces by where they begin: piece, end.
    pieces: Vec<(u32, u32)>,
    /// Where the pieces of each place begin in `pieces`.
    starts: Vec<u32>,
    /// Sums over all ways to a place, and from a place.
    forward: Vec<f64>,
    backward: Vec<f64>,
    /// The best way to a place: its score, and the last piece with where that begins.
    best: Vec<(f64, u32, u32)>,
    path: Vec<u32>,
}

impl Lattice {
    fn fill(&mut self, trie: &Trie, symbols: &[u32]) {
        self.pieces.clear();
        self.starts.clear();
        for start in 0..symbols.len() {
            self.starts.push(self.pieces.len() as u32);
            trie.prefixes(&symbols[start..], |piece, length| self.pieces.push((piece, (start + length) as u32)));
        }
        self.starts.push(self.pieces.len() as u32);
    }

    fn from(&self, start: usize) -> &[(u32, u32)] {
        &self.pieces[self.starts[start] as usize..self.starts[start + 1] as usize]
    }

    /// Calls back with each place's pieces and how likely they are there. Nothing where no pieces make the part.
    pub(super) fn expect(&mut self, trie: &Trie, symbols: &[u32], mut expected: impl FnMut(u32, f64)) {
        self.fill(trie, symbols);
        let length = symbols.len();
        self.forward.clear();
        self.forward.resize(length + 1, 0.0);
        self.forward[0] = 1.0;
        for start in 0..length {
            let here = self.forward[start];
            for at in self.starts[start]..self.starts[start + 1] {
                let (piece, end) = self.pieces[at as usize];
                self.forward[end as usize] += here * trie.weight(piece);
            }
        }
        self.backward.clear();
        self.backward.resize(length + 1, 0.0);
        self.backward[length] = 1.0;
        for start in (0..length).rev() {
            let sum =
                self.from(start).iter().map(|(piece, end)| trie.weight(*piece) * self.backward[*end as usize]).sum();
            self.backward[start] = sum;
        }
        let all = self.forward[length];
        if !(all > 0.0 && all.is_finite()) {
            return;
        }
        for start in 0..length {
            let here = self.forward[start] / all;
            for (piece, end) in self.from(start) {
                expected(*piece, here * trie.weight(*piece) * self.backward[*end as usize]);
            }
        }
    }

    /// Calls back with the pieces of the best way, the last first; without the piece `but`. Of equal ways the one whose last piece is
    /// longest. Nothing where no pieces make the part.
    pub(super) fn best(&mut self, trie: &Trie, symbols: &[u32], but: Option<u32>, mut take: impl FnMut(u32)) {
        self.fill(trie, symbols);
        let length = symbols.len();
        let mut best = std::mem::take(&mut self.best);
        best.clear();
        best.resize(length + 1, (f64::NEG_INFINITY, 0, 0));
        best[0].0 = 0.0;
        for start in 0..length {
            let here = best[start].0;
            for (piece, end) in self.from(start).iter().filter(|(piece, _)| Some(*piece) != but) {
                let score = here + trie.score(*piece);
                if score > best[*end as usize].0 {
                    best[*end as usize] = (score, *piece, start as u32);
                }
            }
        }
        self.path.clear();
        let mut at = length;
        while at > 0 && best[at].0.is_finite() {
            self.path.push(best[at].1);
            at = best[at].2 as usize;
        }
        self.best = best;
        if at == 0 {
            self.path.iter().for_each(|piece| take(*piece));
        }
    }
}
