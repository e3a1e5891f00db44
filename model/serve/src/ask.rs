//! From a prompt to the queue, and what comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::engine::{Event, Events, Job, Refused};
use crate::http::{Problem, Spent};
use crate::vocabulary::Spelt;

/// Texts on their way for a request.
pub struct Asking {
    events: Events,
    deadline: Instant,
    seconds: u64,
    spent: Arc<Spent>,
}

impl Asking {
    /// Queues the texts of a request.
    ///
    /// # Errors
    /// If too many wait (429) or the server stops (503).
    pub fn submit(app: &App, jobs: Vec<Job>, spent: Arc<Spent>) -> Result<Self, Problem> {
        let events = app.queue.submit(jobs).map_err(|refused| match refused {
            Refused::Full => Problem::full(),
            Refused::Stopping => Problem::stopping(),
        })?;
        let timeout = app.options.timeout;
        Ok(Self { events, deadline: Instant::now() + timeout, seconds: timeout.as_secs(), spent })
    }

    /// What is told next, and of which text.
    ///
    /// # Errors
    /// If it takes too long (504), the server stops (503), or the model cannot go on (500).
    pub async fn next(&mut self) -> Result<(usize, Event), Problem> {
        match timeout_at(self.deadline, self.events.recv()).await {
            Err(_) => Err(Problem::timeout(self.seconds)),
            Ok(None) => Err(Problem::stopping()),
            Ok(Some((_, Event::Failed(problem)))) => Err(Problem::failed(problem)),
            Ok(Some(told)) => {
                self.spent.written.fetch_add(u64::from(matches!(told.1, Event::Token { .. })), Relaxed);
                Ok(told)
            }
        }
    }
}

/// The tokens of a text; `field` is where it stands.
///
/// # Errors
/// What keeps the tokenizer from spelling it.
pub async fn encode(app: &Arc<App>, text: String, field: &str) -> Result<Spelt, Problem> {
    let vocabulary = app.served.vocabulary.clone();
    let spelt = tokio::task::spawn_blocking(move || vocabulary.encode(&text)).await;
    let spelt = spelt.map_err(|error| Problem::failed(format!("the tokenizer stopped: {error}")))?;
    spelt.map_err(|problem| Problem::field(field, problem))
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
    if new > left {
        let message = format!(
            "the prompt has {tokens} tokens and the text {new}, and there is room for {context} of both together"
        );
        return Err(Problem::field(field, message).code("context_length_exceeded"));
    }
    Ok(new)
}
