//! The loop around a [`Network`](crate::Network): which texts it reads at which step, how fast it learns, what is told and kept.
//!
//! | file | what |
//! |---|---|
//! | `text` | [`Texts`] of one length, and the borders of the documents in them |
//! | `schedule` | the learning rate of each step |
//! | `trainer` | a step: texts → batches → gradients → update |
//! | `held_out` | how likely documents are that are not trained on |
//! | `log` | a line of JSON for each step and each evaluation |
//! | `checkpoint` | a folder that is a model, and from which training goes on to the bit |
//! | `run` | steps, evaluations and checkpoints until all is done or it is told to stop |
//!
//! Everything a step depends on is a function of its number and of the checkpoint before it: a run that was killed and goes on
//! ends with the same bits as one that was not. Where texts and documents lie is not known here: that is for [`Texts`] and
//! [`HeldOut`].

mod checkpoint;
mod held_out;
mod log;
mod run;
mod schedule;
mod text;
mod trainer;

pub use checkpoint::{Companion, Folder, Hashed, Progress, Saved};
pub use held_out::{Evaluation, HeldOut, Reading, Take};
pub use log::{EvaluationLine, Line, Log, RouterLine, StepLine};
pub use run::{Ended, Event, Every, Run};
pub use schedule::{Schedule, Shape};
pub use text::{Borders, Text, Texts};
pub use trainer::{Plan, Step, Trainer};
