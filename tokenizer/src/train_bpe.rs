//! Learning byte-pair merges: the most frequent pair of neighbours becomes a token, again and again.
//!
//! Source: Sennrich et al. 2016, arXiv:1508.07909; ties go to the pair of lower ids, left one first, as in
//! `BpeTrainer` of Hugging Face `tokenizers` 0.23, whose merges these are. (Where one token can be made of
//! two different pairs, that trainer keeps counting merged pairs and its order depends on a random hash;
//! here counts stay exact, and the result depends on the counts of the pieces alone.)
//!
//! Cost: O(bytes of distinct pieces) memory, about [`BYTES_PER_SYMBOL`] for each; a merge costs the pieces
//! that hold it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use yuan_pipeline::Result;

use crate::hash::FixedHash;

/// Memory for each byte of distinct pieces: its symbol, and its place in the list of a pair.
pub(crate) const BYTES_PER_SYMBOL: u64 = 12;
/// Memory for each distinct piece beside its bytes.
pub(crate) const BYTES_PER_PIECE: u64 = 64;

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
}

/// What was learnt.
pub(crate) struct Merges {
    /// The bytes of every token by id: the byte symbols given, then the merged tokens.
    pub tokens: Vec<Vec<u8>>,
    /// The rules in the order learnt, as ids.
    pub rules: Vec<(u32, u32)>,
}

/// A pair of neighbours: how often it stands anywhere, and in which pieces it once stood.
#[derive(Default)]
struct Pair {
    count: u64,
    pieces: Vec<u32>,
    /// When it last came up.
    round: u32,
}

/// Candidates by count; of equal ones the pair of lower ids comes first.
type Queue = BinaryHeap<(u64, Reverse<(u32, u32)>)>;

struct Training<'a> {
    symbols: Vec<u32>,
    /// Where each piece's symbols start, how many are left of them, and how often the piece came.
    pieces: Vec<(usize, u32, u64)>,
    pairs: HashMap<u64, Pair, FixedHash>,
    /// Characters that begin in each token.
    chars: Vec<u32>,
    wanted: &'a Wanted<'a>,
    /// Pairs that came up since the queue was last filled.
    risen: Vec<u64>,
    /// How often the queue was filled, and once more.
    round: u32,
}

