//! MinHash as published pipelines define it, bit for bit.
//!
//! [`Minhash`](crate::Minhash) is what we recommend; the stages here are for continuing, checking or replacing somebody
//! else's run: same signatures, same pairs, same documents kept.
//!
//! | stage | whose | file |
//! |---|---|---|
//! | `minhash_datatrove` | datatrove 0.10.1 (FineWeb, FineWeb-2) | `datatrove/` |
//! | `minhash_text_dedup` | text-dedup (250 permutations, SHA-1 by default) | `text_dedup.rs` |
//! | `minhash_data_juicer` | Data-Juicer 1.6.1 | `data_juicer.rs` |
//!
//! What they share: numpy's generator (`mt19937.rs`), permutations modulo 2⁶¹ − 1 (`permutations.rs`), Python's character
//! classes (`python.rs`), LSH parameters fitted to a threshold (`optimal.rs`), documents numbered as peers number them
//! (`partial.rs`), pairs in their order (`pairs.rs`), roots by their rules (`clusters.rs`), sorting beyond memory
//! (`../sorter.rs`).
//! Their words may come from a cutter that this crate does not have: [`WordCutter`].

mod clusters;
pub(crate) mod data_juicer;
pub(crate) mod datatrove;
mod mt19937;
mod optimal;
mod pairs;
mod partial;
mod permutations;
mod python;
mod python_set;
pub(crate) mod text_dedup;

pub(crate) use python::{is_decimal as is_python_decimal, is_word as is_python_word};

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The languages whose words datatrove cuts by rules that are matched exactly here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordLanguage {
    /// English: `spacy.blank("en")`.
    #[default]
    En,
    /// Chinese: jieba, by way of `spacy.blank("zh")`.
    Zh,
}

/// Cuts texts into words. Who puts the steps of a run together hands it in, so that this crate needs no dictionaries.
pub trait WordCutter: Send + Sync {
    /// Appends where the words of a text of this language lie, in bytes, in order, without white space.
    fn cut(&self, text: &str, language: WordLanguage, words: &mut Vec<Range<usize>>);
}
