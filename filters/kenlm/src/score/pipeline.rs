//! A ring of tokens. Those that enter have their lookups started: walks from a word to longer and longer n-grams, each of
//! which waits for memory. Some walks are under way at once and take steps in turn, so that they wait together. Tokens
//! leave in order, when their walks have ended; then their scores are added up from state to state.

use crate::model::Model;
use crate::search::Found;
use crate::state::{FullScore, MAX_ORDER, has_extension};
use crate::vocab::{UNKNOWN, WordIndex};

/// Places in the ring.
const RING: usize = 64;
/// Most tokens in the ring. Those that have left stay readable until their places are needed, and a token looks back at
/// up to as many as the highest order.
const IN_FLIGHT: usize = RING - MAX_ORDER - 4;
/// Walks that are under way at once: about as many cache lines as a core can wait for.
const WALKS: usize = 12;

/// Is told of scores, in order.
pub(super) trait Sink {
    fn word(&mut self, score: FullScore, unknown: bool);

    /// A sentence has ended.
    fn end(&mut self);
}

/// How a structure is walked through, a step at a time.
pub(super) trait Steps {
    /// Where a walk is. What its next step looks at was asked for.
    type Walk: Copy + Default;

    /// Asks for what [`Self::begin`] looks at.
    fn ask(&self, bytes: &[u8], word: WordIndex);

    /// Begins the walk of a token; `None` if it has ended already.
    fn begin(&self, bytes: &[u8], ring: &mut Ring, token: usize) -> Option<Self::Walk>;

    /// A step; whether there are more.
    fn step(&self, bytes: &[u8], ring: &mut Ring, token: usize, walk: &mut Self::Walk) -> bool;
}

/// The last tokens, by their numbers.
pub(super) struct Ring {
    places: [Place; RING],
}

#[derive(Clone, Copy)]
struct Place {
    word: WordIndex,
    kind: Kind,
    /// How many of the words before it belong to its history.
    context: u8,
    /// Length of the longest n-gram that its walk has found.
    depth: u8,
    done: bool,
    /// For each depth, how much of the history a state behind it holds.
    state_lengths: [u8; MAX_ORDER],
    probs: [f32; MAX_ORDER],
    backoffs: [f32; MAX_ORDER],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// `<s>`, or the place where it would be: a sentence begins.
    Begin,
    Word,
    /// `</s>`.
    Marker,
    /// A sentence ends without `</s>`.
    End,
}

impl Ring {
    #[inline(always)]
    pub(super) fn word(&self, token: usize) -> WordIndex {
        self.places[token % RING].word
    }

    /// The word `distance` before a token, from 0 for the one next to it, if its history may reach there.
    ///
    /// No state is longer than what the token before it has found and what longer n-grams begin with; once that is
    /// known, there is no need to look for n-grams with more.
    #[inline(always)]
    pub(super) fn context(&self, token: usize, distance: usize) -> Option<WordIndex> {
        let before = &self.places[token.wrapping_sub(1) % RING];
        let longest = before.state_lengths[(before.depth as usize).saturating_sub(1) % MAX_ORDER];
        let reaches = !before.done || distance < longest as usize;
        if distance < self.places[token % RING].context as usize && reaches {
            Some(self.places[token.wrapping_sub(1 + distance) % RING].word)
        } else {
            None
        }
    }

    /// Takes in the next longer n-gram, below the highest order, that ends with a token.
    #[inline(always)]
    pub(super) fn found(&mut self, token: usize, found: Found) {
        let place = &mut self.places[token % RING];
        let depth = place.depth as usize % MAX_ORDER;
        let shorter = place.state_lengths[depth.saturating_sub(1)];
        place.probs[depth] = found.prob;
        place.backoffs[depth] = found.backoff;
        place.depth = depth as u8 + 1;
        let shorter = if depth == 0 { 0 } else { shorter };
        place.state_lengths[depth] = if has_extension(found.backoff) { place.depth } else { shorter };
    }

    /// Takes in the n-gram of the highest order that ends with a token.
    #[inline(always)]
    pub(super) fn found_longest(&mut self, token: usize, prob: f32) {
        let place = &mut self.places[token % RING];
        let depth = place.depth as usize % MAX_ORDER;
        place.probs[depth] = prob;
        place.state_lengths[depth] = place.state_lengths[depth.saturating_sub(1)];
        place.depth = depth as u8 + 1;
    }
}

/// Tokens between entering and leaving, and the state behind the last one that left.
pub(super) struct Pipeline<'m, S: Steps> {
    model: &'m Model,
    steps: S,
    ring: Ring,
    /// Numbers of tokens that have entered, of those whose walks have begun, and of those that have left.
    entered: usize,
    begun: usize,
    left: usize,
    /// How many words the history of the next token has.
    context: usize,
    /// Walks under way, with their tokens.
    walks: [(usize, S::Walk); WALKS],
    active: usize,
    /// Length of the state; its words and back-offs are those of the last token that left.
    state_length: usize,
}