fn key(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

fn ids(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

/// Learns merges from pieces with their counts. `bytes` are the byte symbols in the order of their ids;
/// `check` is called now and then and may stop the training.
///
/// # Errors
/// Those of `check`.
pub(crate) fn train(
    pieces: &[(Box<[u8]>, u64)],
    bytes: &[u8; 256],
    wanted: &Wanted<'_>,
    check: impl Fn() -> Result<()>,
) -> Result<Merges> {
    let mut tokens: Vec<Vec<u8>> = bytes.iter().map(|byte| vec![*byte]).collect();
    let mut known: HashMap<Vec<u8>, u32, FixedHash> = tokens.iter().cloned().zip(0..).collect();
    let mut rules = Vec::new();
    let mut training = Training::new(pieces, bytes, wanted);
    let mut queue = Queue::new();
    training.fill(&mut queue);
    while tokens.len() < 256 + wanted.tokens
        && let Some((count, Reverse((left, right)))) = queue.pop()
    {
        let exact = training.count(left, right);
        if exact != count {
            // A count that rose was queued then; one that fell is queued now.
            if exact < count && exact > 0 {
                queue.push((exact, Reverse((left, right))));
            }
            continue;
        }
        if count < wanted.min_frequency {
            break;
        }
        let merged = [&tokens[left as usize][..], &tokens[right as usize]].concat();
        if wanted.forbidden.contains(&merged) {
            training.pairs.remove(&key(left, right));
            continue;
        }
        let product = *known.entry(merged).or_insert_with_key(|merged| {
            tokens.push(merged.clone());
            training.chars.push(chars(merged));
            tokens.len() as u32 - 1
        });
        rules.push((left, right));
        training.merge(left, right, product);
        training.fill(&mut queue);
        if rules.len().is_multiple_of(256) {
            check()?;
        }
    }
    Ok(Merges { tokens, rules })
}

/// Characters that begin in these bytes of UTF-8.
fn chars(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() as u32
}

impl<'a> Training<'a> {
    fn new(pieces: &[(Box<[u8]>, u64)], bytes: &[u8; 256], wanted: &'a Wanted<'a>) -> Self {
        let mut symbol = [0; 256];
        for (id, byte) in (0..).zip(bytes) {
            symbol[usize::from(*byte)] = id;
        }
        let mut training = Self {
            symbols: Vec::with_capacity(pieces.iter().map(|(piece, _)| piece.len()).sum()),
            pieces: Vec::with_capacity(pieces.len()),
            pairs: HashMap::default(),
            chars: bytes.iter().map(|byte| chars(&[*byte])).collect(),
            wanted,
            risen: Vec::new(),
            round: 1,
        };
        for (number, (piece, count)) in (0..).zip(pieces) {
            let start = training.symbols.len();
            training.symbols.extend(piece.iter().map(|byte| symbol[usize::from(*byte)]));
            training.pieces.push((start, piece.len() as u32, *count));
            for at in start + 1..training.symbols.len() {
                training.rise(training.symbols[at - 1], training.symbols[at], number, *count);
            }
        }
        training
    }

    fn count(&self, left: u32, right: u32) -> u64 {
        self.pairs.get(&key(left, right)).map_or(0, |pair| pair.count)
    }

    fn rise(&mut self, left: u32, right: u32, piece: u32, count: u64) {
        if self.chars[left as usize] + self.chars[right as usize] > self.wanted.max_token_chars {
            return;
        }
        let key = key(left, right);
        let pair = self.pairs.entry(key).or_default();
        pair.count += count;
        if pair.pieces.last() != Some(&piece) {
            pair.pieces.push(piece);
        }
        if pair.round != self.round {
            pair.round = self.round;
            self.risen.push(key);
        }
    }

    fn fall(&mut self, left: u32, right: u32, count: u64) {
        // A pair that cannot be merged has no entry.
        if let Some(pair) = self.pairs.get_mut(&key(left, right)) {
            pair.count = pair.count.saturating_sub(count);
        }
    }

    /// Queues the pairs that came up.
    fn fill(&mut self, queue: &mut Queue) {
        self.round += 1;
        for key in std::mem::take(&mut self.risen) {
            let (left, right) = ids(key);
            let count = self.count(left, right);
            if count >= self.wanted.min_frequency.max(1) {
                queue.push((count, Reverse((left, right))));
            }
        }
    }

    /// Puts `product` for every `left right`, from the left of each piece.
    fn merge(&mut self, left: u32, right: u32, product: u32) {
        let Some(pair) = self.pairs.remove(&key(left, right)) else {
            return;
        };
        for piece in pair.pieces {
            let (start, length, count) = self.pieces[piece as usize];
            let end = start + length as usize;
            let (mut read, mut write) = (start, start);
            while read < end {
                if self.symbols[read] != left || read + 1 == end || self.symbols[read + 1] != right {
                    self.symbols[write] = self.symbols[read];
                    (read, write) = (read + 1, write + 1);
                    continue;
                }
                if write > start {
                    let before = self.symbols[write - 1];
                    self.fall(before, left, count);
                    self.rise(before, product, piece, count);
                }
                if read + 2 < end {
                    let after = self.symbols[read + 2];
                    self.fall(right, after, count);
                    self.rise(product, after, piece, count);
                }
                self.symbols[write] = product;
                (read, write) = (read + 2, write + 1);
            }
            self.pieces[piece as usize].1 = (write - start) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{bytes_in_order, to_symbols};

    fn counted(text: &str) -> Vec<(Box<[u8]>, u64)> {
        let mut pieces = std::collections::BTreeMap::<&[u8], u64>::new();
        for piece in text.split_inclusive(' ') {
            *pieces.entry(piece.as_bytes()).or_default() += 1;
        }
        pieces.into_iter().map(|(piece, count)| (piece.into(), count)).collect()
    }

    fn learn(text: &str, wanted: &Wanted<'_>) -> Merges {
        train(&counted(text), &bytes_in_order(), wanted, || Ok(())).unwrap()
    }

    fn wanted(tokens: usize, forbidden: &HashSet<Vec<u8>>) -> Wanted<'_> {
        Wanted { tokens, min_frequency: 2, max_token_chars: u32::MAX, forbidden }
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
