//! Looking n-grams up: from the last word backwards, one word longer at a time.
//!
//! | file | what |
//! |---|---|
//! | `probing.rs` | hash tables |
//! | `trie.rs` | bit-packed tries of all four kinds |

pub(crate) mod probing;
pub(crate) mod trie;

use crate::state::{FullScore, State, has_extension};
use crate::vocab::WordIndex;

/// An n-gram below the highest order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) prob: f32,
    pub(crate) backoff: f32,
    /// No longer n-gram ends with this one.
    pub(crate) independent_left: bool,
}

/// A structure that holds n-grams. All lookups are total: whatever the bytes are, they end and stay within them.
pub(crate) trait Search {
    /// Where a lookup stands: at an n-gram that was found.
    type Node: Copy;

    /// Highest order.
    fn order(&self) -> usize;

    /// A word alone. A number that is no word's is taken for that of `<unk>`.
    fn unigram(&self, bytes: &[u8], word: WordIndex) -> (Found, Self::Node);

    /// The n-gram at the node with one word more to the left; `level` is its order less 2.
    fn middle(&self, bytes: &[u8], level: usize, word: WordIndex, node: &mut Self::Node) -> Option<Found>;

    /// The n-gram of the highest order with one word more to the left than the node.
    fn longest(&self, bytes: &[u8], word: WordIndex, node: Self::Node) -> Option<f32>;
}

/// Scores `word` after `history` and leaves the state behind it in `next`. Additions are in KenLM's order.
#[inline(always)]
pub(crate) fn full_score<S: Search>(
    search: &S,
    bytes: &[u8],
    history: &State,
    word: WordIndex,
    next: &mut State,
) -> FullScore {
    let (unigram, mut node) = search.unigram(bytes, word);
    let mut prob = unigram.prob;
    let mut ngram_length = 1;
    let mut independent_left = unigram.independent_left;
    next.words[0] = word;
    next.backoffs[0] = unigram.backoff;
    let mut state_length = u8::from(has_extension(unigram.backoff));

    for (level, &left) in history.words().iter().enumerate() {
        if independent_left {
            break;
        }
        if level == search.order() - 2 {
            if let Some(longest) = search.longest(bytes, left, node) {
                prob = longest;
                ngram_length = search.order() as u8;
            }
            break;
        }
        let Some(found) = search.middle(bytes, level, left, &mut node) else { break };
        prob = found.prob;
        independent_left = found.independent_left;
        ngram_length = level as u8 + 2;
        next.backoffs[level + 1] = found.backoff;
        if has_extension(found.backoff) {
            state_length = ngram_length;
        }
    }
    next.length = state_length;
    let carried = (state_length as usize).saturating_sub(1);
    next.words[1..=carried].copy_from_slice(&history.words[..carried]);
    for &backoff in history.backoffs().iter().skip(ngram_length as usize - 1) {
        prob += backoff;
    }
    FullScore { log10_prob: prob, ngram_length }
}
