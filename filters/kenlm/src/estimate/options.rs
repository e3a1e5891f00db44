//! What can be set when a model is estimated, and the check of it.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// The longest n-grams that can be estimated.
pub const MAX_ORDER: usize = 16;

/// The vocabulary id of the word that stands for all unknown words.
pub const UNKNOWN: u32 = 0;
/// The vocabulary id of the start of a sentence.
pub const SENTENCE_START: u32 = 1;
/// The vocabulary id of the end of a sentence.
pub const SENTENCE_END: u32 = 2;

/// What happens to a word of the text that is spelt `<s>`, `</s>` or `<unk>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpecialSymbols {
    /// The sentence is refused (`lmplz`'s default).
    #[default]
    Refuse,
    /// The word is left out, as if it were white space (`lmplz --skip_symbols`).
    Skip,
}

/// How a model is estimated. The defaults are those of KenLM's `lmplz`.
#[derive(Debug, Clone)]
pub struct EstimateOptions {
    /// Length of the longest n-grams, from 1 to [`MAX_ORDER`]. Default 5.
    pub order: usize,
    /// N-grams with at most this count are left out, per order from the unigrams on; the last value holds for
    /// the remaining orders (`--prune`). Must not decrease. Empty, the default: nothing is pruned.
    pub prune: Vec<u64>,
    /// Whether unigrams are interpolated with the uniform distribution (the default), or `<unk>` gets all the
    /// mass that discounting set free, as in SRILM (`--interpolate_unigrams`).
    pub interpolate_unigrams: bool,
    /// What happens to `<s>`, `</s>` and `<unk>` in the text.
    pub special_symbols: SpecialSymbols,
    /// Discounts for the adjusted counts 1, 2 and 3 or more, used for the orders whose own cannot be computed
    /// (`--discount_fallback`). `None`, the default: such a corpus is an error.
    pub discount_fallback: Option<[f32; 3]>,
    /// When given, n-grams with a word that is not in this list are left out (`--limit_vocab_file`).
    pub limit_vocabulary: Option<Vec<Vec<u8>>>,
    /// A smaller vocabulary counts as this large for the uniform distribution (`--vocab_pad`). Default 0.
    pub vocabulary_padding: u64,
    /// Bytes of memory to use, beside the vocabulary (its words, and some 40 bytes for each). What does not fit
    /// goes to a temporary file. Default 1 GiB; 64 KiB are used in any case.
    pub memory_bytes: u64,
    /// Folder for the temporary file. Default: the system's.
    pub temp_dir: PathBuf,
    /// Threads to compute with; the result does not depend on it. Default 1.
    pub threads: usize,
}

impl Default for EstimateOptions {
    fn default() -> EstimateOptions {
        EstimateOptions {
            order: 5,
            prune: Vec::new(),
            interpolate_unigrams: true,
            special_symbols: SpecialSymbols::Refuse,
            discount_fallback: None,
            limit_vocabulary: None,
            vocabulary_padding: 0,
            memory_bytes: 1 << 30,
            temp_dir: std::env::temp_dir(),
            threads: 1,
        }
    }
}

/// The discounts that `lmplz --discount_fallback` uses when no values are given.
pub const DEFAULT_DISCOUNT_FALLBACK: [f32; 3] = [0.5, 1.0, 1.5];

impl EstimateOptions {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |option, reason: String| Err(Error::Setting { option, reason });
        if !(1..=MAX_ORDER).contains(&self.order) {
            return refuse("order", format!("must be from 1 to {MAX_ORDER}, not {}", self.order));
        }
        if self.prune.len() > self.order {
            let given = self.prune.len();
            return refuse("prune", format!("has {given} thresholds, but the model has order {}", self.order));
        }
        if let Some(pair) = self.prune.windows(2).find(|pair| pair[0] > pair[1]) {
            return refuse(
                "prune",
                format!(
                    "must not decrease from one order to the next ({} before {}): a kept n-gram would lack its suffix",
                    pair[0], pair[1]
                ),
            );
        }
        if let Some(discounts) = self.discount_fallback {
            for (discount, count) in discounts.into_iter().zip(1u8..) {
                if !(0.0..=f32::from(count)).contains(&discount) {
                    return refuse(
                        "discount_fallback",
                        format!("for count {count} must be from 0 to {count}, not {discount}"),
                    );
                }
            }
        }
        if self.vocabulary_padding > 0 && !self.interpolate_unigrams {
            return refuse("vocabulary_padding", "needs `interpolate_unigrams`".to_string());
        }
        if self.threads == 0 {
            return refuse("threads", "must be at least 1".to_string());
        }
        Ok(())
    }

    /// The pruning threshold of each order.
    pub(crate) fn thresholds(&self) -> Vec<u64> {
        let last = self.prune.last().copied().unwrap_or(0);
        (0..self.order).map(|index| self.prune.get(index).copied().unwrap_or(last)).collect()
    }
}
