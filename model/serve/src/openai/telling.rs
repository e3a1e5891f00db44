//! Answers of both paths, whole or event by event.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::made::{Made, all};
use crate::app::{App, now};
use crate::ask::Asking;
use crate::engine::Event;
use crate::http::{Lines, Problem, answer, event, stream};

/// How a path tells of texts.
pub trait Teller: Send + 'static {
    /// `object` of a whole answer, and of an event.
    const OBJECTS: [&'static str; 2];

    /// A whole answer of texts that are made: its choices go to [`Telling::json`].
    fn whole(&self, telling: &Telling, made: &[Made]) -> Vec<u8>;

    /// What a stream begins with: choices go to [`Telling::event`].
    fn begin(&self, _: &Telling) -> Vec<Bytes> {
        Vec::new()
    }

    /// What is said of a text in a stream when this is told of it.
    fn tell(&mut self, telling: &Telling, place: usize, told: Event) -> Vec<Bytes>;
}

/// A request that is being answered.
pub struct Telling {
    pub app: Arc<App>,
    id: String,
    objects: [&'static str; 2],
    created: u64,
    prompt_tokens: usize,
    /// Whether a stream ends with a count of tokens.
    counts_usage: bool,
}

#[derive(Serialize)]
struct Envelope<'a, C> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: C,
    /// Null in events before the last, where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

/// JSON that has reserved memory until it is sent.
struct Reserved {
    json: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Reserved {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

impl Telling {
    /// An answer named `PREFIX-…`, behind prompts of so many tokens.
    pub fn new<T: Teller>(app: Arc<App>, prefix: &str, prompt_tokens: usize, counts_usage: bool) -> Self {
        Self { id: app.answer(prefix), created: now(), objects: T::OBJECTS, prompt_tokens, counts_usage, app }
    }

    /// A whole answer.
    pub fn json(&self, choices: impl Serialize, written: usize) -> Vec<u8> {
        let envelope = self.envelope(self.objects[0], choices, Some(Some(self.usage(written))));
        serde_json::to_vec(&envelope).expect("answers have no keys but strings")
    }

    /// An event with what is new of a text.
    pub fn event(&self, choice: impl Serialize) -> Bytes {
        event(&self.envelope(self.objects[1], [choice], self.counts_usage.then_some(None)))
    }

    fn usage(&self, written: usize) -> Usage {
        let read = self.prompt_tokens;
        Usage { prompt_tokens: read, completion_tokens: written, total_tokens: read + written }
    }

    fn envelope<C>(&self, object: &'static str, choices: C, usage: Option<Option<Usage>>) -> Envelope<'_, C> {
        Envelope { id: &self.id, object, created: self.created, model: &self.app.served.name, choices, usage }
    }

    /// Answers, with a stream if one is wanted.
    ///
    /// # Errors
    /// What keeps the model from answering.
    pub async fn answer(
        self,
        teller: impl Teller,
        asking: Asking,
        texts: usize,
        is_streamed: bool,
    ) -> Result<Response<Body>, Problem> {
        if is_streamed {
            return Ok(stream(move |lines| self.write(teller, asking, texts, lines)));
        }
        let (made, order, memory) = all(asking, texts).await?;
        let app = self.app.clone();
        let json = order.work(&app, move |_| teller.whole(&self, &made)).await?;
        Ok(answer(StatusCode::OK, Bytes::from_owner(Reserved { json, _memory: memory })))
    }

    /// Writes an answer event by event.
    async fn write(self, mut teller: impl Teller, mut asking: Asking, texts: usize, lines: Lines) {
        let (mut left, mut written) = (texts, 0);
        let mut parts = teller.begin(&self);
        let problem = 'told: loop {
            for part in parts {
                match asking.send(&lines, part).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(problem) => break 'told Some(problem),
                }
            }
            if left == 0 {
                break None;
            }
            let told = tokio::select! {
                () = lines.left() => return,
                told = asking.next() => told,
            };
            let (place, told) = match told {
                Ok(told) => told,
                Err(problem) => break Some(problem),
            };
            left -= usize::from(told.is_last());
            written += usize::from(matches!(told, Event::Token { .. }));
            parts = teller.tell(&self, place, told);
        };
        // What comes now may wait for the client: the texts do not.
        drop(asking);
        let last = match problem {
            Some(problem) => Some(event(&problem.json())),
            None if self.counts_usage => {
                let none: [(); 0] = [];
                Some(event(&self.envelope(self.objects[1], none, Some(Some(self.usage(written))))))
            }
            None => None,
        };
        if let Some(last) = last {
            lines.send(last).await;
        }
        lines.done().await;
    }
}
