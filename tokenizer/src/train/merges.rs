//! Learning byte-pair merges: the most frequent pair of neighbours becomes a token, again and again.
//!
//! Source: Sennrich et al. 2016, arXiv:1508.07909; ties go to the pair of lower ids, left one first, as in
//! `BpeTrainer` of Hugging Face `tokenizers` 0.23, whose merges these are. (Where one token can be made of
//! two different pairs, that trainer keeps counting merged pairs and its order depends on a random hash;
//! here counts stay exact, and the result depends on the counts of the pieces alone.)
//!
//! A merge goes through the pieces that hold its pair and sums up what changes by neighbour, so that each pair beside it is
//! looked up once (`pairs.rs`), not once for each place. Costs: about [`BYTES_PER_SYMBOL`] bytes of memory for each byte of
//! distinct pieces; for a merge the symbols of the pieces that hold its pair.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use yuan_pipeline::Result;

use super::pairs::{Pairs, Rise, pair, symbols};
use super::pieces::Pieces;
use crate::hash::FixedHash;

/// Memory for each byte of distinct pieces: its symbol, its place in the list of a pair, and its share of the table of pairs.
pub(crate) const BYTES_PER_SYMBOL: u64 = 14;
/// Memory for each distinct piece beside its bytes.
pub(crate) const BYTES_PER_PIECE: u64 = 32;
/// So many pieces ahead of the one that is merged, the next are fetched.
const AHEAD: usize = 8;
/// Symbols in a cache line.
const LINE: usize = 16;

/// What is asked of a training.
pub(crate) struct Wanted<'a> {
    /// Merged tokens, at most.
    pub tokens: usize,
    /// A pair must occur so often, with the pieces counted as often as they came.
    pub min_frequency: u64,
    /// Characters that may begin in one token.
    pub max_token_chars: u32,
    /// No token may have these bytes.
    pub forbidden: &'a HashSet<Vec<u8>>,
    /// Whether tokens have spaces in front or alone: one before other characters, or any number and nothing else.
    pub spaces_in_front: bool,
}

/// Where a token has spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spaces {
    None,
    /// It is a space.
    One,
    /// It is several.
    Several,
    /// One, and other characters after it.
    InFront,
}

impl Spaces {
    fn of(token: &[u8]) -> Self {
        match token {
            [b' '] => Self::One,
            [b' ', rest @ ..] if rest.iter().all(|byte| *byte == b' ') => Self::Several,
            [b' ', ..] => Self::InFront,
            _ => Self::None,
        }
    }

    fn may_join(self, right: Self) -> bool {
        right != Self::InFront && (self != Self::Several || right != Self::None)
    }
}

/// What of a token says with which others it may be joined.
#[derive(Clone, Copy)]
struct Shape {
    /// Characters that begin in it.
    chars: u32,
    spaces: Spaces,
}

impl Shape {
    fn of(token: &[u8]) -> Self {
        // Nothing is joined to the token of no bytes.
        let chars = if token.is_empty() { u32::MAX } else { chars(token) };
        Self { chars, spaces: Spaces::of(token) }
    }
}

impl Wanted<'_> {
    /// Whether a token may be made of these.
    fn allows(&self, left: Shape, right: Shape) -> bool {
        left.chars.saturating_add(right.chars) <= self.max_token_chars.min(u32::MAX - 1)
            && (!self.spaces_in_front || left.spaces.may_join(right.spaces))
    }
}

/// What is known before anything is learnt, and what was learnt in the end.
#[derive(Clone)]
pub(crate) struct Merges {
    /// The bytes of every token by id: the byte symbols, then the merged tokens.
    pub tokens: Vec<Vec<u8>>,
    /// The rules in the order learnt, as ids.
    pub rules: Vec<(u32, u32)>,
}

impl Merges {
    /// Bytes alone, in the order of their ids.
    pub(crate) fn of_bytes(bytes: &[u8; 256]) -> Self {
        Self { tokens: bytes.iter().map(|byte| vec![*byte]).collect(), rules: Vec::new() }
    }
}

/// Candidates by count; of equal ones the pair of lower ids comes first.
type Queue = BinaryHeap<(u64, Reverse<u64>)>;

