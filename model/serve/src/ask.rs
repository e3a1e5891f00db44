//! From a prompt to the queue, and what comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::engine::{Event, Events, Job, Refused};
use crate::http::{Lines, Problem, Request, Spent};

/// Bytes that a token of an answer comes to: as an event, in what is made of it, and as JSON.
const TOKEN: usize = 192;

/// Bytes that each of the likeliest tokens told beside it comes to.
const TOP: usize = 96;

/// Until when a request is answered, and what it spends.
#[derive(Clone)]
pub struct Order {
    deadline: Instant,
    seconds: u64,
    spent: Arc<Spent>,
}

impl Order {
    /// Of a request that has just come.
    pub fn of(app: &App, request: &Request) -> Self {
        let timeout = app.options.timeout;
        let spent = request.extensions().get::<Arc<Spent>>().cloned().unwrap_or_default();
        Self { deadline: Instant::now() + timeout, seconds: timeout.as_secs(), spent }
    }

    /// Does something beside the threads that answer, which takes long; as much is done at one time as there are cores.
    ///
    /// # Errors
    /// If it is not done in time (504), or stops with a panic (500).
    pub async fn work<T: Send + 'static>(
        &self,
        app: &Arc<App>,
        work: impl FnOnce(&App) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let done = async {
            let permit = app.workers.clone().acquire_owned().await.map_err(|_| Problem::stopping())?;
            let app = app.clone();
            let done = spawn_blocking(move || {
                let done = work(&app);
                drop(permit);
                done
            });
            done.await.map_err(|error| Problem::failed(format!("the request cannot be worked on: {error}")))
        };
        timeout_at(self.deadline, done).await.map_err(|_| Problem::timeout(self.seconds))?
    }

    /// Queues the texts of a request, behind prompts of so many tokens. All tokens of its `echoed` prompts are told too, with each text.
    ///
    /// # Errors
    /// If the answer may become too long (400), too many wait (429) or the server stops (503).
    pub fn submit(self, app: &App, jobs: Vec<Job>, prompt_tokens: usize, is_echoed: bool) -> Result<Asking, Problem> {
        let memory = app.memory(jobs.iter().map(|job| answer_bytes(job, is_echoed)).fold(0, usize::saturating_add))?;
        let events = app.queue.submit(jobs).map_err(|refused| match refused {
            Refused::Full => Problem::full(),
            Refused::Stopping => Problem::stopping(),
        })?;
        self.spent.read.fetch_add(prompt_tokens as u64, Relaxed);
        Ok(Asking { events, order: self, memory })
    }
}

/// Bytes that the answer to a job may come to.
fn answer_bytes(job: &Job, is_echoed: bool) -> usize {
    let told = job.tokens() - if is_echoed { 0 } else { job.prompt.len() };
    told.saturating_mul(TOKEN + job.top.unwrap_or(0) * TOP)
}

/// Texts on their way for a request. When it is dropped, they are given up.
pub struct Asking {
    events: Events,
    order: Order,
    memory: OwnedSemaphorePermit,
}

impl Asking {
    /// What is told next, and of which text.
    ///
    /// # Errors
    /// If it takes too long (504), the server stops (503), or the model cannot go on (500).
    pub async fn next(&mut self) -> Result<(usize, Event), Problem> {
        let late = || Problem::timeout(self.order.seconds);
        // What is there already does not wait for the clock.
        if Instant::now() >= self.order.deadline {
            return Err(late());
        }
        match timeout_at(self.order.deadline, self.events.next()).await {
            Err(_) => Err(late()),
            Ok(None) => Err(Problem::stopping()),
            Ok(Some((_, Event::Failed(problem)))) => Err(Problem::failed(problem)),
            Ok(Some(told)) => {
                self.order.spent.written.fetch_add(u64::from(matches!(told.1, Event::Token { .. })), Relaxed);
                Ok(told)
            }
        }
    }

    /// Sends a part of the answer. `false` if the client has left.
    ///
    /// # Errors
    /// If it reads so slowly that the answer takes too long (504).
    pub async fn send(&self, lines: &Lines, part: Bytes) -> Result<bool, Problem> {
        let sent = timeout_at(self.order.deadline, lines.send(part)).await;
        sent.map_err(|_| Problem::timeout(self.order.seconds))
    }

    /// Until when the whole answer is to be written, and the memory it has.
    pub fn end(self) -> (Order, OwnedSemaphorePermit) {
        (self.order, self.memory)
    }
}

/// New tokens a text may have behind a prompt: what was `asked`, else `usual` or as many as there is room for.
///
/// # Errors
/// A prompt without tokens, with ids that the model does not know, or without room for so many tokens. `field` is where the prompt
/// stands, `wish` what the number of tokens is called.
pub fn room(
    app: &App,
    ids: &[u32],
    (asked, wish): (Option<usize>, &str),
    usual: Option<usize>,
    field: &str,
) -> Result<usize, Problem> {
    let (vocab_size, context) = (app.served.vocab_size, app.context());
    if ids.is_empty() {
        return Err(Problem::field(field, "the prompt has no tokens: there is nothing to continue"));
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocab_size) {
        return Err(Problem::field(field, format!("the prompt has the token {id}, and the model has {vocab_size}")));
    }
    let most = app.options.max_new_tokens.unwrap_or(usize::MAX);
    if let Some(asked) = asked.filter(|asked| *asked > most) {
        return Err(Problem::field(wish, format!("`{wish}` is {asked}, and this server makes {most} at most")));
    }
    let tokens = ids.len();
    let left = context.saturating_sub(tokens);
    let new = asked.unwrap_or_else(|| usual.unwrap_or(left).min(most).min(left).max(1));
    if tokens.saturating_add(new) > context {
        let message = format!(
            "the prompt has {tokens} tokens and the text {new}, and there is room for {context} of both together"
        );
        return Err(Problem::field(field, message).code("context_length_exceeded"));
    }
    Ok(new)
}
