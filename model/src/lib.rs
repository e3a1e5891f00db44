//! How likely is it, to a neural model?

pub mod backend;
mod batch;
pub mod bundled;
pub mod check;
pub mod config;
pub mod continuations;
pub mod convert;
mod dtype;
pub mod engine;
mod error;
pub mod generate;
mod model;
pub mod perplexity;
mod qwen2_moe;
mod rope;
mod stage;
mod transformer;
pub mod weights;
mod yuan;

pub use batch::{Batch, first_keys_after_eod, positions_after_eod};
pub use config::{Config, Description};
pub use dtype::DType;
pub use error::{Error, Result};
pub use model::{Model, Options, Place, Precision, WIDENED};
pub use rope::{AngleTable, Angles};
pub use stage::{Encode, Limits, Moe, MoeConfig, tokenizer_of};
pub use transformer::{State, Trace, Traced, Transformer};
