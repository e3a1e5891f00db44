//! How good is a language model?

pub mod scorers;
