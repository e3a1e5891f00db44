//! What is done with scores: thresholds by expression, by percentile of a language or source.
//!
//! | file | what |
//! |---|---|
//! | `expression.rs`, `keep_where.rs` | documents of which an expression over their columns holds |
//! | `cutoffs.rs`, `percentiles.rs`, `buckets.rs` | head, middle and tail, by a table or learnt |

mod buckets;
mod cutoffs;
mod expression;
mod keep_where;
mod percentiles;

pub use buckets::{Buckets, BucketsConfig};
pub use keep_where::{KeepWhere, KeepWhereConfig, MissingValue};
