//! A line for each request, when its answer has been sent.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::app::App;

/// Tokens of a request, counted by who answers it.
#[derive(Debug, Default)]
pub struct Spent {
    /// Tokens of its prompts.
    pub read: AtomicU64,
    /// Tokens of its texts.
    pub written: AtomicU64,
}

/// A request that is being answered; the line is said when it is dropped.
pub struct Entry {
    app: Arc<App>,
    /// Method and path.
    asked: String,
    start: Instant,
    spent: Arc<Spent>,
    status: Option<u16>,
    is_whole: bool,
}

impl Entry {
    pub fn new(app: Arc<App>, method: &str, path: &str) -> Self {
        let mut asked = format!("{method} ");
        asked.extend(path.chars().take(200));
        Self { app, asked, start: Instant::now(), spent: Arc::default(), status: None, is_whole: false }
    }

    /// Where tokens are counted.
    pub fn spent(&self) -> Arc<Spent> {
        self.spent.clone()
    }

    /// The body of an answer, at whose end the line is said.
    pub fn answered(mut self, status: u16, body: Body) -> Logged {
        self.status = Some(status);
        self.is_whole = body.is_end_stream();
        Logged { body, entry: self }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let milliseconds = self.start.elapsed().as_millis();
        // A client that leaves before there is a status has that of nginx.
        let status = self.status.unwrap_or(499);
        let mut line = format!("{} {status} {milliseconds} ms", self.asked);
        let (read, written) = (self.spent.read.load(Relaxed), self.spent.written.load(Relaxed));
        if read > 0 {
            let _ = write!(line, ", {read} tokens in, {written} out");
        }
        if !self.is_whole {
            line.push_str(", client left");
            self.app.metrics.left.fetch_add(1, Relaxed);
        }
        self.app.metrics.answered(status);
        (self.app.say)(&line);
    }
}

/// A body that tells when it has been sent.
pub struct Logged {
    body: Body,
    entry: Entry,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = &frame {
            self.entry.is_whole = frame.is_none() || self.body.is_end_stream();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
