//! The real binary on real documents. One module for each question; `support` makes folders and runs commands.

mod broken_input;
mod commands;
mod formats;
mod resume;
mod support;
mod threads;
