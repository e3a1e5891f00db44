//! Pieces in a tree by their symbols: the children of a node stand beside each other, in order.

use super::Scored;

/// No piece ends there.
const NONE: u32 = u32::MAX;

/// A tree of pieces. 16 bytes a node.
pub(super) struct Trie {
    /// By symbol: the nodes of pieces' first symbols, 0 for none.
    roots: Vec<u32>,
    nodes: Vec<Node>,
    /// By piece: its probability times [`super::lattice::SCALE`] for each symbol, and its score.
    weights: Vec<(f64, f64)>,
}

#[derive(Clone, Copy)]
struct Node {
    symbol: u32,
    piece: u32,
    /// Children are from here to those of the next node.
    children: u32,
}

impl Trie {
    /// Of pieces, which have at least one symbol and differ.
    pub(super) fn new(pieces: &[Scored], alphabet: usize) -> Self {
        let mut order: Vec<u32> = (0..pieces.len() as u32).collect();
        let symbols = |piece: u32| pieces[piece as usize].symbols.as_slice();
        order.sort_unstable_by(|one, other| symbols(*one).cmp(symbols(*other)));
        // Level by level: a node and the pieces below it.
        let mut nodes = vec![Node { symbol: 0, piece: NONE, children: 1 }];
        let mut ranges = std::collections::VecDeque::from([(0_usize, 0..order.len(), 0_usize)]);
        while let Some((node, range, depth)) = ranges.pop_front() {
            nodes[node].children = nodes.len() as u32;
            let mut from = range.start;
            while from < range.end {
                let symbol = symbols(order[from])[depth];
                let same = order[from..range.end].partition_point(|piece| symbols(*piece)[depth] == symbol);
                let ends = symbols(order[from]).len() == depth + 1;
                let child = nodes.len();
                nodes.push(Node { symbol, piece: if ends { order[from] } else { NONE }, children: 0 });
                ranges.push_back((child, from + usize::from(ends)..from + same, depth + 1));
                from += same;
            }
        }
        let end = nodes.len() as u32;
        nodes.push(Node { symbol: 0, piece: NONE, children: end });
        let mut roots = vec![0; alphabet];
        for child in nodes[0].children..nodes[1].children {
            roots[nodes[child as usize].symbol as usize] = child;
        }
        let weight = |piece: &Scored| {
            let scaled = piece.score + super::lattice::SCALE * piece.symbols.len() as f64;
            (libm::exp(scaled), piece.score)
        };
        Self { roots, nodes, weights: pieces.iter().map(weight).collect() }
    }

    /// Calls back with the pieces that `symbols` begin with and their lengths, the shortest first.
    #[inline]
    pub(super) fn prefixes(&self, symbols: &[u32], mut found: impl FnMut(u32, usize)) {
        let Some((first, rest)) = symbols.split_first() else { return };
        let mut node = self.roots[*first as usize] as usize;
        if node == 0 {
            return;
        }
        let mut length = 1;
        let mut rest = rest.iter();
        loop {
            let Node { piece, children, .. } = self.nodes[node];
            if piece != NONE {
                found(piece, length);
            }
            let Some(symbol) = rest.next() else { return };
            let below = &self.nodes[children as usize..self.nodes[node + 1].children as usize];
            let Ok(place) = below.binary_search_by_key(symbol, |node| node.symbol) else { return };
            node = children as usize + place;
            length += 1;
        }
    }

    /// A piece's probability times the scale for each symbol.
    #[inline]
    pub(super) fn weight(&self, piece: u32) -> f64 {
        self.weights[piece as usize].0
    }

    /// The logarithm of a piece's probability.
    #[inline]
    pub(super) fn score(&self, piece: u32) -> f64 {
        self.weights[piece as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_found() {
        let pieces: Vec<Scored> = [&[2_u32][..], &[2, 3], &[2, 3, 1, 4], &[0], &[1, 1], &[2, 9]]
            .map(|it| Scored { symbols: it.into(), score: -1.0 })
            .into();
        let trie = Trie::new(&pieces, 10);
        let found = |symbols: &[u32]| {
            let mut found = Vec::new();
            trie.prefixes(symbols, |piece, length| found.push((piece, length)));
            found
        };
        assert_eq!(found(&[2, 3, 1, 4, 5]), [(0, 1), (1, 2), (2, 4)]);
        assert_eq!(found(&[2, 9]), [(0, 1), (5, 2)]);
        assert_eq!(found(&[1, 1, 1]), [(4, 2)]);
        assert_eq!(found(&[1, 2]), []);
        assert_eq!(found(&[5]), []);
        assert_eq!(found(&[]), []);
    }
}
