//! What training does to numbers beside products: gradients of each step of a Yuan transformer, its loss and AdamW.
//!
//! Sums over rows are taken in blocks of a fixed number of rows, and the blocks' sums in their order: no bit depends on the
//! number of threads.

mod adamw;
mod attention;
mod gate;
mod loss;
mod norm;
mod router;
mod sums;
mod taps;

pub use adamw::{AdamW, adamw, squares};
pub use attention::{CausalAttention, attend, attend_backward};
pub use gate::{gate_backward, gate_weighted};
pub use loss::cross_entropy_backward;
pub use norm::rms_norm_backward;
pub use router::{Choices, attention_router_backward, choose_backward, probabilities};
pub use sums::{add_columns, add_rows, scatter_rows};
pub use taps::{taps, taps_backward};

/// Where a gradient goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// It is added to what is there.
    Add,
    /// It replaces what is there.
    Set,
}
