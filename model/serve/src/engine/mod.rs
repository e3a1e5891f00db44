//! Texts on their way: the queue before the model, and the thread that owns it.

mod job;
mod queue;
mod text;
mod worker;

pub use job::{Adjust, End, Event, Job, TokenScore};
pub use queue::{Events, Queue, Refused};
pub use worker::{Limits, work};