/// A piece: where its symbols are, and how often it came.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    len: u32,
    count: u64,
}

struct Training<'a> {
    symbols: Vec<u32>,
    pieces: Vec<Piece>,
    pairs: Pairs,
    /// By token.
    shapes: Vec<Shape>,
    wanted: &'a Wanted<'a>,
    queue: Queue,
    before: Neighbours,
    after: Neighbours,
}

/// Learns merges from pieces with their counts, beyond those that `start` knows; `encode` appends the tokens that a piece has by
/// these. `check` is called now and then and may stop the training.
///
/// # Errors
/// Those of `check`.
pub(crate) fn train(
    pieces: Pieces,
    start: Merges,
    encode: impl FnMut(&[u8], &mut Vec<u32>),
    wanted: &Wanted<'_>,
    check: impl Fn() -> Result<()>,
) -> Result<Merges> {
    let Merges { mut tokens, mut rules } = start;
    let old: HashSet<(u32, u32)> = rules.iter().copied().collect();
    let mut done = 0_u32;
    let mut known: HashMap<Vec<u8>, u32, FixedHash> = tokens.iter().cloned().zip(0..).collect();
    let mut training = Training::new(pieces, &tokens, encode, wanted);
    let enough = tokens.len() + wanted.tokens;
    while tokens.len() < enough
        && let Some((count, Reverse(best))) = training.queue.pop()
    {
        let exact = training.pairs.count(best);
        if exact != count {
            // A count that rose was queued then; one that fell is queued now.
            if exact < count && exact > 0 {
                training.queue.push((exact, Reverse(best)));
            }
            continue;
        }
        if count < wanted.min_frequency {
            break;
        }
        let (left, right) = symbols(best);
        let merged = [&tokens[left as usize][..], &tokens[right as usize]].concat();
        if wanted.forbidden.contains(&merged) {
            training.pairs.remove(best);
            continue;
        }
        let product = *known.entry(merged).or_insert_with_key(|merged| {
            tokens.push(merged.clone());
            training.shapes.push(Shape::of(merged));
            tokens.len() as u32 - 1
        });
        // Where a token that is known is made in a new way, an old rule may hold of it again; it has its rank already.
        if !old.contains(&(left, right)) {
            rules.push((left, right));
        }
        training.merge(left, right, product);
        done += 1;
        if done.is_multiple_of(256) {
            check()?;
        }
    }
    Ok(Merges { tokens, rules })
}

/// Characters that begin in these bytes of UTF-8.
fn chars(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() as u32
}

/// What becomes of the symbols on one side of the places of a merge.
#[derive(Default)]
struct Neighbours {
    /// By symbol.
    changes: Vec<Change>,
    /// The symbols that have changes.
    changed: Vec<u32>,
    /// Symbols and the pieces in which they come to stand beside the product.
    found: Vec<(u32, u32)>,
    /// Those pieces, symbol by symbol.
    pieces: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Change {
    /// How often it comes to stand beside the product, and no longer beside what is merged.
    count: u64,
    /// Pieces where it does; then the end of its part of [`Neighbours::pieces`].
    pieces: u32,
    /// The last of them.
    last: u32,
}

const NO_CHANGE: Change = Change { count: 0, pieces: 0, last: u32::MAX };

impl Neighbours {
    fn note(&mut self, symbol: u32, piece: u32, count: u64) {
        let change = &mut self.changes[symbol as usize];
        if change.pieces == 0 {
            self.changed.push(symbol);
        }
        change.count += count;
        if change.last != piece {
            change.last = piece;
            change.pieces += 1;
            self.found.push((symbol, piece));
        }
    }

    /// Brings the pieces of each symbol together.
    fn collect(&mut self) {
        let mut end = 0;
        for symbol in &self.changed {
            let change = &mut self.changes[*symbol as usize];
            end += change.pieces;
            change.pieces = end - change.pieces;
        }
        self.pieces.clear();
        self.pieces.resize(self.found.len(), 0);
        for (symbol, piece) in self.found.drain(..) {
            let place = &mut self.changes[symbol as usize].pieces;
            self.pieces[*place as usize] = piece;
            *place += 1;
        }
    }

