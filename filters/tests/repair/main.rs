//! The stages that mend text, beside the tools that they follow and on real text.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it counted")]

mod boilerplate;
mod ccnet;
mod opencc;
mod real_text;
#[path = "../support/mod.rs"]
mod support;
