//! The settings that are stored in a model.

use std::fmt;

use crate::{Error, Result};

/// How the output layer turns a hidden vector into scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Loss {
    /// Hierarchical softmax: a Huffman tree over the labels.
    Hs = 1,
    /// Negative sampling: independent sigmoids.
    Ns = 2,
    /// Softmax over all labels.
    Softmax = 3,
    /// One-vs-all: independent sigmoids, for texts with several labels.
    Ova = 4,
}

/// What a model was trained to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ModelKind {
    /// Word vectors: a word from the words around it.
    Cbow = 1,
    /// Word vectors: the words around a word.
    Skipgram = 2,
    /// Labels of texts.
    Supervised = 3,
}

/// The settings that a model file stores, with the types and the order it stores them in.
///
/// Settings that shape the training alone (learning rate, threads, seed) are not part of a model. The names are those of
/// fastText's command line (`-wordNgrams` is `word_ngrams`).
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// Length of the vectors.
    pub dim: i32,
    /// Words to either side that cbow and skipgram look at.
    pub ws: i32,
    /// Passes over the training text.
    pub epoch: i32,
    /// Words seen fewer times in training are left out.
    pub min_count: i32,
    /// Negatives drawn for a positive.
    pub neg: i32,
    /// Longest word n-gram that is a feature; 1 and less: words alone.
    pub word_ngrams: i32,
    /// The output layer.
    pub loss: Loss,
    /// What the model was trained to do.
    pub model: ModelKind,
    /// Rows that hashed n-grams share.
    pub bucket: i32,
    /// Shortest character n-gram, in code points with the word's borders `<` and `>`.
    pub minn: i32,
    /// Longest character n-gram; 0 and less: none.
    pub maxn: i32,
    /// Tokens after which a training thread reports its progress.
    pub lr_update_rate: i32,
    /// Frequency above which cbow and skipgram begin to skip words.
    pub t: f64,
}

/// Longest character or word n-gram that a model may ask for.
///
/// A feature is made for each length at each place, so a damaged length would take a text's time times two thousand
/// million. fastText models in use stay below 10.
pub const MAX_NGRAM: i32 = 255;

impl Args {
    /// The defaults of `fasttext supervised`, `cbow` or `skipgram`.
    pub fn new(model: ModelKind) -> Self {
        let supervised = model == ModelKind::Supervised;
        Self {
            dim: 100,
            ws: 5,
            epoch: 5,
            min_count: if supervised { 1 } else { 5 },
            neg: 5,
            word_ngrams: 1,
            loss: if supervised { Loss::Softmax } else { Loss::Ns },
            model,
            bucket: 2_000_000,
            minn: if supervised { 0 } else { 3 },
            maxn: if supervised { 0 } else { 6 },
            lr_update_rate: 100,
            t: 1e-4,
        }
    }

    /// Whether texts have features beside their words, which lie in the buckets.
    pub fn has_ngrams(&self) -> bool {
        self.word_ngrams > 1 || self.has_subwords()
    }

    /// Whether words have character n-grams.
    pub fn has_subwords(&self) -> bool {
        self.maxn > 0 && self.minn <= self.maxn
    }

    /// Checks what every use of a model relies on.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a vector length below 1, a negative number of buckets, n-grams without buckets or longer
    /// than [`MAX_NGRAM`].
    pub fn validate(&self) -> Result<()> {
        if self.dim < 1 {
            return Err(Error::malformed("dim", format!("vectors of length {}", self.dim)));
        }
        if self.bucket < 0 {
            return Err(Error::malformed("bucket", format!("{} buckets", self.bucket)));
        }
        for (field, length) in [("maxn", self.maxn), ("wordNgrams", self.word_ngrams)] {
            if length > MAX_NGRAM {
                return Err(Error::malformed(field, format!("n-grams of length {length}, more than {MAX_NGRAM}")));
            }
        }
        if self.bucket == 0 && self.has_ngrams() {
            return Err(Error::malformed("bucket", "n-grams are asked for, but there are 0 buckets for them"));
        }
        Ok(())
    }
}

impl Loss {
    /// The loss with this number in a model file.
    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Hs, Self::Ns, Self::Softmax, Self::Ova].into_iter().find(|loss| *loss as i32 == number)
    }
}

impl ModelKind {
    /// The kind with this number in a model file.
    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Cbow, Self::Skipgram, Self::Supervised].into_iter().find(|kind| *kind as i32 == number)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hs => "hs",
            Self::Ns => "ns",
            Self::Softmax => "softmax",
            Self::Ova => "ova",
        })
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cbow => "cbow",
            Self::Skipgram => "skipgram",
            Self::Supervised => "supervised",
        })
    }
}
