//! jieba's words with their weights, in a double-array trie over code points, and its model's tables.

use std::sync::LazyLock;

/// The first character of a Chinese block, `一`.
pub(super) const FIRST_HAN: u16 = 0x4E00;
/// The last one.
pub(super) const LAST_HAN: u16 = 0x9FD5;

const HAN: usize = (LAST_HAN - FIRST_HAN) as usize + 1;

/// The tables of `jieba.bin.zst` (its generator documents the layout), unpacked: about 8 MB.
pub(super) struct Dictionary {
    ascii_codes: [u16; 128],
    han_codes: Box<[u16]>,
    nodes: Box<[Node]>,
    weights: Box<[f64]>,
    /// Log probabilities to begin in a state; states are B, E, M, S here and below.
    pub(super) start: [f64; 4],
    /// Log probabilities from a state (row) to a state (column).
    pub(super) transitions: [[f64; 4]; 4],
    emissions: Box<[[f64; 4]]>,
}

/// Bits 0..24: where its children lie, 0 for none; 24..40: the code that leads here; 40..56: its weight's
/// number, 0 if it is no word. The code of a free node is one that no character has.
#[derive(Clone, Copy)]
struct Node(u64);

impl Node {
    const FREE: Self = Self(0xFFFF << 24);

    fn base(self) -> usize {
        (self.0 & 0xFF_FFFF) as usize
    }

    fn code(self) -> u16 {
        (self.0 >> 24) as u16
    }

    fn weight(self) -> usize {
        usize::from((self.0 >> 40) as u16)
    }
}

/// jieba's `MIN_FLOAT`, the emission of a character the model has not seen.
const UNSEEN: f64 = -3.14e100;

impl Dictionary {
    /// The tables, unpacked on first use (some 20 ms).
    pub(super) fn get() -> &'static Self {
        static DICTIONARY: LazyLock<Dictionary> =
            LazyLock::new(|| Dictionary::unpack(include_bytes!("../../../data/jieba.bin.zst")));
        &DICTIONARY
    }

    fn unpack(packed: &[u8]) -> Self {
        let data = zstd::decode_all(packed).expect("the dictionary was packed by its generator");
        let mut rest = data.as_slice();
        let [codes, nodes, weights, emitting] = std::array::from_fn(|_| u32(&mut rest) as usize);
        let mut ascii_codes = [0; 128];
        let mut han_codes = vec![0; HAN].into_boxed_slice();
        for code in 1..=codes {
            let point = u32(&mut rest) as usize;
            *match point {
                ..128 => &mut ascii_codes[point],
                _ => &mut han_codes[point - usize::from(FIRST_HAN)],
            } = code as u16;
        }
        // Room behind the last node, so that every base plus every code is inside.
        let padding = std::iter::repeat_n(Node::FREE, codes + 1);
        let read = |_| Some(Node(u64(&mut rest))).filter(|node| node.0 != 0).unwrap_or(Node::FREE);
        let nodes = (0..nodes).map(read).chain(padding).collect();
        let weights = (0..weights).map(|_| f64(&mut rest)).collect();
        let mut four = || std::array::from_fn(|_| f64(&mut rest));
        let start = four();
        let transitions = std::array::from_fn(|_| four());
        let points: Vec<u32> = (0..emitting).map(|_| u32(&mut rest)).collect();
        let mut emissions = vec![[UNSEEN; 4]; HAN].into_boxed_slice();
        for point in points {
            emissions[point as usize - usize::from(FIRST_HAN)] = std::array::from_fn(|_| f64(&mut rest));
        }
        Self { ascii_codes, han_codes, nodes, weights, start, transitions, emissions }
    }

    /// The code of a character of a block, 0 if it is in no word.
    #[inline]
    pub(super) fn code(&self, point: u16) -> u16 {
        match point {
            ..128 => self.ascii_codes[usize::from(point)],
            _ => self.han_codes[usize::from(point - FIRST_HAN)],
        }
    }

    /// Log probabilities that the states emit a Chinese character.
    #[inline]
    pub(super) fn emissions(&self, point: u16) -> [f64; 4] {
        self.emissions[usize::from(point - FIRST_HAN)]
    }

    /// Whether the characters are a word.
    pub(super) fn is_word(&self, codes: &[u16]) -> bool {
        let mut base = 0;
        let mut node = Node(0);
        for (index, &code) in codes.iter().enumerate() {
            if index > 0 && base == 0 {
                return false;
            }
            node = self.nodes[base + usize::from(code)];
            if node.code() != code {
                return false;
            }
            base = node.base();
        }
        node.weight() != 0
    }

    /// For every place, the best sum of log weights from there to the end, and the length of the first word
    /// on that way. Of equal ways, the one with the longer word.
    pub(super) fn best_ways(&self, codes: &[u16], scores: &mut Vec<f64>, lengths: &mut Vec<u8>) {
        let count = codes.len();
        scores.clear();
        scores.resize(count + 1, 0.0);
        lengths.clear();
        lengths.resize(count, 1);
        for first in (0..count).rev() {
            let mut best = f64::NEG_INFINITY;
            let mut length = 0;
            let (mut base, mut at) = (0, first);
            while at < count {
                let code = codes[at];
                let node = self.nodes[base + usize::from(code)];
                if node.code() != code {
                    break;
                }
                at += 1;
                if node.weight() != 0 {
                    let score = self.weights[node.weight()] + scores[at];
                    if score >= best {
                        best = score;
                        length = at - first;
                    }
                }
                base = node.base();
                if base == 0 {
                    break;
                }
            }
            if length == 0 {
                best = self.weights[0] + scores[first + 1];
                length = 1;
            }
            scores[first] = best;
            lengths[first] = length as u8;
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, left) = rest.split_first_chunk().expect("the dictionary holds what its header says");
    *rest = left;
    *taken
}

fn u32(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest))
}

fn u64(rest: &mut &[u8]) -> u64 {
    u64::from_le_bytes(take(rest))
}

fn f64(rest: &mut &[u8]) -> f64 {
    f64::from_le_bytes(take(rest))
}
