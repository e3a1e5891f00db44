//! KenLM n-gram language models: querying, building and estimating, exact to the C++ tools.
//!
//! | file | what |
//! |---|---|
//! | `model.rs` | a model that answers: [`Model`] |
//! | `score/` | scoring many sentences at speed: [`Scorer`] |
//! | `state.rs` | what it remembers between words, what it answers |
//! | `estimate/` | estimating models: [`estimate::Estimator`] |
//! | `arpa_write.rs` | writing ARPA files |
//! | `vocab.rs` | words: their hash, their numbers |
//! | `search/` | looking n-grams up, in hash tables and in tries |
//! | `binary/` | the binary format: header, where sections lie, mapped bytes |
//! | `arpa/` | reading ARPA files |
//! | `build/` | building models from ARPA files: [`build_binary`], [`Model::from_arpa`] |
//! | `prefetch.rs` | asking for memory before it is needed |
//! | `probing.rs`, `bytes.rs` | hash tables and bit fields as KenLM lays them out |
//! | `error.rs` | the crate's error |

mod arpa;
mod arpa_write;
mod binary;
mod build;
mod bytes;
mod error;
pub mod estimate;
mod model;
mod prefetch;
mod probing;
mod score;
mod search;
mod state;
mod vocab;

pub use arpa_write::{ArpaWriter, push_float, push_ngram};
pub use binary::header::ModelKind;
pub use binary::storage::Load;
pub use build::{BuildOptions, BuildReport, build_binary};
pub use error::{Error, Result};
pub use model::Model;
pub use score::Scorer;
pub use state::{FullScore, MAX_ORDER, SentenceScore, State};
pub use vocab::{UNKNOWN, Vocabulary, WordIndex, hash_word, is_unknown_word};
