//! Scoring many sentences: as [`Model::score_sentence`] scores each, in a fraction of the time.
//!
//! A model is much larger than the processor's caches, so that a lookup waits for memory most of the time. Here tokens
//! are taken some hundred at a time, and n-grams looked up length by length: while one token's bucket is read, those of
//! the others come near, so that they wait for memory together, and every loop does one simple thing. Only adding up
//! goes one token after another.
//!
//! | file | what |
//! |---|---|
//! | `pipeline.rs` | the window, the states within it, the state between windows |
//! | `probing.rs`, `trie.rs` | lookups of each structure |

mod pipeline;
mod probing;
mod trie;

use crate::model::{Model, Structure};
use crate::prefetch::prefetch;
use crate::state::{FullScore, SentenceScore};
use crate::vocab::{WordIndex, hash_word};
use pipeline::{Pipeline, Sink};
use probing::ProbingSteps;
use trie::TrieSteps;

/// Scores sentences with one model, for one thread. Memory: some 15 KiB, reused.
///
/// ```no_run
/// # fn main() -> yuan_kenlm::Result<()> {
/// let model = yuan_kenlm::Model::open("en.probing.bin")?;
/// let mut scorer = yuan_kenlm::Scorer::new(&model);
/// for score in scorer.score_texts([&b"this is it"[..], b"and that"], true, true) {
///     println!("{:.1}", score.perplexity());
/// }
/// # Ok(()) }
/// ```
pub struct Scorer<'m> {
    model: &'m Model,
    engine: Engine<'m>,
}

enum Engine<'m> {
    Probing(Box<Pipeline<'m, ProbingSteps<'m>>>),
    Trie(Box<Pipeline<'m, TrieSteps<'m>>>),
}

/// Runs `$body` with `$pipeline` bound to the pipeline, of whichever type it is.
macro_rules! with_pipeline {
    ($scorer:expr, $pipeline:ident => $body:expr) => {
        match &mut $scorer.engine {
            Engine::Probing($pipeline) => $body,
            Engine::Trie($pipeline) => $body,
        }
    };
}

impl<'m> Scorer<'m> {
    /// A scorer that asks `model`.
    pub fn new(model: &'m Model) -> Scorer<'m> {
        let engine = match &model.structure {
            Structure::Probing(search) => Engine::Probing(Box::new(Pipeline::new(model, ProbingSteps { search }))),
            Structure::Trie(search) => Engine::Trie(Box::new(Pipeline::new(model, TrieSteps { search }))),
        };
        Scorer { model, engine }
    }

    /// Scores sentences of word numbers; each score equals [`Model::score_sentence`] in every bit.
    pub fn score_batch<'s>(
        &mut self,
        sentences: impl IntoIterator<Item = &'s [WordIndex]>,
        begin: bool,
        end: bool,
    ) -> Vec<SentenceScore> {
        let mut sums = Sums::default();
        with_pipeline!(self, pipeline => {
            for sentence in sentences {
                pipeline.begin(begin, &mut sums);
                for &word in sentence {
                    pipeline.word(word, &mut sums);
                }
                pipeline.end(end, &mut sums);
            }
            pipeline.finish(&mut sums);
        });
        sums.done
    }

    /// Scores sentences of words between white space (what C's `isspace` takes for it, as KenLM's `query` does; a line
    /// end is white space as well).
    pub fn score_texts<'t>(
        &mut self,
        sentences: impl IntoIterator<Item = &'t [u8]>,
        begin: bool,
        end: bool,
    ) -> Vec<SentenceScore> {
        let mut sums = Sums::default();
        let model = self.model;
        with_pipeline!(self, pipeline => {
            for sentence in sentences {
                pipeline.begin(begin, &mut sums);
                for_each_word(sentence, |word| {
                    let hash = hash_word(word);
                    prefetch(&model.bytes, model.vocabulary.home(hash));
                    pipeline.hash(hash, &mut sums);
                });
                pipeline.end(end, &mut sums);
            }
            pipeline.finish(&mut sums);
        });
        sums.done
    }

    /// Scores each word of one sentence, with `end` also `</s>`, into `scores`, which is cleared before. Each score
    /// equals [`Model::full_score`] in every bit.
    pub fn full_scores(&mut self, sentence: &[WordIndex], begin: bool, end: bool, scores: &mut Vec<FullScore>) {
        scores.clear();
        with_pipeline!(self, pipeline => {
            pipeline.begin(begin, scores);
            for &word in sentence {
                pipeline.word(word, scores);
            }
            pipeline.end(end, scores);
            pipeline.finish(scores);
        });
    }
}

/// Calls `each` for all words between white space.
#[inline(always)]
fn for_each_word<'t>(text: &'t [u8], mut each: impl FnMut(&'t [u8])) {
    let mut start = 0;
    for (at, &byte) in text.iter().enumerate() {
        if matches!(byte, b' ' | b'\t'..=b'\r') {
            if start < at {
                each(&text[start..at]);
            }
            start = at + 1;
        }
    }
    if start < text.len() {
        each(&text[start..]);
    }
}

/// Sums of the sentences.
#[derive(Default)]
struct Sums {
    current: SentenceScore,
    done: Vec<SentenceScore>,
}

impl Sink for Sums {
    #[inline(always)]
    fn word(&mut self, score: FullScore, unknown: bool) {
        self.current.add(score.log10_prob, unknown);
    }

    #[inline(always)]
    fn end(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
    }
}

impl Sink for Vec<FullScore> {
    #[inline(always)]
    fn word(&mut self, score: FullScore, _: bool) {
        self.push(score);
    }

    fn end(&mut self) {}
}
