//! Connections, who may ask, what a request may cost, the log.

mod body;
mod guard;
mod log;
mod problem;
mod router;
mod server;
mod stream;

pub use body::read_json;
pub use log::Spent;
pub use problem::{Problem, answer};
pub use server::Server;
pub use stream::{Lines, event, stream};

/// A request as handlers get it.
pub type Request = axum::extract::Request;
