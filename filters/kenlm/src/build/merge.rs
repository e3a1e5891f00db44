//! All n-grams in the order of the trie: each before those that end with it, siblings by their words; with blanks where
//! an n-gram ends with words that are no n-gram themselves.

use super::sort::Records;
use crate::error::Result;
use crate::state::MAX_ORDER;
use crate::vocab::WordIndex;

/// Is told of the n-grams, whose words are given from the last to the first.
pub(super) trait Visitor {
    /// A word alone.
    fn unigram(&mut self, word: WordIndex) -> Result<()>;

    /// An n-gram below the highest order.
    fn middle(&mut self, words: &[WordIndex], prob: f32, backoff: f32) -> Result<()>;

    /// A missing n-gram. Its probability is `prob`, which the last `basis` of its words have as an n-gram, with the
    /// back-offs of the contexts of `basis` words and more.
    fn blank(&mut self, words: &[WordIndex], basis: usize, prob: f32) -> Result<()>;

    /// An n-gram of the highest order.
    fn longest(&mut self, words: &[WordIndex], prob: f32) -> Result<()>;

    /// An n-gram that came before.
    fn duplicate(&mut self, words: &[WordIndex]) -> Result<()>;
}

/// Where the walk is: at the n-gram that was visited last.
struct Path {
    words: [WordIndex; MAX_ORDER],
    length: usize,
    /// For each length of what it ends with, the probability; `None` of blanks.
    probs: [Option<f32>; MAX_ORDER],
}

/// Walks over all n-grams: the words, and those of each order from 2 in `streams`.
pub(super) fn walk(unigrams: &[(f32, f32)], streams: &mut [Records<'_>], visitor: &mut impl Visitor) -> Result<()> {
    let highest = streams.len() + 1;
    let mut path = Path { words: [0; MAX_ORDER], length: 0, probs: [None; MAX_ORDER] };
    let mut word = 0;
    loop {
        let mut smallest: Option<(usize, &[WordIndex])> = None;
        let next_word = [word as WordIndex];
        if word < unigrams.len() {
            smallest = Some((1, &next_word));
        }
        for (order, stream) in (2..).zip(streams.iter()) {
            if let Some(record) = stream.peek()
                && smallest.is_none_or(|(least, words)| record[..order] < words[..least])
            {
                smallest = Some((order, record));
            }
        }
        let Some((order, record)) = smallest else { return Ok(()) };
        let words = &record[..order];
        if order == 1 {
            path.words[0] = words[0];
            path.length = 1;
            path.probs[0] = Some(unigrams[word].0);
            visitor.unigram(word as WordIndex)?;
            word += 1;
            continue;
        }
        let prob = f32::from_bits(record[order]);
        path.step(words, prob, visitor)?;
        if order == highest {
            visitor.longest(words, prob)?;
        } else {
            visitor.middle(words, prob, f32::from_bits(record[order + 1]))?;
        }
        streams[order - 2].advance()?;
    }
}

impl Path {
    /// Goes to an n-gram of at least two words, over blanks where they are needed.
    fn step(&mut self, words: &[WordIndex], prob: f32, visitor: &mut impl Visitor) -> Result<()> {
        let order = words.len();
        if self.words[..self.length] == *words {
            visitor.duplicate(words)?;
        }
        let common = self.words[..self.length].iter().zip(&words[..order - 1]).take_while(|(a, b)| a == b).count();
        if common < order - 1 {
            // Every word is a unigram, so that there is a basis.
            let basis = (1..=common).rev().find(|&length| self.probs[length - 1].is_some()).unwrap_or(1);
            let basis_prob = self.probs[basis - 1].unwrap_or(0.0);
            for length in common + 1..order {
                visitor.blank(&words[..length], basis, basis_prob)?;
                self.probs[length - 1] = None;
            }
        }
        self.words[..order].copy_from_slice(words);
        self.length = order;
        self.probs[order - 1] = Some(prob);
        Ok(())
    }
}
