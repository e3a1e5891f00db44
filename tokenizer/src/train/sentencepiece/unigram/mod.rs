//! Learning a unigram language model: pieces with probabilities, of which texts are most likely made.
//!
//! Source: Kudo 2018, arXiv:1804.10959, and `unigram_model_trainer.cc` of SentencePiece 0.2.3: seeds are the substrings that come
//! most often times their length (`seeds.rs`); two rounds of expectation and maximization, with Bayesian smoothing, then the quarter
//! of the pieces goes whose loss costs the likelihood least, again and again until 1.1 times the wanted number is left; the best of
//! these stay, and every character. Unlike there, substrings count as often as they come in the texts, not once for each distinct
//! word, and expectations are summed up as whole numbers, and logarithms are a library's of our own, so that the result depends neither on threads nor
//! on processors.
//!
//! Cost: a walk through a trie (`trie.rs`) for each character of the distinct parts, some thirty times. Memory: about 16 bytes for a
//! character of the distinct parts, 100 for a seed and 8 for each seed and thread.

mod lattice;
mod seeds;
mod trie;

use libm::log;
use yuan_pipeline::Result;

use lattice::Lattice;
use trie::Trie;

/// Seeds, at most (SentencePiece `seed_sentencepiece_size`).
const SEEDS: usize = 1_000_000;
/// What is left of the pieces at a time (SentencePiece `shrinking_factor`).
const SHRINKING: f64 = 0.75;
/// Rounds of expectation and maximization between (SentencePiece `num_sub_iterations`).
const ROUNDS: usize = 2;
/// Pieces that are expected less often go.
const LEAST_EXPECTED: f64 = 0.5;
/// Characters of a part; longer ones are cut.
const MAX_PART: usize = 48;
/// Expectations are summed up in such parts of one.
const FIXED_POINT: f64 = 65_536.0;
/// How much lower each character is scored that no piece was learnt for.
const STEP: f64 = 0.0001;

/// Parts of texts in symbols, and how often each came.
pub(super) struct Parts {
    symbols: Vec<u32>,
    /// Where each ends, and its count.
    ends: Vec<(u32, f64)>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self { symbols: Vec::new(), ends: Vec::new() }
    }

    /// Adds a part without characters that are no pieces.
    pub(super) fn push(&mut self, symbols: &[u32], count: f64) {
        for part in symbols.chunks(MAX_PART) {
            self.symbols.extend_from_slice(part);
            let end = u32::try_from(self.symbols.len()).expect("the caller keeps to 4 GiB");
            self.ends.push((end, count));
        }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, number: usize) -> (&[u32], f64) {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].0 as usize);
        let (end, count) = self.ends[number];
        (&self.symbols[start..end as usize], count)
    }

    /// Lets threads work on a share each of the parts, and sums up what they give, by piece.
    fn sums(
        &self,
        threads: usize,
        pieces: usize,
        work: impl Fn(&[u32], f64, &mut Lattice, &mut [u64]) + Sync,
    ) -> Vec<u64> {
        let share = self.len().div_ceil(threads.max(1)).max(1);
        let run = |from: usize| {
            let mut sums = vec![0_u64; pieces];
            let mut lattice = Lattice::default();
            for number in from..self.len().min(from + share) {
                let (symbols, count) = self.get(number);
                work(symbols, count, &mut lattice, &mut sums);
            }
            sums
        };
        std::thread::scope(|scope| {
            let run = &run;
            let starts = (share..self.len()).step_by(share);
            let workers: Vec<_> = starts.map(|from| scope.spawn(move || run(from))).collect();
            let mut all = run(0);
            for worker in workers {
                let sums = worker.join().expect("counting does not panic");
                all.iter_mut().zip(sums).for_each(|(all, sum)| *all = all.saturating_add(sum));
            }
            all
        })
    }
}

/// A piece in symbols, and the logarithm of its probability.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    pub symbols: Vec<u32>,
    pub score: f64,
}

/// What is asked of a training.
pub(super) struct Asked<'a> {
    /// Pieces, characters among them.
    pub pieces: usize,
    /// Symbols of a piece, at most.
    pub max_symbols: usize,
    /// Symbols are below; each is a piece.
    pub alphabet: usize,
    /// The symbol of a space, which pieces have in front or alone.
    pub space: u32,
    /// Strings that are no pieces.
    pub forbidden: &'a dyn Fn(&[u32]) -> bool,
    pub threads: usize,
}

impl Asked<'_> {
    fn forbids(&self, symbols: &[u32]) -> bool {
        (self.forbidden)(symbols)
    }
}

