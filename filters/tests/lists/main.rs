//! Word lists and lists of addresses: on real text, from files, beside datatrove.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it counted")]

mod corpora;
mod files;
mod oracle;
#[path = "../support/mod.rs"]
mod support;
