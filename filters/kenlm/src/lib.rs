//! KenLM n-gram language models: querying, building and estimating, exact to the C++ tools.
//!
//! | file | what |
//! |---|---|
//! | `error.rs` | the crate's error |
//! | `vocab.rs` | words: their hash, their numbers |
//! | `probing.rs`, `bytes.rs` | hash tables and bit fields as KenLM lays them out |

mod bytes;
mod error;
mod probing;
mod vocab;

pub use error::{Error, Result};
pub use vocab::{UNKNOWN, Vocabulary, WordIndex, hash_word, is_unknown_word};
