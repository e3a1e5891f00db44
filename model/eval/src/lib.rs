//! How good is a language model?

pub mod data;
mod error;
pub mod lines;
mod model;
pub mod remote;
pub mod run;
pub mod sandbox;
pub mod scorers;
pub mod tasks;

pub use error::{Error, Result};
pub use model::{LanguageModel, Likelihood, Request, Take, Writing, Written};
