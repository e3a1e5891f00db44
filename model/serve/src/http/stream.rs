//! Answers that come piece by piece: server-sent events.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Where events are written.
pub struct Lines(Sender<Bytes>);

impl Lines {
    /// Sends an event, as [`event`] makes them. `false` if the client has left.
    pub async fn send(&self, event: Bytes) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Sends what ends a stream.
    pub async fn done(&self) {
        // Who has left needs no end.
        let _ = self.0.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
    }

    /// Waits until the client has left.
    pub async fn left(&self) {
        self.0.closed().await;
    }
}

/// An event of a stream.
pub fn event(value: &impl Serialize) -> Bytes {
    let mut event = b"data: ".to_vec();
    serde_json::to_writer(&mut event, value).expect("answers have no keys but strings");
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// An answer that `write` writes. It goes on as long as the client reads and is given up by [`Lines::send`] and [`Lines::left`].
pub fn stream<F: Future<Output = ()> + Send + 'static>(write: impl FnOnce(Lines) -> F) -> Response<Body> {
    let (lines, frames) = channel(16);
    tokio::spawn(write(Lines(lines)));
    let mut response = Response::new(Body::new(Frames(frames)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that collect answers would undo it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Frames(Receiver<Bytes>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