/// Learns pieces, the best first; of equal ones those of lower symbols. Each symbol is one of them.
///
/// # Errors
/// Those of `check`, which is called now and then.
pub(super) fn train(parts: &Parts, asked: &Asked<'_>, check: impl Fn() -> Result<()>) -> Result<Vec<Scored>> {
    let mut pieces = seeds::find(parts, asked, SEEDS);
    let desired = asked.pieces + asked.pieces / 10;
    loop {
        for _ in 0..ROUNDS {
            check()?;
            let expected = expected(parts, &pieces, asked);
            pieces = maximized(pieces, &expected);
        }
        if pieces.len() <= desired {
            break;
        }
        check()?;
        let before = pieces.len();
        pieces = pruned(parts, pieces, desired, asked);
        if pieces.len() == before {
            break;
        }
    }
    Ok(finished(pieces, asked))
}

/// How often each piece is expected in the parts.
fn expected(parts: &Parts, pieces: &[Scored], asked: &Asked<'_>) -> Vec<u64> {
    let trie = Trie::new(pieces, asked.alphabet);
    parts.sums(asked.threads, pieces.len(), |symbols, count, lattice, sums| {
        lattice.expect(&trie, symbols, |piece, posterior| {
            let sum = &mut sums[piece as usize];
            *sum = sum.saturating_add((posterior * count * FIXED_POINT).round() as u64);
        });
    })
}

/// The pieces that are expected often enough, with their new scores.
fn maximized(pieces: Vec<Scored>, expected: &[u64]) -> Vec<Scored> {
    let expected = expected.iter().map(|sum| *sum as f64 / FIXED_POINT);
    let kept: Vec<(Scored, f64)> =
        pieces.into_iter().zip(expected).filter(|(_, count)| *count >= LEAST_EXPECTED).collect();
    let total: f64 = kept.iter().map(|(_, count)| count).sum();
    let total = digamma(total);
    kept.into_iter().map(|(piece, count)| Scored { score: digamma(count) - total, ..piece }).collect()
}

/// The pieces without those whose going costs the likelihood least.
fn pruned(parts: &Parts, pieces: Vec<Scored>, desired: usize, asked: &Asked<'_>) -> Vec<Scored> {
    let trie = Trie::new(&pieces, asked.alphabet);
    let found = parts.sums(asked.threads, pieces.len(), |symbols, count, lattice, sums| {
        let count = (count * FIXED_POINT).round() as u64;
        lattice.best(&trie, symbols, None, |piece| sums[piece as usize] = sums[piece as usize].saturating_add(count));
    });
    let found: Vec<f64> = found.iter().map(|count| *count as f64 / FIXED_POINT).collect();
    let sum: f64 = found.iter().sum();
    let all: f64 = parts.ends.iter().map(|(_, count)| count).sum();
    let mut lattice = Lattice::default();
    let mut keep = vec![false; pieces.len()];
    let mut candidates: Vec<(f64, usize)> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let count = found[number];
        let mut best = Vec::new();
        lattice.best(&trie, &piece.symbols, None, |part| best.push(part));
        let mut others = Vec::new();
        if piece.symbols.len() > 1 {
            lattice.best(&trie, &piece.symbols, Some(number as u32), |part| others.push(part));
        }
        if others.is_empty() {
            // Nothing else spells it.
            keep[number] = true;
        } else if best.len() == 1 && count > 0.0 {
            let score = log(count) - log(sum);
            let without = log(sum + count * (others.len() - 1) as f64);
            let score_without: f64 = others.iter().map(|other| log(found[*other as usize] + count) - without).sum();
            candidates.push((count / all * (score - score_without), number));
        }
        // One that is spelled by others, or not used at all, goes.
    }
    let size = desired.max((pieces.len() as f64 * SHRINKING) as usize);
    let room = size.saturating_sub(keep.iter().filter(|keep| **keep).count());
    candidates.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    candidates.iter().take(room).for_each(|(_, number)| keep[*number] = true);
    pieces.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(piece, _)| piece).collect()
}

