//! What turns a model's logits into text, apart from the model: choosing tokens, stopping, and writing chats as prompts.

mod chat;
mod nucleus;
mod python;
mod random;
mod sample;
mod stop;

pub use chat::{ChatTemplate, Message, RenderOptions};
pub use sample::{Kept, Sampler, Sampling};
pub use stop::{Step, Stop, StopRules, Stopped};
