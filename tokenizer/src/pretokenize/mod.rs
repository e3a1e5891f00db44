//! Cutting text into the pieces that merges never cross.
//!
//! Our own pattern follows GPT-4's (`cl100k_base` of tiktoken), with four differences for Chinese and code:
//! - a run of Han characters is a piece of its own: it holds no punctuation, no Latin letter and no
//!   leading space, so that the same words give the same tokens wherever they stand;
//! - a word takes along a leading space, tab or ASCII sign, not any leading character;
//! - `'s`, `'ll`… are split off only where the word ends there (`'static` is one piece);
//! - marks belong to their letters, so that vowel signs do not cut words of Indic and Thai script.
//!
//! Digits are pieces one by one (YAYI 2, PolyLM, LLaMA) unless grouped or kept.
//!
//! A pattern stands in `tokenizer.json` and any regex engine can run it; the patterns of well-known tokenizers
//! ([`known`]) and ours are here written out, without backtracking, in time linear in the text and without
//! allocation. Other patterns go to the regex engine of `tokenizers`, which is also the oracle of the tests and was
//! asked for the [classes] of characters, so that the two never disagree over a Unicode version.

mod chain;
mod cl100k;
mod classes;
mod deepseek;
mod gpt2;
mod known;
mod o200k;
mod ours;
mod scan;
mod sets;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

pub(crate) use chain::PreTokenizer;
use chain::Step;
use known::Known;
pub(crate) use known::named;
pub use ours::pattern;

/// What becomes of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// Each digit is a token.
    #[default]
    Split,
    /// Three digits at most are a piece, counted from the left (GPT-4, Llama 3, DeepSeek).
    Groups,
    /// A run of digits is a piece like a word.
    Keep,
}

fn regex(pattern: &str) -> tokenizers::Result<Split> {
    Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false)
}

/// Whether a pattern is known to leave no character of any text out of its matches.
pub(crate) fn is_total(pattern: &str) -> bool {
    Known::of(pattern).is_some_and(|known| known.is_total())
}

/// Cuts text into pieces that together are the text.
pub(crate) struct Splitter(Cut);

enum Cut {
    /// One step.
    One(Step),
    /// Every step cuts the pieces of the one before; more than one, or none.
    Chain(Vec<Step>),
}

impl Splitter {
    /// A splitter by this pattern.
    #[cfg(test)]
    pub(crate) fn new(pattern: &str) -> tokenizers::Result<Self> {
        Step::of(pattern).map(|step| Self(Cut::One(step)))
    }

    fn of_steps(mut steps: Vec<Step>) -> Self {
        Self(match steps.pop() {
            Some(step) if steps.is_empty() => Cut::One(step),
            last => {
                steps.extend(last);
                Cut::Chain(steps)
            }
        })
    }

    /// Whether a piece always ends where a letter is followed by white space or a mark of Chinese text.
    pub(crate) fn cuts_after_words(&self) -> bool {
        let Cut::One(Step::Known(known)) = &self.0 else { return false };
        matches!(known, Known::Ours(_) | Known::Gpt2 | Known::Cl100k(_) | Known::O200k(_))
    }

    /// Whether no regex engine is asked.
    #[cfg(test)]
    pub(crate) fn is_written_out(&self) -> bool {
        let steps = match &self.0 {
            Cut::One(step) => std::slice::from_ref(step),
            Cut::Chain(steps) => steps,
        };
        steps.iter().all(|step| matches!(step, Step::Known(_) | Step::Digits { .. }))
    }

    /// Hands over the pieces in order. Linear in the text but for patterns that a regex engine runs.
    #[inline]
    pub(crate) fn split<'t>(&self, text: &'t str, mut piece: impl FnMut(&'t str)) {
        match &self.0 {
            Cut::One(Step::Known(known)) => known.split(text, piece),
            Cut::One(step) => step.split(text, &mut piece),
            Cut::Chain(steps) => chain::split(steps, text, &mut piece),
        }
    }
}
