//! Blanks: n-grams that are missing although a longer one ends with them. SRILM prunes so; KenLM's own estimates have
//! none. Their probability is what backing off gives them.

use super::sort::{Sorted, Sorter};
use super::words::Words;
use crate::error::{Error, Result};
use crate::state::{NO_EXTENSION, has_extension, set_extension};
use crate::vocab::WordIndex;
use std::path::Path;

/// Counts n-grams and collects blanks while they are walked over; then tells what they are worth.
pub(super) struct Blanks<'w> {
    /// Number of n-grams of each order from 1, with blanks.
    pub(super) counts: Vec<u64>,
    /// Of each order from 1, the probabilities of the blanks, in the order of the walk.
    probs: Vec<Vec<f32>>,
    /// For each length of contexts from 1: the context's words, then order and number (two halves) of a blank that its
    /// back-off is added to.
    requests: Vec<Vec<u32>>,
    /// For each length of contexts from 1: n-grams that are contexts of blanks, ascending.
    pub(super) contexts: Vec<Vec<u32>>,
    /// For each length from 1: blanks that are contexts of other blanks, ascending.
    blank_contexts: Vec<Vec<u32>>,
    words: &'w Words,
    arpa: &'w Path,
}

impl<'w> Blanks<'w> {
    pub(super) fn new(order: usize, words: &'w Words, arpa: &'w Path) -> Blanks<'w> {
        let lists = || vec![Vec::new(); order];
        Blanks {
            counts: vec![0; order],
            probs: vec![Vec::new(); order],
            requests: lists(),
            contexts: lists(),
            blank_contexts: lists(),
            words,
            arpa,
        }
    }

    /// The probabilities of the blanks of an order.
    pub(super) fn probs(&self, order: usize) -> &[f32] {
        &self.probs[order - 1]
    }

    /// Adds the back-offs of contexts: of words, then of the n-grams in `sorted`, from order 2.
    pub(super) fn add_backoffs(&mut self, unigrams: &mut [(f32, f32)], sorted: &[Sorted]) -> Result<()> {
        for request in self.requests[0].chunks_exact(4) {
            let backoff = &mut unigrams[request[0] as usize].1;
            *backoff = set_extension(*backoff);
            self.probs[request[1] as usize - 1][number(&request[2..])] += *backoff;
        }
        for length in 2..self.requests.len() {
            let requests = std::mem::take(&mut self.requests[length - 1]);
            if !requests.is_empty() {
                self.add_middle_backoffs(length, requests, &sorted[length - 2])?;
            }
        }
        Ok(())
    }

    fn add_middle_backoffs(&mut self, length: usize, requests: Vec<u32>, ngrams: &Sorted) -> Result<()> {
        let width = length + 3;
        let count = (requests.len() / width) as u64;
        let mut sorter = Sorter::new(width, length, count, u64::MAX, Path::new("."));
        for request in requests.chunks_exact(width) {
            sorter.push(request.iter().copied())?;
        }
        let requests = sorter.finish()?;
        let mut requests = requests.records()?;
        let mut ngrams = ngrams.records()?;
        // KenLM stops at the last n-gram: contexts beyond it stay unmarked. Scores are the same; so are the bytes.
        while let (Some(request), Some(ngram)) = (requests.peek(), ngrams.peek()) {
            let context = &request[..length];
            match ngram[..length].cmp(context) {
                std::cmp::Ordering::Less => {
                    ngrams.advance()?;
                    continue;
                }
                std::cmp::Ordering::Greater => self.blank_contexts[length - 1].extend_from_slice(context),
                std::cmp::Ordering::Equal => {
                    let backoff = f32::from_bits(ngram[length + 1]);
                    if has_extension(backoff) {
                        self.probs[request[length] as usize - 1][number(&request[length + 1..])] += backoff;
                    } else {
                        self.contexts[length - 1].extend_from_slice(context);
                    }
                }
            }
            requests.advance()?;
        }
        Ok(())
    }

    /// What to write for the blanks of each order, in the order of the walk.
    pub(super) fn weights(&self) -> BlankWeights<'_> {
        BlankWeights { blanks: self, next: vec![0; self.counts.len()], context: vec![0; self.counts.len()] }
    }
}

/// The number of a blank from its two halves.
fn number(halves: &[u32]) -> usize {
    (u64::from(halves[0]) | u64::from(halves[1]) << 32) as usize
}

impl super::merge::Visitor for Blanks<'_> {
    fn unigram(&mut self, _: WordIndex) -> Result<()> {
        self.counts[0] += 1;
        Ok(())
    }

    fn middle(&mut self, words: &[WordIndex], _: f32, _: f32) -> Result<()> {
        self.counts[words.len() - 1] += 1;
        Ok(())
    }

    fn blank(&mut self, words: &[WordIndex], basis: usize, prob: f32) -> Result<()> {
        let order = words.len();
        self.counts[order - 1] += 1;
        let number = self.probs[order - 1].len() as u64;
        for length in basis..order {
            let request = &mut self.requests[length - 1];
            request.extend_from_slice(&words[1..=length]);
            request.extend([order as u32, number as u32, (number >> 32) as u32]);
        }
        self.probs[order - 1].push(prob);
        Ok(())
    }

    fn longest(&mut self, words: &[WordIndex], _: f32) -> Result<()> {
        self.counts[words.len() - 1] += 1;
        Ok(())
    }

    fn duplicate(&mut self, words: &[WordIndex]) -> Result<()> {
        Err(Error::build(self.arpa, format!("it has the n-gram `{}` twice", self.words.spell(words))))
    }
}

/// Hands out the weights of blanks.
pub(super) struct BlankWeights<'b> {
    blanks: &'b Blanks<'b>,
    /// The next blank of each order.
    next: Vec<usize>,
    /// Where in the blanks that are contexts the walk is.
    context: Vec<usize>,
}

impl BlankWeights<'_> {
    /// Probability and back-off of the next blank of its order.
    pub(super) fn take(&mut self, words: &[WordIndex]) -> (f32, f32) {
        let level = words.len() - 1;
        let prob = self.blanks.probs[level][self.next[level]];
        self.next[level] += 1;
        let contexts = &self.blanks.blank_contexts[level];
        let extends = seek(contexts, &mut self.context[level], words);
        (prob, if extends { 0.0 } else { NO_EXTENSION })
    }
}

/// Whether `words` is in an ascending list of such; `at` is where the last search ended.
pub(super) fn seek(list: &[u32], at: &mut usize, words: &[WordIndex]) -> bool {
    while let Some(candidate) = list.get(*at..*at + words.len()) {
        match candidate.cmp(words) {
            std::cmp::Ordering::Less => *at += words.len(),
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => return false,
        }
    }
    false
}
