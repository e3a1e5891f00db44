//! Estimating interpolated modified Kneser-Ney models, as KenLM's `lmplz` does.
//!
//! | file | what |
//! |---|---|
//! | `options` | what can be set |
//! | `words` | the vocabulary while it grows |
//! | `key` | contexts packed into integers that sort as n-grams do |
//! | `store`, `tape` | the memory budget and the temporary file; sequences in one or the other |
//! | `block`, `run` | counting: text in memory to sorted n-grams; sorted runs and their merging |
//! | `partial` | counts of a part of a text in a file |
//! | `adjust`, `discounts` | n-grams of all orders with adjusted counts; counts of counts, discounts |
//! | `level`, `bucket` | probabilities and back-off weights of an order |
//! | `estimator`, `model`, `walk` | the way from text to model; the model; going through it and writing it |
//! | `build` | from the model to a binary file or a model in memory, without an ARPA file |
//! | `work` | doing independent pieces on several threads |

mod adjust;
mod block;
mod bucket;
mod build;
mod discounts;
mod estimator;
mod key;
mod level;
mod model;
mod options;
mod partial;
mod run;
mod store;
mod tape;
mod walk;
mod words;
mod work;

pub use discounts::OrderStatistics;
pub use estimator::Estimator;
pub use model::{Estimate, Ngram, Statistics};
pub use options::{
    DEFAULT_DISCOUNT_FALLBACK, EstimateOptions, MAX_ORDER, SENTENCE_END, SENTENCE_START, SpecialSymbols, UNKNOWN,
};
pub use partial::VocabularyOrder;
pub use words::Words;