impl<'m, S: Steps> Pipeline<'m, S> {
    pub(super) fn new(model: &'m Model, steps: S) -> Pipeline<'m, S> {
        let place = Place {
            word: 0,
            kind: Kind::End,
            context: 0,
            depth: 0,
            done: true,
            state_lengths: [0; MAX_ORDER],
            probs: [0.0; MAX_ORDER],
            backoffs: [0.0; MAX_ORDER],
        };
        Pipeline {
            model,
            steps,
            ring: Ring { places: [place; RING] },
            entered: 0,
            begun: 0,
            left: 0,
            context: 0,
            walks: [(0, S::Walk::default()); WALKS],
            active: 0,
            state_length: 0,
        }
    }

    /// A sentence begins, with or without `<s>`.
    #[inline(always)]
    pub(super) fn begin(&mut self, marker: bool, sink: &mut impl Sink) {
        self.context = usize::from(marker);
        let state = self.model.begin_sentence_state();
        let place = self.enter(state.words[0], Kind::Begin, sink);
        place.context = u8::from(marker);
        place.backoffs[0] = state.backoffs[0];
    }

    /// The next word of the sentence.
    #[inline(always)]
    pub(super) fn word(&mut self, word: WordIndex, sink: &mut impl Sink) {
        let word = self.model.known(word);
        self.steps.ask(&self.model.bytes, word);
        self.enter(word, Kind::Word, sink);
        self.context = (self.context + 1).min(self.model.order() - 1);
    }

    /// The sentence ends, with or without `</s>`.
    #[inline(always)]
    pub(super) fn end(&mut self, marker: bool, sink: &mut impl Sink) {
        let kind = if marker { Kind::Marker } else { Kind::End };
        self.enter(self.model.vocabulary.end_sentence, kind, sink);
    }

    /// All tokens leave.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        while self.left < self.entered {
            self.leave(sink);
        }
    }

    #[inline(always)]
    fn enter(&mut self, word: WordIndex, kind: Kind, sink: &mut impl Sink) -> &mut Place {
        if self.entered - self.left == IN_FLIGHT {
            self.leave(sink);
        }
        let place = &mut self.ring.places[self.entered % RING];
        self.entered += 1;
        place.word = word;
        place.kind = kind;
        place.context = self.context as u8;
        place.depth = 0;
        place.done = false;
        place
    }

    #[inline(always)]
    fn leave(&mut self, sink: &mut impl Sink) {
        let token = self.left;
        let kind = self.ring.places[token % RING].kind;
        if matches!(kind, Kind::Word | Kind::Marker) {
            while !self.ring.places[token % RING].done {
                self.turn();
            }
            let score = self.score(token);
            sink.word(score, kind == Kind::Word && self.ring.word(token) == UNKNOWN);
        } else if kind == Kind::Begin {
            self.state_length = self.ring.places[token % RING].context as usize;
        }
        if matches!(kind, Kind::Marker | Kind::End) {
            sink.end();
        }
        self.left += 1;
        // A token without a walk can leave before its turn to begin one has come.
        self.begun = self.begun.max(self.left);
    }

    /// The score of a token whose walk has ended, after the state behind the token before it; additions are in KenLM's
    /// order.
    #[inline(always)]
    fn score(&mut self, token: usize) -> FullScore {
        let history = &self.ring.places[token.wrapping_sub(1) % RING];
        let place = &self.ring.places[token % RING];
        // What is not in the state does not count, although the walk has gone on.
        let length = (place.depth as usize).min(self.state_length + 1);
        let last = length.saturating_sub(1) % MAX_ORDER;
        let mut prob = place.probs[last];
        for &backoff in history.backoffs.iter().take(self.state_length).skip(last) {
            prob += backoff;
        }
        self.state_length = place.state_lengths[last] as usize;
        FullScore { log10_prob: prob, ngram_length: length as u8 }
    }

    /// A step of each walk; where one has ended, that of the next token begins.
    #[inline(always)]
    fn turn(&mut self) {
        let bytes = &self.model.bytes[..];
        let mut at = 0;
        while at < self.active {
            let (token, walk) = &mut self.walks[at];
            if self.steps.step(bytes, &mut self.ring, *token, walk) {
                at += 1;
                continue;
            }
            self.ring.places[*token % RING].done = true;
            match self.begin_next(bytes) {
                Some(next) => {
                    self.walks[at] = next;
                    at += 1;
                }
                None => {
                    self.active -= 1;
                    self.walks[at] = self.walks[self.active];
                }
            }
        }
        while self.active < WALKS {
            let Some(next) = self.begin_next(bytes) else { break };
            self.walks[self.active] = next;
            self.active += 1;
        }
    }

    /// Begins walks until one has steps to take.
    #[inline(always)]
    fn begin_next(&mut self, bytes: &[u8]) -> Option<(usize, S::Walk)> {
        while self.begun < self.entered {
            let token = self.begun;
            self.begun += 1;
            if matches!(self.ring.places[token % RING].kind, Kind::Word | Kind::Marker) {
                if let Some(walk) = self.steps.begin(bytes, &mut self.ring, token) {
                    return Some((token, walk));
                }
                self.ring.places[token % RING].done = true;
            }
        }
        None
    }
}
