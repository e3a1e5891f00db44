//! How likely is it, to a neural model?

pub mod config;
pub mod convert;
mod dtype;
mod error;
pub mod generate;
pub mod weights;

pub use config::{Config, Description};
pub use dtype::DType;
pub use error::{Error, Result};
