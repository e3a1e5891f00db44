//! Which weights predict these tokens? Training of Yuan models: forward and backward passes, and the optimizer's step.
//!
//! A [`Network`] holds parameters, their gradients and AdamW's moments. A step of training is
//!
//! ```text
//! for batch in micro_batches { network.accumulate(&batch, scale)? }      gradients += scale * d(sum of losses)
//! network.update(&step)?                                                 clip, AdamW, gradients = 0
//! ```
//!
//! | file | what |
//! |---|---|
//! | `network` | the trait, and what goes in and out of it |
//! | `batch` | tokens laid end to end, what each is to predict, and what that counts |
//! | `loss`, `state` | what a pass tells; parameters and moments for a checkpoint |
//! | `init` | parameters before the first step |
//! | `cpu` | a network on the kernels of `yuan-kernels`: the same bits for any number of threads |
//! | `device` | a network on candle's tensors and its autograd: slow, to compare with, and for GPUs |
//! | [`training`] | the loop around it: texts, schedule, evaluation, log, checkpoints |

mod batch;
mod check;
pub mod cpu;
pub mod device;
mod error;
mod init;
mod loss;
mod network;
mod state;
pub mod training;

pub use batch::Batch;
pub use check::check;
pub use cpu::Cpu;
pub use device::Device;
pub use error::{Cause, Error, Result};
pub use init::{DEVIATION, initial};
pub use loss::{Loss, RouterLoad};
pub use network::{Network, Options, Parameter, Update, Updated};
pub use state::{Named, State};
pub use yuan_kernels::gemm::Precision;
