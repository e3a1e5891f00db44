//! How documents flow through yuan-data, and what is already done.
//!
//! Documents travel in [`Batch`]es: Arrow columns outside, plain strings inside. A [`Stage`] looks at one
//! batch at a time; a [`Pass`] must see the whole corpus before it can act, and ends in a stage. A [`Plan`]
//! is a list of such steps; [`run()`] cuts it into sweeps over the documents and the documents into units,
//! records each finished unit in a manifest, and goes on there when it was killed.
//!
//! | module | what it answers |
//! |---|---|
//! | `batch`, `document`, `riders` | What does a stage see? |
//! | `stage`, `rules`, `pass` | What is a step? |
//! | `input`, `read`, `guard` | Where do documents come from? |
//! | `write`, `assemble` | Where do they go? |
//! | `plan`, `run`, `sweep`, `unit`, `feed`, `budget`, `rails` | Who does what when, and how much memory may it take? |
//! | `files` | What is done with files whatever is in them? |
//! | `manifest`, `summary` | What is done, and what came of it? |
//! | `retune` | What would other thresholds do? |

mod again;
mod assemble;
mod batch;
mod budget;
mod document;
mod error;
mod feed;
mod files;
mod guard;
mod input;
mod manifest;
mod pass;
mod plan;
mod progress;
mod rails;
mod read;
mod retune;
mod riders;
mod rules;
mod run;
mod stage;
mod summary;
mod sweep;
mod unit;
mod work;
mod write;

pub use batch::{Batch, Tally};
pub use document::{Document, Measure};
pub use error::{Error, Result};
pub use files::{hash_file, lock};
pub use guard::{guarded, guarded_batches, hush_guarded_panics};
pub use input::{Format, Input, OnBadRecord, Shard};
pub use pass::{Context, Pass, Scan};
pub use plan::{Plan, Step, Sweep, Work};
pub use progress::Progress;
pub use rails::{Breach, Rails};
pub use read::check_parquet;
pub use retune::{Change, Comparison, Naming, ReasonChange, Sample, Yield, compare, replay, samples};
pub use riders::{ColumnRiders, JsonRiders, Riders};
pub use rules::{Check, Measured, Rules, Tunable, Unit, judge, reshaped};
pub use run::{RunOptions, check_folder, run};
pub use stage::{Columns, Detail, Finding, Reason, Stage, Verdict};
pub use summary::{FileSummary, SampleSummary, StepSummary, Summary, find_document, for_each_batch, stage_of};
pub use write::{Measures, Output, OutputFormat};
