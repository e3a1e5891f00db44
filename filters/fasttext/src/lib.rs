//! fastText models: reading, predicting, training and quantising, exact to the C++ library.
//!
//! | question | files |
//! |---|---|
//! | what is stored beside the numbers | `args.rs`, `dictionary/` |
//! | text → tokens → hashes | `tokens.rs`, `hash.rs` |
//! | where the numbers lie | `matrix/`, `bytes.rs` |
//! | what can be wrong | `error.rs` |

mod args;
mod bytes;
mod dictionary;
mod error;
mod hash;
mod matrix;
mod tokens;

pub use args::{Args, Loss, MAX_NGRAM, ModelKind};
pub use bytes::Bytes;
pub use dictionary::{Dictionary, Entry, EntryKind, KeptBuckets, Line};
pub use error::{Error, Result};
pub use hash::{hash, hash_next_word};
pub use matrix::{CENTROIDS, DenseMatrix, Matrix, ProductQuantiser, QuantisedMatrix, QuantisedNorms};
pub use tokens::{END_OF_LINE, LABEL_PREFIX, MAX_LINE_SIZE, is_separator, next_token, next_word};