    /// Each symbol with its count and its pieces.
    fn each(&self) -> impl Iterator<Item = (u32, u64, &[u32])> + Clone {
        self.changed.iter().scan(0, |start, symbol| {
            let Change { count, pieces: end, .. } = self.changes[*symbol as usize];
            let pieces = &self.pieces[*start as usize..end as usize];
            *start = end;
            Some((*symbol, count, pieces))
        })
    }

    fn clear(&mut self) {
        self.changed.drain(..).for_each(|symbol| self.changes[symbol as usize] = NO_CHANGE);
    }
}

impl<'a> Training<'a> {
    fn new(
        pieces: Pieces,
        tokens: &[Vec<u8>],
        mut encode: impl FnMut(&[u8], &mut Vec<u32>),
        wanted: &'a Wanted<'a>,
    ) -> Self {
        let mut symbols: Vec<u32> = Vec::new();
        let mut places = Vec::with_capacity(pieces.len());
        for (piece, count) in pieces.iter() {
            let start = symbols.len();
            encode(piece, &mut symbols);
            places.push(Piece { start: start as u32, len: (symbols.len() - start) as u32, count });
        }
        drop(pieces);
        symbols.shrink_to_fit();
        let mut training = Self {
            symbols,
            pieces: places,
            pairs: Pairs::new(),
            shapes: tokens.iter().map(|token| Shape::of(token)).collect(),
            wanted,
            queue: Queue::new(),
            before: Neighbours::default(),
            after: Neighbours::default(),
        };
        training.count_all();
        training
    }

    /// Notes all pairs: symbol by symbol what comes after it, those of some symbols at a time.
    fn count_all(&mut self) {
        self.after.changes.resize(self.shapes.len(), NO_CHANGE);
        let mut starts = vec![0_usize; self.shapes.len() + 1];
        self.for_each_pair(|left, _, _, _| starts[left as usize + 1] += 1);
        (0..self.shapes.len()).for_each(|symbol| starts[symbol + 1] += starts[symbol]);
        let limit = (starts[self.shapes.len()] / 8).max(1 << 22);
        let mut first = 0;
        while first < self.shapes.len() {
            let fitting = starts[first..].partition_point(|end| end - starts[first] <= limit) - 1;
            let last = (first + fitting.max(1)).min(self.shapes.len());
            let begin = starts[first];
            let mut next: Vec<usize> = starts[first..last].iter().map(|start| start - begin).collect();
            let mut found: Vec<(u32, u32)> = vec![(0, 0); starts[last] - begin];
            self.for_each_pair(|left, right, piece, _| {
                if let Some(place) = (left as usize).checked_sub(first).and_then(|at| next.get_mut(at)) {
                    found[*place] = (right, piece);
                    *place += 1;
                }
            });
            for left in first..last {
                for (right, piece) in &found[starts[left] - begin..starts[left + 1] - begin] {
                    self.after.note(*right, *piece, self.pieces[*piece as usize].count);
                }
                self.after.collect();
                let Self { after, pairs, queue, shapes, wanted, .. } = self;
                let rises = after.each().filter(|(right, ..)| wanted.allows(shapes[left], shapes[*right as usize]));
                let rises = rises.map(|(right, count, pieces)| Rise { pair: pair(left as u32, right), count, pieces });
                pairs.rise(rises, |pair, count| {
                    if count >= wanted.min_frequency.max(1) {
                        queue.push((count, Reverse(pair)));
                    }
                });
                after.clear();
            }
            first = last;
        }
    }

    fn for_each_pair(&self, mut take: impl FnMut(u32, u32, u32, u64)) {
        for (Piece { start, len, count }, number) in self.pieces.iter().zip(0..) {
            let symbols = &self.symbols[*start as usize..][..*len as usize];
            symbols.windows(2).for_each(|two| take(two[0], two[1], number, *count));
        }
    }

