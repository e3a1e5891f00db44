//! A ring of tokens whose lookups are under way.

use super::is_unknown;
use crate::model::Model;
use crate::state::{FullScore, MAX_ORDER, State};
use crate::vocab::WordIndex;

/// Is told of scores, in order.
pub(super) trait Sink {
    fn word(&mut self, score: FullScore, unknown: bool);

    /// A sentence has ended.
    fn end(&mut self);
}

/// Lookups that run ahead of the scores.
pub(super) trait Ahead {
    /// Number of tokens in the ring; a power of two.
    const SLOTS: usize;

    /// Starts the lookups of a token in a slot: `word` with what stands before it, the nearest word first.
    fn enter(&mut self, bytes: &[u8], slot: usize, word: WordIndex, context: &[WordIndex]);

    /// Sees to it that the lookups of a slot have ended.
    fn settle(&mut self, bytes: &[u8], slot: usize);

    /// The score of a slot's token after a state.
    fn score(&self, bytes: &[u8], slot: usize, word: WordIndex, history: &State, next: &mut State) -> FullScore;
}

/// Tokens between entering and leaving, and the state behind the last one that left.
pub(super) struct Pipeline<'m, A> {
    model: &'m Model,
    ahead: A,
    tokens: Vec<Token>,
    /// Number of tokens that have entered, and left.
    entered: usize,
    left: usize,
    /// What stands before the next token, the nearest word first.
    context: [WordIndex; MAX_ORDER - 1],
    context_length: usize,
    /// What the next token starts with.
    start: Start,
    state: State,
}

#[derive(Clone, Copy)]
struct Token {
    word: WordIndex,
    start: Start,
    scored: bool,
    /// It is `</s>`, put there by [`Pipeline::end`].
    marker: bool,
    ends: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Start {
    /// The state of the token before.
    Inner,
    /// The state behind `<s>`.
    Begin,
    /// No state at all.
    Nothing,
}

impl<'m, A: Ahead> Pipeline<'m, A> {
    pub(super) fn new(model: &'m Model, ahead: A) -> Pipeline<'m, A> {
        let token = Token { word: 0, start: Start::Inner, scored: false, marker: false, ends: false };
        Pipeline {
            model,
            ahead,
            tokens: vec![token; A::SLOTS],
            entered: 0,
            left: 0,
            context: [0; MAX_ORDER - 1],
            context_length: 0,
            start: Start::Nothing,
            state: State::default(),
        }
    }

    /// A sentence begins, with or without `<s>`.
    #[inline(always)]
    pub(super) fn begin(&mut self, marker: bool) {
        self.start = if marker { Start::Begin } else { Start::Nothing };
        self.context_length = usize::from(marker);
        self.context[0] = self.model.vocabulary.begin_sentence;
    }

    /// The next word of the sentence.
    #[inline(always)]
    pub(super) fn word(&mut self, word: WordIndex, sink: &mut impl Sink) {
        let word = self.model.known(word);
        self.enter(word, false, false, sink);
        let kept = self.model.order() - 1;
        self.context.copy_within(..kept - 1, 1);
        self.context[0] = word;
        self.context_length = (self.context_length + 1).min(kept);
    }

    /// The sentence ends, with or without `</s>`.
    #[inline(always)]
    pub(super) fn end(&mut self, marker: bool, sink: &mut impl Sink) {
        if marker {
            self.enter(self.model.vocabulary.end_sentence, true, true, sink);
            return;
        }
        self.make_room(sink);
        let start = std::mem::replace(&mut self.start, Start::Inner);
        self.tokens[self.entered % A::SLOTS] = Token { word: 0, start, scored: false, marker: false, ends: true };
        self.entered += 1;
    }

    /// All tokens leave.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        while self.left < self.entered {
            self.leave(sink);
        }
    }

    #[inline(always)]
    fn enter(&mut self, word: WordIndex, marker: bool, ends: bool, sink: &mut impl Sink) {
        self.make_room(sink);
        let slot = self.entered % A::SLOTS;
        let start = std::mem::replace(&mut self.start, Start::Inner);
        self.tokens[slot] = Token { word, start, scored: true, marker, ends };
        self.ahead.enter(&self.model.bytes, slot, word, &self.context[..self.context_length]);
        self.entered += 1;
    }

    #[inline(always)]
    fn make_room(&mut self, sink: &mut impl Sink) {
        if self.entered - self.left == A::SLOTS {
            self.leave(sink);
        }
    }

    #[inline(always)]
    fn leave(&mut self, sink: &mut impl Sink) {
        let slot = self.left % A::SLOTS;
        let token = self.tokens[slot];
        match token.start {
            Start::Inner => {}
            Start::Begin => self.state = self.model.begin_sentence_state(),
            Start::Nothing => self.state = State::default(),
        }
        if token.scored {
            let bytes = &self.model.bytes;
            self.ahead.settle(bytes, slot);
            let mut next = State::default();
            let score = self.ahead.score(bytes, slot, token.word, &self.state, &mut next);
            self.state = next;
            sink.word(score, !token.marker && is_unknown(token.word));
        }
        if token.ends {
            sink.end();
        }
        self.left += 1;
    }
}
