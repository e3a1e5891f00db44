//! What is done with scores: thresholds by expression, by percentile of a language or source.
//!
//! | file | what |
//! |---|---|
//! | `expression.rs`, `keep_where.rs` | documents of which an expression over their columns holds |
//! | `cutoffs.rs`, `percentiles.rs`, `buckets.rs` | head, middle and tail, by a table or learnt |
//! | `prepare.rs`, `units.rs` | what a model's tokens are |

mod buckets;
mod cutoffs;
mod expression;
mod keep_where;
mod percentiles;
mod prepare;
mod units;

pub use buckets::{Buckets, BucketsConfig};
pub use keep_where::{KeepWhere, KeepWhereConfig, MissingValue};
pub use prepare::{Preparation, Spelling, Tokens};
