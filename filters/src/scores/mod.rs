//! What is done with scores: thresholds by expression, by percentile of a language or source.
//!
//! | file | what |
//! |---|---|
//! | `expression.rs`, `keep_where.rs` | documents of which an expression over their columns holds |
//! | `cutoffs.rs`, `percentiles.rs`, `buckets.rs` | head, middle and tail, by a table or learnt |
//! | `fasttext.rs`, `train_fasttext/`, `card.rs` | the score of a classifier; the classifier; how it did in its test |
//! | `kenlm/`, `train_kenlm.rs` | perplexity to n-gram models; the models |
//! | `only_where.rs` | the values of an expression's names; which documents are learnt from |
//! | `prepare.rs`, `units.rs` | what a model's tokens are |

mod buckets;
mod card;
mod cutoffs;
mod expression;
mod fasttext;
mod keep_where;
mod kenlm;
mod only_where;
mod percentiles;
mod prepare;
mod train_fasttext;
mod train_kenlm;
mod units;

pub use buckets::{Buckets, BucketsConfig};
pub use card::{ClassifierCard, GroupTest, LabelTest, ThresholdRow};
pub use fasttext::{FastText, FastTextConfig};
pub use keep_where::{KeepWhere, KeepWhereConfig, MissingValue};
pub use kenlm::{KenLm, KenLmCard, KenLmCompat, KenLmConfig, KenLmModelCard, TextScore};
pub use prepare::{Preparation, Spelling, Tokens};
pub use train_fasttext::{FastTextLoss, TrainFastText, TrainFastTextConfig};
pub use train_kenlm::{KenLmFormat, TrainKenLm, TrainKenLmConfig};