    /// Puts `product` for every `left right`, from the left of each piece.
    fn merge(&mut self, left: u32, right: u32, product: u32) {
        let holding = self.pairs.remove(pair(left, right));
        let symbols = self.shapes.len();
        for side in [&mut self.before, &mut self.after] {
            side.changes.resize(symbols, NO_CHANGE);
        }
        for (place, number) in holding.iter().enumerate() {
            if let Some(ahead) = holding.get(place + 2 * AHEAD) {
                fetch(&self.pieces, *ahead as usize);
            }
            if let Some(ahead) = holding.get(place + AHEAD) {
                let start = self.pieces[*ahead as usize].start as usize;
                fetch(&self.symbols, start);
                fetch(&self.symbols, start + LINE);
            }
            let Piece { start, len, count } = self.pieces[*number as usize];
            let piece = &mut self.symbols[start as usize..][..len as usize];
            let Some(first) = position(piece, left, right) else { continue };
            let (mut read, mut write) = (first, first);
            while read < piece.len() {
                if piece[read] != left || read + 1 == piece.len() || piece[read + 1] != right {
                    piece[write] = piece[read];
                    (read, write) = (read + 1, write + 1);
                    continue;
                }
                if write > 0 {
                    self.before.note(piece[write - 1], *number, count);
                }
                if let Some(after) = piece.get(read + 2) {
                    self.after.note(*after, *number, count);
                }
                piece[write] = product;
                (read, write) = (read + 2, write + 1);
            }
            self.pieces[*number as usize].len = write as u32;
        }
        drop(holding);
        self.before.collect();
        self.after.collect();
        let Self { before, after, pairs, queue, shapes, wanted, .. } = self;
        let shape = |symbol: u32| shapes[symbol as usize];
        let least = wanted.min_frequency.max(1);
        let mut queued = |pair, count| {
            if count >= least {
                queue.push((count, Reverse(pair)));
            }
        };
        // What rises comes first: of the same places some fall again, where products stand beside each other.
        let rises = before.each().filter(|(symbol, ..)| wanted.allows(shape(*symbol), shape(product)));
        pairs.rise(
            rises.map(|(symbol, count, pieces)| Rise { pair: pair(symbol, product), count, pieces }),
            &mut queued,
        );
        let rises = after.each().filter(|(symbol, ..)| wanted.allows(shape(product), shape(*symbol)));
        pairs.rise(
            rises.map(|(symbol, count, pieces)| Rise { pair: pair(product, symbol), count, pieces }),
            &mut queued,
        );
        pairs.fall(before.each().map(|(symbol, count, _)| (pair(symbol, left), count)));
        pairs.fall(after.each().map(|(symbol, count, _)| (pair(right, symbol), count)));
        before.clear();
        after.clear();
    }
}

/// Where `left right` first stands.
fn position(piece: &[u32], left: u32, right: u32) -> Option<usize> {
    const LANES: usize = 8;
    let is_there = |at: usize| piece[at] == left && piece[at + 1] == right;
    let mut at = 0;
    while at + LANES < piece.len() {
        // Without branches: eight places at once where the processor can.
        let some = piece[at..at + LANES].iter().zip(&piece[at + 1..=at + LANES]);
        let found = some.fold(false, |found, (one, next)| found | ((*one == left) & (*next == right)));
        if found {
            break;
        }
        at += LANES;
    }
    (at..piece.len().saturating_sub(1)).find(|at| is_there(*at))
}

/// Brings a place of an array nearer.
fn fetch<T>(array: &[T], place: usize) {
    let Some(address) = array.get(place) else { return };
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, of an address within the array; the instruction is in every x86-64 processor.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(address).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{bytes_in_order, to_symbols};

    fn counted(text: &str) -> std::collections::BTreeMap<&[u8], u64> {
        let mut pieces = std::collections::BTreeMap::<&[u8], u64>::new();
        for piece in text.split_inclusive(' ') {
            *pieces.entry(piece.as_bytes()).or_default() += 1;
        }
        pieces
    }

    fn learn(text: &str, wanted: &Wanted<'_>) -> Merges {
        let mut pieces = Pieces::default();
        counted(text).iter().for_each(|(piece, count)| pieces.push(piece, *count));
        let bytes = bytes_in_order();
        let encode = |piece: &[u8], symbols: &mut Vec<u32>| {
            symbols.extend(piece.iter().map(|byte| bytes.iter().position(|known| known == byte).unwrap() as u32));
        };
        train(pieces, Merges::of_bytes(&bytes), encode, wanted, || Ok(())).unwrap()
    }

    fn wanted(tokens: usize, forbidden: &HashSet<Vec<u8>>) -> Wanted<'_> {
        Wanted { tokens, min_frequency: 2, max_token_chars: u32::MAX, forbidden, spaces_in_front: false }
    }

