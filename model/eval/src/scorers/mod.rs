//! Right or wrong: how Yuan 2.0 and Yuan2.0-M32 find the answer in what a model wrote, and compare it with the right one.
//!
//! What is scored is a *record*: prompt and text in one line, `<n>` for newlines, `[SEP]` between question and answer
//! ([`clean::record`]). Where the published scorers raise an exception, their drivers count the item as wrong; here these are
//! [`Unscorable`].

pub mod clean;
pub mod cloze;
pub mod gsm8k;
pub mod humaneval;
pub mod letters;
pub mod math;
pub mod mathqa;
mod patterns;
mod standing;
pub mod truthfulqa;

/// A record the published scorer fails on: no `[SEP]`, a division by zero, a pattern that takes too long. It counts as wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unscorable;

/// What a scorer finds, or [`Unscorable`].
pub type Scored<T> = Result<T, Unscorable>;

/// Whose rules: where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Yuan 2.0.
    Yuan2,
    /// Yuan2.0-M32.
    M32,
}

/// What stands between the first `[SEP]` and the next one or the end.
fn answer_of(record: &str) -> Scored<&str> {
    record.split("[SEP]").nth(1).ok_or(Unscorable)
}
