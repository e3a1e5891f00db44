//! Scoring many sentences: as [`Model::score_sentence`] scores each, in a fraction of the time.
//!
//! A model is much larger than the processor's caches, so that a lookup waits for memory most of the time. Here tokens
//! pass through a ring: one that enters has its lookups started, and by the time that it leaves they have ended. Which
//! n-grams there are depends on words alone, never on scores, so the lookups of many tokens can wait for memory together;
//! only adding up, from state to state, goes one token after another.
//!
//! | file | what |
//! |---|---|
//! | `pipeline.rs` | the ring, lookups under way, the state from token to token |
//! | `probing.rs`, `trie.rs` | the steps of a lookup |

mod pipeline;
mod probing;
mod trie;

use crate::model::{Model, Structure};
use crate::prefetch::prefetch;
use crate::state::{FullScore, SentenceScore};
use crate::vocab::{WordIndex, hash_word};
use pipeline::{Pipeline, Sink, Steps};
use probing::ProbingSteps;
use trie::TrieSteps;

/// Scores sentences with one model, for one thread. Memory: some 8 KiB, reused.
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
            let mut words = WordsAhead::new(model);
            for sentence in sentences {
                words.push(Coming::Begin(begin), pipeline, &mut sums);
                for_each_word(sentence, |word| {
                    let hash = hash_word(word);
                    prefetch(&model.bytes, model.vocabulary.home(hash));
                    words.push(Coming::Word(hash), pipeline, &mut sums);
                });
                words.push(Coming::End(end), pipeline, &mut sums);
            }
            words.finish(pipeline, &mut sums);
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

/// How many words are known by their hashes before their numbers are looked up.
const WORDS_AHEAD: usize = 16;

/// Words on their way to their numbers.
struct WordsAhead<'m> {
    model: &'m Model,
    ring: [Coming; WORDS_AHEAD],
    count: usize,
}

#[derive(Clone, Copy)]
enum Coming {
    Begin(bool),
    /// By its hash.
    Word(u64),
    End(bool),
}

impl<'m> WordsAhead<'m> {
    fn new(model: &'m Model) -> WordsAhead<'m> {
        WordsAhead { model, ring: [Coming::Word(0); WORDS_AHEAD], count: 0 }
    }

    #[inline(always)]
    fn push<S: Steps>(&mut self, coming: Coming, pipeline: &mut Pipeline<'m, S>, sink: &mut impl Sink) {
        let at = self.count % WORDS_AHEAD;
        if self.count >= WORDS_AHEAD {
            self.pass(self.ring[at], pipeline, sink);
        }
        self.ring[at] = coming;
        self.count += 1;
    }

    fn finish<S: Steps>(&mut self, pipeline: &mut Pipeline<'m, S>, sink: &mut impl Sink) {
        for at in self.count.saturating_sub(WORDS_AHEAD)..self.count {
            self.pass(self.ring[at % WORDS_AHEAD], pipeline, sink);
        }
        self.count = 0;
    }

    #[inline(always)]
    fn pass<S: Steps>(&self, coming: Coming, pipeline: &mut Pipeline<'m, S>, sink: &mut impl Sink) {
        match coming {
            Coming::Begin(begin) => pipeline.begin(begin, sink),
            Coming::Word(hash) => {
                pipeline.word(self.model.vocabulary.index_of_hash(&self.model.bytes, hash), sink);
            }
            Coming::End(end) => pipeline.end(end, sink),
        }
    }
}