    /// Counts all pairs anew for every merge.
    fn slow(text: &str, merges: usize, min_frequency: u64) -> Vec<(u32, u32)> {
        let bytes = bytes_in_order();
        let id = |byte: &u8| bytes.iter().position(|known| known == byte).unwrap() as u32;
        let mut tokens: Vec<Vec<u8>> = bytes.iter().map(|byte| vec![*byte]).collect();
        let mut pieces: Vec<(Vec<u32>, u64)> =
            counted(text).iter().map(|(piece, count)| (piece.iter().map(id).collect(), *count)).collect();
        let mut rules = Vec::new();
        while rules.len() < merges {
            let mut counts = std::collections::BTreeMap::<(u32, u32), u64>::new();
            for (piece, count) in &pieces {
                piece.windows(2).for_each(|two| {
                    *counts.entry((two[0], two[1])).or_default() += count;
                });
            }
            let best = counts.iter().max_by_key(|(pair, count)| (**count, Reverse(**pair)));
            let Some((&(left, right), _)) = best.filter(|(_, count)| **count >= min_frequency) else {
                break;
            };
            let merged = [&tokens[left as usize][..], &tokens[right as usize]].concat();
            let product = tokens.iter().position(|token| *token == merged).unwrap_or_else(|| {
                tokens.push(merged);
                tokens.len() - 1
            }) as u32;
            rules.push((left, right));
            for (piece, _) in &mut pieces {
                let mut at = 0;
                while at + 1 < piece.len() {
                    if piece[at..at + 2] == [left, right] {
                        piece.splice(at..at + 2, [product]);
                    }
                    at += 1;
                }
            }
        }
        rules
    }

    #[test]
    fn the_rules_are_those_of_counting_anew() {
        let forbidden = HashSet::new();
        // Runs of one letter overlap with themselves and can be made of different pairs.
        let texts = [
            "low lower lowest newest widest low low newest".repeat(3),
            "aaaa aaa aa aaaaaaa aaaaa baaab abab ababab bbaab".repeat(2),
            "今天天气很好 今天天气 天气预报 好天气 今天很好".repeat(2),
        ];
        for text in texts {
            for tokens in [1, 5, 40] {
                let merges = learn(&text, &wanted(tokens, &forbidden));
                let slow = slow(&text, merges.rules.len() + 1, 2);
                assert_eq!(merges.rules, slow[..merges.rules.len()], "{text}");
                assert!(merges.tokens.len() == 256 + tokens || slow.len() == merges.rules.len());
            }
        }
    }

    #[test]
    fn a_pair_is_found_wherever_it_stands() {
        for length in 0..30 {
            for at in 0..length {
                let mut piece: Vec<u32> = (0..length).map(|n| [1, 3][n % 2]).collect();
                piece[at] = 2;
                let expected = piece.windows(2).position(|two| two == [2, 3]);
                assert_eq!(position(&piece, 2, 3), expected, "{piece:?}");
            }
        }
    }

    #[test]
    fn a_forbidden_token_is_never_made() {
        let text = "<eod> <eod> <eod> <eod> ";
        let forbidden = HashSet::from([b"<eod>".to_vec()]);
        let merges = learn(text, &wanted(20, &forbidden));
        let names: Vec<String> = merges.tokens.iter().map(|token| to_symbols(token)).collect();
        assert!(!names.contains(&"<eod>".to_owned()));
        assert!(names.contains(&"<eod>Ġ".to_owned()), "what holds it may be made: {:?}", &names[256..]);
    }

    #[test]
    fn a_token_has_no_more_characters_than_allowed() {
        let forbidden = HashSet::new();
        let text = "中文分词中文分词 中文分词中文分词 abcdefgh abcdefgh ";
        let merges = learn(text, &Wanted { max_token_chars: 4, ..wanted(200, &forbidden) });
        let longest = merges.tokens.iter().map(|token| chars(token)).max();
        assert_eq!(longest, Some(4));
    }
}
