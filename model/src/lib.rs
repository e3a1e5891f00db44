//! How likely is it, to a neural model?

pub mod config;
mod error;
pub mod generate;
pub mod weights;

pub use config::Config;
pub use error::{Error, Result};
