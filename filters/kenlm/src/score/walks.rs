//! Walks: the lookups of a token go from its word to longer and longer n-grams, and each waits for memory. Some walks are
//! under way at once and take steps in turn, so that they wait together.

use super::pipeline::Ahead;
use crate::search::{Found, Search, full_score};
use crate::state::{FullScore, MAX_ORDER, State};
use crate::vocab::WordIndex;

/// Walks that are under way at once: as many as a core can have cache lines on their way.
const WALKS: usize = 12;

/// How a structure is walked through, a step at a time.
pub(super) trait Steps {
    /// Where a walk is. What its next step looks at was asked for.
    type Walk: Copy + Default;

    /// Asks for what [`Self::begin`] looks at.
    fn ask(&self, bytes: &[u8], word: WordIndex);

    /// Begins the walk of a token; `None` if it has ended already.
    fn begin(&self, bytes: &[u8], token: &mut Token) -> Option<Self::Walk>;

    /// A step; whether there are more.
    fn step(&self, bytes: &[u8], token: &mut Token, walk: &mut Self::Walk) -> bool;

    /// Highest order.
    fn order(&self) -> usize;
}

/// A token and what its walk has found.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) word: WordIndex,
    context: [WordIndex; MAX_ORDER - 1],
    context_length: u8,
    /// How many orders below the highest were found.
    depth: u8,
    done: bool,
    found: [Found; MAX_ORDER - 1],
    longest: Option<f32>,
}

impl Token {
    /// The word `distance` before the token, from 0 for the one next to it.
    #[inline(always)]
    pub(super) fn context(&self, distance: usize) -> Option<WordIndex> {
        if distance < self.context_length as usize { Some(self.context[distance]) } else { None }
    }

    /// Takes in the next longer n-gram.
    #[inline(always)]
    pub(super) fn found(&mut self, found: Found) {
        self.found[self.depth as usize] = found;
        self.depth += 1;
    }

    /// Takes in the n-gram of the highest order.
    #[inline(always)]
    pub(super) fn found_longest(&mut self, prob: f32) {
        self.longest = Some(prob);
    }
}

/// Tokens, and the walks of some of them.
pub(super) struct Walks<S: Steps> {
    steps: S,
    tokens: Vec<Token>,
    /// Under way: the token's slot, and the walk.
    walks: [(usize, S::Walk); WALKS],
    active: usize,
    /// Slots in the order in which their walks begin, as a ring; and how many have entered and begun.
    queue: Vec<usize>,
    entered: usize,
    begun: usize,
}

impl<S: Steps> Walks<S> {
    pub(super) fn new(steps: S) -> Walks<S> {
        let token = Token {
            word: 0,
            context: [0; MAX_ORDER - 1],
            context_length: 0,
            depth: 0,
            done: true,
            found: [Found { prob: 0.0, backoff: 0.0, independent_left: true }; MAX_ORDER - 1],
            longest: None,
        };
        Walks {
            steps,
            tokens: vec![token; Self::SLOTS],
            walks: [(0, S::Walk::default()); WALKS],
            active: 0,
            queue: vec![0; Self::SLOTS],
            entered: 0,
            begun: 0,
        }
    }

    /// A step of each walk; where one has ended, that of the next token begins.
    #[inline(always)]
    fn turn(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < self.active {
            let (slot, walk) = &mut self.walks[at];
            let token = &mut self.tokens[*slot];
            if self.steps.step(bytes, token, walk) {
                at += 1;
                continue;
            }
            token.done = true;
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
            let slot = self.queue[self.begun % Self::SLOTS];
            self.begun += 1;
            let token = &mut self.tokens[slot];
            if let Some(walk) = self.steps.begin(bytes, token) {
                return Some((slot, walk));
            }
            token.done = true;
        }
        None
    }
}

impl<S: Steps> Ahead for Walks<S> {
    const SLOTS: usize = 32;

    #[inline(always)]
    fn enter(&mut self, bytes: &[u8], slot: usize, word: WordIndex, context: &[WordIndex]) {
        self.steps.ask(bytes, word);
        let token = &mut self.tokens[slot];
        token.word = word;
        token.context[..context.len()].copy_from_slice(context);
        token.context_length = context.len() as u8;
        token.depth = 0;
        token.done = false;
        token.longest = None;
        self.queue[self.entered % Self::SLOTS] = slot;
        self.entered += 1;
    }

    #[inline(always)]
    fn settle(&mut self, bytes: &[u8], slot: usize) {
        while !self.tokens[slot].done {
            self.turn(bytes);
        }
    }

    #[inline(always)]
    fn score(&self, bytes: &[u8], slot: usize, word: WordIndex, history: &State, next: &mut State) -> FullScore {
        let walked = Walked { token: &self.tokens[slot], order: self.steps.order() };
        full_score(&walked, bytes, history, word, next)
    }
}

/// What the walk of one token has found, as a search.
struct Walked<'a> {
    token: &'a Token,
    order: usize,
}

impl Search for Walked<'_> {
    type Node = ();

    #[inline(always)]
    fn order(&self) -> usize {
        self.order
    }

    #[inline(always)]
    fn unigram(&self, _: &[u8], _: WordIndex) -> (Found, ()) {
        (self.token.found[0], ())
    }

    #[inline(always)]
    fn middle(&self, _: &[u8], level: usize, _: WordIndex, (): &mut ()) -> Option<Found> {
        if level + 1 < self.token.depth as usize { Some(self.token.found[level + 1]) } else { None }
    }

    #[inline(always)]
    fn longest(&self, _: &[u8], _: WordIndex, (): ()) -> Option<f32> {
        self.token.longest
    }
}
