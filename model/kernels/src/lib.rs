//! What a transformer does to numbers, on a CPU.
//!
//! Slices in, slices out; work is shared out over rayon's threads. Every function gives the same bits for any number of threads, any
//! instruction set and any company a row has: each value is one chain of operations that IEEE 754 defines, in an order
//! that depends on the shapes of the weights alone.

mod attention;
pub mod exp;
pub mod gemm;
pub mod isa;
mod norm;
mod pairs;
mod rope;
mod router;
mod rows;
mod sigmoid;
mod softmax;
pub mod training;

pub use attention::{Attention, Columns, Keys, Sequence, attention};
pub use norm::{add, rms_norm};
pub use pairs::pairs;
pub use rope::{Heads, rope};
pub use router::{Weights, attention_router, top_k};
pub use sigmoid::sigmoid_gate;
pub use softmax::Running;
