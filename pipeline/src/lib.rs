//! How documents flow through yuan-data, and what is already done.
//!
//! Documents travel in [`Batch`]es (Arrow columns outside, plain strings inside). A [`Stage`] looks at one
//! batch at a time; a [`Pass`] must see the whole corpus before it can act.

mod batch;
mod document;
mod error;
mod pass;
mod riders;
mod stage;

pub use batch::{Batch, Tally};
pub use document::{Document, Measure};
pub use error::{Error, Result};
pub use pass::{Context, Pass, Scan};
pub use riders::{ColumnRiders, JsonRiders, Riders};
pub use stage::{Columns, Detail, Finding, Reason, Stage, Verdict};
