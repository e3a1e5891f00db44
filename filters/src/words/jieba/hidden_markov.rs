//! The hidden Markov model that finds words the dictionary lacks: a character begins a word (B), ends one
//! (E), stands inside one (M) or alone (S). The best sequence of states is found by Viterbi's algorithm.

use std::ops::Range;

use super::dictionary::Dictionary;

const B: usize = 0;
const E: usize = 1;
const M: usize = 2;
const S: usize = 3;

/// Memory reused from run to run.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each character but the first and each of its states, the best state before.
    previous: Vec<[u8; 4]>,
    states: Vec<u8>,
}

impl Scratch {
    /// Calls `word` for each word of a run of Chinese characters, by their numbers.
    pub(super) fn cut(&mut self, dictionary: &Dictionary, points: &[u16], mut word: impl FnMut(Range<usize>)) {
        self.find_states(dictionary, points);
        let (mut begin, mut next) = (0, 0);
        for (at, &state) in self.states.iter().enumerate() {
            match usize::from(state) {
                B => begin = at,
                E => {
                    word(begin..at + 1);
                    next = at + 1;
                }
                S => {
                    word(at..at + 1);
                    next = at + 1;
                }
                _ => {}
            }
        }
        if next < points.len() {
            word(next..points.len());
        }
    }

    fn find_states(&mut self, dictionary: &Dictionary, points: &[u16]) {
        let transitions = &dictionary.transitions;
        let emitted = dictionary.emissions(points[0]);
        let mut best: [f64; 4] = std::array::from_fn(|state| dictionary.start[state] + emitted[state]);
        self.previous.clear();
        for &point in &points[1..] {
            let emitted = dictionary.emissions(point);
            // A state can follow two others; of equals Python's `max` takes the later letter, here `high`.
            let step = |state: usize, low: usize, high: usize| {
                let from_low = best[low] + transitions[low][state] + emitted[state];
                let from_high = best[high] + transitions[high][state] + emitted[state];
                if from_high >= from_low { (from_high, high as u8) } else { (from_low, low as u8) }
            };
            let steps = [step(B, E, S), step(E, B, M), step(M, B, M), step(S, E, S)];
            best = steps.map(|(score, _)| score);
            self.previous.push(steps.map(|(_, state)| state));
        }
        let mut state = if best[S] >= best[E] { S as u8 } else { E as u8 };
        self.states.clear();
        self.states.resize(points.len(), state);
        for (at, previous) in self.previous.iter().enumerate().rev() {
            state = previous[usize::from(state)];
            self.states[at] = state;
        }
    }
}
