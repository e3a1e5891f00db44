//! fastText models: reading, predicting, training and quantising, exact to the C++ library.
//!
//! | question | files |
//! |---|---|
//! | what is stored beside the numbers | `args.rs`, `dictionary/` |
//! | text → tokens → hashes | `tokens.rs`, `hash.rs` |
//! | where the numbers lie | `matrix/`, `bytes.rs` |
//! | the file, byte by byte | `format/`, `model.rs` |
//! | text → labels with probabilities | `predict.rs`, `output/` |
//! | words and texts → vectors | `vectors.rs` |
//! | examples → a model | `train/` |
//! | a model → a small model | `quantize/` |
//! | how good predictions are | `evaluate/` |
//! | C++'s random numbers, sorting, maps | `libstdcxx/` |
//! | what can be wrong | `error.rs` |

mod args;
mod bytes;
mod dictionary;
mod error;
pub mod evaluate;
mod fetch;
mod format;
mod hash;
mod libstdcxx;
mod matrix;
mod model;
mod output;
mod predict;
pub mod quantize;
mod tokens;
pub mod train;
mod vectors;

pub use args::{Args, Loss, MAX_NGRAM, ModelKind};
pub use bytes::Bytes;
pub use dictionary::{Dictionary, Entry, EntryKind, KeptBuckets, Line};
pub use error::{Error, Result};
pub use hash::{hash, hash_next_word};
pub use matrix::{CENTROIDS, DenseMatrix, Matrix, ProductQuantiser, QuantisedMatrix, QuantisedNorms};
pub use model::Model;
pub use output::{Huffman, Sigmoid};
pub use predict::{ALL_LABELS, Prediction, Scratch};
pub use tokens::{END_OF_LINE, LABEL_PREFIX, MAX_LINE_SIZE, is_separator, next_token, next_word};
pub use vectors::TextVectors;
