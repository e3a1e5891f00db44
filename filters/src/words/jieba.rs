//! Chinese words: the cuts of Python jieba 0.42.1, `jieba.cut(text, cut_all=False, HMM=True)`.
//!
//! Source: the documented algorithm (longest probability path over the dictionary's words, then a hidden
//! Markov model for runs of single characters), with jieba's own dictionary and model tables
//! (`filters/data/PROVENANCE.md`). Sums are made in Python's order and ties broken as Python's `max` of
//! tuples breaks them, so that the cuts are equal, not alike.

mod dictionary;
mod hidden_markov;

use std::cell::RefCell;
use std::ops::Range;

use dictionary::{Dictionary, FIRST_HAN, LAST_HAN};

use super::Span;
use super::classes::{Classes, SPACE, decode};

/// Memory reused from text to text.
#[derive(Default)]
struct Scratch {
    /// The characters of a block, all of them below U+10000.
    points: Vec<u16>,
    /// Their codes in the dictionary, 0 for those in no word.
    codes: Vec<u16>,
    /// Where each begins, in bytes; one more for the end.
    offsets: Vec<u32>,
    /// The best log probability of the block from here to its end.
    scores: Vec<f64>,
    /// How many characters the first word of that best way has.
    lengths: Vec<u8>,
    hidden: hidden_markov::Scratch,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Appends the words of `text[range]`; white space is left out.
pub(super) fn cut(text: &str, range: Range<usize>, words: &mut Vec<Span>) {
    let (dictionary, classes) = (Dictionary::get(), Classes::get());
    SCRATCH.with_borrow_mut(|scratch| {
        let mut at = range.start;
        while at < range.end {
            let next = scratch.read_block(dictionary, text, at..range.end);
            if next > at {
                scratch.cut_block(dictionary, words);
                at = next;
                continue;
            }
            // Outside blocks every character stands alone.
            let (character, length) = decode(text, at);
            if classes.of(character) & SPACE == 0 {
                words.push(Span::new(at..at + length));
            }
            at += length;
        }
    });
}

/// Characters that can be part of one block: jieba's `re_han_default`.
const fn joins_block(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'#' | b'&' | b'.' | b'_' | b'%' | b'-')
}

const JOINS_BLOCK: [bool; 128] = {
    let mut table = [false; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = joins_block(byte);
        byte += 1;
    }
    table
};

impl Scratch {
    /// Reads characters until one does not belong to the block; the place after the last.
    fn read_block(&mut self, dictionary: &Dictionary, text: &str, range: Range<usize>) -> usize {
        let bytes = &text.as_bytes()[..range.end];
        self.points.clear();
        self.codes.clear();
        self.offsets.clear();
        let mut at = range.start;
        loop {
            let (point, length) = match bytes[at..] {
                [byte @ ..0x80, ..] if JOINS_BLOCK[usize::from(byte)] => (u16::from(byte), 1),
                [a @ 0xE4..=0xE9, b, c, ..] => {
                    let point = u16::from(a & 0xF) << 12 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F);
                    if !(FIRST_HAN..=LAST_HAN).contains(&point) {
                        break;
                    }
                    (point, 3)
                }
                _ => break,
            };
            self.points.push(point);
            self.codes.push(dictionary.code(point));
            self.offsets.push(at as u32);
            at += length;
        }
        self.offsets.push(at as u32);
        at
    }

    /// Cuts the block that was read.
    fn cut_block(&mut self, dictionary: &Dictionary, words: &mut Vec<Span>) {
        let count = self.codes.len();
        dictionary.best_ways(&self.codes, &mut self.scores, &mut self.lengths);
        let (mut at, mut singles) = (0, 0);
        while at < count {
            let length = usize::from(self.lengths[at]);
            if length > 1 {
                self.cut_singles(dictionary, singles..at, words);
                words.push(self.span(at..at + length));
                singles = at + length;
            }
            at += length;
        }
        self.cut_singles(dictionary, singles..count, words);
    }

    /// Cuts a run of characters that the dictionary left alone.
    fn cut_singles(&mut self, dictionary: &Dictionary, run: Range<usize>, words: &mut Vec<Span>) {
        if run.len() < 2 || dictionary.is_word(&self.codes[run.clone()]) {
            words.extend(run.map(|at| self.span(at..at + 1)));
            return;
        }
        let mut at = run.start;
        while at < run.end {
            let start = at;
            let is_han = self.points[at] >= FIRST_HAN;
            while at < run.end && (self.points[at] >= FIRST_HAN) == is_han {
                at += 1;
            }
            if is_han {
                let (points, offsets) = (&self.points[start..at], &self.offsets[start..=at]);
                self.hidden.cut(dictionary, points, |word| {
                    words.push(Span { start: offsets[word.start], end: offsets[word.end] });
                });
            } else {
                self.cut_ascii(start..at, words);
            }
        }
    }

    /// Cuts ASCII into letters and digits (with a decimal part and `%`) and what lies between them: splits
    /// at `[a-zA-Z0-9]+(?:\.\d+)?%?`.
    fn cut_ascii(&self, run: Range<usize>, words: &mut Vec<Span>) {
        let is = |at: usize, test: fn(&u8) -> bool| at < run.end && test(&(self.points[at] as u8));
        let mut at = run.start;
        while at < run.end {
            let start = at;
            while is(at, u8::is_ascii_alphanumeric) {
                at += 1;
            }
            if at > start {
                if is(at, |byte| *byte == b'.') && is(at + 1, u8::is_ascii_digit) {
                    at += 1;
                    while is(at, u8::is_ascii_digit) {
                        at += 1;
                    }
                }
                if is(at, |byte| *byte == b'%') {
                    at += 1;
                }
            } else {
                while is(at, |byte| !byte.is_ascii_alphanumeric()) {
                    at += 1;
                }
            }
            words.push(self.span(start..at));
        }
    }

    fn span(&self, characters: Range<usize>) -> Span {
        Span { start: self.offsets[characters.start], end: self.offsets[characters.end] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut spans = Vec::new();
        cut(text, 0..text.len(), &mut spans);
        spans.iter().map(|span| &text[span.range()]).collect()
    }

    /// Cuts of jieba 0.42.1.
    #[test]
    fn texts_are_cut_as_python_jieba_cuts_them() {
        for cut in include_str!("../../../tests/fixtures/gopher/chinese_words.txt").lines() {
            let (text, expected) = cut.split_once('\t').expect("a text and its words");
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
    }
}