/// All symbols and the best of the other pieces.
fn finished(pieces: Vec<Scored>, asked: &Asked<'_>) -> Vec<Scored> {
    let lowest = pieces.iter().map(|piece| piece.score).fold(f64::INFINITY, f64::min);
    let lowest = if lowest.is_finite() { lowest } else { 0.0 };
    let (single, mut longer): (Vec<Scored>, Vec<Scored>) =
        pieces.into_iter().partition(|piece| piece.symbols.len() == 1);
    let mut scores = vec![None; asked.alphabet];
    single.iter().for_each(|piece| scores[piece.symbols[0] as usize] = Some(piece.score));
    let mut missing = 0.0;
    let singles = (0_u32..).zip(scores).map(|(symbol, score)| {
        let score = score.unwrap_or_else(|| {
            missing += 1.0;
            lowest - STEP * missing
        });
        Scored { symbols: vec![symbol], score }
    });
    let mut all: Vec<Scored> = singles.collect();
    longer.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.symbols.cmp(&other.symbols)));
    longer.truncate(asked.pieces.saturating_sub(all.len()));
    all.extend(longer);
    all.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.symbols.cmp(&other.symbols)));
    all
}

/// The derivative of the logarithm of the gamma function: a recurrence up to 7, then the asymptotic series.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 7.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let x = x - 0.5;
    let square = 1.0 / (x * x);
    sum + log(x) + square * (1.0 / 24.0 + square * (-7.0 / 960.0 + square * (31.0 / 8064.0 - square * 127.0 / 30720.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols are bytes less `a`, the space is 26.
    fn symbols(text: &str) -> Vec<u32> {
        text.bytes().map(|byte| if byte == b' ' { 26 } else { u32::from(byte - b'a') }).collect()
    }

    fn learn(words: &[(&str, f64)], pieces: usize, threads: usize) -> Vec<(String, f64)> {
        let mut parts = Parts::new();
        words.iter().for_each(|(word, count)| parts.push(&symbols(word), *count));
        let asked = Asked { pieces, max_symbols: 16, alphabet: 27, space: 26, forbidden: &|_| false, threads };
        let text = |piece: &Scored| {
            piece
                .symbols
                .iter()
                .map(|symbol| if *symbol == 26 { ' ' } else { char::from(b'a' + *symbol as u8) })
                .collect()
        };
        let learnt = train(&parts, &asked, || Ok(())).unwrap();
        learnt.iter().map(|piece| (text(piece), piece.score)).collect()
    }

    const WORDS: [(&str, f64); 8] = [
        (" lower", 40.0),
        (" lowest", 30.0),
        (" newer", 35.0),
        (" newest", 25.0),
        (" wider", 20.0),
        (" widest", 15.0),
        (" low", 60.0),
        ("    ", 5.0),
    ];

    #[test]
    fn what_comes_often_is_a_piece() {
        let learnt = learn(&WORDS, 33, 1);
        assert_eq!(learnt.len(), 33);
        let has = |piece: &str| learnt.iter().any(|(text, _)| text == piece);
        assert!(has(" low") && has("est") && has("er"), "{learnt:?}");
        assert!(('a'..='z').all(|char| has(&char.to_string())), "every character is one");
        assert!(learnt.is_sorted_by(|one, other| one.1 >= other.1));
        assert!(learnt.iter().all(|(text, _)| !text.trim_start_matches(' ').is_empty() || text.trim().is_empty()));
        assert!(!learnt.iter().any(|(text, _)| text.starts_with("  ") && !text.trim().is_empty()), "{learnt:?}");
    }

    #[test]
    fn threads_change_nothing() {
        let one = learn(&WORDS, 35, 1);
        for threads in [2, 3, 8] {
            assert_eq!(learn(&WORDS, 35, threads), one);
        }
    }

    #[test]
    fn digamma_is_what_tables_say() {
        for (x, expected) in
            [(0.5, -1.963_510_026_021_423), (1.0, -0.577_215_664_901_533), (10.0, 2.251_752_589_066_721)]
        {
            assert!((digamma(x) - expected).abs() < 1e-9, "{x}: {}", digamma(x));
        }
    }

    #[test]
    fn expectations_are_those_of_all_ways() {
        // "ab" is a+b or ab: with probabilities 0.3 · 0.2 and 0.1.
        let piece = |text: &str, probability: f64| Scored { symbols: symbols(text), score: probability.ln() };
        let pieces = vec![piece("a", 0.3), piece("b", 0.2), piece("ab", 0.1)];
        let mut parts = Parts::new();
        parts.push(&symbols("ab"), 16.0);
        let asked = Asked { pieces: 3, max_symbols: 16, alphabet: 27, space: 26, forbidden: &|_| false, threads: 1 };
        let found: Vec<f64> = expected(&parts, &pieces, &asked).iter().map(|sum| *sum as f64 / FIXED_POINT).collect();
        let apart = 16.0 * 0.06 / 0.16;
        for (found, expected) in found.iter().zip([apart, apart, 16.0 - apart]) {
            assert!((found - expected).abs() < 1e-4, "{found:?}");
        }
    }
}
