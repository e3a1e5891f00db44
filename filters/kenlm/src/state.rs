//! What a model remembers from word to word, and what it answers.

use crate::vocab::WordIndex;

/// Highest order of a model.
pub const MAX_ORDER: usize = 12;

/// The words that the probability of the next word can depend on, the last one first, with their back-offs.
///
/// It holds no more than matters: words that no longer n-gram of the model begins with, and whose back-off is zero, are
/// left out, so that two histories with equal states have equal continuations (KenLM's state minimisation).
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    pub(crate) words: [WordIndex; MAX_ORDER - 1],
    pub(crate) backoffs: [f32; MAX_ORDER - 1],
    pub(crate) length: u8,
}

impl State {
    /// The words, the last one first.
    pub fn words(&self) -> &[WordIndex] {
        &self.words[..self.length as usize]
    }

    /// For each length of the history from 1, the back-off of the n-gram that it is.
    pub fn backoffs(&self) -> &[f32] {
        &self.backoffs[..self.length as usize]
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.words() == other.words()
    }
}

impl Eq for State {}

impl std::hash::Hash for State {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.words().hash(hasher);
    }
}

/// The score of one word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FullScore {
    /// Base-10 logarithm of the word's probability after its history.
    pub log10_prob: f32,
    /// Length of the longest n-gram of the model that ends with the word, from 1.
    pub ngram_length: u8,
}

/// The score of a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SentenceScore {
    /// Sum of the base-10 logarithms, added in single precision from the first word to the last, as KenLM's `query` does.
    pub log10_prob: f32,
    /// Number of scored words, `</s>` among them if it was asked for.
    pub tokens: u32,
    /// Number of words that the model does not know.
    pub unknown: u32,
    /// The part of [`Self::log10_prob`] that unknown words have, summed in double precision.
    pub unknown_log10_prob: f64,
}

impl SentenceScore {
    /// Perplexity: `10^(−log10_prob / tokens)`; not a number for no tokens.
    pub fn perplexity(&self) -> f64 {
        10f64.powf(-f64::from(self.log10_prob) / f64::from(self.tokens))
    }
}

/// A zero back-off of an n-gram that no longer n-gram begins with; a positive zero says that one does.
pub(crate) const NO_EXTENSION: f32 = -0.0;

/// Whether an n-gram with this back-off belongs into a state.
#[inline(always)]
pub(crate) fn has_extension(backoff: f32) -> bool {
    backoff.to_bits() != NO_EXTENSION.to_bits()
}

/// Marks a back-off as that of an n-gram that a longer one begins with.
#[inline(always)]
pub(crate) fn set_extension(backoff: f32) -> f32 {
    if backoff == 0.0 { 0.0 } else { backoff }
}
