//! Who else may ask the model?
//!
//! An HTTP server for one model. Any number of clients speak OpenAI's protocol or that of Yuan's own server; one thread owns the
//! model and reads the next tokens of all texts together, so that texts join and leave between steps.
//!
//! | | |
//! |---|---|
//! | `http/` | connections, who may ask, what a request may cost, the log |
//! | `openai/` | `/v1/completions`, `/v1/chat/completions`, `/v1/models` |
//! | `yuan.rs` | `PUT /yuan` |
//! | `engine/` | texts that wait, texts on their way, steps of the model |
//!
//! [`Server::bind`], then [`Server::run`]. The server knows no tokenizer: it takes a [`Vocabulary`].

mod app;
mod ask;
mod engine;
mod error;
mod http;
mod metrics;
mod openai;
mod vocabulary;
mod yuan;

pub use app::{Options, Served};
pub use error::{Error, Result};
pub use http::Server;
pub use vocabulary::{Spelt, Vocabulary};
