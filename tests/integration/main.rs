//! The real binary on real documents. One module for each question; `support` makes folders and runs commands.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod ablate;
mod binidx;
mod broken_input;
mod bundled;
mod commands;
mod compat;
mod compression;
mod dedup;
mod eval_perplexity;
mod evaluation;
mod formats;
mod metamorphic;
mod mix;
mod model_commands;
mod model_generate;
mod model_scores;
mod phases;
mod resume;
mod retune;
mod samples;
mod scores;
mod serve;
mod serve_limits;
mod server;
mod substrings;
mod support;
mod threads;
mod tokenizer;
mod train_model;
mod yuan;
