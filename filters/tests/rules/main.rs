//! The rules on real documents: agreement with the tools that they come from, faults of those tools, thresholds.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it counted")]

mod cjk_faults;
mod documents;
mod gopher;
mod jieba_cuts;
mod judged;
mod ratios;
#[path = "../support/mod.rs"]
mod support;
mod thresholds;
mod web;
