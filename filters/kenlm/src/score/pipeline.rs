//! Windows of tokens. All lookups of one n-gram length are made for the whole window, then those of the next length: while
//! one token's are made, the memory that the others' need comes near, and the loops are short.

use crate::model::Model;
use crate::search::{Found, Search, full_score};
use crate::state::{FullScore, MAX_ORDER, State, has_extension};
use crate::vocab::{UNKNOWN, WordIndex};

/// Places for tokens, and for the history before the first of them. A power of two, so that a place is in bounds by a mask.
const PLACES: usize = 128;
/// The place of a window's first token.
const FIRST: usize = MAX_ORDER;

/// Is told of scores, in order.
pub(super) trait Sink {
    fn word(&mut self, score: FullScore, unknown: bool);

    /// A sentence has ended.
    fn end(&mut self);
}

/// How a structure is asked, with the memory asked for before it is read.
pub(super) trait Steps {
    type Search: Search;
    /// An n-gram, to which longer ones may belong.
    type Node: Copy;
    /// On the way to an n-gram of one word more. What is looked at next was asked for.
    type Walk: Copy + Default;

    fn search(&self) -> &Self::Search;

    /// Asks for what [`Self::unigram`] looks at.
    fn ask(&self, bytes: &[u8], word: WordIndex);

    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, Self::Node);

    /// Sets out from a node to the n-gram with `left` before it; `level` is its order less 2.
    fn onward(&self, bytes: &[u8], level: usize, node: Self::Node, left: WordIndex) -> Option<Self::Walk>;

    /// Brings walks of one level to where they end.
    fn settle(&self, bytes: &[u8], level: usize, walks: &mut [(u8, Self::Walk)]);

    /// The n-gram of a walk that is settled, below the highest order.
    fn middle(&self, bytes: &[u8], level: usize, walk: &Self::Walk) -> Option<(Found, Self::Node)>;

    /// The probability of the n-gram of a walk that is settled, of the highest order.
    fn longest(&self, bytes: &[u8], walk: &Self::Walk) -> Option<f32>;
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// `<s>`, or the place where it would be: a sentence begins.
    Begin,
    Word,
    /// A word by its hash.
    Hash,
    /// `</s>`.
    Marker,
    /// A sentence ends without `</s>`.
    End,
}

/// Tokens that wait for their scores, and the state before them.
pub(super) struct Pipeline<'m, S: Steps> {
    model: &'m Model,
    steps: S,
    /// Behind the last token.
    end: usize,
    kinds: [Kind; PLACES],
    hashes: [u64; PLACES],
    words: [WordIndex; PLACES],
    /// Length of the longest n-gram found that ends with a token, and its probability.
    depths: [u8; PLACES],
    probs: [f32; PLACES],
    /// Length of the state behind a token.
    states: [u8; PLACES],
    /// By length less one: the back-offs of the n-grams found that end with a token.
    backoffs: [[f32; PLACES]; MAX_ORDER],
    /// Under way, with their places, in order.
    walks: [(u8, S::Walk); PLACES],
}

impl<'m, S: Steps> Pipeline<'m, S> {
    pub(super) fn new(model: &'m Model, steps: S) -> Pipeline<'m, S> {
        Pipeline {
            model,
            steps,
            end: FIRST,
            kinds: [Kind::End; PLACES],
            hashes: [0; PLACES],
            words: [0; PLACES],
            depths: [0; PLACES],
            probs: [0.0; PLACES],
            states: [0; PLACES],
            backoffs: [[0.0; PLACES]; MAX_ORDER],
            walks: [(0, S::Walk::default()); PLACES],
        }
    }

    /// A sentence begins, with or without `<s>`.
    #[inline(always)]
    pub(super) fn begin(&mut self, marker: bool, sink: &mut impl Sink) {
        let state = self.model.begin_sentence_state();
        let place = self.enter(Kind::Begin, sink);
        self.words[place] = state.words[0];
        self.states[place] = if marker { state.length } else { 0 };
        self.backoffs[0][place] = state.backoffs[0];
    }

    /// The next word of the sentence.
    #[inline(always)]
    pub(super) fn word(&mut self, word: WordIndex, sink: &mut impl Sink) {
        let word = self.model.known(word);
        self.steps.ask(&self.model.bytes, word);
        let place = self.enter(Kind::Word, sink);
        self.words[place] = word;
    }

    /// The next word of the sentence by its hash; its bucket in the vocabulary was asked for.
    #[inline(always)]
    pub(super) fn hash(&mut self, hash: u64, sink: &mut impl Sink) {
        let place = self.enter(Kind::Hash, sink);
        self.hashes[place] = hash;
    }

    /// The sentence ends, with or without `</s>`.
    #[inline(always)]
    pub(super) fn end(&mut self, marker: bool, sink: &mut impl Sink) {
        let place = self.enter(if marker { Kind::Marker } else { Kind::End }, sink);
        self.words[place] = self.model.vocabulary.end_sentence;
        self.states[place] = 0;
    }

    /// All tokens leave.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        self.run(sink);
    }

    #[inline(always)]
    fn enter(&mut self, kind: Kind, sink: &mut impl Sink) -> usize {
        if self.end == PLACES {
            self.run(sink);
        }
        let place = self.end % PLACES;
        self.kinds[place] = kind;
        self.end += 1;
        place
    }

