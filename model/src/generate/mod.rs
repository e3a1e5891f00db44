//! What turns a model's logits into text: choosing tokens, stopping, and writing chats as prompts.

mod chat;
mod nucleus;
mod python;
mod random;
mod run;
mod sample;
mod stop;
mod template;

pub use chat::{ChatTemplate, Message, RenderOptions};
pub use run::{Generated, Generation, generate};
pub use sample::{Kept, LEAST_TEMPERATURE, Sampler, Sampling};
pub use stop::{Step, Stop, StopRules, Stopped};