    /// Scores the window's tokens, and keeps the state behind them for the next window.
    #[inline(never)]
    fn run(&mut self, sink: &mut impl Sink) {
        self.number_words();
        if self.look_up() {
            for place in FIRST..self.end {
                let place = place % PLACES;
                match self.kinds[place] {
                    Kind::Begin => {}
                    Kind::End => sink.end(),
                    kind => {
                        let score = self.score(place);
                        sink.word(score, kind != Kind::Marker && self.words[place] == UNKNOWN);
                        if kind == Kind::Marker {
                            sink.end();
                        }
                    }
                }
            }
            self.carry(self.state_at(self.end - 1));
        } else {
            let state = self.one_by_one(sink);
            self.carry(state);
        }
        self.end = FIRST;
    }

    #[inline(always)]
    fn number_words(&mut self) {
        let bytes = &self.model.bytes[..];
        for place in FIRST..self.end {
            let place = place % PLACES;
            if self.kinds[place] == Kind::Hash {
                let word = self.model.vocabulary.index_of_hash(bytes, self.hashes[place]);
                self.words[place] = self.model.known(word);
                self.steps.ask(bytes, self.words[place]);
            }
        }
    }

    /// Finds for each token the longest n-gram that ends with it, as far as the state before it reaches; `false` if that
    /// cannot be known length by length.
    ///
    /// While n-grams of a length are looked up, how long the state before a token is, is known up to that length: states
    /// grow word by word, as whatever follows an n-gram follows its last words too. Files that were tampered with may
    /// have it otherwise.
    #[inline(always)]
    fn look_up(&mut self) -> bool {
        let bytes = &self.model.bytes[..];
        let levels = self.model.order() - 2;
        let mut under_way = 0;
        for place in FIRST..self.end {
            let place = place % PLACES;
            if matches!(self.kinds[place], Kind::Begin | Kind::End) {
                continue;
            }
            let (found, node) = self.steps.unigram(bytes, self.words[place]);
            self.probs[place] = found.prob;
            self.backoffs[0][place] = found.backoff;
            self.depths[place] = 1;
            self.states[place] = u8::from(has_extension(found.backoff));
            self.set_out(bytes, place, 0, found, node, &mut under_way);
        }
        let mut grown = true;
        for level in 0..levels {
            let walks = under_way;
            under_way = 0;
            self.steps.settle(bytes, level, &mut self.walks[..walks]);
            for at in 0..walks {
                let (place, walk) = &self.walks[at];
                let place = *place as usize % PLACES;
                let Some((found, node)) = self.steps.middle(bytes, level, walk) else { continue };
                self.probs[place] = found.prob;
                self.backoffs[(level + 1) % MAX_ORDER][place] = found.backoff;
                self.depths[place] = level as u8 + 2;
                if has_extension(found.backoff) {
                    grown &= self.states[place] == level as u8 + 1;
                    self.states[place] = level as u8 + 2;
                }
                self.set_out(bytes, place, level + 1, found, node, &mut under_way);
            }
        }
        self.steps.settle(bytes, levels, &mut self.walks[..under_way]);
        for (place, walk) in &self.walks[..under_way] {
            if let Some(prob) = self.steps.longest(bytes, walk) {
                self.probs[*place as usize % PLACES] = prob;
                self.depths[*place as usize % PLACES] = levels as u8 + 2;
            }
        }
        grown
    }

    /// Sets out from an n-gram to the next longer one, if there can be one and the state before the token reaches there.
    #[inline(always)]
    fn set_out(
        &mut self,
        bytes: &[u8],
        place: usize,
        level: usize,
        found: Found,
        node: S::Node,
        under_way: &mut usize,
    ) {
        if found.independent_left || (self.states[(place - 1) % PLACES] as usize) <= level {
            return;
        }
        if let Some(walk) = self.steps.onward(bytes, level, node, self.words[(place - 1 - level) % PLACES]) {
            self.walks[*under_way] = (place as u8, walk);
            *under_way += 1;
        }
    }

    /// The score of a token; additions are in KenLM's order.
    #[inline(always)]
    fn score(&self, place: usize) -> FullScore {
        let before = (place - 1) % PLACES;
        let depth = self.depths[place];
        let mut prob = self.probs[place];
        // The first is that of as many words before it as the n-gram has.
        let first = (depth as usize).saturating_sub(1).min(MAX_ORDER);
        let last = (self.states[before] as usize).clamp(first, MAX_ORDER);
        for backoffs in &self.backoffs[first..last] {
            prob += backoffs[before];
        }
        FullScore { log10_prob: prob, ngram_length: depth }
    }

    /// As all the above, by the state before each token; the state behind the last.
    #[cold]
    fn one_by_one(&self, sink: &mut impl Sink) -> State {
        let mut history = self.state_at(FIRST - 1);
        let mut next = State::default();
        for place in FIRST..self.end {
            match self.kinds[place] {
                Kind::Begin => history = self.state_at(place),
                Kind::End => sink.end(),
                kind => {
                    let word = self.words[place];
                    let score = full_score(self.steps.search(), &self.model.bytes, &history, word, &mut next);
                    std::mem::swap(&mut history, &mut next);
                    sink.word(score, kind != Kind::Marker && word == UNKNOWN);
                    if kind == Kind::Marker {
                        sink.end();
                    }
                }
            }
        }
        history
    }

    /// The state behind the token at a place.
    fn state_at(&self, place: usize) -> State {
        let mut state = State { length: self.states[place], ..State::default() };
        for distance in 0..state.length as usize {
            state.words[distance] = self.words[place - distance];
            state.backoffs[distance] = self.backoffs[distance][place];
        }
        state
    }

    /// Puts a state before the first token.
    fn carry(&mut self, state: State) {
        self.states[FIRST - 1] = state.length;
        for distance in 0..state.length as usize {
            self.words[FIRST - 1 - distance] = state.words[distance];
            self.backoffs[distance][FIRST - 1] = state.backoffs[distance];
        }
    }
}
